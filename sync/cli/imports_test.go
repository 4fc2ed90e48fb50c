package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mkhooks/mkhooks"

// mayImport lists the direct imports that each package may have, except the
// standard library. It protects these borders: planning is pure, and only one
// package each talks to the service, decrypts and prints.
var mayImport = map[string][]string{
	"":                               {"sync/cli", "sync/collect", "golang.org/x/term"},
	"schema":                         {"sync/diag", "github.com/santhosh-tekuri/jsonschema/v5"},
	"secrets":                        {},
	"secrets/agekey":                 {"sync/atomicfile", "sync/shell", "filippo.io/age"},
	"secrets/sops":                   {"filippo.io/age", "filippo.io/age/", "github.com/ProtonMail/go-crypto/openpgp/armor", "secrets", "sync/diag", "sync/shell", "sync/yamltext", "github.com/getsops/sops/v3/", "github.com/getsops/sops/v3", "github.com/sirupsen/logrus", "google.golang.org/grpc", "go.yaml.in/yaml/v3", "golang.org/x/sync/"},
	"sync/atomicfile":                {"github.com/rogpeppe/go-internal/lockedfile", "golang.org/x/sys/unix"},
	"sync/audit":                     {"sync/atomicfile", "github.com/rogpeppe/go-internal/lockedfile"},
	"sync/collect":                   {},
	"sync/complete":                  {"sync/webhook"},
	"sync/diag":                      {},
	"sync/fair":                      {},
	"sync/manual":                    {"github.com/spf13/"},
	"sync/shell":                     {},
	"sync/webhook":                   {},
	"sync/yamltext":                  {"go.yaml.in/yaml/v3"},
	"sync/config":                    {"sync/diag", "sync/fair", "sync/shell", "sync/yamltext", "schema", "secrets", "sync/webhook", "go.yaml.in/yaml/v3", "go.yaml.in/yaml/v4", "sigs.k8s.io/yaml", "sync/parallel"},
	"sync/rulefile":                  {"sync/diag", "schema", "secrets", "sync/config", "sync/shell", "sync/webhook", "sync/yamltext", "go.yaml.in/yaml/v3"},
	"sync/parallel":                  {"golang.org/x/sync/"},
	"sync/mkio":                      {"secrets", "sync/parallel", "sync/webhook", "github.com/cenkalti/backoff/v5"},
	"sync/plan":                      {"sync/diag", "sync/shell", "sync/webhook", "github.com/r3labs/diff/v3"},
	"sync/archive":                   {"sync/atomicfile", "sync/archive/bucket", "sync/complete", "sync/webhook"},
	"sync/archive/bucket":            {"gocloud.dev/", "github.com/aws/", "github.com/Azure/", "github.com/googleapis/gax-go/v2", "google.golang.org/api/"},
	"sync/git":                       {"sync/shell"},
	"sync/history":                   {"sync/complete", "sync/webhook"},
	"sync/metrics":                   {"sync/atomicfile", "sync/plan"},
	"sync/progress":                  {"github.com/cheggaaa/pb/v3"},
	"sync/apply":                     {"secrets", "sync/archive", "sync/mkio", "sync/plan", "sync/webhook", "golang.org/x/sync/"},
	"sync/scaffold":                  {"schema", "sync/atomicfile", "sync/webhook", "sync/yamltext", "go.yaml.in/yaml/v3"},
	"sync/report":                    {"schema", "sync/apply", "sync/audit", "sync/diag", "sync/fair", "sync/history", "sync/plan", "sync/webhook", "golang.org/x/text/width"},
	"sync/emulator":                  {"sigs.k8s.io/yaml"},
	"sync/cli":                       {"sync/atomicfile", "sync/audit", "sync/diag", "sync/shell", "schema", "secrets", "secrets/agekey", "secrets/sops", "sync/apply", "sync/archive", "sync/config", "sync/emulator", "sync/git", "sync/history", "sync/manual", "sync/metrics", "sync/mkio", "sync/parallel", "sync/plan", "sync/progress", "sync/report", "sync/rulefile", "sync/scaffold", "sync/webhook", "github.com/spf13/", "golang.org/x/term"},
	"secrets/sops/sopstest":          nil, // test helpers
	"sync/archive/bucket/buckettest": nil,
	"examples/demo":                  nil, // separate programs
	"examples/bench":                 nil,
	"examples/bench/linksops":        nil,
	"examples/citest":                nil, // a test helper
	"examples/projects":              nil, // only tests
	"examples/github":                nil, // only tests
	"examples/gitlab":                nil,
	"examples/prometheus":            nil,
	"examples/container":             nil,
	"examples/kubernetes":            nil,
	"examples/systemd":               nil,
}

