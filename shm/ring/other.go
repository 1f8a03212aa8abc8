//go:build !linux

package ring

import "time"

func futexWait(_ word, _ uint32, most time.Duration) { time.Sleep(min(most, time.Millisecond)) }
func futexWake(word)                                 {}
func schedYield()                                    {}
