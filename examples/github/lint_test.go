package github

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

var pinned = regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)

// TestWorkflowsAreTight checks rules that no linter here checks.
func TestWorkflowsAreTight(t *testing.T) {
	for _, kind := range kinds {
		w := called(t, kind)
		if w.Permissions == nil || len(w.Permissions) > 0 {
			t.Errorf("%s.yml: permissions of all jobs are %v, expected none", kind, w.Permissions)
		}
		for name, j := range w.Jobs {
			at := kind + ".yml, job " + name
			if j.Timeout == 0 || j.Permissions == nil || j.Concurrency.Group == "" || j.Defaults.Run.Shell != "bash" {
				t.Errorf("%s: expected a time-out, permissions, a concurrency group and bash", at)
			}
			if j.Permissions["contents"] != "read" || j.Permissions["id-token"] != "" {
				t.Errorf("%s: permissions %v", at, j.Permissions)
			}
			if kind == "plan" != j.Concurrency.Cancel {
				t.Errorf("%s: cancel-in-progress is %v", at, j.Concurrency.Cancel)
			}
			for _, s := range j.Steps {
				checkStep(t, at, s)
			}
		}
	}
	var action struct {
		Runs struct{ Steps []step }
	}
	unmarshal(t, "action.yml", read(t, ".github", "actions", "mkhooks", "action.yml"), &action)
	for _, s := range action.Runs.Steps {
		checkStep(t, "action.yml", s)
	}
}

func checkStep(t *testing.T, at string, s step) {
	t.Helper()
	if strings.Contains(s.Run, "${{") {
		t.Errorf("%s, step %q: an expression inside a script", at, s.Name)
	}
	if s.Uses != "" && s.Uses != "./tool/.github/actions/mkhooks" && !pinned.MatchString(s.Uses) {
		t.Errorf("%s: uses %s, which is not pinned by its commit", at, s.Uses)
	}
	if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != "false" {
		t.Errorf("%s, step %q: leaves GitHub's token in the clone", at, s.Name)
	}
}

// TestSecretsStayApart: no step sees more secrets than it needs. The plan job
// sees no key and no token that can write.
func TestSecretsStayApart(t *testing.T) {
	holders := map[string]map[string][]string{
		"plan":  {"MKIO_TOKEN_READ": {"Plan"}, "github.token": {"Keep the base's config", "Report the plan"}},
		"apply": {"MKIO_TOKEN": {"Show what was not reviewed", "Apply"}, "SOPS_AGE_KEY": {"Prove that every secret opens", "Apply"}, "github.token": {"Find the reviewed digest", "Report the result"}},
		"drift": {"MKIO_TOKEN_READ": {"Look for drift"}, "github.token": {"Open, update or close the issue"}},
	}
	expression := regexp.MustCompile(`\b(?:secrets\.(\w+)|(github\.token|secrets\.GITHUB_TOKEN))\b`)
	for _, kind := range kinds {
		got := map[string][]string{}
		j := called(t, kind).Jobs[kind]
		for name, text := range j.Env {
			if expression.MatchString(text) {
				t.Errorf("%s.yml: %s gives a secret to every step", kind, name)
			}
		}
		for _, s := range j.Steps {
			for _, text := range slices.Concat(slices.Collect(maps.Values(s.Env)), slices.Collect(maps.Values(s.With))) {
				if m := expression.FindStringSubmatch(text); m != nil {
					got[m[1]+m[2]] = append(got[m[1]+m[2]], s.Name)
				}
			}
		}
		if !maps.EqualFunc(got, holders[kind], slices.Equal) {
			t.Errorf("%s.yml: secrets and the steps that see them are %v, expected %v", kind, got, holders[kind])
		}
	}
}

// TestCallersFit: the files of "mkhooks init" pass the inputs that the
// workflows accept. They grant exactly the permissions that the workflows need.
func TestCallersFit(t *testing.T) {
	triggers := map[string][]string{"plan": {"pull_request", "workflow_dispatch"}, "apply": {"push", "workflow_dispatch"}, "drift": {"schedule", "workflow_dispatch"}}
	for _, kind := range kinds {
		c, w := caller(t, kind), called(t, kind)
		if got := slices.Sorted(maps.Keys(c.On.Rest)); !slices.Equal(got, triggers[kind]) {
			t.Errorf("caller of %s: on %v, expected %v", kind, got, triggers[kind])
		}
		j := c.Jobs[kind]
		if want := "mkhooks/mkhooks/.github/workflows/" + kind + ".yml@v1.2.3"; j.Uses != want {
			t.Errorf("caller of %s: uses %s, expected %s", kind, j.Uses, want)
		}
		if !maps.Equal(j.Permissions, w.Jobs[kind].Permissions) {
			t.Errorf("caller of %s: permissions %v, the workflow asks for %v", kind, j.Permissions, w.Jobs[kind].Permissions)
		}
		for name := range j.With {
			if _, ok := w.On.Call.Inputs[name]; !ok {
				t.Errorf("caller of %s: passes %s, which the workflow does not take", kind, name)
			}
		}
		for name, in := range w.On.Call.Inputs {
			if _, ok := j.With[name]; in.Required && !ok {
				t.Errorf("caller of %s: does not pass %s", kind, name)
			}
		}
		if got, want := slices.Sorted(maps.Keys(j.Secrets)), slices.Sorted(maps.Keys(w.On.Call.Secrets)); !slices.Equal(got, want) {
			t.Errorf("caller of %s: passes the secrets %v, the workflow takes %v", kind, got, want)
		}
		lint(t, kind, rendered(t, kind))
	}
}

// lint runs actionlint on a workflow.
func lint(t *testing.T, name string, text []byte) {
	t.Helper()
	cmd := exec.Command("go", "tool", "-modfile=.ci/tools.mod", "actionlint", "-")
	cmd.Dir = citest.Root()
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("actionlint of the caller of %s: %v\n%s", name, err, out)
	}
}

// TestShellcheckOfTheAction runs shellcheck on the action: actionlint checks
// workflows only.
func TestShellcheckOfTheAction(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("shellcheck is not on the PATH: the scripts of action.yml are not checked")
	}
	var action struct {
		Runs struct{ Steps []step }
	}
	unmarshal(t, "action.yml", read(t, ".github", "actions", "mkhooks", "action.yml"), &action)
	for _, s := range action.Runs.Steps {
		if s.Run == "" {
			continue
		}
		if s.Shell != "bash" {
			t.Errorf("action.yml, step %q: shell is %q, expected bash", s.Name, s.Shell)
		}
		file := filepath.Join(t.TempDir(), "step.sh")
		if err := os.WriteFile(file, []byte("#!/bin/bash\n"+s.Run), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("shellcheck", file).CombinedOutput(); err != nil {
			t.Errorf("action.yml, step %q: %v\n%s", s.Name, err, out)
		}
	}
}
