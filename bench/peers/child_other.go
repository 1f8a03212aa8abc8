//go:build !linux

package main

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd)            {}
func killGroup(p *os.Process)       { _ = p.Kill() }
func terminate(p *os.Process) error { return p.Signal(os.Interrupt) }
