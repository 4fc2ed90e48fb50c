package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/schema"
)

// TestPathsWithoutRules checks that the run stops whatever an incomplete checkout or
// mount leaves of a layer, whichever layer it is. --allow-empty turns a merely empty
// path into a warning, and nothing else.
func TestPathsWithoutRules(t *testing.T) {
	t.Parallel()
	const whole = "layer"
	for name, test := range map[string]struct {
		files map[string]string // below the layer; a name with a final / is a directory, an initial @ marks a link
		says  string
		// forgiven reports whether --allow-empty accepts the path.
		forgiven bool
	}{
		"no directory":                 {nil, "no such file or folder", false},
		"nothing":                      {map[string]string{"/": ""}, "holds no rule file", true},
		"submodule not checked out":    {map[string]string{".git": "gitdir: ../../.git/modules/x\n"}, "holds no rule file", true},
		"other files only":             {map[string]string{"README.md": "x", "notes.txt": "x", "run.sh": "x"}, "holds no rule file", true},
		"hidden files only":            {map[string]string{".gitkeep": "", ".sops.yaml": "{}", ".a.yaml": ruleNamed("a")}, "holds no rule file", true},
		"hidden directory only":        {map[string]string{".github/a.yaml": ruleNamed("a")}, "holds no rule file", true},
		"config file only":             {map[string]string{"mkhooks.yaml": "projects: {}\n"}, "holds no rule file", true},
		"near misses only":             {map[string]string{"a.ymal": ruleNamed("a"), "b.yaml.txt": ruleNamed("b")}, "holds no rule file", true},
		"empty directories":            {map[string]string{"sub/deep/": ""}, "is an empty directory", true},
		"directories of other files":   {map[string]string{"sub/README.md": "x"}, "holds no rule file", true},
		"empty submodule inside":       {map[string]string{"a.yaml": ruleNamed("a"), "vendor/.git": "gitdir: x\n"}, "vendor: is an empty directory", true},
		"unused shared secrets only":   {map[string]string{"shared.yaml": "a: b\nsops: {}\n"}, "no rule takes a value from it", true},
		"file without content":         {map[string]string{"a.yaml": ""}, "a.yaml:1:1: holds no rule", false},
		"file with comments only":      {map[string]string{"a.yaml": "# a\n"}, "a.yaml:1:1: holds no rule", false},
		"file with a separator only":   {map[string]string{"a.yaml": "---\n"}, "a.yaml:1:1: holds no rule", false},
		"file with null":               {map[string]string{"a.yaml": "null\n"}, "a.yaml:1:1: holds no rule", false},
		"file with an empty mapping":   {map[string]string{"a.yaml": "{}\n"}, "a.yaml:1:1: ", false},
		"file of zero bytes":           {map[string]string{"a.yaml": strings.Repeat("\x00", 512)}, "a.yaml:1:1: ", false},
		"Git LFS pointer":              {map[string]string{"a.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"}, "a.yaml:1:1: is a Git LFS pointer", false},
		"link as a file":               {map[string]string{"a.yaml": "../common/a.yaml"}, "a.yaml:1:1: is text", false},
		"git-crypt":                    {map[string]string{"a.yaml": "\x00GITCRYPT\x00\xf3\x9c"}, "a.yaml:1:", false},
		"broken link":                  {map[string]string{"@a.yaml": ".git/annex/objects/x"}, "a.yaml: is a link that can't be followed", false},
		"link to a directory not here": {map[string]string{"@sub": "../../nowhere"}, "sub: is a link that can't be followed", false},
		"conflict left by a merge":     {map[string]string{"a.yaml": "<<<<<<< HEAD\n" + ruleNamed("a") + "=======\n>>>>>>> x\n"}, "a.yaml:", false},
	} {
		for _, place := range []string{"first", "last", "only"} {
			t.Run(name+"/"+place, func(t *testing.T) {
				t.Parallel()
				dir := tree(t, map[string]string{whole + "/z.yaml": ruleNamed("z")})
				layer := filepath.Join(dir, "named")
				plant(t, layer, test.files)
				paths := map[string][]string{"first": {layer, dir + "/" + whole}, "last": {dir + "/" + whole, layer}, "only": {layer}}[place]
				for _, layered := range []bool{true, false} {
					_, problems, err := LoadRules(t.Context(), paths, Options{Layered: layered})
					if err != nil {
						t.Fatal(err)
					}
					wantProblem(t, problems, test.says)
					wantProblem(t, problems, layer)
					if !schema.HasErrors(problems) {
						t.Errorf("layered %t: no error: %v", layered, problems)
					}
					_, problems, err = LoadRules(t.Context(), paths, Options{Layered: layered, AllowEmpty: true})
					if err != nil {
						t.Fatal(err)
					}
					wantProblem(t, problems, test.says)
					if ofPath := slices.DeleteFunc(slices.Clone(problems), func(p schema.Problem) bool { return p.Line > 0 }); test.forgiven && schema.HasErrors(ofPath) {
						t.Errorf("layered %t: with AllowEmpty an error: %v", layered, ofPath)
					} else if !test.forgiven && !schema.HasErrors(problems) {
						t.Errorf("layered %t: AllowEmpty forgives it: %v", layered, problems)
					}
				}
			})
		}
	}
}

