package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// What a reader may rely on: a struct is small enough to be read at once, a function fits a
// page, and a function lets go of a lock that it was called with only if its name says so.
const (
	ruleMostFields = 20
	ruleMostLines  = 70
)

// ruleShape looks at one file: fields of structs, lines of functions, and functions named
// …Locked that let go of a lock, or call one named …Unlocking, which does.
func ruleShape(file string, set *token.FileSet, parsed *ast.File) (wrong []string) {
	fault := func(at ast.Node, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s:%d: ", file, set.Position(at.Pos()).Line)+fmt.Sprintf(format, args...))
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			fields := 0
			for _, f := range n.Fields.List {
				fields += max(len(f.Names), 1)
			}
			if fields > ruleMostFields {
				fault(n, "a struct of %d fields, at most %d: give parts of it owners", fields, ruleMostFields)
			}
		case *ast.FuncDecl:
			if lines := set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1; lines > ruleMostLines {
				fault(n, "%s has %d lines, at most %d", n.Name.Name, lines, ruleMostLines)
			}
			if strings.HasSuffix(n.Name.Name, "Locked") && n.Body != nil {
				ruleLocked(n, fault)
			}
		}
		return true
	})
	return wrong
}

// ruleLocked looks at a function that is to hold a lock throughout. What it hands to others
// to call later is not looked at.
func ruleLocked(f *ast.FuncDecl, fault func(at ast.Node, format string, args ...any)) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := ""
		switch f := call.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if name == "Unlock" || name == "unlock" || name == "unlocked" || strings.HasSuffix(name, "Unlocking") {
			fault(call, "%s calls %s: it lets go of the lock, and its name does not say so", f.Name.Name, name)
		}
		return true
	})
}

func TestRuleShape(t *testing.T) {
	root := ruleRoot(t)
	for _, f := range ruleFiles(t, root) {
		if f.test() {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, filepath.Join(root, f.path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ruleReport(t, ruleShape(f.path, set, parsed))
	}
}

func TestRuleShapeCatches(t *testing.T) {
	long := "package x; func f() {" + strings.Repeat("\n_ = 1", ruleMostLines) + "\n}"
	for source, want := range map[string]int{
		"package x; type t struct {" + strings.Repeat("a, b int;", 10) + "}":       0,
		"package x; type t struct {" + strings.Repeat("a, b int;", 10) + "c }":     1,
		"package x; var v struct { in struct {" + strings.Repeat("a;", 21) + "} }": 1,
		long: 1,
		"package x; func fLocked() { mu.Lock(); mu.Unlock() }":      1,
		"package x; func fLocked() { p.drainUnlocking() }":          1,
		"package x; func fUnlocking() { p.drainUnlocking() }":       0,
		"package x; func fLocked() { go func() { mu.Unlock() }() }": 0,
	} {
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, "x.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := ruleShape("x.go", set, parsed); len(wrong) != want {
			t.Errorf("%s: got %q, want %d faults", source, wrong, want)
		}
	}
}
