package github

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

const fork = "mallory/hooks"

// byHand returns the event of a maintainer who starts the plan of a fork's pull
// request.
func (h *hub) byHand(p *pull, head string) event {
	return h.dispatch(map[string]any{"pull-request": fmt.Sprint(p.number), "head": head})
}

// fork creates a branch as a fork would.
func (h *hub) fork(change func()) *pull {
	h.Git("switch", "--quiet", "-c", "fork")
	change()
	h.Commit("From a fork")
	h.Git("switch", "--quiet", "main")
	return h.open("fork", fork)
}

func TestForkIsValidatedOnly(t *testing.T) {
	h := newHub(t)
	p := h.fork(func() { h.Rule("channels", "https://hooks.example.com/alerts", "") })
	h.start(t, "plan", h.pullRequest(p)).want(true, "2 valid rules").wantStep("Plan", "skipped").wantStep("Report the plan", "skipped")

	h.Git("switch", "--quiet", "fork")
	h.Write("rules/channels.yaml", "metadata: {}\n")
	h.Commit("Broken")
	h.synchronize(p, "fork")
	h.start(t, "plan", h.pullRequest(p)).want(false, "::error file=rules/channels.yaml")
	if len(h.sent) != 0 || len(h.Emulator.Requests()) != 0 {
		t.Errorf("sent to GitHub: %q; requests to the service: %d", h.sent, len(h.Emulator.Requests()))
	}
}

// TestForkPlannedByHand: the head defines which rules are created, updated and
// deleted. No other file of the head has an effect.
func TestForkPlannedByHand(t *testing.T) {
	h := newHub(t)
	h.Apply()
	h.Write("rules/.sops.yaml", "creation_rules: []\n")
	h.Write("rules/README.md", "About rules\n")
	h.Commit("More files")
	evil := "#!/bin/sh\necho stolen >stolen\n"
	p := h.fork(func() {
		h.Rule("channels", "https://evil.example.net/channels", "")
		h.Rule("new one", "https://hooks.example.com/new", "")
		h.Git("rm", "--quiet", "rules/jobs.yaml")
		h.Write("mkhooks.yaml", strings.NewReplacer("hooks.example.com", "evil.example.net", "team", "mallory").Replace(citest.Config))
		h.Write("rules/mkhooks.yaml", "projects: {}\n")
		h.Write("rules/.sops.yaml", "creation_rules: [{age: age1evil}]\n")
		h.Write(".sops.yaml", "creation_rules: [{age: age1evil}]\n")
		h.Write("rules/README.md", "Changed\n")
		h.Write(".gitattributes", "* filter=evil\n")
		h.Write("tool/.github/actions/mkhooks/plan.sh", evil)
		h.Write(".github/actions/mkhooks/plan.sh", evil)
		h.Write("mkhooks", evil)
		h.Write("rules/a$(touch stolen)`touch stolen`;touch stolen.yaml", "metadata:\n  name: odd\nspec:\n  url: https://hooks.example.com/odd\n  enabled: true\n  events: [MediaKind.JobFinished]\n")
	})
	r := h.start(t, "plan", h.byHand(p, p.head)).want(true, "evil.example.net/channels", "owner team", "hooks.example.com/new", "no file names")
	check := h.lastCheck(t, p.head)
	if check["conclusion"] != "success" || !digestForm.MatchString(check["external_id"].(string)) {
		t.Errorf("check: %v", check)
	}
	body := h.ours(t, p)
	for _, want := range []string{"9 files of this pull request that are no rule files are not in it", p.head, "not compared with another commit", "and were not compared"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in the comment:\n%s", want, body)
		}
	}
	if strings.Contains(body, "loosen") {
		t.Errorf("the comment says what the head loosens, which nobody compared:\n%s", body)
	}
	if strings.Contains(body, "mallory") {
		t.Errorf("the head's config had an effect:\n%s", body)
	}
	if _, err := os.Stat(filepath.Join(r.workspace, "repo", "stolen")); err == nil {
		t.Error("a script of the head was run")
	}
	status := h.GitIn(filepath.Join(r.workspace, "repo"), "status", "--porcelain")
	if want := "A  \"rules/a$(touch stolen)`touch stolen`;touch stolen.yaml\"\nM  rules/channels.yaml\nD  rules/jobs.yaml\nA  \"rules/new one.yaml\""; status != strings.TrimSpace(want) {
		t.Errorf("the tree differs from the base's in:\n%s\nexpected:\n%s", status, want)
	}
}