// plant writes files below a directory.
func plant(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		link := strings.HasPrefix(name, "@")
		path := filepath.Join(dir, strings.TrimPrefix(name, "@"))
		folder := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			folder = path
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case link:
			err = os.Symlink(text, path)
		case folder != path:
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestOwnFiles checks that a layer is empty if all its files belong to a layer
// inside it. On a command line the paths may overlap.
func TestOwnFiles(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"rules/prod/a.yaml": ruleNamed("a")})
	paths := []string{dir + "/rules", dir + "/rules/prod"}
	_, problems, err := LoadRules(t.Context(), paths, Options{Layered: true})
	if err != nil || len(problems) != 1 {
		t.Fatalf("%v, problems %v", err, problems)
	}
	wantProblem(t, problems, dir+"/rules: holds no rule file")
	if _, problems := load(t, paths...); len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
}

// TestSharedLayer checks that a layer may contain only shared secrets files if a
// rule refers to one of them.
func TestSharedLayer(t *testing.T) {
	t.Parallel()
	rule := ruleNamed("a") + "  authentication:\n    headers:\n      X-A:\n        $secret: shared.yaml#a\n"
	dir := tree(t, map[string]string{"common/a.yaml": rule, "prod/shared.yaml": "a: hunter2-of-the-test\n"})
	_, problems, err := LoadRules(t.Context(), []string{dir + "/common", dir + "/prod"}, Options{Layered: true, AllowPlaintextAuth: true})
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, problems %v", err, problems)
	}
}

// TestSubmoduleHint checks that the hint about a submodule is the command that fills
// it.
func TestSubmoduleHint(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{".gitmodules": "[submodule \"c\"]\n\tpath = rules/common\n\turl = https://example.com/c\n"})
	for path, want := range map[string]string{"rules/common": "submodule update --init rules/common", "rules/common/sub": "submodule update --init rules/common", "rules/prod": "check the path"} {
		plant(t, filepath.Join(dir, path), map[string]string{"/": ""})
		problems := CheckPaths([]string{filepath.Join(dir, path)}, Options{})
		if len(problems) == 0 || !strings.Contains(problems[len(problems)-1].Hint, want) {
			t.Errorf("%s: %+v, want the hint %q", path, problems, want)
		}
	}
}

// TestNearMisses checks that a file that was probably meant as a rule file is
// reported, and other files are not.
// TestEmptyDirectoryInside: git mv leaves an empty directory behind, so that it is
// only a warning if .gitmodules does not list it.
func TestEmptyDirectoryInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plant(t, dir, map[string]string{"a.yaml": ruleNamed("a"), "left/": ""})
	rules, problems := load(t, dir)
	if len(rules.Rules) != 1 || len(problems) != 1 || schema.HasErrors(problems) {
		t.Errorf("rules %v, problems %v", names(rules), problems)
	}
	wantProblem(t, problems, dir+"/left: is an empty directory, as of a failed mount")
}

func TestNearMisses(t *testing.T) {
	t.Parallel()
	for name, near := range map[string]bool{
		"a.ymal": true, "a.yaml.txt": true, "a.json": true, "a.yml.bak": true, "a.yalm": true, "a.yam": true, "a.ymll": true, "a.yaaml": true, "a.yanl": true,
		"a.aml": true, "a.yaml~": true, "a.yaml.orig": true, "a.yml.disabled": true, "a.yaml.tmpl": true, "a.yaml.j2": true, "a.yaml.enc": true, "a.yaml.age": true,
		"a.jsonc": true, "a.JSON": true, "a.YML.BAK": true, "a.yaml.": true, "a-yaml": true, "ayml": true, "a.yaml ": true, "a.YMAL": true, "#a.yaml#": true, "a.yaml-old": false,
		"README.md": false, "notes.txt": false, "a.xml": false, "a.toml": false, "Makefile": false, "run.sh": false, "a.py": false, "a.html": false, "yellow": false, "a.yarn": false,
	} {
		if got := isNearlyYAML(name); got != near {
			t.Errorf("%q: %t, want %t", name, got, near)
		}
	}
	dir := tree(t, map[string]string{"a.yaml": ruleNamed("a"), "b.ymal": ruleNamed("b"), "sub/c.json": "{}", "UPPER.YAML": ruleNamed("u"), "README.md": ""})
	if err := os.Symlink("b.ymal", filepath.Join(dir, "l.yml.bak")); err != nil {
		t.Fatal(err)
	}
	rules, problems := load(t, dir)
	if len(rules.Rules) != 2 || len(problems) != 3 || schema.HasErrors(problems) {
		t.Errorf("rules %v, problems %v", names(rules), problems)
	}
	for _, name := range []string{"b.ymal", "sub/c.json", "l.yml.bak"} {
		wantProblem(t, problems, dir+"/"+name+": is not read")
	}
	for i := range 100 {
		plant(t, dir, map[string]string{fmt.Sprintf("x%d.json", i): "{}"})
	}
	if _, problems = load(t, dir); len(problems) != mostNear+1 {
		t.Errorf("%d problems for 103 near misses", len(problems))
	}
	wantProblem(t, problems, "and 83 more files")
}