// listed is a package in the output of go list.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func goList(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps", module+"/...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func shortPath(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

func TestImports(t *testing.T) {
	t.Parallel()
	packages := goList(t)
	if len(packages) < len(mayImport)-1 {
		t.Fatalf("go list named %d packages, the table has %d", len(packages), len(mayImport))
	}
	for _, p := range packages {
		name := shortPath(p.ImportPath)
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s is not in the table of imports: say what it may import", p.ImportPath)
			continue
		}
		if allowed == nil {
			continue
		}
		for _, imported := range p.Imports {
			if !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				continue // standard library
			}
			of := shortPath(imported)
			ok := slices.ContainsFunc(allowed, func(a string) bool {
				return of == a || strings.HasSuffix(a, "/") && strings.HasPrefix(of, a)
			})
			if !ok {
				t.Errorf("%s imports %s, which the table does not allow", p.ImportPath, imported)
			}
		}
		checkReach(t, name, p)
	}
}

// checkReach checks for imports that a package must not reach, directly or
// indirectly.
func checkReach(t *testing.T, name string, p listed) {
	t.Helper()
	switch name {
	case "sync/plan":
		for _, never := range []string{"net/http"} {
			if slices.Contains(p.Deps, never) {
				t.Errorf("sync/plan reaches %s", never)
			}
		}
		for _, never := range []string{"os", "io", "context"} {
			if slices.Contains(p.Imports, never) {
				t.Errorf("sync/plan imports %s: planning is pure", never)
			}
		}
	case "secrets/sops":
		for _, never := range []string{"/stores/yaml", "/config", "/decrypt"} {
			if slices.Contains(p.Deps, "github.com/getsops/sops/v3"+never) {
				t.Errorf("secrets/sops reaches sops%s, which costs size and start", never)
			}
		}
	}
}

// TestOnlyMainTouchesTheProcess checks that streams, environment, exit and
// clock are passed in as values. Only the listed files may reveal a secret or
// start a program.
func TestOnlyMainTouchesTheProcess(t *testing.T) {
	t.Parallel()
	revealed, starts := map[string]bool{}, map[string]bool{}
	root := filepath.Join("..", "..")
	for _, top := range []string{"sync", "schema", "secrets"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			rel = filepath.ToSlash(rel)
			if mayImport[path.Dir(rel)] == nil { // test helpers
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, i := range parsed.Imports {
				if slices.Contains([]string{`"os/exec"`, `"plugin"`, `"golang.org/x/sys/execabs"`, `"C"`}, i.Path.Value) {
					starts[rel] = true
				}
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, _ := s.X.(*ast.Ident)
				switch {
				case s.Sel.Name == "Reveal":
					revealed[rel] = true
				case x != nil && x.Name == "os" && slices.Contains([]string{"Stdout", "Stderr", "Stdin", "Exit", "Getenv", "LookupEnv", "Environ", "Args"}, s.Sel.Name):
					t.Errorf("%s uses os.%s: only main.go may", rel, s.Sel.Name)
				case x != nil && (x.Name == "os" || x.Name == "syscall" || x.Name == "unix") && slices.Contains([]string{"StartProcess", "ForkExec", "Exec"}, s.Sel.Name):
					starts[rel] = true
				case x != nil && x.Name == "time" && s.Sel.Name == "Now" && path.Dir(rel) == "sync/plan":
					t.Errorf("%s uses time.Now: planning is pure", rel)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// A secret is revealed in only two places: when a request is written, and
	// when it becomes ciphertext to seal a file.
	want := []string{"secrets/sops/seal.go", "sync/mkio/reveal.go"}
	if got := slices.Sorted(maps.Keys(revealed)); !slices.Equal(got, want) {
		t.Errorf("secrets are revealed in %v, expected %v", got, want)
	}
	// A file of a pull request could control any program that is started. With
	// a single starting file, a reviewer can check that this never happens.
	want = []string{"sync/git/run.go"}
	if got := slices.Sorted(maps.Keys(starts)); !slices.Equal(got, want) {
		t.Errorf("programs are started in %v, expected %v", got, want)
	}
}
