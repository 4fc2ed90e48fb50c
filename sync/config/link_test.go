package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLinksOutOfRepository checks links in place of a config file or .sops.yaml. A
// link is accepted if its target is in the repository, or if the link itself is
// outside the repository. Otherwise it is an error that names the link.
func TestLinksOutOfRepository(t *testing.T) {
	t.Parallel()
	const rule = "metadata: {name: a}\nspec: {url: https://a.example/x, enabled: true, events: [MediaKind.JobFinished]}\n"
	for name, tt := range map[string]struct {
		// files are below the test's directory. A value that begins with -> is a link.
		// The rule path is repo/rules, the config file repo/mkhooks.yaml.
		files map[string]string
		want  string
	}{
		"a file":                      {files: map[string]string{"repo/rules/.sops.yaml": "creation_rules: []\n"}},
		"a link in the repository":    {files: map[string]string{"repo/.git/x": "", "repo/s": "creation_rules: []\n", "repo/rules/.sops.yaml": "->../s"}},
		"a link out of it":            {files: map[string]string{"repo/.git/x": "", "s": "creation_rules: []\n", "repo/rules/.sops.yaml": "->../../s"}, want: "repo/rules/.sops.yaml: is a link that leads out"},
		"one above the rules":         {files: map[string]string{"repo/.git/x": "", "s": "creation_rules: []\n", "repo/.sops.yaml": "->../s"}, want: "repo/.sops.yaml: is a link that leads out"},
		"one deep below":              {files: map[string]string{"repo/.git/x": "", "s": "creation_rules: []\n", "repo/rules/x/b.yaml": strings.Replace(rule, "name: a", "name: b", 1), "repo/rules/x/.sops.yaml": "->../../../s"}, want: "repo/rules/x/.sops.yaml: is a link that leads out"},
		"one that counts for no rule": {files: map[string]string{"repo/.git/x": "", "s": "creation_rules: []\n", "repo/other/.sops.yaml": "->../../s"}},
		"over a link in between":      {files: map[string]string{"repo/.git/x": "", "s": "creation_rules: []\n", "repo/l": "->../s", "repo/rules/.sops.yaml": "->../l"}, want: "repo/rules/.sops.yaml: is a link that leads out"},
		"over a link to a directory":  {files: map[string]string{"repo/.git/x": "", "d/s": "creation_rules: []\n", "repo/l": "->../d", "repo/rules/.sops.yaml": "->../l/s"}, want: "repo/rules/.sops.yaml: is a link that leads out"},
		"an absolute one":             {files: map[string]string{"repo/.git/x": "", "repo/rules/.sops.yaml": "->/etc/hosts"}, want: "repo/rules/.sops.yaml: is a link that leads out"},
		"a dangling one":              {files: map[string]string{"repo/.git/x": "", "repo/rules/.sops.yaml": "->/nowhere"}},
		"without Git, beside it":      {files: map[string]string{"repo/rules/.sops.yaml": "->s", "repo/rules/s": "creation_rules: []\n"}},
		"without Git, elsewhere":      {files: map[string]string{"repo/rules/.sops.yaml": "->../s", "repo/s": "creation_rules: []\n"}, want: "repo/rules/.sops.yaml: is a link that leads out"},
		"above the repository":        {files: map[string]string{"repo/.git/x": "", "d/s": "creation_rules: []\n", ".sops.yaml": "->/etc/hosts"}},
		"out of a submodule":          {files: map[string]string{"repo/.git/x": "", "repo/s": "creation_rules: []\n", "repo/rules/.git": "gitdir: x", "repo/rules/.sops.yaml": "->../s"}, want: "repo/rules/.sops.yaml: is a link that leads out"},
		"the config file, in":         {files: map[string]string{"repo/.git/x": "", "repo/c/m": "projects: {a: {rules: [rules]}}\n", "repo/mkhooks.yaml": "->c/m"}},
		"the config file, out":        {files: map[string]string{"repo/.git/x": "", "m": "projects: {a: {rules: [rules]}}\n", "repo/mkhooks.yaml": "->../m"}, want: "repo/mkhooks.yaml: is a link that leads out"},
		"the config file, mounted":    {files: map[string]string{"repo/..1/m": "projects: {a: {rules: [rules]}}\n", "repo/..data": "->..1", "repo/mkhooks.yaml": "->..data/m"}},
		"its directory":               {files: map[string]string{".git/x": "", "repo": "->" + "OUTSIDE"}, want: "repo/mkhooks.yaml: is a link that leads out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := realPath(t.TempDir())
			outside := realPath(t.TempDir())
			if tt.files["repo"] == "" {
				writeOrLink(t, filepath.Join(dir, "repo/rules/a.yaml"), rule)
			} else {
				writeOrLink(t, filepath.Join(outside, "mkhooks.yaml"), "projects: {a: {rules: [rules]}}\n")
				writeOrLink(t, filepath.Join(outside, "rules/a.yaml"), rule)
			}
			for file, text := range tt.files {
				writeOrLink(t, filepath.Join(dir, file), strings.Replace(text, "OUTSIDE", outside, 1))
			}
			_, problems, err := LoadRules(t.Context(), []string{filepath.Join(dir, "repo/rules")}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if config := filepath.Join(dir, "repo/mkhooks.yaml"); exists(config) {
				_, more := ReadFile(config)
				problems = append(problems, more...)
			}
			got := ""
			for _, p := range problems {
				rel, err := filepath.Rel(dir, p.File)
				if filepath.IsAbs(p.File) && err == nil {
					p.File = rel
				}
				got += p.File + ": " + p.Message + "\n"
			}
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("problems %q, expected %q", got, tt.want)
			}
		})
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func writeOrLink(t *testing.T, file, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if target, ok := strings.CutPrefix(text, "->"); ok && err == nil {
		err = os.Symlink(target, file)
	} else if err == nil {
		err = os.WriteFile(file, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
