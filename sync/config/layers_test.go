package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestLayers loads the cases of testdata/layers: txtar archives whose directories
// are layers, in archive order. The archive's comment may contain "trace: RULE"
// (default: a) and "only: RULE". The file want contains the result: problems, then
// each rule with the origins of its fields and its sources.
//
// SOPS represents a file's metadata, SEALED1 and SEALED2 represent encrypted values.
func TestLayers(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/layers/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, data := runLayers(t, a)
			checkNoSecret(t, data, got)
			i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
			if *update {
				a.Files = append(slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" }), txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if i < 0 || string(a.Files[i].Data) != got {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

// setting returns the text after a word in a case's comment, or otherwise.
func setting(comment []byte, word, otherwise string) string {
	if m := regexp.MustCompile(`(?m)^` + word + `: (.+)$`).FindSubmatch(comment); m != nil {
		return string(m[1])
	}
	return otherwise
}

// sealedParts replaces the words of a case with the metadata and two encrypted
// values of a file.
func sealedParts(t *testing.T) *strings.Replacer {
	t.Helper()
	text := read(t, "testdata/ok/sealed.yaml")
	values := regexp.MustCompile(`ENC\[[^]]*type:str]`).FindAllString(text, 2)
	return strings.NewReplacer("SEALED1", values[0], "SEALED2", values[1], "SOPS\n", text[strings.Index(text, "sops:"):])
}

// runLayers loads a case. It returns the result and the files that it read.
func runLayers(t *testing.T, a *txtar.Archive) (got string, data []byte) {
	t.Helper()
	parts := sealedParts(t)
	files := map[string]string{}
	var layers []string
	for _, f := range a.Files {
		layer, _, isRule := strings.Cut(f.Name, "/")
		if !isRule {
			continue
		}
		files[f.Name] = parts.Replace(string(f.Data))
		data = append(append(data, files[f.Name]...), "---\n"...)
		if !slices.Contains(layers, layer) {
			layers = append(layers, layer)
		}
	}
	dir := tree(t, files)
	var paths []string
	for _, l := range layers {
		paths = append(paths, filepath.Join(dir, l))
	}
	o := Options{Layered: true, Trace: setting(a.Comment, "trace", "a")}
	if only := setting(a.Comment, "only", ""); only != "" {
		o.Only = func(rule string) bool { return rule == only }
	}
	rules, problems, err := LoadRules(t.Context(), paths, o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s: %s: %s\n", p.Position, p.Severity, p.Message)
		if p.Hint != "" {
			fmt.Fprintf(&b, "    %s\n", p.Hint)
		}
	}
	for _, r := range rules.Rules {
		fmt.Fprintf(&b, "\nrule %s at %s:%d, files %s\n", r.Name, r.File, r.Line, strings.Join(r.Files(), ", "))
		for _, o := range r.Origins {
			if o.Removed {
				fmt.Fprintf(&b, "  %s removed at %s:%d\n", strings.Join(o.Path, "."), o.File, o.Line)
			} else {
				fmt.Fprintf(&b, "  %s: %v at %s:%d\n", strings.Join(o.Path, "."), o.Value, o.File, o.Line)
			}
		}
		b.WriteString(sourcesOf(&r))
	}
	return strings.ReplaceAll(b.String(), dir+string(filepath.Separator), ""), data
}

// sourcesOf formats the documents that a rule's secrets come from, and the values
// taken from each.
func sourcesOf(r *Rule) string {
	var b strings.Builder
	for _, s := range r.Sealed.Sources {
		fmt.Fprintf(&b, "  opens %s", s.File)
		for _, path := range slices.Sorted(maps.Keys(s.Take)) {
			fmt.Fprintf(&b, " %s=%s", path, strings.Join(s.Take[path], "."))
		}
		b.WriteString("\n")
	}
	return b.String()
}
