package bench

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// peerVar says in the environment of a copy of the test binary which peer of the
// suites it is.
const peerVar = "HANDOFF_BENCH_PEER"

// peers answer on standard output what comes by standard input, until that ends.
var peers = map[string]func() error{
	"bytes": func() error {
		var b [8]byte
		for {
			if _, err := io.ReadFull(os.Stdin, b[:]); err != nil {
				return err
			}
			if _, err := os.Stdout.Write(b[:]); err != nil {
				return err
			}
		}
	},
	"gob": func() error {
		dec, enc := gob.NewDecoder(bufio.NewReader(os.Stdin)), gob.NewEncoder(os.Stdout)
		for {
			var x int
			if err := dec.Decode(&x); err != nil {
				return err
			}
			if err := enc.Encode(x); err != nil {
				return err
			}
		}
	},
}

// asPeer does not return in a peer.
func asPeer() {
	name, ok := os.LookupEnv(peerVar)
	if !ok {
		return
	}
	if err := peers[name](); !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// startPeer starts one with a pipe to it and one back. It ends with b.
func startPeer(b *testing.B, name string) (there io.Writer, back io.Reader) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), peerVar+"="+name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		defer time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() }).Stop()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return in, out
}
