package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestFind checks that a file with a missing secret is found, and that a file
// without a rule is omitted.
func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": "metadata: {name: a}\nspec:\n  url: https://a.example.com/\n  authentication: {headers: {X-One: REPLACE_ME}, queryParams: {k: \"ENC[]\"}}\n",
		"b.yaml": "a: [",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, problems := Scan([]string{dir})
	want := []RuleFile{{File: filepath.Join(dir, "a.yaml"), Name: "a", Spec: webhook.Spec{URL: "https://a.example.com/", Auth: webhook.AuthNames{Headers: []string{"X-One"}, QueryParams: []string{"k"}}}}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(problems) != 1 || problems[0].File != filepath.Join(dir, "b.yaml") || problems[0].Severity != schema.Warning {
		t.Errorf("a file that is no rule: %v", problems)
	}
	if f, problems := ScanFile("c.yaml", []byte("metadata: {name: c}\nspec: {url: \"https://a.example.com/\", enabled: true, events: []}\n"), Options{}); f == nil || f.Name != "c" || !f.Enabled || len(problems) != 1 {
		t.Errorf("one file: %v %v", f, problems)
	}
	if f, problems := ScanFile("d.yaml", []byte("a: ["), Options{}); f != nil || len(problems) != 1 {
		t.Errorf("one that is no rule: %v %v", f, problems)
	}
	if _, problems := Scan([]string{filepath.Join(dir, "none")}); len(problems) != 1 {
		t.Errorf("a path that is not there: %v", problems)
	}
}
