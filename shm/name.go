package shm

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

const (
	dir          = "/dev/shm" // where Linux keeps POSIX shared memory
	namePrefix   = "handoff-"
	lockSuffix   = ".lock"
	maxNameBytes = 200
	runIDBytes   = 12 // 96 random bits
)

// CheckName reports whether name may be a segment's name: 1 to 200 bytes of
// ASCII letters, digits, '.', '_' and '-', not starting with '.', and not the
// lock file of a run. The error wraps [ErrName] and says which rule was broken.
// Every name is checked before it reaches a system call.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("shm: name %q: %w: it is empty", name, ErrName)
	}
	if len(name) > maxNameBytes {
		return fmt.Errorf("shm: name %.20q…: %w: %d bytes, at most %d", name, ErrName, len(name), maxNameBytes)
	}
	if name[0] == '.' {
		return fmt.Errorf("shm: name %q: %w: it starts with a dot", name, ErrName)
	}
	for i := range len(name) {
		if c := name[i]; !isNameByte(c) {
			return fmt.Errorf("shm: name %q: %w: byte %#02x at %d, expected ASCII letters, digits, '.', '_' or '-'", name, ErrName, c, i)
		}
	}
	if _, ok := lockRunID(name); ok {
		return fmt.Errorf("shm: name %q: %w: it is a run's lock file", name, ErrName)
	}
	return nil
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

func newRunID() string {
	var b [runIDBytes]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func lockName(runID string) string { return namePrefix + runID + lockSuffix }

func segmentName(runID string, n uint64) string { return fmt.Sprintf("%s%s-%d", namePrefix, runID, n) }

// lockRunID is the run id in the name of a lock file.
func lockRunID(name string) (string, bool) {
	id, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(id, lockSuffix)
	return id, ok && isRunID(id)
}

// segmentRunID is the run id in the name of a segment made by a Run.
func segmentRunID(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, namePrefix)
	if !ok || len(rest) < 2*runIDBytes+2 || rest[2*runIDBytes] != '-' {
		return "", false
	}
	id, n := rest[:2*runIDBytes], rest[2*runIDBytes+1:]
	_, err := strconv.ParseUint(n, 10, 64)
	return id, isRunID(id) && err == nil && n[0] != '0'
}

func isRunID(s string) bool {
	return len(s) == 2*runIDBytes && strings.Trim(s, "0123456789abcdef") == ""
}
