package files

import "bytes"

// signatures are bytes of files that are not read here, whatever their name says. None
// is what a table of text could begin with.
var signatures = []struct {
	at           int
	magic        string
	what, remedy string
}{
	{0, "\x1f\x8b", "gzip", unpack},
	{4, "1AY&SY", "bzip2", unpack}, // behind BZh and a digit
	{0, "\xfd7zXZ\x00", "xz", unpack},
	{0, "\x28\xb5\x2f\xfd", "zstd", unpack},
	{0, "\x04\x22\x4d\x18", "lz4", unpack},
	{0, "7z\xbc\xaf\x27\x1c", "7z", unpack},
	{0, "Rar!\x1a\x07", "rar", unpack},
	{257, "ustar", "tar", unpack},
	{0, "PK\x03\x04", "zip, or a spreadsheet", "unpack it, or export it as CSV"},
	{0, "PK\x05\x06", "an empty zip", unpack},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet or another office document", "export it as CSV"},
	{0, "PAR1\x15", "Parquet", convert}, // and the first byte of a page
	{0, "FEA1\x00", "Feather version 1", convert},
	{0, "Obj\x01", "Avro", convert},
	{0, "\x89HDF\r\n\x1a\n", "HDF5", convert},
	{0, "\x93NUMPY", "NumPy", convert},
	{0, "SQLite format 3\x00", "SQLite", convert},
	{0, "%PDF-", "PDF", convert},
	{0, "\xff\xfe\x00\x00", "UTF-32", reencode}, // ahead of UTF-16, which begins like it
	{0, "\x00\x00\xfe\xff", "UTF-32", reencode},
	{0, "\xff\xfe", "UTF-16", reencode},
	{0, "\xfe\xff", "UTF-16", reencode},
	{0, "<!DOCTYPE", "HTML", convert},
	{0, "<!doctype", "HTML", convert},
	{0, "<html", "HTML", convert},
	{0, "<?xml", "XML", convert},
}

const (
	unpack   = "unpack it first"
	convert  = "convert it first"
	reencode = "convert it to UTF-8 first"
)

const foreignBytes = 4 << 10 // of a file's head

// foreign refuses by its first bytes a file that is neither Arrow nor text.
func foreign(head []byte) error {
	for _, s := range signatures {
		if len(head) > s.at && bytes.HasPrefix(head[s.at:], []byte(s.magic)) {
			return unsupportedf("it is %s: %s; %s", s.what, s.remedy, supported)
		}
	}
	at := bytes.IndexByte(head, 0)
	if at < 0 {
		return nil
	}
	if wide := wideText(head); wide != "" {
		return unsupportedf("it is %s: %s; %s", wide, reencode, supported)
	}
	return unsupportedf("it is no text: byte %d is NUL; %s", at+1, supported)
}

// wideText tells UTF-16 and UTF-32 without a byte order mark by where the zeros are
// of characters of ASCII.
func wideText(head []byte) string {
	zeros := [4]bool{true, true, true, true}
	for i, c := range head[:min(len(head), 16)] {
		zeros[i%4] = zeros[i%4] && c == 0
	}
	switch zeros {
	case [4]bool{false, true, false, true}, [4]bool{true, false, true, false}:
		return "UTF-16"
	case [4]bool{false, true, true, true}, [4]bool{true, true, true, false}:
		return "UTF-32"
	}
	return ""
}
