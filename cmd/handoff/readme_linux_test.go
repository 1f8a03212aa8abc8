package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The programs in the README, in a module of their own, compile, and those whose output it
// shows print that.
func TestReadmePrograms(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	d := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(d, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(d, name), []byte(text), 0o600))
	}
	write("go.sum", string(sums))
	write("go.mod", "module example.org/user\n\ngo 1.26\n\nrequire example.com/handoff v0.0.0\n\nreplace example.com/handoff => "+root+"\n")
	want := map[string]string{} // output, by program
	blocks := fencedBlocks(string(readme))
	for i, b := range blocks {
		if b.lang == "go" && strings.HasPrefix(b.text, "package main\n") {
			name := fmt.Sprintf("program%d", len(want))
			write(filepath.Join(name, "main.go"), b.text)
			want[name] = ""
			if next := blocks[min(i+1, len(blocks)-1)]; next.lang == "text" {
				want[name] = next.text
			}
		}
	}
	require.Len(t, want, 3)
	bin := t.TempDir()
	build := exec.Command("go", "build", "-mod=mod", "-o", bin+"/", "./...")
	build.Dir = d
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	for name, text := range want {
		if text == "" {
			continue
		}
		cmd := exec.Command(filepath.Join(bin, name))
		got, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, text, string(got))
		require.Empty(t, filesOf(t, cmd.Process.Pid))
	}
}

// What the README shows of Go that is no program is Go all the same; … stands for what is
// left out.
func TestReadmeFragments(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for _, b := range fencedBlocks(string(readme)) {
		if b.lang != "go" || strings.HasPrefix(b.text, "package ") {
			continue
		}
		text := strings.ReplaceAll(b.text, "…", "_()")
		_, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+text+"\n}", parser.SkipObjectResolution)
		require.NoError(t, err, b.text)
	}
}

// A fencedBlock is a code block of Markdown.
type fencedBlock struct{ lang, text string }

func fencedBlocks(markdown string) (blocks []fencedBlock) {
	for {
		_, rest, ok := strings.Cut(markdown, "\n```")
		if !ok {
			return blocks
		}
		lang, rest, _ := strings.Cut(rest, "\n")
		text, rest, _ := strings.Cut(rest, "```\n")
		blocks, markdown = append(blocks, fencedBlock{lang, text}), "\n"+rest
	}
}
