package github

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

// hub is a config repository on GitHub. Git and mkhooks are real; only GitHub's
// API and runner are emulated.
type hub struct {
	*citest.World
	*forge
	secrets map[string]any // secrets of the repository and its environment
	actor   string
}

func newHub(t *testing.T) *hub {
	w := citest.New(t)
	w.Secrets = append(w.Secrets, actionsToken)
	h := &hub{World: w, forge: newForge(w), actor: "maintainer", secrets: map[string]any{
		"MKIO_TOKEN_READ": citest.ReadToken, "MKIO_TOKEN": citest.WriteToken, "SOPS_AGE_KEY": w.Key,
	}}
	t.Cleanup(func() {
		for _, text := range h.sentBodies() {
			w.WantNoSecret("what was sent to GitHub", text)
		}
	})
	return h
}

// event is the trigger of a workflow.
type event struct {
	name   string
	ref    string
	sha    string
	pull   *pull // for a pull_request event
	inputs map[string]any
}

func (h *hub) pullRequest(p *pull) event {
	return event{name: "pull_request", ref: fmt.Sprintf("refs/pull/%d/merge", p.number), sha: p.merge, pull: p}
}

func (h *hub) push() event {
	return event{name: "push", ref: "refs/heads/main", sha: h.Git("rev-parse", "main")}
}

func (h *hub) schedule() event { e := h.push(); e.name = "schedule"; return e }

func (h *hub) dispatch(inputs map[string]any) event {
	e := h.push()
	e.name, e.inputs = "workflow_dispatch", inputs
	return e
}

// run is the outcome of a job.
type run struct {
	t     *testing.T
	out   string
	ok    bool
	steps map[string]string // outcome by the name of the step
	dir   string            // the directory of the runner
	// workspace contains the clones.
	workspace string
}

// want checks the outcome of the job and texts in its output.
func (r *run) want(ok bool, texts ...string) *run {
	r.t.Helper()
	if r.ok != ok {
		r.t.Errorf("job: success %v, expected %v\n%s", r.ok, ok, r.out)
	}
	for _, text := range texts {
		if !strings.Contains(r.out, text) {
			r.t.Errorf("%q is not in the job's output:\n%s", text, r.out)
		}
	}
	return r
}

// wantStep checks the outcome of a step: success, failure or skipped.
func (r *run) wantStep(name, outcome string) *run {
	r.t.Helper()
	if r.steps[name] != outcome {
		r.t.Errorf("step %q: %q, expected %q\n%s", name, r.steps[name], outcome, r.out)
	}
	return r
}

// start runs the workflow file that "mkhooks init" wrote, and the workflow that
// it calls.
func (h *hub) start(t *testing.T, kind string, e event) *run {
	t.Helper()
	calling := caller(t, kind).Jobs[kind]
	secrets := h.secrets
	// GitHub gives a run of a fork or Dependabot only a token that can read.
	outside := e.pull != nil && (e.pull.headRepo != repository || h.actor == "dependabot[bot]")
	if outside {
		secrets = map[string]any{}
	}
	outer := h.contexts(e, map[string]any{}, secrets, "")
	outer["inputs"] = e.inputs
	if e.inputs == nil {
		outer["inputs"] = map[string]any{}
	}
	w := called(t, kind)
	inputs, passed := map[string]any{}, map[string]any{}
	for name, in := range w.On.Call.Inputs {
		inputs[name] = in.Default
	}
	for name, text := range calling.With {
		inputs[name] = outer.interpolate(text, status{})
	}
	for name, text := range calling.Secrets {
		passed[name] = outer.interpolate(text, status{})
	}
	j := w.Jobs[kind]
	h.granted = maps.Clone(j.Permissions)
	if outside {
		for name := range h.granted {
			h.granted[name] = "read"
		}
	}
	return h.runJob(t, j, e, inputs, passed)
}

// contexts returns the contexts of expressions.
func (h *hub) contexts(e event, inputs, secrets map[string]any, dir string) context {
	ev := map[string]any{}
	if e.pull != nil {
		ev["pull_request"] = map[string]any{"number": float64(e.pull.number), "head": map[string]any{
			"sha": e.pull.head, "repo": map[string]any{"full_name": e.pull.headRepo},
		}}
	}
	return context{
		"github": map[string]any{
			"event_name": e.name, "event": ev, "repository": repository, "ref": e.ref, "sha": e.sha,
			"actor": h.actor, "workspace": dir, "token": actionsToken,
		},
		"job":     map[string]any{"workflow_repository": "mkhooks/mkhooks", "workflow_sha": toolSHA},
		"inputs":  inputs,
		"secrets": secrets,
		"vars":    map[string]any{"MKIO_BASE_URL": h.URL},
		"steps":   map[string]any{},
		"env":     map[string]any{},
	}
}

