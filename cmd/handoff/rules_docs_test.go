package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ruleGuides are the pages that lead into the code. They say where things are, so they must be there.
var ruleGuides = []string{"pool/ARCHITECTURE.md", "CONTRIBUTING.md"}

var (
	ruleQuoted   = regexp.MustCompile("`([^`\n]+)`")
	ruleFilePath = regexp.MustCompile(`^[\w./-]+(/|\.(go|md|s))$`)
	ruleFileName = regexp.MustCompile(`^([\w./-]+\.go):(\w+)$`)
	ruleFunction = regexp.MustCompile(`^\w+(Locked|Unlocking)$`)
)

// ruleNames checks what a page in folder names in backquotes: files, `file.go:name` for what is declared there, and
// functions by themselves. declared has the names of each file; a path is from folder or from the root.
func ruleNames(page, text string, exists func(string) bool, declared func(string) []string, functions map[string]bool) (wrong []string) {
	find := func(name string) string {
		for _, at := range []string{path.Join(path.Dir(page), name), path.Clean(name)} {
			if exists(at) {
				return at
			}
		}
		return ""
	}
	for _, quoted := range ruleQuoted.FindAllStringSubmatch(text, -1) {
		word := quoted[1]
		if m := ruleFileName.FindStringSubmatch(word); m != nil {
			if file := find(m[1]); file == "" {
				wrong = append(wrong, fmt.Sprintf("%s names %s: there is no such file", page, word))
			} else if !slices.Contains(declared(file), m[2]) {
				wrong = append(wrong, fmt.Sprintf("%s names %s, which %s does not declare", page, word, file))
			}
		} else if ruleFilePath.MatchString(word) && find(word) == "" {
			wrong = append(wrong, fmt.Sprintf("%s names %s: there is no such file", page, word))
		} else if ruleFunction.MatchString(word) && !functions[word] {
			wrong = append(wrong, fmt.Sprintf("%s names %s: there is no such function", page, word))
		}
	}
	return wrong
}

// ruleDeclared are the names that a file declares: functions, methods, types, variables and constants.
func ruleDeclared(f *ast.File) (names []string) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names = append(names, d.Name.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, spec.Name.Name)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func TestRuleNames(t *testing.T) {
	root := ruleRoot(t)
	declared, functions := map[string][]string{}, map[string]bool{}
	for _, f := range ruleFiles(t, root) {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		declared[f.path] = ruleDeclared(parsed)
		for _, name := range declared[f.path] {
			functions[name] = true
		}
	}
	exists := func(name string) bool { _, err := os.Stat(filepath.Join(root, name)); return err == nil }
	for _, page := range ruleGuides {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		ruleReport(t, ruleNames(page, string(text), exists, func(file string) []string { return declared[file] }, functions))
	}
}

func TestRuleNamesCatch(t *testing.T) {
	for text, want := range map[string]int{
		"`a.go`, `pool/b.go`, `a.go:f`, `fLocked`, `go test ./pool`, `…Locked`": 0,
		"`c.go`":            1,
		"`a.go:g`":          1,
		"`c.go:f`":          1,
		"`gLocked`":         1,
		"`pool/`, `shm/`":   1,
		"a.go:g, unquoted":  0,
		"`pool.Options`, x": 0,
	} {
		exists := func(name string) bool { return slices.Contains([]string{"pool", "pool/a.go", "pool/b.go"}, name) }
		declared := func(file string) []string { return strings.Fields(map[string]string{"pool/a.go": "f fLocked"}[file]) }
		if wrong := ruleNames("pool/X.md", text, exists, declared, map[string]bool{"f": true, "fLocked": true}); len(wrong) != want {
			t.Errorf("%s: got %q, want %d faults", text, wrong, want)
		}
	}
}
