package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ruleFlagWords is what only the command says: its verbs and flags.
var ruleFlagWords = regexp.MustCompile(`(^|[^\w-])--[a-z]+|handoff (bench|classify|run|tune|chaos|shm|doctor)\b`)

// ruleForeignFlags are flags of other programs that messages name.
var ruleForeignFlags = []string{"--shm-size"}

// ruleEnvironment lists the files that read the environment, for reasons that are not a test's.
var ruleEnvironment = []string{
	"pool/main.go",                          // a worker is told that it is one
	"pool/internal/worker/step_on_linux.go", // under the build tag handoff_fault
	"shm/shmtest",                           // for tests of other packages
	"cmd/handoff/progress.go",               // TERM and the locale
}

// ruleWords checks what a production file of a library says, and what any reads from the environment.
func ruleWords(file string, parsed *ast.File) (wrong []string) {
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			for _, flag := range ruleForeignFlags {
				text = strings.ReplaceAll(text, flag, "")
			}
			if word := ruleFlagWords.FindString(text); n.Kind == token.STRING && err == nil && word != "" && parsed.Name.Name != "main" && !ruleUnder(file, "cmd") {
				wrong = append(wrong, fmt.Sprintf("%s says %q; libraries name the option, and the command adds its flag", file, word))
			}
		case *ast.SelectorExpr:
			allowed := slices.ContainsFunc(ruleEnvironment, func(name string) bool { return ruleUnder(file, name) })
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "os" && (n.Sel.Name == "Getenv" || n.Sel.Name == "LookupEnv") && !allowed {
				wrong = append(wrong, file+" reads the environment; what is for tests alone has a build tag, or the test's own TestMain")
			}
		}
		return true
	})
	return wrong
}

func TestRuleWords(t *testing.T) {
	root := ruleRoot(t)
	for _, f := range ruleFiles(t, root) {
		if f.test() {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ruleReport(t, ruleWords(f.path, parsed))
	}
}

func TestRuleWordsCatch(t *testing.T) {
	for source, want := range map[string]int{
		`package shm; const x = "give --out FILE"`:                              1,
		`package shm; const x = "remove it with 'handoff shm gc'"`:              1,
		`package shm; const x = "in Docker by --shm-size"`:                      0,
		`package shm; const x = "a -- b, ------, x--y"`:                         0,
		"package shm; import \"os\"; var x = os.Getenv(\"TEST\")":               1,
		"package main; import \"os\"; var x, _ = os.LookupEnv(\"TEST\")":        1,
		"package main; const x = \"--out\"":                                     0,
		"package shm // say --out\nimport \"os\"; var x = os.Environ // not it": 0,
	} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "x.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := ruleWords(path.Join("shm", "x.go"), parsed); len(wrong) != want {
			t.Errorf("%s: got %q, want %d faults", source, wrong, want)
		}
	}
}
