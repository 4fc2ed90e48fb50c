package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mkhooks/mkhooks/schema"
)

// TestConfigFiles reads every file of testdata/config and compares the problems with
// the .out file beside it.
func TestConfigFiles(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"ok", "err"} {
		files, err := filepath.Glob(filepath.Join("testdata", "config", folder, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in testdata/config/%s: %v", folder, err)
		}
		for _, file := range files {
			t.Run(folder+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				c, problems := ParseFile("mkhooks.yaml", data)
				got := lines(problems)
				if (c != nil) != (folder == "ok") || schema.HasErrors(problems) != (folder == "err") {
					t.Errorf("config %t, problems:\n%s", c != nil, got)
				}
				if strings.Contains(got, "hunter2") {
					t.Errorf("what may be a token is shown:\n%s", got)
				}
				compare(t, strings.TrimSuffix(file, ".yaml")+".out", got)
			})
		}
	}
}

// TestConfigValues checks the parsed values, with defaults filled in.
func TestConfigValues(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/config/ok/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("sub", "mkhooks.yaml")
	got, problems := ParseFile(name, data)
	want := &File{
		Name: name, Owner: "video-platform", FormerOwners: []string{"video", "media/platform"},
		Archive: "s3://audit-bucket/mkhooks", ArchiveIsDurable: true, Audit: "./audit/applies.jsonl",
		Destinations: []string{"hooks.example.com", "*.media.example.com", "hooks.example.com:8443"}, KeyServices: []string{"awskms"},
		Projects: []Project{
			{Name: "prod", Rules: []string{"rules/common", "rules/prod"}, TokenEnv: "MKIO_TOKEN_PROD", Protect: []string{"billing-*"}, settings: settings{"owned", "2"}},
			{Name: "staging", Rules: []string{"rules/common", "rules/staging"}, settings: settings{"none", "30%"}},
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Project{}), cmpopts.IgnoreUnexported(File{})); diff != "" {
		t.Errorf("problems %v (-want +got):\n%s", problems, diff)
	}
	paths := []string{filepath.Join("sub", "rules", "common"), filepath.Join("sub", "rules", "prod")}
	if diff := cmp.Diff(paths, got.Paths(got.Project("prod"))); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if got.Project("dev") != nil || !slices.Equal(got.Names(), []string{"prod", "staging"}) {
		t.Errorf("projects %v", got.Names())
	}
}

// TestConfigLinks checks that a link can't lead a path of the config file out of its
// directory.
func TestConfigLinks(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "rules", "in"), 0o700),
		os.Symlink(elsewhere, filepath.Join(dir, "out")),
		os.Symlink("rules/in", filepath.Join(dir, "within")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, FileName)
	for text, want := range map[string]string{
		"projects: {a: {rules: [out]}}":                                 "is a link that leads out of the folder",
		"projects: {a: {rules: [out/below/there]}}":                     "is a link that leads out of the folder",
		"{archive: out/archive, projects: {a: {rules: [rules]}}}":       "the path of archive is a link that leads out",
		"{audit: out/audit.jsonl, projects: {a: {rules: [rules]}}}":     "the path of audit is a link that leads out",
		"{archive: new/archive, projects: {a: {rules: [within, new]}}}": "",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := ReadFile(name)
		if got := lines(problems); (c != nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: config %t, problems %q; want %q", text, c != nil, got, want)
		}
	}
	if _, problems := ReadFile(filepath.Join(dir, "none.yaml")); !strings.Contains(lines(problems), "no such file") {
		t.Errorf("a file that is not there: %q", lines(problems))
	}
}

// TestWithin checks that the spelling of a path does not change its place.
func TestWithin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "rules"), 0o700),
		os.Symlink(dir, filepath.Join(dir, "rules", "up")),
		os.Symlink("rules", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		"rules": true, "rules/a.yaml": true, "link/a.yaml": true, "rules/../rules": true,
		"rulesets": false, "rules/..": false, "rules/up/x.yaml": false, "other.yaml": false,
	} {
		if got := IsWithin(dir+"/"+path, []string{filepath.Join(dir, "rules")}); got != want {
			t.Errorf("Within(%s) = %v", path, got)
		}
	}
}

// FuzzParseFile checks that parsing any config file ends without a panic and that
// every problem has a position inside the file. The paths of an accepted file stay
// in its directory, and it names only token variables.
func FuzzParseFile(f *testing.F) {
	files, err := filepath.Glob("testdata/config/*/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := ParseFile("mkhooks.yaml", data)
		if (c == nil) != schema.HasErrors(problems) {
			t.Fatalf("config %v with the problems %v", c, problems)
		}
		for _, p := range problems {
			if p.File != "mkhooks.yaml" || p.Message == "" || p.Line > 0 && p.Column < 1 {
				t.Fatalf("a problem at %v: %q", p.Position, p.Message)
			}
		}
		if c == nil {
			return
		}
		if len(c.Projects) == 0 {
			t.Fatal("accepted without a project")
		}
		for _, p := range c.Projects {
			if p.TokenEnv != "" && p.TokenEnv != "MKIO_TOKEN" && !strings.HasPrefix(p.TokenEnv, "MKIO_TOKEN_") {
				t.Fatalf("accepted the variable %q", p.TokenEnv)
			}
			for _, r := range p.Rules {
				if !filepath.IsLocal(filepath.FromSlash(r)) {
					t.Fatalf("accepted the path %q", r)
				}
			}
		}
		if again := CompareConfigs(c, c); len(again) > 0 {
			t.Fatalf("looser than itself: %v", again)
		}
	})
}
