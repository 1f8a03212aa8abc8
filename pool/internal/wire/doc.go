// Package wire is the protocol between the supervisor of a pool and its workers:
// ids, statuses, every message and record of both ends, and the layout of the
// flight ring. It starts no process and reads no clock.
package wire
