// Package shmtest gives a test a /dev/shm of its own: for tests that fill it, or
// that look at what a dead program left in it, which every pool that another
// test starts would sweep away.
package shmtest
