package scaffold

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGuarded checks that each file that plan --base compares, and each file that
// runs it, matches a pattern of CODEOWNERS. It does so in a separate repository and
// in a monorepo. Git's matcher of such patterns decides.
func TestGuarded(t *testing.T) {
	t.Parallel()
	runs := []string{".github/workflows/mkhooks-plan.yml", ".github/workflows/other.yml", ".github/CODEOWNERS"}
	for _, c := range []struct {
		below       string
		owned, left []string
	}{
		{"", []string{"mkhooks.yaml", ".sops.yaml", "rules/.sops.yaml", "rules/prod/deep/.sops.yaml"}, []string{"rules/a.yaml", "README.md"}},
		{"webhooks", []string{"webhooks/mkhooks.yaml", "webhooks/.sops.yaml", "webhooks/rules/.sops.yaml", ".sops.yaml"},
			[]string{"mkhooks.yaml", "other/.sops.yaml", "webhooks/rules/a.yaml"}},
		{"apps/my hooks", []string{"apps/my hooks/mkhooks.yaml", "apps/my hooks/rules/x/.sops.yaml", "apps/.sops.yaml", ".sops.yaml"},
			[]string{"apps/other/.sops.yaml", "apps/mkhooks.yaml"}},
	} {
		s := Settings{Below: c.below, CodeOwners: []string{"@org/team"}}
		files := slices.Concat(c.owned, runs)
		got := matchedByGit(t, s.Guarded(), slices.Concat(files, c.left))
		slices.Sort(files)
		slices.Sort(got)
		if !slices.Equal(got, files) {
			t.Errorf("below %q, the patterns %q match\n%q, expected\n%q", c.below, s.Guarded(), got, files)
		}
		text, err := s.renderTemplate("templates/CODEOWNERS")
		if err != nil {
			t.Fatal(err)
		}
		for _, pattern := range s.Guarded() {
			if !bytes.Contains(text, []byte("\n"+pattern+" ")) {
				t.Errorf("CODEOWNERS lacks %s:\n%s", pattern, text)
			}
		}
	}
}

// matchedByGit returns the files that patterns match. Git reads the patterns as a
// .gitignore, whose syntax CODEOWNERS follows.
func matchedByGit(t *testing.T, patterns, files []string) []string {
	t.Helper()
	dir := tree(t, map[string]string{".gitignore": strings.Join(patterns, "\n") + "\n"})
	if out, err := exec.Command("git", "init", "--quiet", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	cmd := exec.Command("git", "-C", filepath.Clean(dir), "check-ignore", "--no-index", "-z", "--stdin")
	cmd.Stdin = strings.NewReader(strings.Join(files, "\x00") + "\x00")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git check-ignore: %v", err)
	}
	return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
}
