package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	build, vet := exec.Command("go", "build", "-mod=mod", "-o", bin+"/"), exec.Command("go", "vet", "-mod=mod")
	for name, text := range want {
		if text == "" {
			vet.Args = append(vet.Args, "./"+name) // compiles, and takes less time
		} else {
			build.Args = append(build.Args, "./"+name)
		}
	}
	for _, cmd := range []*exec.Cmd{build, vet} {
		cmd.Dir = d
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
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

// The README names every flag of bench.
func TestReadmeBenchFlags(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(readme), "\n## What it measures\n")
	section, _, _ = strings.Cut(section, "\n## ")
	help, _, code := handoff(t, "bench", "--help")
	require.Zero(t, code)
	known := map[string]bool{}
	for _, flag := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z]+)`).FindAllStringSubmatch(help, -1) {
		known[flag[1]] = true
		if flag[1] != "help" && flag[1] != "quiet" {
			require.Contains(t, section, "--"+flag[1])
		}
	}
	require.Greater(t, len(known), 10)
	for _, flag := range regexp.MustCompile(`--([a-z]+)`).FindAllStringSubmatch(section, -1) {
		require.True(t, known[flag[1]], "bench has no --%s", flag[1])
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
