package journal

import (
	"os"
	"path/filepath"
)

// Read goes through the journal in a folder without a lock and changes nothing there.
// It calls header, then record for each record in order; what they are handed belongs
// to them until they return, and their error ends it. While another process writes to
// the journal, records that are not durable yet are seen or not. Torn is the length
// of what Open would cut off.
//
// Errors: those of Open but a *LockedError, and io.ErrUnexpectedEOF if the file was
// cut meanwhile, which the writer does when a write has failed.
func Read(dir string, opts *Options, header, record func([]byte) error) (torn int64, err error) {
	j := &Journal{fs: opts.fs(), dir: filepath.Clean(dir)}
	defer func() {
		if j.file != nil {
			j.file.Close()
		}
	}()
	s, err := j.load(os.O_RDONLY)
	if err != nil {
		return 0, j.wrap("read", err)
	}
	if err := header(j.header); err != nil {
		return 0, err
	}
	for rec, err := range j.Records() {
		if err == nil {
			err = record(rec)
		}
		if err != nil {
			return 0, err
		}
	}
	return s.size - j.found.extent.end, nil
}
