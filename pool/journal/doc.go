// Package journal keeps the commit log of a batch job: an append-only file of
// records that survive the death of the process, of the machine and of the power.
// It knows nothing of jobs: a header and the records are bytes to it.
//
// # A short tour
//
//   - [Create] makes a folder and a journal with a header in it, [Open] takes up one
//     that is there: [Journal.Header] and [Journal.Records] give back what it holds.
//   - [Read] goes through one that may be in use, and changes nothing.
//   - [Journal.Append] adds a record in memory, [Journal.Sync] makes everything
//     appended since the last Sync durable: a group, with one write and one fdatasync.
//   - [Journal.Close] ends it and keeps it, [Journal.Remove] ends it and removes it.
//   - [FS] is the file system underneath, so that package journaltest can cut the
//     power, fail a call or kill the process at any of them.
//
// # Format
//
// All integers are little-endian. CRC is CRC-32C. Version 1:
//
//	file       0  8  magic "HANDOFFJ"
//	           8  4  format version: the magic and this field stay where they are in every version
//	          12  4  flags: 1 = Create made the folder, which goes with the journal
//	          16 12  id, random
//	          28  4  CRC of bytes 8…28; stays where it is in every version
//	          32     frames, one after the other, each at a multiple of 8
//
//	frame      0  4  length of the payload in bytes, at most MaxRecord
//	           4  4  kind: 1 header, 2 record, 3 seal
//	           8  8  number: of the header 0, of records 1, 2, …, of a seal that of the next record
//	          16  8  base: the offset up to which the file was durable before this frame was written
//	          24  4  CRC of id, offset of this frame in the file (8 bytes), bytes 0…24
//	          28  4  the same CRC continued over the payload with its padding
//	          32     payload, then zeros up to a multiple of 8
//
//	a journal with two groups:
//
//	prefix │ header │ seal │ record 1 │ record 2 │ seal │ record 3 │ seal
//	         base 0    ▲ └─────base──────────┘      ▲ └─────base      ▲
//	                   └ durable when it was born   └ …after Sync     └ …after Sync
//
// The CRC of a frame's head has its own word, so a length is known to be right before
// it is used, and covers the id and the offset, so a frame of an older journal or of
// another place is not taken for one of this.
//
// A seal is written right after fdatasync has succeeded, without waiting for it: it
// says that what lies before it was acknowledged. Its base is its own offset; the
// records after it have the same base.
//
// # Torn tail and damage
//
// A group that was being written when the power went can be on the disk in any part:
// blocks in any order, zeros or old bytes between, any length. So Open reads frames
// up to the first that is not whole, at X, and looks for whole heads after it. One
// with a base beyond X says that X had been durable: that is damage, and Open refuses
// with a [*DamageError]. Without one X is a torn tail, which nobody was told was
// durable: Open cuts it off and [Journal.Cut] says how many bytes.
//
// So a byte that is changed in an acknowledged record is found and refused, with one
// gap: the seal behind the last group is not waited for. If the power goes before the
// next Sync, Close or the kernel (within about 30 seconds) has written it, and in
// addition the medium changes a byte of this last group or of the seal before it,
// then that group is cut off as a torn tail, and its chunks are done again. There is
// no gap after a Close, nor after the process alone has died. That holds for single
// places: a file that somebody has cut short, or whose end was overwritten from the
// last group on with the seal behind it, cannot be told from a torn one. It loses its
// last records, and Cut says so unless it was cut between two frames.
// No case delivers other bytes than were appended.
//
// This needs of the disk that a flush is a flush, and that writing to one part of a
// sector does not change the rest of it.
//
// # Lifetimes
//
// Create gives the file its name, "journal", after it has been written whole and
// synced: a file of that name that is empty or has half a header is damage. What a
// killed Create leaves, "journal.tmp", is removed by the next Create or Open. A folder
// that Create makes has the sticky bit: what a process leaves of it that was killed
// before its journal was there, or after it was removed, is taken over by the next
// Create as if that had made it, and goes with its journal. Open
// makes durable whatever it will hand out: it writes the last seal and the records after
// it once more, since the process before it may have died of a failed fdatasync, and
// syncs file and folder.
//
// # Concurrency
//
// One process has a journal, and one Journal in it, by an exclusive flock on the file
// "journal.lock" beside it; the kernel drops the lock with the process, however that
// ends. The lock has a file of its own: the journal's would not do, since Create
// renames it into place after taking the lock; the folder's descriptor would not do
// on NFS, which locks only what is open for writing. The lock file is removed by
// whoever holds its lock; who has locked a file that is gone by then sees that the
// name has another inode, or none, and tries again. All methods of Journal may be
// called from several goroutines at once.
//
// # Failure
//
// After a failed write or fdatasync the journal has stopped: every later call returns
// that error. An fdatasync is not tried again: the kernel has marked the pages clean
// that it could not write, so a second one would succeed without them (PostgreSQL's
// "fsyncgate", 2018; Rebello et al., "Can Applications Recover from fsync Failures?",
// ATC 2020). Open takes the journal up again with every record that a Sync has
// acknowledged. A record whose Sync failed, or never came, may be there or not.
//
// # Platforms
//
// Linux. Elsewhere the package compiles and [OS] returns a wrapped errors.ErrUnsupported.
package journal
