// Package shmtest holds what the tests of several packages share: a wait for an event,
// the check that a test leaves nothing behind, and a /dev/shm of a test's own.
package shmtest
