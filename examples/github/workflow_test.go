package github

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/examples/citest"
)

// workflow is the part of a workflow file that the tests run or check.
type workflow struct {
	On struct {
		Call struct {
			Inputs  map[string]input          `yaml:"inputs"`
			Secrets map[string]map[string]any `yaml:"secrets"`
		} `yaml:"workflow_call"`
		Rest map[string]any `yaml:",inline"`
	} `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]job    `yaml:"jobs"`
}

type input struct {
	Type     string `yaml:"type"`
	Required bool   `yaml:"required"`
	Default  string `yaml:"default"`
}

type job struct {
	// Uses and the next fields belong to a caller.
	Uses    string            `yaml:"uses"`
	With    map[string]string `yaml:"with"`
	Secrets map[string]string `yaml:"secrets"`

	Needs       string            `yaml:"needs"`
	Outputs     map[string]string `yaml:"outputs"`
	If          string            `yaml:"if"`
	RunsOn      string            `yaml:"runs-on"`
	Timeout     int               `yaml:"timeout-minutes"`
	Environment string            `yaml:"environment"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency struct {
		Group  string `yaml:"group"`
		Cancel bool   `yaml:"cancel-in-progress"`
	} `yaml:"concurrency"`
	Defaults struct {
		Run struct {
			Shell string `yaml:"shell"`
			Dir   string `yaml:"working-directory"`
		} `yaml:"run"`
	} `yaml:"defaults"`
	Env   map[string]string `yaml:"env"`
	Steps []step            `yaml:"steps"`
}

type step struct {
	Name  string            `yaml:"name"`
	ID    string            `yaml:"id"`
	If    string            `yaml:"if"`
	Uses  string            `yaml:"uses"`
	With  map[string]string `yaml:"with"`
	Run   string            `yaml:"run"`
	Shell string            `yaml:"shell"`
	Dir   string            `yaml:"working-directory"`
	Env   map[string]string `yaml:"env"`
}

// kinds are the names of all workflows.
var kinds = []string{"plan", "apply", "drift"}

func unmarshal(t testing.TB, name string, data []byte, v any) {
	t.Helper()
	if err := yaml.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{citest.Root()}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// called returns the reusable workflow of a kind.
func called(t testing.TB, kind string) (w workflow) {
	t.Helper()
	unmarshal(t, kind, read(t, ".github", "workflows", kind+".yml"), &w)
	return w
}

// rendered returns the caller that "mkhooks init" writes.
func rendered(t testing.TB, kind string) []byte {
	t.Helper()
	text := read(t, "sync", "scaffold", "templates", "github", kind+".yml")
	tmpl, err := template.New(kind).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, map[string]string{"Project": "demo", "ToolRef": "v1.2.3", "Branch": "main"}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// caller parses the caller that "mkhooks init" writes.
func caller(t testing.TB, kind string) (w workflow) {
	t.Helper()
	unmarshal(t, "caller of "+kind, rendered(t, kind), &w)
	return w
}
