package scaffold

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/sync/config"
)

// odd are settings whose values YAML or a template could misread.
var odd = []Settings{
	{Owner: "video-platform", Project: "demo", Branch: "main", ToolRef: "v1.0.0", Destinations: []string{ExampleHost}, Recipients: []string{"age1abc"}, Secret: true, CodeOwners: []string{"@org/team", "@someone"}},
	{Owner: "true", Project: "no", Branch: "1", ToolRef: "main"},
	{Owner: "0123", Project: "1e10", Branch: "release/1.0", ToolRef: "main", Destinations: []string{"[::1]:8443", "a.example:8443"}},
	{Owner: "a", Project: "a: b # c", Branch: "main", ToolRef: "main"},
	{Owner: "a", Project: `it's "quoted" [[ .Owner ]] \ {}`, Branch: "main", ToolRef: "main"},
	{Owner: "a", Project: "Prüfung &x *y !z", Branch: "main", ToolRef: "main"},
}

// TestFilesSayWhatIsMeant reads every file as its users do.
func TestFilesSayWhatIsMeant(t *testing.T) {
	t.Parallel()
	for _, s := range odd {
		files, err := s.Files()
		if err != nil {
			t.Fatalf("project %q: %v", s.Project, err)
		}
		if files[len(files)-1].Path != ConfigPath {
			t.Errorf("the last file is %s, expected the config file: a run that dies before it is gone through again", files[len(files)-1].Path)
		}
		for _, f := range files {
			checkForm(t, f)
			if f.Why == "" || len(f.Why) > 42 {
				t.Errorf("%s: why is %q, expected some words that fit beside the path", f.Path, f.Why)
			}
			switch {
			case f.Path == ConfigPath:
				checkConfig(t, s, f)
			case f.Path == SOPSPath:
				checkSOPS(t, s, f)
			case strings.HasPrefix(f.Path, WorkflowPrefix):
				checkWorkflow(t, s, f)
			}
		}
	}
}

// checkForm checks that text ends with a newline and that JSON and YAML can be
// parsed.
func checkForm(t *testing.T, f File) {
	t.Helper()
	text := string(f.Data)
	if !strings.HasSuffix(text, "\n") || strings.Contains(text, "\r") || strings.Contains(text, "[[ if") || strings.Contains(text, "[[ yaml") || strings.Contains(text, " \n") {
		t.Errorf("%s is no clean text:\n%s", f.Path, text)
	}
	var v any
	switch path.Ext(f.Path) {
	case ".yml", ".yaml":
		if err := yaml.Unmarshal(f.Data, &v); err != nil || v == nil {
			t.Errorf("%s: %v\n%s", f.Path, err, text)
		}
	case ".json":
		if err := json.Unmarshal(f.Data, &v); err != nil {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
}

func checkConfig(t *testing.T, s Settings, f File) {
	t.Helper()
	c, problems := config.ParseFile(f.Path, f.Data)
	if c == nil || len(problems) > 0 {
		t.Errorf("project %q: %v\n%s", s.Project, problems, f.Data)
		return
	}
	if c.Owner != s.Owner || !slices.Equal(c.Names(), []string{s.Project}) || !slices.Equal(c.Destinations, s.Destinations) {
		t.Errorf("the config file says owner %q, projects %q, destinations %q; expected what the settings say, %+v", c.Owner, c.Names(), c.Destinations, s)
	}
}

func checkSOPS(t *testing.T, s Settings, f File) {
	t.Helper()
	e := Existing{File: f, At: f.Path, Content: f.Data}
	if advice := s.Advice(e); len(advice) > 0 {
		t.Errorf("our own .sops.yaml lacks something: %q", advice)
	}
}

func checkWorkflow(t *testing.T, s Settings, f File) {
	t.Helper()
	var w struct {
		Jobs map[string]struct {
			Uses string
			With map[string]string
		}
	}
	if err := yaml.Unmarshal(f.Data, &w); err != nil || len(w.Jobs) == 0 {
		t.Errorf("%s: %v, %d jobs", f.Path, err, len(w.Jobs))
	}
	for name, job := range w.Jobs {
		if job.With["project"] != s.Project || !strings.HasSuffix(job.Uses, "@"+s.ToolRef) {
			t.Errorf("%s: job %s has project %q and uses %q, expected %q and @%s", f.Path, name, job.With["project"], job.Uses, s.Project, s.ToolRef)
		}
		if b, ok := job.With["branch"]; ok && b != s.Branch {
			t.Errorf("%s: branch %q, expected %q", f.Path, b, s.Branch)
		}
	}
}

// TestWorkflows checks that all expected workflows exist and that actionlint finds
// nothing.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := odd[0].Files()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	dir := t.TempDir()
	for _, f := range files {
		if !strings.HasPrefix(f.Path, WorkflowPrefix) {
			continue
		}
		name := strings.TrimPrefix(f.Path, WorkflowPrefix)
		names = append(names, name)
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"apply.yml", "drift.yml", "plan.yml"}; !slices.Equal(names, want) {
		t.Errorf("workflows %q, want %q", names, want)
	}
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, ".ci", "tools.mod")); err != nil {
		t.Skipf("no actionlint: %v", err)
	}
	args := []string{"tool", "-modfile=.ci/tools.mod", "actionlint", "-no-color"}
	for _, name := range names {
		args = append(args, filepath.Join(dir, name))
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
}

