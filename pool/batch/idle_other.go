//go:build !linux

package batch

func onlyWhenIdle() {}
