package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
)

var update = flag.Bool("update", false, "rewrite the expected outputs")

// lines formats problems as a .out file.
func lines(problems []schema.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%d:%d: %s: %s\n", p.Line, p.Column, p.Severity, p.Message)
		if p.Hint != "" {
			fmt.Fprintf(&b, "    %s\n", p.Hint)
		}
	}
	return b.String()
}

// TestFiles reads every file of testdata/ok and testdata/err and compares the
// problems with the .out file beside it.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"ok", "err"} {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in testdata/%s: %v", folder, err)
		}
		for _, file := range files {
			t.Run(folder+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				rule, problems := ParseRule("x.yaml", data, Options{})
				got := lines(problems)
				if (rule != nil) != (folder == "ok") || schema.HasErrors(problems) != (folder == "err") {
					t.Errorf("rule %t, problems:\n%s", rule != nil, got)
				}
				checkNoSecret(t, data, got)
				compare(t, strings.TrimSuffix(file, ".yaml")+".out", got)
			})
		}
	}
}

// checkNoSecret checks that the output contains neither the files' secrets nor any
// value under authentication.
func checkNoSecret(t *testing.T, data []byte, got string) {
	t.Helper()
	values := []string{"hunter2", "some-secret", "ENC[AES256_GCM,data:"}
	var walk func(n *yaml.Node, secret bool)
	walk = func(n *yaml.Node, secret bool) {
		for i, c := range n.Content {
			walk(c, secret || n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "authentication")
		}
		if n.Kind == yaml.MappingNode && secret {
			for i := 1; i < len(n.Content); i += 2 {
				if v := n.Content[i].Value; len(v) > 4 {
					values = append(values, v)
				}
			}
		}
	}
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) == nil {
		walk(&doc, false)
	}
	got = strings.ReplaceAll(got, "ENC[AES256_GCM,data:…", "") // the text of a hint, not a value
	for _, v := range values {
		if strings.Contains(got, v) {
			t.Errorf("%q is shown:\n%s", v, got)
		}
	}
}

// compare compares got with a file. With -update it writes the file.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if got == "" {
			_ = os.Remove(file) // no file means no problem
			return
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
}