func TestPathRegex(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		paths   []string
		yes, no string
	}{
		{nil, "rules/a.yaml", "rules-of-others/a.yaml"},
		{[]string{"rules/common", "./rules/prod/"}, "rules/prod/x/a.yaml", "rules/other/a.yaml"},
		{[]string{"a.b"}, "a.b/c.yaml", "axb/c.yaml"},
		{[]string{"."}, "deep/down/c.yml", "README.md"},
	} {
		s := Settings{RulePaths: c.paths}
		re, err := regexp.Compile(s.PathRegex())
		if err != nil || !re.MatchString(c.yes) || re.MatchString(c.no) {
			t.Errorf("%q: %s (%v), expected it to match %s and not %s", c.paths, s.PathRegex(), err, c.yes, c.no)
		}
	}
}

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contents returns the contents of all files below a directory, by path.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWriteWhatIsMissing checks that existing files are kept, also if another file
// has the same purpose. A second run has nothing to do.
func TestWriteWhatIsMissing(t *testing.T) {
	t.Parallel()
	before := map[string]string{".gitignore": "mine\n", "readme.rst": "mine\n", "docs/CODEOWNERS": "* @me\n", "rules/a.yaml": "mine\n"}
	dir := tree(t, before)
	files, err := odd[0].Files()
	if err != nil {
		t.Fatal(err)
	}
	missing, existing, err := FindMissing(dir, files)
	if err != nil || len(missing) != len(files)-3 {
		t.Fatalf("%d of %d files are missing, %v", len(missing), len(files), err)
	}
	var at []string
	for _, e := range existing {
		at = append(at, e.At)
	}
	if want := []string{".gitignore", "docs/CODEOWNERS", "readme.rst"}; !slices.Equal(at, want) {
		t.Errorf("existing %q, want %q", at, want)
	}
	if n, err := Write(dir, missing); n != len(missing) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	after := contents(t, dir)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s was changed to %q", name, after[name])
		}
	}
	if len(after) != len(before)+len(missing) {
		t.Errorf("%d files after, expected %d", len(after), len(before)+len(missing))
	}
	if missing, _, err = FindMissing(dir, files); len(missing) > 0 || err != nil {
		t.Errorf("again: %d files are missing, %v", len(missing), err)
	}
}

