package main_test

// The rules of the repository: which way imports point, where unsafe and kernel calls may stand, what every package
// and the README say. Each rule is a function that returns what is wrong; TestRules applies them to the checkout and
// TestRulesCatch to examples that break them.

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	ruleModule = "example.com/handoff"
	ruleInside = "pool/internal"
)

// ruleRow says what the production code of one folder may import: folders of this module, and other modules. What an
// imported folder may import itself is allowed too, but only for folders of this module.
type ruleRow struct {
	folders []string
	modules []string
}

const (
	ruleSys     = "golang.org/x/sys" // where kernel calls stand is a matter of file names: ruleKernel
	ruleTerm    = "golang.org/x/term"
	ruleMmap    = "github.com/edsrzf/mmap-go"
	ruleGonum   = "gonum.org/v1/gonum"
	rulePlot    = "gonum.org/v1/plot"
	rulePerf    = "golang.org/x/perf"
	ruleArrow   = "github.com/apache/arrow/go/v15"
	ruleFlat    = "github.com/google/flatbuffers"
	ruleMetrics = "github.com/prometheus"
	ruleCobra   = "github.com/spf13"
	ruleGRPC    = "google.golang.org/grpc"
)

// ruleTable is the picture of the folders. A package under internal/ has the row of the folder that owns it.
var ruleTable = map[string]ruleRow{
	"shm":              {nil, []string{ruleSys, ruleMmap}},
	"shm/ring":         {[]string{"shm"}, []string{ruleSys}},
	"shm/shmtest":      {nil, []string{ruleSys}},
	"shm/gonum":        {[]string{"shm"}, []string{ruleGonum}},
	"arrowipc":         {[]string{"shm"}, []string{ruleSys, ruleArrow, ruleFlat}},
	"arrowipc/files":   {[]string{"arrowipc"}, []string{ruleSys, ruleArrow, ruleFlat, "github.com/klauspost/compress", "github.com/pierrec/lz4/v4"}},
	"pool":             {[]string{"shm", "shm/ring"}, []string{ruleSys}},
	"pool/queue":       {nil, nil},
	"pool/pipeline":    {[]string{"pool", "pool/queue"}, []string{ruleSys}},
	"pool/journal":     {nil, []string{ruleSys}},
	"pool/batch":       {[]string{"pool", "pool/queue", "pool/journal", "pool/batch/outfile", "arrowipc", "arrowipc/files"}, []string{ruleSys, ruleArrow}},
	"pool/batch/ops":   {[]string{"pool/batch", "shm/gonum"}, []string{ruleGonum, ruleArrow}},
	"pool/chaos":       {[]string{"pool"}, []string{ruleSys}},
	"pool/foreign":     {[]string{"pool"}, []string{ruleSys}},
	"pool/classify":    {[]string{"pool", "bench/stat", "bench/cost"}, []string{ruleSys}},
	"pool/prom":        {[]string{"pool", "pool/queue", "pool/pipeline"}, []string{ruleMetrics}},
	"pool/tune":        {[]string{"bench/stat"}, []string{ruleSys}},
	"bench/stat":       {nil, nil},
	"bench/cost":       {[]string{"bench/stat"}, nil},
	"bench":            {ruleLibrary, []string{ruleSys, ruleTerm, ruleArrow, ruleGonum, rulePlot, rulePerf}},
	"bench/compare":    {[]string{"bench/stat"}, []string{rulePerf}},
	"bench/crossovers": {append([]string{"bench"}, ruleLibrary...), []string{ruleSys, ruleTerm, ruleArrow, ruleGonum, rulePlot, rulePerf}},
	"cmd/handoff":      {append([]string{"bench"}, ruleLibrary...), []string{ruleSys, ruleTerm, ruleArrow, ruleCobra, rulePerf, "github.com/prometheus/client_golang"}},

	"cmd/examples/isolate":     {[]string{"pool"}, nil},
	"pool/batch/outfile":       {nil, []string{ruleSys}},
	"pool/journal/journaltest": {[]string{"pool/journal"}, nil},
	"cmd/examples/weather":     {[]string{"pool", "pool/pipeline", "pool/tune", "arrowipc", "arrowipc/files"}, []string{ruleArrow}},
}

