package files

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A codec is how the buffers of a record batch are compressed: Arrow's number,
// or uncompressed. A compressed buffer is an int64 with its size, -1 if it was
// left as it is, and one frame.
type codec uint8

const (
	lz4Frame     codec = 0
	zstdFrame    codec = 1
	uncompressed codec = 255
)

const sizePrefix = 8

// check refuses n bytes that can't become need bytes with this codec, before
// room is made for them: LZ4 writes at most 255 bytes for one, Zstandard a block
// of 128 KiB for four.
func (c codec) check(n, need int64) error {
	most := int64(256)
	if c == zstdFrame {
		most = 128 << 10 / 3
	}
	if n < sizePrefix || need/most > n {
		return corruptf("%d compressed bytes, %d expected from them", n, need)
	}
	return nil
}

// zstdWindow bounds the memory of the decoder; the format asks decoders for
// 8 MiB and writers to stay below.
const zstdWindow = 128 << 20

// decoders are made when a file first needs them and used for all its buffers.
type decoders struct {
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

// decode fills dst with the first bytes of the compressed buffer in. The
// libraries below must return, whatever in holds.
func (d *decoders) decode(c codec, dst []byte, in io.Reader) error {
	var prefix [sizePrefix]byte
	if _, err := io.ReadFull(in, prefix[:]); err != nil {
		return corruptf("size before compression: %v", err) // never io.EOF, which is the file's end
	}
	size := int64(binary.LittleEndian.Uint64(prefix[:]))
	if size != -1 && size < int64(len(dst)) {
		return corruptf("%d bytes before compression, expected at least %d", size, len(dst))
	}
	var err error
	if size != -1 {
		in, err = d.start(c, in)
	}
	n := 0
	if err == nil {
		n, err = readFull(in, dst)
	}
	if err != nil {
		d.close() // after a panic they cannot be used
		return corruptf("decompression: %v after %d of %d bytes", err, n, len(dst))
	}
	return nil
}

func (d *decoders) start(c codec, in io.Reader) (_ io.Reader, err error) {
	if c == lz4Frame {
		if d.lz4 == nil {
			d.lz4 = lz4.NewReader(nil)
		}
		d.lz4.Reset(in)
		return d.lz4, nil
	}
	if d.zstd != nil {
		return d.zstd, d.zstd.Reset(in)
	}
	d.zstd, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
	return d.zstd, err
}

func (d *decoders) close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
	*d = decoders{}
}

// readFull is io.ReadFull from a decoder that may panic.
func readFull(in io.Reader, dst []byte) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return io.ReadFull(in, dst)
}
