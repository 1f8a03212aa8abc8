// Package outfile makes a file appear whole or not at all, and finds out before the
// work what would keep it from appearing.
//
// [Resolve] looks and changes nothing; [Same] tells whether two names are one file.
// [Create], [File.Commit] and [File.Close] write.
//
// # Hidden files
//
// Until Commit the file has no name where the file system can do that (O_TMPFILE), and
// nothing is left of a process that is killed. A file that replaces another needs a
// name for a moment, and elsewhere it has one from the beginning:
// .NAME.handoff-new-0 beside the output, or another number where that is taken. Its
// writer holds an flock on it, which the kernel drops with the process. So the next
// Create of the same output can tell what a killed one has left, and removes it.
//
// # Concurrency
//
// Several processes may write one output at once: each has a file of its own, and the
// last Commit stays. A File is for one goroutine at a time.
//
// # Platforms
//
// All. What Resolve can see beforehand differs; without flock nothing is removed.
package outfile