// TestForkIsRefused: a maintainer can't plan a pull request without the commit
// that they read, or with forbidden files.
func TestForkIsRefused(t *testing.T) {
	tests := map[string]struct {
		change func(h *hub)
		inputs func(h *hub, p *pull) event
		want   string
	}{
		"a link to a file": {change: func(h *hub) { h.link("/etc/passwd", "rules/x.yaml") }, want: "something else than a regular file"},
		"a link to a folder": {change: func(h *hub) {
			h.link("../..", "rules/up")
			h.Write("rules/ok.yaml", "")
		}, want: "something else than a regular file"},
		"the folder is a link": {change: func(h *hub) {
			h.Git("rm", "--quiet", "-r", "-f", "rules")
			h.Rule("a", "https://hooks.example.com/a", "")
			if err := os.Rename(filepath.Join(h.Dir, "rules"), filepath.Join(h.Dir, "elsewhere")); err != nil {
				h.Fatal(err)
			}
			h.link("elsewhere", "rules")
		}, want: "something else than a regular file"},
		"a submodule": {change: func(h *hub) {
			h.Git("update-index", "--add", "--cacheinfo", "160000,"+h.Git("rev-parse", "HEAD")+",rules/sub")
			if err := os.Mkdir(filepath.Join(h.Dir, "rules/sub"), 0o700); err != nil {
				h.Fatal(err)
			}
			h.GitIn(filepath.Join(h.Dir, "rules/sub"), "init", "--quiet")
			h.GitIn(filepath.Join(h.Dir, "rules/sub"), "commit", "--quiet", "--allow-empty", "-m", "x")
		}, want: "something else than a regular file"},
		"the head moved": {inputs: func(h *hub, p *pull) event {
			seen := p.head
			h.Git("switch", "--quiet", "fork")
			h.Rule("late", "https://evil.example.net/late", "")
			h.Commit("After the look")
			h.Git("switch", "--quiet", "main")
			h.synchronize(p, "fork")
			return h.byHand(p, seen)
		}, want: "read what was pushed"},
		"the merge is of another head": {inputs: func(h *hub, p *pull) event {
			// GitHub has the new head, but still the merge of the old head.
			p.head = h.Git("rev-parse", "main")
			return h.byHand(p, p.head)
		}, want: "try again in a minute"},
		"into another branch": {inputs: func(h *hub, p *pull) event { p.base = "weak"; return h.byHand(p, p.head) }, want: "goes into another branch"},
		"a short SHA":         {inputs: func(h *hub, p *pull) event { return h.byHand(p, p.head[:12]) }, want: "the whole SHA"},
		"another event": {inputs: func(h *hub, p *pull) event {
			e := h.byHand(p, p.head)
			e.name = "pull_request_target"
			return e
		}, want: "a maintainer starts the plan of a fork by hand"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			p := h.fork(func() {
				h.Rule("channels", "https://hooks.example.com/alerts", "")
				if tt.change != nil {
					tt.change(h)
				}
			})
			e := h.byHand(p, p.head)
			if tt.inputs != nil {
				e = tt.inputs(h, p)
			}
			h.start(t, "plan", e).want(false, tt.want).wantStep("Keep the base's config", "failure").wantStep("Plan", "skipped").wantStep("Report the plan", "skipped")
			if len(h.sent) != 0 || len(h.Emulator.Requests()) != 0 {
				t.Errorf("sent to GitHub: %q; requests to the service: %d", h.sent, len(h.Emulator.Requests()))
			}
		})
	}
}

func (h *hub) link(to, name string) {
	h.Helper()
	if err := os.Symlink(to, filepath.Join(h.Dir, name)); err != nil {
		h.Fatal(err)
	}
}

// TestForkThatWasPlannedIsApplied: apply accepts the digest of a plan that a
// maintainer started.
func TestForkThatWasPlannedIsApplied(t *testing.T) {
	h := newHub(t)
	h.Apply()
	p := h.fork(func() { h.Rule("channels", "https://hooks.example.com/alerts", "") })
	h.start(t, "plan", h.byHand(p, p.head)).want(true)
	h.mergeIn(p)
	h.start(t, "apply", h.push()).want(true, "1 applied")
}
