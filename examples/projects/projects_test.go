// Package projects tests its config repository: the complete life of its rules,
// with the real sops command, against the emulator.
package projects

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// life is a copy of the repository, and its service.
type life struct {
	t    *testing.T
	dir  string
	bin  string
	sops string
	env  []string
	live emulator.Projects
}

func begin(t *testing.T) *life {
	t.Helper()
	sops, err := sopstest.Command()
	if err != nil {
		t.Fatalf("find the sops command: %v", err)
	}
	l := &life{t: t, dir: t.TempDir(), bin: filepath.Join(t.TempDir(), "mkhooks"), sops: sops, live: emulator.Projects{}}
	if out, err := exec.Command("go", "build", "-o", l.bin, "../..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.CopyFS(l.dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dev", "staging", "prod"} {
		l.live[name] = emulator.New(emulator.Options{Project: name, Tokens: map[string][]emulator.Capability{"T": emulator.AllCapabilities()}})
	}
	h := httptest.NewServer(l.live)
	t.Cleanup(h.Close)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SOPS_") && !strings.HasPrefix(v, "MKIO_") && !strings.HasPrefix(v, "CI=") && !strings.HasPrefix(v, "GITHUB_") {
			l.env = append(l.env, v)
		}
	}
	l.env = append(l.env, "MKIO_BASE_URL="+h.URL, "MKIO_TOKEN=T")
	return l
}

// key returns the environment of users who can decrypt secrets.
func (l *life) key() []string {
	return append(l.env[:len(l.env):len(l.env)], "SOPS_AGE_KEY_FILE="+filepath.Join(l.dir, "age-key.txt"))
}

// run runs a command in the repository. It checks the exit code and texts in
// the output of both streams. The output must not contain a secret.
func (l *life) run(env []string, code int, args []string, want ...string) {
	l.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = l.dir, env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the exit code is checked below
	if got := cmd.ProcessState.ExitCode(); got != code {
		l.t.Fatalf("%s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out.String())
	}
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(out.String()) {
			l.t.Fatalf("%s: nothing fits %q in\n%s", strings.Join(args, " "), w, out.String())
		}
	}
	if strings.Contains(out.String(), "throw-away-value") || strings.Contains(out.String(), "rotated-value") {
		l.t.Fatalf("%s prints a secret", args[1])
	}
}

func (l *life) mkhooks(env []string, code int, args string, want ...string) {
	l.t.Helper()
	l.run(env, code, append([]string{l.bin}, strings.Fields(args)...), want...)
}

// secret checks the live secret of a rule.
func (l *life) secret(project, rule, path, want string) {
	l.t.Helper()
	r, ok := l.live[project].Rule(rule)
	if !ok || r.Auth()[path] != want {
		l.t.Fatalf("%s/%s: live %v, %s is not the expected one", project, rule, ok, path)
	}
}

