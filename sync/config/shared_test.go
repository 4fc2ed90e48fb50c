package config

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestShared loads the cases of testdata/shared: txtar archives whose directories
// are layers, in archive order. The archive's comment may contain "only: RULE" or
// "clear", which allows plaintext. The file want contains the result: problems, then
// each rule with the positions of its values.
//
// SOPS represents a rule file's metadata, SHARED a shared file's, SEALED1 and
// SEALED2 encrypted values.
func TestShared(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/shared/*.txtar")
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
			got, data := sharedCase(t, a)
			for _, secret := range []string{"hunter2", "ENC["} {
				if bytes.Contains(data, []byte(secret)) && strings.Contains(got, secret) {
					t.Errorf("%q is shown:\n%s", secret, got)
				}
			}
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

// loadShared writes the files of a case to a directory and loads them.
func loadShared(t *testing.T, a *txtar.Archive) (rules *Rules, problems []schema.Problem, dir string, data []byte) {
	t.Helper()
	sealed := read(t, "testdata/ok/sealed.yaml")
	values := regexp.MustCompile(`ENC\[[^]]*type:str]`).FindAllString(sealed, 2)
	metadata := sealed[strings.Index(sealed, "sops:"):]
	parts := strings.NewReplacer("SEALED1", values[0], "SEALED2", values[1], "SOPS\n", metadata,
		"SHARED\n", strings.Replace(metadata, "encrypted_regex: ^authentication$", "unencrypted_suffix: _unencrypted", 1))
	dir = t.TempDir()
	var layers []string
	for _, f := range a.Files {
		layer, _, inLayer := strings.Cut(f.Name, "/")
		if !inLayer {
			continue
		}
		text := []byte(parts.Replace(string(f.Data)))
		data = append(append(data, text...), "---\n"...)
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if layer = filepath.Join(dir, layer); !slices.Contains(layers, layer) {
			layers = append(layers, layer)
		}
	}
	o := Options{Layered: true, AllowPlaintextAuth: bytes.Contains(a.Comment, []byte("\nclear\n"))}
	if m := regexp.MustCompile(`(?m)^only: (.+)$`).FindSubmatch(a.Comment); m != nil {
		o.Only = func(rule string) bool { return rule == string(m[1]) }
	}
	rules, problems, err := LoadRules(context.Background(), layers, o)
	if err != nil {
		t.Fatal(err)
	}
	return rules, problems, dir, data
}

// sharedCase loads a case. It returns the result and the files that it read.
func sharedCase(t *testing.T, a *txtar.Archive) (got string, data []byte) {
	t.Helper()
	rules, problems, dir, data := loadShared(t, a)
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s: %s: %s\n", p.Position, p.Severity, p.Message)
		if p.Hint != "" {
			fmt.Fprintf(&b, "    %s\n", p.Hint)
		}
	}
	for _, r := range rules.Rules {
		state := "known"
		if r.AuthDigest == webhook.AuthUnknown {
			state = "unknown"
		}
		fmt.Fprintf(&b, "rule %s: auth %s, %d shared, %d in clear, placeholders %v\n", r.Name, state, sharedOf(r), r.Sealed.Plain.Len(), r.Placeholders)
		for _, s := range r.Sealed.Sources {
			fmt.Fprintf(&b, "    %s:", s.File)
			if s.Take == nil {
				b.WriteString(" all")
			}
			for _, path := range slices.Sorted(maps.Keys(s.Take)) {
				fmt.Fprintf(&b, " %s=%s", path, strings.Join(s.Take[path], "."))
			}
			b.WriteString("\n")
		}
	}
	fmt.Fprintf(&b, "%d rule files\n", rules.Files)
	return strings.ReplaceAll(b.String(), dir+string(filepath.Separator), ""), data
}

// TestSharedDigest checks that a reference does not change the digest of a rule: the
// digest equals the digest with the value in place. So moving a value sends nothing,
// and rotating a value sends each rule that uses it.
func TestSharedDigest(t *testing.T) {
	t.Parallel()
	load := func(shared string) map[string]webhook.Digest {
		rule := func(name, value string) txtar.File {
			return txtar.File{Name: "rules/" + name + ".yaml", Data: []byte(ruleNamed(name) + "  authentication:\n    headers:\n      X-Secret: " + value)}
		}
		const ref = "{$secret: shared.yaml#x}\n"
		a := &txtar.Archive{Files: []txtar.File{rule("own", "SEALED1\nSOPS\n"), rule("one", ref), rule("two", ref),
			{Name: "rules/shared.yaml", Data: []byte("x: " + shared + "\nSHARED\n")}}}
		digests := map[string]webhook.Digest{}
		rules, _, _, _ := loadShared(t, a)
		for _, r := range rules.Rules {
			digests[r.Name] = r.AuthDigest
		}
		return digests
	}
	before, after := load("SEALED1"), load("SEALED2")
	if len(before) != 3 || before["own"] != before["one"] || before["one"] != before["two"] {
		t.Errorf("digests %v, want three that are equal", before)
	}
	if after["own"] != before["own"] || after["one"] == before["one"] || after["one"] != after["two"] {
		t.Errorf("digests %v after %v, want those of one and two changed", after, before)
	}
}

// TestSharedLinks checks that a link inside the layer is read as a file, and a link
// out of the layer is not.
func TestSharedLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("outside/shared.yaml", "x: hunter2-value\n")
	write("rules/a.yaml", ruleNamed("a")+"  authentication:\n    headers:\n      X-Secret: {$secret: link/shared.yaml#x}\n")
	write("rules/b.yaml", ruleNamed("b")+"  authentication:\n    headers:\n      X-Secret: {$secret: inner.yaml#x}\n")
	write("rules/deep/shared.yaml", "x: value-in-clear\n")
	for link, to := range map[string]string{"rules/link": filepath.Join(dir, "outside"), "rules/inner.yaml": filepath.Join("deep", "shared.yaml")} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	rules, problems, err := LoadRules(context.Background(), []string{filepath.Join(dir, "rules")}, Options{AllowPlaintextAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(problems); !strings.Contains(got, "$secret leads to "+filepath.Join(dir, "rules/link/shared.yaml")+", which is a link that leads out of the layer") {
		t.Errorf("problems:\n%s", got)
	}
	if len(rules.Rules) != 1 || rules.Rules[0].Name != "b" || rules.Rules[0].Sealed.Plain.Len() != 1 {
		t.Errorf("rules %v", rules.Rules)
	}
}

// sharedOf counts the values that a rule takes from shared secrets files.
func sharedOf(r Rule) (n int) {
	for _, v := range r.Values {
		if v.Shared {
			n++
		}
	}
	return n
}
