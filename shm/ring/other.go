//go:build !linux

package ring

import "time"

func futexWait(_ word, _ uint32, most time.Duration) { time.Sleep(min(most, time.Millisecond)) }
func futexWake(word)                                 {}
func schedYield()                                    {}

func currentCore() uint32   { return 0 }
func moveFrom(uint32, word) {}
