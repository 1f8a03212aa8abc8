package journal_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"github.com/stretchr/testify/require"
)

func init() { programs["script"] = scriptProgram }

// scriptProgram runs a script with a kill in it and reports every step.
func scriptProgram(args []string) {
	n, _ := strconv.Atoi(args[0])
	tap := journaltest.KillAt(n, args[1] == "half")
	opts := &journal.Options{FS: tap}
	j, err := journal.Create("state", []byte(scriptHeader), opts)
	exitOn(err)
	fmt.Println("created")
	s := &script{fs: tap}
	group := func(n, size int) {
		exitOn(s.group(j, n, size))
		fmt.Println(s.acked)
	}
	group(2, 10)
	group(30, 300)
	exitOn(j.Close())
	j, err = journal.Open("state", opts)
	exitOn(err)
	group(1, 100)
	fmt.Println("removing")
	exitOn(j.Remove())
	fmt.Println("removed")
	fmt.Println("ops", len(tap.Ops()))
}

// TestKilled kills a process before, and in the middle of, every operation.
func TestKilled(t *testing.T) {
	base := t.TempDir()
	full := &script{}
	for _, g := range [][2]int{{2, 10}, {30, 300}, {1, 100}} { // what the program appends
		for range g[0] {
			full.appended = append(full.appended, fmt.Sprintf("%d %s", len(full.appended), strings.Repeat("x", g[1])))
		}
	}
	out, err := command(t, base, "script", "0", "").Output()
	require.NoError(t, err)
	lines := strings.Fields(string(out))
	ops, err := strconv.Atoi(lines[len(lines)-1])
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(base, "state"))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2)
	for n := 1; n <= ops; n++ {
		for _, where := range []string{"before", "half"} {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				dir := filepath.Join(base, fmt.Sprint(n, where))
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Error(err)
					return
				}
				cmd := command(t, dir, "script", strconv.Itoa(n), where)
				out, err := cmd.Output()
				if err == nil || !strings.Contains(err.Error(), "killed") {
					t.Errorf("operation %d: ended with %v", n, err)
				}
				s := &script{appended: full.appended}
				for _, line := range strings.Fields(string(out)) {
					switch line {
					case "created":
						s.created = true
					case "removing":
						s.removing = true
					case "removed":
						s.removed = true
					default:
						s.acked, _ = strconv.Atoi(line)
					}
				}
				wd := inFolder{journal.OS(), dir}
				if _, err := s.check(wd); err != nil {
					t.Errorf("killed %s operation %d: %v", where, n, err)
				}
				left, _ := filepath.Glob(filepath.Join(dir, "state", "journal.*"))
				if len(left) > 0 {
					t.Errorf("killed %s operation %d: leaves %v", where, n, left)
				}
			})
		}
	}
	wg.Wait()
}

// inFolder is a file system whose names are in a folder.
type inFolder struct {
	journal.FS
	dir string
}

func (f inFolder) at(name string) string { return f.dir + "/" + name }

func (f inFolder) OpenFile(name string, flag int, perm os.FileMode) (journal.File, error) {
	return f.FS.OpenFile(f.at(name), flag, perm)
}
func (f inFolder) Mkdir(name string, perm os.FileMode) error  { return f.FS.Mkdir(f.at(name), perm) }
func (f inFolder) Rename(from, to string) error               { return f.FS.Rename(f.at(from), f.at(to)) }
func (f inFolder) Remove(name string) error                   { return f.FS.Remove(f.at(name)) }
func (f inFolder) Stat(name string) (os.FileInfo, error)      { return f.FS.Stat(f.at(name)) }
func (f inFolder) ReadDir(name string) ([]os.DirEntry, error) { return f.FS.ReadDir(f.at(name)) }
func (f inFolder) SyncDir(name string) error                  { return f.FS.SyncDir(f.at(name)) }
func (f inFolder) Lock(name string) (io.Closer, error)        { return f.FS.Lock(f.at(name)) }
