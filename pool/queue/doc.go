// Package queue hands items from producers to consumers through a queue that is bounded
// by items and by bytes.
//
// # A short tour
//
//   - [New] makes a [Queue]; [Queue.Put] and [Queue.Get] block while it is full or
//     empty; [Queue.Close] ends it for producers.
//   - [Queue.All] is a loop of Gets.
//   - [Queue.Stats] says how full it was and who waited.
//
// # Lifetimes
//
// A Queue owns no goroutine and nothing outside the Go heap: one that is dropped needs no
// Close. It refers to an item until a Get has taken it.
//
// # Concurrency
//
// A Queue belongs to one process. Its methods may be called at once from any number of
// goroutines.
//
// # Failure
//
// Put and Get fail when their context ends, and with [ErrClosed]; nothing else can go
// wrong.
//
// # Platforms
//
// All that Go runs on.
package queue
