package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program in the README, in a module of its own, compiles and prints what
// the README says.
func TestReadmeProgram(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	program := fenced(t, string(readme), "go")
	want := fenced(t, string(readme), "text")

	d := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"main.go": program,
		"go.sum":  string(sums),
		"go.mod":  "module example.org/user\n\ngo 1.26\n\nrequire example.com/handoff v0.0.0\n\nreplace example.com/handoff => " + root + "\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(d, name), []byte(text), 0o600))
	}
	build := exec.Command("go", "build", "-mod=mod", "-o", "program", ".")
	build.Dir = d
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	cmd := exec.Command(filepath.Join(d, "program"))
	got, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, want, string(got))
	require.Empty(t, filesOf(t, cmd.Process.Pid))

	info, err := os.Stat(filepath.Join(d, "program"))
	require.NoError(t, err)
	t.Logf("the program is %d KiB", info.Size()>>10)
}

// fenced is the text of the first code block of a language.
func fenced(t *testing.T, markdown, lang string) string {
	t.Helper()
	_, rest, ok := strings.Cut(markdown, "\n```"+lang+"\n")
	require.True(t, ok, "no block of %s", lang)
	text, _, ok := strings.Cut(rest, "```\n")
	require.True(t, ok)
	return text
}