// TestLife plans, applies, rotates the shared secret, finds drift, and prunes.
func TestLife(t *testing.T) {
	l := begin(t)
	key := l.key()

	// The runner of a pull request plans without a key.
	l.mkhooks(l.env, 0, "validate", `7 valid rules in 7 files`)
	l.mkhooks(l.env, 2, "plan --detailed-exitcode", `(?s)Project dev.*Project staging.*Project prod`, `Plan: 7 to create`)
	l.mkhooks(key, 0, "apply --yes", `Applied: 7 applied`)
	l.mkhooks(l.env, 0, "drift", `No difference: 7 in sync`)

	// The result of the layers.
	jobs := func(project string) map[string]any {
		r, _ := l.live[project].Rule("job-notifications")
		return r.Spec
	}
	if u := jobs("staging")["url"]; u != "https://staging.hooks.example.com/mkio/jobs" {
		t.Errorf("staging delivers to %v", u)
	}
	for project, want := range map[string]bool{"dev": true, "staging": true, "prod": false} {
		if _, traced := jobs(project)["headers"].(map[string]any)["X-Trace"]; traced != want {
			t.Errorf("%s has X-Trace: %v, want %v", project, traced, want)
		}
	}
	l.secret("dev", "job-notifications", "headers.X-Webhook-Secret", "throw-away-value-of-dev-and-staging")
	l.secret("staging", "channel-alerts", "headers.X-Webhook-Secret", "throw-away-value-of-dev-and-staging")
	l.secret("prod", "job-notifications", "headers.X-Webhook-Secret", "throw-away-value-of-prod")
	l.secret("prod", "billing-events", "queryParams.code", "throw-away-value-of-billing")

	// SOPS itself rotates the shared secret, once. Four rules in two projects
	// are sent again, and no other rule.
	l.run(key, 0, []string{l.sops, "set", "rules/common/shared.yaml", `["webhookSecret"]`, `"rotated-value-of-the-test"`})
	l.mkhooks(l.env, 2, "plan --detailed-exitcode",
		`(?s)Project dev.*~ channel-alerts.*~ job-notifications.*Project staging.*~ channel-alerts.*~ job-notifications`,
		`1 project without a difference: prod`, `Plan: 4 to update, 3 in sync`)
	l.mkhooks(key, 0, "apply --yes", `Applied: 4 applied`)
	l.secret("staging", "job-notifications", "headers.X-Webhook-Secret", "rotated-value-of-the-test")
	l.secret("prod", "job-notifications", "headers.X-Webhook-Secret", "throw-away-value-of-prod")
	l.mkhooks(l.env, 0, "drift")

	// Somebody disables a rule of prod. The nightly drift run reports it, and
	// apply enables the rule again.
	l.live["prod"].Edit("channel-alerts", func(spec map[string]any) { spec["enabled"] = false })
	l.mkhooks(l.env, 2, "drift", `Project prod`, `~ channel-alerts: drift`, `apply --only prod/channel-alerts`)
	l.mkhooks(key, 0, "apply --yes --only prod/channel-alerts", `Applied: 1 applied`)

	// A rule is deleted in all three projects; its histories are stored first.
	// prod keeps its protected rule although the file is also absent.
	for _, file := range []string{"common/channel-alerts.yaml", "staging/channel-alerts.yaml", "prod/channel-alerts.yaml", "prod/billing-events.yaml"} {
		if err := os.Remove(filepath.Join(l.dir, "rules", filepath.FromSlash(file))); err != nil {
			t.Fatal(err)
		}
	}
	l.live["dev"].AddEvents("channel-alerts", emulator.Event{Status: "Sent"}, emulator.Event{Status: "Failed"})
	l.mkhooks(l.env, 0, "plan", `too many deletes`, `protect`)
	l.mkhooks(key, 4, "apply --yes --max-deletes 2", `3 applied`, `1 blocked`)
	for project, rules := range map[string]int{"dev": 1, "staging": 1, "prod": 2} {
		if got := len(l.live[project].Rules()); got != rules {
			t.Errorf("%s has %d rules, want %d", project, got, rules)
		}
	}
	manifests, err := filepath.Glob(filepath.Join(l.dir, "archive", "*manifest*"))
	if err != nil || len(manifests) != 3 {
		t.Errorf("%d manifests in the archive, want 3 (%v)", len(manifests), err)
	}
	l.mkhooks(l.env, 0, "audit verify audit/applies.jsonl "+strings.Join(manifests, " "), `of 4 runs`)
	l.mkhooks(l.env, 0, "audit show audit/applies.jsonl", `projects dev, staging, prod`)
}

// TestWorkflows: the jobs cover the projects of the config file, and call
// workflows of this repository.
func TestWorkflows(t *testing.T) {
	config, err := os.ReadFile("mkhooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+):$`).FindAllStringSubmatch(string(config), -1) {
		names = append(names, m[1])
	}
	if len(names) != 3 {
		t.Fatalf("projects %q", names)
	}
	for _, name := range []string{"plan", "apply", "drift"} {
		data, err := os.ReadFile(filepath.Join(".github", "workflows", name+".yml"))
		if err != nil {
			t.Fatal(err)
		}
		list := "[" + strings.Join(names, ", ") + "]"
		if !strings.Contains(strings.ReplaceAll(string(data), `"`, ""), list) {
			t.Errorf("%s.yml is not for %s", name, list)
		}
		if !strings.Contains(string(data), "uses: mkhooks/mkhooks/.github/workflows/"+name+".yml@") {
			t.Errorf("%s.yml does not call the workflow of its name", name)
		}
		if _, err := os.Stat(filepath.Join("..", "..", ".github", "workflows", name+".yml")); err != nil {
			t.Error(err)
		}
	}
	lint := exec.Command("go", "tool", "-modfile=.ci/tools.mod", "actionlint",
		"examples/projects/.github/workflows/plan.yml", "examples/projects/.github/workflows/apply.yml", "examples/projects/.github/workflows/drift.yml")
	lint.Dir = filepath.Join("..", "..")
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
}
