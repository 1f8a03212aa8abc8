// Package files reads tables from files into Arrow records whose columns lie in
// shared memory, a bounded number of rows at a time, and writes records to files.
//
// # A short tour
//
// [Open] tells what a file is and returns a [Reader]; [Reader.Next] gives one
// record after the other; [arrowipc.ColumnOf] makes task arguments of its columns.
//
//   - Arrow IPC, as a file or a stream, is known by its content. Values are read
//     from the file straight into the arena, in one copy; buffers compressed with
//     LZ4 or Zstandard and big-endian values are converted on the way. Several
//     streams with the same columns that lie behind one another are one table.
//   - CSV with a header line is known by its extension, .csv in any case.
//
// [Reader.Skip] goes on behind the records that an earlier run has done, and
// [Reader.Identity] tells whether the file is still that of the earlier run.
//
// An [Encoder] makes the bytes of an output file, of the format that [FormatOf]
// tells by its name: a head, a block for each record, a tail. Who writes them may
// be killed between any two and go on.
//
// # Columns
//
// A record holds the numeric columns: integers of 8 to 64 bits, signed or not,
// float32 and float64. All others (text, bool, float16, decimal, date, time,
// timestamp, duration, dictionary-encoded, nested …) are never loaded and are
// reported by [Reader.Skipped]. Names may be empty and may repeat. With
// [Options.Columns] only the columns named there are looked at.
//
// # CSV
//
// Numbers are float64. Blanks around a cell do not count, also behind a quote; an
// empty cell is null. A number is what [strconv.ParseFloat] takes, also NaN and Inf in
// any case, except hexadecimal and underscores; one that is too large for a float64 is
// a bad cell. A header without rows is fine, a file without a header is not, and one
// of nothing but numbers is none. Each row has as many cells as the header; lines
// without any character are passed over. A byte order mark is dropped. Quotes are
// those of [encoding/csv]. Lines end in a line feed, with or without a carriage return.
//
// A column holds numbers or text. [Open] settles which from the first 64 KiB of the
// file (and 8 rows at least), so the order of the rows there makes no difference:
//
//	a number is among its cells    numbers; a cell that is none is an error
//	other cells only               text, which is skipped
//	nothing but empty cells        as of numbers, all null, until a cell says more
//
// Errors name file, line and column ([ErrCell]). A number behind the first 64 KiB in a
// column of text is an error too, so that no numbers are lost because a word for
// what is missing stood ahead of them for long. It is none where these 64 KiB have 8
// different texts: what holds so many is text, which may look like a number. A column
// that mixes both is read around with [Options.Columns].
//
// A column that was empty so far and turns out to be text later stays in the
// records, all null, and is reported by Skipped from then on: ask it after the last
// record.
//
// # What a file may not do
//
// A file is untrusted. Lengths, offsets and counts in it are compared with
// the file's size before anything is read or allocated by them; a
// truncated or inconsistent file is an error that names it, and so is what is of another
// type than its name says (gzip, Parquet, UTF-16 …). A stream may end
// without its end mark, as the format allows, but only between two messages, and
// [Reader.Cut] tells of it; after an end mark nothing may follow but another stream. A
// file must have its footer, and that must list all that is in it. Decompressed sizes are bounded by what the codec
// could make of the bytes, and by the arena. Metadata is bounded to 64 MiB, a CSV
// row to [Options.RowBytes]. Only regular files are opened.
//
// A file that changes its size or the time of its last modification while it is
// read is an error that wraps [ErrChanged], and no record that was read since
// then is handed out. It is read with read calls, never mapped, so a file that
// shrinks ends no process. Another file that takes its name is not seen: the
// opened one is read to its end.
//
// # Lifetimes
//
// The caller releases each record; its blocks return to the arena with the last
// reference. Records outlive the Reader.
//
// # Concurrency
//
// A Reader is used by one goroutine; BytesRead, Identity and Skipped may be called
// from others meanwhile. An Encoder is used by one goroutine, AppendCSV by any.
//
// # Failure
//
// Errors are one line that begins with the file's name, or the operating
// system's own about it ([io/fs.PathError]). What a CSV row did wrong is a
// [*RowError]; a broken Arrow file wraps [ErrCorrupt]. After one that wraps
// [shm.ErrFull] or a [*shm.SpaceError] Next may be called again, once records
// have been released: no row is lost.
package files