// TestNothingIsWrittenThroughLinks puts links in place of each directory and file.
func TestNothingIsWrittenThroughLinks(t *testing.T) {
	t.Parallel()
	files, err := odd[0].Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{".github", ".github/workflows", "rules"} {
		dir, outside := tree(t, map[string]string{".github/x": ""}), t.TempDir()
		if link == ".github" {
			if err := os.RemoveAll(filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(outside, filepath.Join(dir, link)); err != nil {
			t.Skipf("no links here: %v", err)
		}
		_, _, err := FindMissing(dir, files)
		if err == nil || !strings.Contains(err.Error(), "is a link") {
			t.Errorf("%s: Survey says %v", link, err)
		}
		if _, err := Write(dir, files); err == nil || !strings.Contains(err.Error(), "is a link") {
			t.Errorf("%s: Write says %v", link, err)
		}
		if got := contents(t, outside); len(got) > 0 {
			t.Errorf("%s: written through it: %v", link, got)
		}
	}
	dir, outside := t.TempDir(), t.TempDir()
	for _, f := range []string{ConfigPath, ".gitignore"} {
		if err := os.Symlink(filepath.Join(outside, f), filepath.Join(dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	missing, existing, err := FindMissing(dir, files)
	if err != nil || len(existing) != 2 {
		t.Fatalf("dangling links: %d files exist, %v", len(existing), err)
	}
	if _, err := Write(dir, missing); err != nil {
		t.Error(err)
	}
	if _, err := Write(dir, files); err == nil {
		t.Error("a link was written over")
	}
	if got := contents(t, outside); len(got) > 0 {
		t.Errorf("written through a link: %v", got)
	}
	for _, e := range existing {
		if advice := odd[0].Advice(e); len(advice) != 1 {
			t.Errorf("%s: advice %q, expected that it is a link", e.At, advice)
		}
	}
}

func TestObstacles(t *testing.T) {
	t.Parallel()
	files, err := odd[0].Files()
	if err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{".github": "a file"})
	if _, _, err := FindMissing(dir, files); err == nil || !strings.Contains(err.Error(), ".github is no folder") {
		t.Errorf("a file where a folder belongs: %v", err)
	}
	if missing, _, err := FindMissing(filepath.Join(dir, "still", "to", "be", "made"), files); err != nil || len(missing) != len(files) {
		t.Errorf("a folder that is not there: %d missing, %v", len(missing), err)
	}
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	s := odd[0]
	files, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]File{}
	for _, f := range files {
		ours[f.Path] = f
	}
	const good = "creation_rules:\n  - path_regex: rules/\n    encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n    age: age1abc\n"
	for _, c := range []struct{ path, text, want string }{
		{SOPSPath, good, ""},
		{SOPSPath, strings.Replace(good, "    mac_only_encrypted: true\n", "", 1), "creation rule 1, the first for rule files, lacks mac_only_encrypted: true"},
		{SOPSPath, strings.Replace(good, "^authentication$", "^(data)$", 1), "lacks encrypted_regex: ^authentication$"},
		{SOPSPath, strings.Replace(good, "age1abc", "age1other", 1), "lacks the age key age1abc"},
		{SOPSPath, strings.Replace(good, "rules/", "secrets/", 1), "has no creation rule for rule files"},
		{SOPSPath, "creation_rules:\n  - path_regex: secrets/\n    age: age1abc\n" + good[len("creation_rules:\n"):], ""},
		{SOPSPath, strings.Replace(good, "rules/", "'('", 1), "does not compile"},
		{SOPSPath, "a: [", "can't be read"},
		{SOPSPath, "", "has no creation rule"},
		{".gitignore", "/archive/\nplan.json\n", "add these lines: plan.md, *.plan.json, *.agekey"},
		{".gitignore", string(ours[".gitignore"].Data), ""},
		{CodeOwnersPath, "* @me\n", ""},
		{CodeOwnersPath, "/.github/ @me\n.sops.yaml @me\n", "give these an owner, too: /mkhooks.yaml"},
		{CodeOwnersPath, "/mkhooks.yaml @me\n/.github/ @me\n/.sops.yaml @me\n", "give these an owner, too: .sops.yaml"},
		{CodeOwnersPath, "/mkhooks.yaml @me\n.github/ @me\n**/.sops.yaml @me\n", ""},
		{CodeOwnersPath, "/mkhooks.yaml\n", "/mkhooks.yaml, .sops.yaml"},
		{"rule.schema.json", "{}", "mkhooks schema rule > rule.schema.json"},
		{"README.md", "anything", ""},
	} {
		got := strings.Join(s.Advice(Existing{File: ours[c.path], At: c.path, Content: []byte(c.text)}), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s\n%s: advice %q, want %q", c.path, c.text, got, c.want)
		}
	}
}

// TestExample checks the example rule with a secret and without.
func TestExample(t *testing.T) {
	t.Parallel()
	for _, secret := range []bool{true, false} {
		s := odd[0]
		s.Secret = secret
		data, err := s.renderTemplate("templates/rules/example.yaml")
		if err != nil {
			t.Fatal(err)
		}
		_, problems := config.ParseRule(ExamplePath, data, config.Options{AllowPlaceholders: true})
		for _, p := range problems {
			if !secret || !strings.Contains(p.Message, "placeholder") {
				t.Errorf("secret %v: %v", secret, p)
			}
		}
		if bytes.Contains(data, []byte("authentication:")) != secret {
			t.Errorf("secret %v:\n%s", secret, data)
		}
	}
}