func (h *hub) runJob(t *testing.T, j job, e event, inputs, secrets map[string]any) *run {
	t.Helper()
	r := &run{t: t, ok: true, steps: map[string]string{}, dir: filepath.Join(h.Temp, fmt.Sprintf("runner%d", h.runs))}
	h.runs++
	workspace, temp := filepath.Join(t.TempDir(), "work"), filepath.Join(r.dir, "temp")
	for _, dir := range []string{workspace, temp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.workspace = workspace
	c := h.contexts(e, inputs, secrets, workspace)
	env := map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_API_URL": h.api, "GITHUB_SERVER_URL": "https://github.example", "GITHUB_RUN_ID": "42",
		"GITHUB_REPOSITORY": repository, "GITHUB_REF": e.ref, "GITHUB_SHA": e.sha, "GITHUB_EVENT_NAME": e.name, "GITHUB_ACTOR": h.actor,
		"GITHUB_WORKSPACE": workspace, "RUNNER_TEMP": temp, "GITHUB_STEP_SUMMARY": filepath.Join(r.dir, "summary.md"),
	}
	for name, text := range j.Env {
		env[name] = c.interpolate(text, status{})
		c["env"].(map[string]any)[name] = env[name]
	}
	for i, s := range j.Steps {
		outcome, outputs := "skipped", map[string]any{}
		if c.condition(s.If, status{failed: !r.ok}) {
			outcome = "success"
			var ok bool
			switch {
			case strings.HasPrefix(s.Uses, "actions/checkout@"):
				ok = h.checkout(t, c, s, workspace)
			case s.Uses == "./tool/.github/actions/mkhooks":
				ok = true // the wrapped commands are on the PATH; TestAction runs it
			case s.Run != "":
				outputs, ok = h.runStep(c, r, j, s, env, workspace, i)
			default:
				t.Fatalf("step %q: uses %q, which has no stand-in here", s.Name, s.Uses)
			}
			if !ok {
				outcome, r.ok = "failure", false
			}
		}
		r.steps[s.Name] = outcome
		if s.ID != "" {
			c["steps"].(map[string]any)[s.ID] = map[string]any{"outcome": outcome, "conclusion": outcome, "outputs": outputs}
		}
	}
	if summary, err := os.ReadFile(env["GITHUB_STEP_SUMMARY"]); err == nil {
		r.out += "\n-- summary --\n" + string(summary)
	}
	return r
}

func (h *hub) runStep(c context, r *run, j job, s step, env map[string]string, workspace string, i int) (map[string]any, bool) {
	all := maps.Clone(env)
	for name, text := range s.Env {
		all[name] = c.interpolate(text, status{failed: !r.ok})
	}
	output := filepath.Join(r.dir, fmt.Sprintf("output%d", i))
	all["GITHUB_OUTPUT"] = output
	var list []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	dir := s.Dir
	if dir == "" {
		dir = j.Defaults.Run.Dir
	}
	out, code := h.Bash(filepath.Join(workspace, dir), list, c.interpolate(s.Run, status{}))
	r.out += "-- " + s.Name + " --\n" + out
	outputs := map[string]any{}
	if data, err := os.ReadFile(output); err == nil {
		for line := range strings.Lines(string(data)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			outputs[name] = value
		}
	}
	return outputs, code == 0
}

// checkout emulates actions/checkout: real Git, by reference or commit. It
// leaves nothing that lets a later step fetch more.
func (h *hub) checkout(t *testing.T, c context, s step, workspace string) bool {
	t.Helper()
	with := func(name, otherwise string) string {
		if text, ok := s.With[name]; ok {
			return c.interpolate(text, status{})
		}
		return otherwise
	}
	dir := filepath.Join(workspace, with("path", "."))
	if with("repository", repository) == "mkhooks/mkhooks" {
		if ref := with("ref", ""); ref != toolSHA {
			t.Fatalf("the tool is checked out at %q, expected the workflow's own commit", ref)
		}
		if err := os.Symlink(citest.Root(), dir); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	github := c["github"].(map[string]any)
	h.GitIn(dir, "init", "--quiet")
	h.GitIn(dir, "fetch", "--quiet", "--depth="+with("fetch-depth", "1"), "file://"+h.Dir, with("ref", github["sha"].(string)))
	h.GitIn(dir, "checkout", "--quiet", "--detach", "FETCH_HEAD")
	return true
}

// digest returns the digest at the end of a plan in the output.
func (r *run) digest() string {
	r.t.Helper()
	m := regexp.MustCompile(`(?m)^Digest ([0-9a-f]{32})$`).FindStringSubmatch(r.out)
	if m == nil {
		r.t.Fatalf("the job shows no digest:\n%s", r.out)
	}
	return m[1]
}