// ruleInner is the same picture inside pool/internal: what each package there may import of the others. The worker's side
// and the supervisor's share wire, lane, codec, proc and rangejob, and never import each other.
var ruleInner = map[string][]string{
	"wire":     nil,
	"codec":    {"wire", "hook"},
	"lane":     {"wire"},
	"proc":     nil,
	"fate":     {"wire", "proc"},
	"life":     nil,
	"rangejob": {"wire"},
	"task":     {"wire", "life"},
	"hook":     nil,
	"worker":   {"wire", "codec", "lane", "proc", "rangejob"},
}

// ruleLibrary is every folder below bench and the command.
var ruleLibrary = []string{
	"shm", "shm/ring", "shm/gonum", "arrowipc", "arrowipc/files", "bench/stat", "bench/cost", "pool", "pool/queue", "pool/pipeline", "pool/journal", "pool/batch",
	"pool/batch/ops", "pool/batch/outfile", "pool/chaos", "pool/classify", "pool/foreign", "pool/prom", "pool/tune",
}

// ruleBans lists what must not be linked, directly or through others, and the folders that are exempt or concerned.
// A folder stands for itself, its internal/ packages and, with /..., for everything below it.
var ruleBans = []struct {
	banned []string
	except []string // may link it
	only   []string // if set, the ban holds for these alone
	why    string
}{
	{[]string{ruleGRPC}, nil, nil,
		"gRPC makes every worker process six times larger"},
	{[]string{"github.com/apache/arrow", "github.com/apache/arrow-go"},
		[]string{"arrowipc/...", "pool/batch/...", "bench/...", "cmd/..."}, nil,
		"shm and pool work without Arrow"},
	{[]string{ruleCobra, rulePlot, rulePerf, "github.com/urfave", "github.com/schollz", "github.com/cheggaaa", "github.com/vbauerster"},
		[]string{"bench/...", "cmd/..."}, nil,
		"command lines, bars and plots belong to bench and cmd: a worker runs every package initializer"},
	{[]string{"net/http"}, nil,
		[]string{"shm/...", "pool", "pool/journal", "pool/chaos", "pool/classify", "pool/foreign", "pool/tune", "pool/queue", "pool/pipeline"},
		"shm and pool serve nothing over HTTP"},
}

// ruleOwner returns the folder whose row applies: the part before /internal.
func ruleOwner(folder string) string {
	owner, _, _ := strings.Cut(folder+"/", "/internal/")
	return strings.TrimSuffix(owner, "/")
}

// ruleUnder reports whether name is prefix or lies below it.
func ruleUnder(name, prefix string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+"/")
}

// ruleReach returns the folders that a folder may import, through its row and the rows of those.
func ruleReach(folder string) []string {
	reach := slices.Clone(ruleTable[folder].folders)
	for i := 0; i < len(reach); i++ {
		for _, next := range ruleTable[reach[i]].folders {
			if !slices.Contains(reach, next) {
				reach = append(reach, next)
			}
		}
	}
	return reach
}

// ruleDirection checks the direct imports of a production file or package in folder.
func ruleDirection(folder string, imports []string) (wrong []string) {
	owner := ruleOwner(folder)
	row, ok := ruleTable[owner]
	if !ok {
		return []string{fmt.Sprintf("%s: package is not in the table of cmd/handoff/rules_test.go; add its row there first", folder)}
	}
	for _, imp := range imports {
		first, _, _ := strings.Cut(imp, "/")
		inside, own := strings.CutPrefix(imp, ruleModule+"/")
		target := ruleOwner(inside)
		switch {
		case own && target != inside && target != owner:
			wrong = append(wrong, fmt.Sprintf("%s imports %s, which is for %s alone", folder, inside, target))
		case own && inside == owner && folder != owner:
			wrong = append(wrong, fmt.Sprintf("%s imports %s, which is built on it", folder, inside))
		case own && ruleUnder(folder, ruleInside) && ruleUnder(inside, ruleInside):
			if name, other := path.Base(folder), path.Base(inside); !slices.Contains(ruleInner[name], other) {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: only what ruleInner says (%v)", folder, inside, ruleInner[name]))
			}
		case own && (target == owner || slices.Contains(ruleReach(owner), target)):
		case own:
			wrong = append(wrong, fmt.Sprintf("%s imports %s, against the direction of imports (allowed: %v)", folder, inside, ruleReach(owner)))
		case !strings.Contains(first, "."): // the standard library
		case !slices.ContainsFunc(row.modules, func(m string) bool { return ruleUnder(imp, m) }):
			wrong = append(wrong, fmt.Sprintf("%s imports %s, a module that is not in its row (allowed: %v)", folder, imp, row.modules))
		}
	}
	return wrong
}

