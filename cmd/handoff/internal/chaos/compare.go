package chaos

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"example.com/handoff/pool/batch"
)

// compareFolders says how the files in got differ from those in want; nil if they do
// not. temporary are files that got has too many, and that a run makes for a while.
func compareFolders(want, got string) (differ, temporary []string, err error) {
	names := map[string]int{}
	for i, dir := range []string{want, got} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range entries {
			names[e.Name()] |= 1 << i
		}
	}
	for name, in := range names {
		switch {
		case in == 1:
			differ = append(differ, fmt.Sprintf("%s is missing", name))
		case in == 2 && strings.HasPrefix(name, "."):
			temporary = append(temporary, filepath.Join(got, name))
		case in == 2:
			differ = append(differ, fmt.Sprintf("%s is there, and not without faults", name))
		default:
			d, err := compareFiles(filepath.Join(want, name), filepath.Join(got, name))
			if err != nil {
				return nil, nil, err
			}
			if d != "" {
				differ = append(differ, fmt.Sprintf("%s %s", name, d))
			}
		}
	}
	return differ, temporary, nil
}

// compareFiles says where two files differ first; "" if they do not. The line is
// told too, which means something for text.
func compareFiles(want, got string) (string, error) {
	a, err := os.Open(want)
	if err != nil {
		return "", err
	}
	defer a.Close()
	b, err := os.Open(got)
	if err != nil {
		return "", err
	}
	defer b.Close()
	x, y := bufio.NewReaderSize(a, 1<<20), bufio.NewReaderSize(b, 1<<20)
	for at, line := int64(0), 1; ; at++ {
		p, errA := x.ReadByte()
		q, errB := y.ReadByte()
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) {
				return "", err
			}
		}
		switch {
		case errA != nil && errB != nil:
			return "", nil
		case errA != nil:
			return fmt.Sprintf("goes on at byte %d (line %d), where it ends without faults", at, line), nil
		case errB != nil:
			return fmt.Sprintf("ends at byte %d (line %d), where it goes on without faults", at, line), nil
		case p != q:
			return fmt.Sprintf("differs from byte %d (line %d) on: %#02x, without faults %#02x", at, line, q, p), nil
		case p == '\n':
			line++
		}
	}
}

// A chunkCounts counts the commits of each chunk in a journal, by pass and index.
type chunkCounts map[[2]int64]int

func chunksOf(s *batch.State) chunkCounts {
	c := chunkCounts{}
	for pass, p := range s.Passes {
		for _, index := range p.Chunks {
			c[[2]int64{int64(pass), index}]++
		}
	}
	return c
}

func chunksOfAllPasses(s batch.Summary) int64 { return s.Chunks * int64(s.Passes) }

// twice counts commits of chunks that were committed before.
func (c chunkCounts) twice() (n int64) {
	for _, k := range c {
		n += int64(k - 1)
	}
	return n
}

// missing counts the chunks of c that are not in later.
func (c chunkCounts) missing(later chunkCounts) (n int64) {
	for key := range c {
		if later[key] == 0 {
			n++
		}
	}
	return n
}

// notWhole counts the chunks that a finished job should have committed and has not.
func notWhole(s *batch.State) (n int64) {
	c := chunksOf(s)
	for pass, p := range s.Passes {
		for index := range p.Whole {
			if c[[2]int64{int64(pass), index}] == 0 {
				n++
			}
		}
	}
	return n
}
