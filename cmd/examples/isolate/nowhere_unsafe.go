package main

import "unsafe"

// nowhere is an address that nothing is mapped at.
var nowhere uintptr = 0xbad000

// readNowhere reads it in a goroutine of its own, where the pool cannot turn the fault
// into an error of the task, no more than one of a thread that C code runs on.
func readNowhere() {
	go func() { panic(**(**byte)(unsafe.Pointer(&nowhere))) }()
	select {}
}