// ruleLinks checks everything that the package in folder links, directly or through others.
func ruleLinks(folder string, deps []string) (wrong []string) {
	in := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			tree, all := strings.CutSuffix(p, "/...")
			return all && ruleUnder(folder, tree) || ruleOwner(folder) == p
		})
	}
	for _, ban := range ruleBans {
		if in(ban.except) || ban.only != nil && !in(ban.only) {
			continue
		}
		for _, dep := range deps {
			if slices.ContainsFunc(ban.banned, func(b string) bool { return ruleUnder(dep, b) }) {
				wrong = append(wrong, fmt.Sprintf("%s links %s: %s", folder, dep, ban.why))
			}
		}
	}
	return wrong
}

var (
	ruleUnsafeName = regexp.MustCompile(`_unsafe(_linux)?(_(amd64|arm64))?(_test)?\.go$`)
	ruleKernelName = regexp.MustCompile(`_linux(_(amd64|arm64))?(_test)?\.go$`)
)

// ruleUnsafe checks that a file which imports unsafe has it in its name.
func ruleUnsafe(file string, imports []string) (wrong []string) {
	if slices.Contains(imports, "unsafe") && !ruleUnsafeName.MatchString(file) {
		wrong = append(wrong, file+" imports unsafe; only *_unsafe.go, *_unsafe_linux.go, *_unsafe_<goarch>.go and their tests may")
	}
	return wrong
}

// ruleKernel checks that a file which calls the kernel is built for Linux alone, by its name.
func ruleKernel(file string, imports []string) (wrong []string) {
	for _, imp := range imports {
		if (imp == "syscall" || imp == ruleSys+"/unix") && !ruleKernelName.MatchString(file) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s; only *_linux.go, *_unsafe_linux.go and their tests may", file, imp))
		}
	}
	return wrong
}

// ruleCgo checks that a file does without C.
func ruleCgo(file string, imports []string) (wrong []string) {
	if slices.Contains(imports, "C") {
		wrong = append(wrong, file+` imports "C"; there is no cgo in this module`)
	}
	return wrong
}

// ruleDoc checks that a package has a package comment, in doc.go if users can import it.
func ruleDoc(folder, name string, documented []string) (wrong []string) {
	public := name != "main" && ruleOwner(folder) == folder
	switch {
	case public && !slices.Contains(documented, "doc.go"):
		wrong = append(wrong, folder+": no package comment in doc.go")
	case len(documented) == 0:
		wrong = append(wrong, folder+": no file has a package comment")
	}
	return wrong
}

// ruleReadme checks that the README shows the two commands that a newcomer types first.
func ruleReadme(text string) (wrong []string) {
	for _, command := range []string{"go run ./cmd/handoff bench", "go test ./..."} {
		if !strings.Contains(text, command) {
			wrong = append(wrong, fmt.Sprintf("README.md does not contain %q", command))
		}
	}
	return wrong
}

// ruleTop checks the folders at the root. Editors' own folders are ignored by git and do no harm.
func ruleTop(folders []string) (wrong []string) {
	allowed := []string{"shm", "arrowipc", "pool", "bench", "cmd", "testdata", ".ci", ".git", ".idea", ".vscode"}
	for _, folder := range folders {
		if !slices.Contains(allowed, folder) {
			wrong = append(wrong, fmt.Sprintf("%s/ is not one of the top-level folders %v", folder, allowed))
		}
	}
	return wrong
}

// ruleFile is one Go file of the module, for any platform.
type ruleFile struct {
	path    string // from the root, with slashes
	pkg     string
	imports []string
	doc     bool // has a package comment
}

func (f ruleFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

// ruleRoot walks up to the folder with go.mod.
func ruleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no go.mod above the test")
		}
	}
	t.Fatal(err)
	return ""
}

// ruleFiles parses the imports of every Go file below root, without nested modules and what the go command ignores.
func ruleFiles(t *testing.T, root string) (files []ruleFile) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(name, "go.mod"))
			if nested == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		files = append(files, ruleFile{filepath.ToSlash(rel), parsed.Name.Name, ruleImports(parsed), parsed.Doc != nil})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func ruleImports(f *ast.File) (imports []string) {
	for _, spec := range f.Imports {
		name, _ := strconv.Unquote(spec.Path.Value) // the parser has accepted it
		imports = append(imports, name)
	}
	return imports
}

