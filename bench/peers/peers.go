package main

import (
	"bufio"
	"encoding/gob"
	"errors"
	"io"
	"os"
)

// echoPeer answers 8 bytes with the same 8 bytes.
func echoPeer() error {
	var b [8]byte
	for {
		if _, err := io.ReadFull(os.Stdin, b[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := os.Stdout.Write(b[:]); err != nil {
			return err
		}
	}
}

// gobPeer answers numbers with their successors, and writes when it has read all
// that is there.
func gobPeer() error {
	in, out := bufio.NewReaderSize(os.Stdin, gobBuffer), bufio.NewWriterSize(os.Stdout, gobBuffer)
	dec, enc := gob.NewDecoder(in), gob.NewEncoder(out)
	for {
		var t gobTask
		if err := dec.Decode(&t); err == io.EOF {
			return out.Flush()
		} else if err != nil {
			return err
		}
		t.X = next(t.X)
		if err := enc.Encode(t); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

type gobTask struct{ X int64 }

const gobBuffer = 64 << 10

// bytePeer writes one byte, which says that a process is there.
func bytePeer() error {
	_, err := os.Stdout.Write([]byte{1})
	return err
}

// next is the tiny task.
func next(x int64) int64 { return x + 1 }

var errAnswer = errors.New("a wrong answer")
