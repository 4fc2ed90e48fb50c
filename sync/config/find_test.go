package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestFind: a file that waits for its secret is found, one that is no rule is
// left out.
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
	found, problems := Find([]string{dir})
	want := []Found{{File: filepath.Join(dir, "a.yaml"), Name: "a", URL: "https://a.example.com/", Auth: webhook.AuthNames{Headers: []string{"X-One"}, QueryParams: []string{"k"}}}}
	if diff := cmp.Diff(want, found); diff != "" || len(problems) > 0 {
		t.Errorf("%v (-want +got):\n%s", problems, diff)
	}
	if _, problems := Find([]string{filepath.Join(dir, "none")}); len(problems) != 1 {
		t.Errorf("a path that is not there: %v", problems)
	}
}