// ruleDeps asks the go command what each package of the module links on this platform.
func ruleDeps(t *testing.T, root string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Deps", "./...")
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	deps := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Deps       []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			return deps
		} else if err != nil {
			t.Fatal(err)
		}
		deps[strings.TrimPrefix(p.ImportPath, ruleModule+"/")] = p.Deps
	}
}

func TestRules(t *testing.T) {
	root := ruleRoot(t)
	files := ruleFiles(t, root)
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	perFile := func(name string, rule func(string, []string) []string) {
		t.Run(name, func(t *testing.T) {
			for _, f := range files {
				ruleReport(t, rule(f.path, f.imports))
			}
		})
	}
	perFile("unsafe", ruleUnsafe)
	perFile("kernel", ruleKernel)
	perFile("cgo", ruleCgo)

	t.Run("direction", func(t *testing.T) {
		for _, f := range files {
			if !f.test() {
				ruleReport(t, ruleDirection(path.Dir(f.path), f.imports))
			}
		}
	})
	t.Run("links", func(t *testing.T) {
		for folder, deps := range ruleDeps(t, root) {
			ruleReport(t, ruleLinks(folder, deps))
		}
	})
	t.Run("package comments", func(t *testing.T) {
		documented, names := map[string][]string{}, map[string]string{}
		for _, f := range files {
			if f.test() {
				continue
			}
			folder := path.Dir(f.path)
			names[folder] = f.pkg
			if f.doc {
				documented[folder] = append(documented[folder], path.Base(f.path))
			}
		}
		for folder, name := range names {
			ruleReport(t, ruleDoc(folder, name, documented[folder]))
		}
	})
	t.Run("README", func(t *testing.T) {
		text, err := os.ReadFile(filepath.Join(root, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		ruleReport(t, ruleReadme(string(text)))
	})
	t.Run("top-level folders", func(t *testing.T) {
		entries, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		var folders []string
		for _, e := range entries {
			if e.IsDir() {
				folders = append(folders, e.Name())
			}
		}
		ruleReport(t, ruleTop(folders))
	})
}

func ruleReport(t *testing.T, wrong []string) {
	t.Helper()
	for _, w := range wrong {
		t.Error(w)
	}
}

// TestRulesTable checks the table itself: it knows the folders it names, and following it never comes back.
func TestRulesTable(t *testing.T) {
	for folder, row := range ruleTable {
		for _, target := range row.folders {
			if _, ok := ruleTable[target]; !ok {
				t.Errorf("%s may import %s, which has no row", folder, target)
			}
		}
		if slices.Contains(ruleReach(folder), folder) {
			t.Errorf("%s can reach itself", folder)
		}
	}
}

func TestRulesCatch(t *testing.T) {
	const mod = ruleModule + "/"
	one := func(s string) []string { return []string{s} }
	tests := []struct {
		name  string
		wrong []string
		want  int // how many faults
	}{
		{"shm imports what it may", ruleDirection("shm", []string{"os", ruleSys + "/unix", ruleMmap, mod + "shm/internal/x"}), 0},
		{"shm imports pool", ruleDirection("shm", one(mod+"pool")), 1},
		{"shm imports its ring", ruleDirection("shm", one(mod+"shm/ring")), 1},
		{"shm/internal has the row of shm", ruleDirection("shm/internal/x", one(mod+"shm/ring")), 1},
		{"pool/classify imports an internal package of pool", ruleDirection("pool/classify", []string{mod + "pool", mod + "pool/internal/x"}), 1},
		{"pool/internal imports pool", ruleDirection("pool/internal/codec", []string{mod + "pool/internal/wire", mod + "pool"}), 1},
		{"the worker's side imports the supervisor's", ruleDirection("pool/internal/worker", []string{mod + "pool/internal/lane", mod + "pool/internal/life"}), 1},
		{"the supervisor's side imports the worker's", ruleDirection("pool/internal/life", one(mod+"pool/internal/worker")), 1},
		{"an inner package of pool without a row", ruleDirection("pool/internal/x", one(mod+"pool/internal/wire")), 1},
		{"pool imports pool/classify", ruleDirection("pool", one(mod+"pool/classify")), 1},
		{"shm imports arrow", ruleDirection("shm", one(ruleArrow+"/arrow")), 1},
		{"pool imports bench", ruleDirection("pool", one(mod+"bench")), 1},
		{"pool imports queue and pipeline", ruleDirection("pool", []string{mod + "pool/queue", mod + "pool/pipeline"}), 2},
		{"pool imports its own internal package", ruleDirection("pool", one(mod+"pool/internal/wire")), 0},
		{"queue imports pool", ruleDirection("pool/queue", one(mod+"pool")), 1},
		{"pipeline imports what is internal to pool", ruleDirection("pool/pipeline", one(mod+"pool/internal/wire")), 1},
		{"pool imports arrowipc", ruleDirection("pool", one(mod+"arrowipc")), 1},
		{"pool/batch reaches shm through pool", ruleDirection("pool/batch", one(mod+"shm")), 0},
		{"journal imports shm", ruleDirection("pool/journal", one(mod+"shm")), 1},
		{"bench imports the command", ruleDirection("bench", one(mod+"cmd/handoff")), 1},
		{"a module with a similar name", ruleDirection("shm", one(ruleMmap+"-fork")), 1},
		{"a package without a row", ruleDirection("pool/extra", nil), 1},
		{"a top folder that starts like another", ruleDirection("shmem", nil), 1},
		{"shm links arrow", ruleLinks("shm", one(ruleArrow+"/arrow/memory")), 1},
		{"pool/internal links arrow", ruleLinks("pool/internal/x", one(ruleArrow+"/arrow")), 1},
		{"pool/batch links arrow", ruleLinks("pool/batch/ops", one(ruleArrow+"/arrow")), 0},
		{"arrowipc links grpc", ruleLinks("arrowipc/files", one(ruleGRPC+"/codes")), 1},
		{"cmd links grpc", ruleLinks("cmd/handoff", one(ruleGRPC)), 1},
		{"pool/batch links cobra", ruleLinks("pool/batch", one(ruleCobra+"/cobra")), 1},
		{"cmd links cobra", ruleLinks("cmd/handoff", one(ruleCobra+"/cobra")), 0},
		{"shm/ring links net/http", ruleLinks("shm/ring", one("net/http")), 1},
		{"pool links net/http", ruleLinks("pool", one("net/http/internal")), 1},
		{"pool/prom links net/http", ruleLinks("pool/prom", one("net/http")), 0},
		{"unsafe in a plain file", ruleUnsafe("shm/view.go", one("unsafe")), 1},
		{"unsafe with the words the wrong way round", ruleUnsafe("shm/view_linux_unsafe_.go", one("unsafe")), 1},
		{"unsafe in its files", ruleUnsafe("shm/view_unsafe_linux_amd64.go", one("unsafe")), 0},
		{"unsafe in a test", ruleUnsafe("shm/view_unsafe_test.go", one("unsafe")), 0},
		{"unix in a plain file", ruleKernel("shm/segment.go", one(ruleSys+"/unix")), 1},
		{"syscall in a plain test", ruleKernel("pool/crash_test.go", []string{"syscall", ruleSys + "/unix"}), 2},
		{"syscall where the name only contains linux", ruleKernel("shm/x_linux_unsafe.go", one("syscall")), 1},
		{"unix in its files", ruleKernel("shm/segment_unsafe_linux.go", one(ruleSys+"/unix")), 0},
		{"syscall in a Linux test", ruleKernel("pool/crash_linux_test.go", one("syscall")), 0},
		{"cgo", ruleCgo("shm/view_unsafe.go", one("C")), 1},
		{"no cgo", ruleCgo("shm/view.go", one("C/x")), 0},
		{"a library package without doc.go", ruleDoc("shm", "shm", one("segment.go")), 1},
		{"an internal package with any comment", ruleDoc("shm/internal/x", "x", one("x.go")), 0},
		{"an internal package without", ruleDoc("shm/internal/x", "x", nil), 1},
		{"a command without", ruleDoc("cmd/handoff", "main", nil), 1},
		{"an empty README", ruleReadme(""), 2},
		{"a README with both commands", ruleReadme("go run ./cmd/handoff bench\ngo test ./...\n"), 0},
		{"a new top-level folder", ruleTop([]string{"shm", "internal", "docs"}), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.wrong) != tt.want {
				t.Errorf("got %d faults, want %d: %q", len(tt.wrong), tt.want, tt.wrong)
			}
		})
	}
}
