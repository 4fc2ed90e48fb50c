package github

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

// reviewed returns a pull request that was planned and merged.
func (h *hub) reviewed(t *testing.T) *pull {
	t.Helper()
	h.Apply()
	h.change()
	p := h.open("change", repository)
	h.start(t, "plan", h.pullRequest(p)).want(true)
	h.mergeIn(p)
	return p
}

// wantUntouched checks that nothing was written to the service since before.
func (h *hub) wantUntouched(t *testing.T, before int) {
	t.Helper()
	if n := h.CountWrites() - before; n != 0 {
		t.Errorf("%d writes to the service, expected none", n)
	}
}

func TestApply(t *testing.T) {
	h := newHub(t)
	p := h.reviewed(t)
	h.used = map[string]string{}
	h.start(t, "apply", h.push()).want(true, "Applied: 3 applied").wantStep("Show what was not reviewed", "skipped")
	if got := h.Emulator.Rules()["jobs"].Auth()["headers.X-Secret"]; got != citest.Rotated {
		t.Errorf("the live secret is not the rotated one")
	}
	bodies := h.botComments(p.number)
	if len(bodies) != 2 || !strings.HasPrefix(bodies[1], "<!-- mkhooks apply demo -->\n") || !strings.Contains(bodies[1], "encoding") {
		t.Errorf("comments: %q", bodies)
	}
	h.wantAllUsed(t, "apply", "contents")

	// A second run changes nothing and updates the same comment.
	before := h.CountWrites()
	h.start(t, "apply", h.push()).want(true)
	h.wantUntouched(t, before)
	if bodies := h.botComments(p.number); len(bodies) != 2 {
		t.Errorf("comments: %q", bodies)
	}
}

func TestApplyRefusesAnOldCommit(t *testing.T) {
	h := newHub(t)
	h.reviewed(t)
	e, before := h.push(), h.CountWrites()
	h.Write("README.md", "More\n")
	h.Commit("Later")
	h.start(t, "apply", e).want(false, "is no longer the tip of main").wantStep("Show what was not reviewed", "skipped")
	e.inputs = map[string]any{"digest": strings.Repeat("0", 32)}
	h.start(t, "apply", e).want(false, "is no longer the tip of main")
	h.wantUntouched(t, before)
}

func TestApplyRefusesAnotherBranch(t *testing.T) {
	h := newHub(t)
	h.reviewed(t)
	before := h.CountWrites()
	e := h.dispatch(map[string]any{"digest": strings.Repeat("0", 32)})
	e.ref = "refs/heads/change"
	h.start(t, "apply", e).want(false, "only main is applied")
	h.wantUntouched(t, before)
}

// TestApplyTakesOnlyTheReviewedDigest: the newest completed check of GitHub
// Actions for this project and head counts, and no other check.
func TestApplyTakesOnlyTheReviewedDigest(t *testing.T) {
	other := strings.Repeat("ab", 16)
	check := func(h *hub, p *pull, with map[string]any) map[string]any {
		c := map[string]any{
			"id": h.next(), "name": "mkhooks plan (demo)", "head_sha": p.head, "external_id": other,
			"status": "completed", "conclusion": "success", "app": map[string]any{"id": actionsApp},
		}
		for name, v := range with {
			c[name] = v
		}
		h.checks = append(h.checks, c)
		return c
	}
	none := "has no successful check"
	tests := map[string]struct {
		change func(h *hub, p *pull)
		want   string // "" means that the plan is applied
	}{
		"another app's, too": {func(h *hub, p *pull) { check(h, p, map[string]any{"app": map[string]any{"id": 4711}}) }, ""},
		"another app's only": {func(h *hub, p *pull) { h.checks[0]["app"] = map[string]any{"id": 4711} }, none},
		"none":               {func(h *hub, _ *pull) { h.checks = nil }, none},
		"a later failed one": {func(h *hub, p *pull) { check(h, p, map[string]any{"conclusion": "failure", "external_id": "failed"}) }, none},
		"a job of that name": {func(h *hub, p *pull) {
			check(h, p, map[string]any{"external_id": "7c1f2e4a-0000-0000-0000-000000000000"})
		}, none},
		"a later other one":   {func(h *hub, p *pull) { check(h, p, nil) }, "not what was reviewed"},
		"not completed":       {func(h *hub, p *pull) { check(h, p, map[string]any{"status": "in_progress"}) }, ""},
		"of another project":  {func(h *hub, p *pull) { check(h, p, map[string]any{"name": "mkhooks plan (demo2)"}) }, ""},
		"only in the comment": {func(h *hub, p *pull) { h.checks[0]["external_id"] = "" }, none},
		"of another commit":   {func(h *hub, p *pull) { h.checks[0]["head_sha"] = h.Git("rev-parse", p.head+"^") }, none},
		"no pull request":     {func(h *hub, p *pull) { h.pulls = nil }, "is not the merge of one pull request"},
		"not merged":          {func(h *hub, p *pull) { p.merge, p.mergeCommit = p.mergeCommit, "" }, "is not the merge of one pull request"},
		"merged elsewhere":    {func(h *hub, p *pull) { p.base = "dev" }, "is not the merge of one pull request"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			p := h.reviewed(t)
			tt.change(h, p)
			// More checks than fit on one page.
			for i := range 5 {
				check(h, p, map[string]any{"app": map[string]any{"id": i}})
			}
			before := h.CountWrites()
			r := h.start(t, "apply", h.push())
			if tt.want == "" {
				r.want(true, "3 applied")
				return
			}
			r.want(false, tt.want)
			h.wantUntouched(t, before)
			if tt.want == "not what was reviewed" {
				return
			}
			// The message gives the next step, and that step works.
			r.want(false, "start this workflow on main with its digest").wantStep("Apply", "skipped").wantStep("Show what was not reviewed", "success")
			digest := r.digest()
			if name != "none" && name != "no pull request" {
				return
			}
			h.start(t, "apply", h.dispatch(map[string]any{"digest": digest})).want(true, "3 applied")
		})
	}
}

// TestApplyWhenTheLiveRulesMoved: apply either applies the reviewed plan or
// refuses it.
func TestApplyWhenTheLiveRulesMoved(t *testing.T) {
	h := newHub(t)
	p := h.reviewed(t)
	before := h.CountWrites()
	h.Emulator.Edit("channels", func(spec map[string]any) { spec["enabled"] = false })
	h.start(t, "apply", h.push()).want(false, "not what was reviewed", "::notice title=mkhooks::To apply what is shown")
	h.wantUntouched(t, before)
	if bodies := h.botComments(p.number); len(bodies) != 2 || !strings.Contains(bodies[1], "efused") {
		t.Errorf("comments: %q", bodies)
	}
}

// TestForgedCheck shows the power of a workflow in the same repository, which
// is GitHub Actions like plan.yml. If its digest is the digest of the fresh
// plan, apply applies the merged files without a review of that plan. Any other
// digest stops apply. The README and SECURITY.md document this.
func TestForgedCheck(t *testing.T) {
	h := newHub(t)
	p := h.reviewed(t)
	before := h.CountWrites()
	h.Emulator.Edit("channels", func(spec map[string]any) { spec["enabled"] = false })
	forge := func(app any, digest string) {
		h.checks = append(h.checks, map[string]any{
			"id": h.next(), "name": "mkhooks plan (demo)", "head_sha": p.head, "external_id": digest,
			"status": "completed", "conclusion": "success", "app": map[string]any{"id": app},
		})
	}
	forge(actionsApp, strings.Repeat("ab", 16))
	digest := h.start(t, "apply", h.push()).want(false, "not what was reviewed").digest()
	forge(4711, digest)
	h.start(t, "apply", h.push()).want(false, "not what was reviewed")
	h.wantUntouched(t, before)
	forge(actionsApp, digest)
	h.start(t, "apply", h.push()).want(true, "applied")
	for file, claim := range map[string]string{
		"examples/github/README.md": "whoever may push\na branch can push a workflow that makes a check with any digest",
		".github/SECURITY.md":       "Whoever may push a branch to the config repo can push a workflow with `checks: write`",
	} {
		if text := string(read(t, strings.Split(file, "/")...)); !strings.Contains(text, claim) {
			t.Errorf("%s does not say: %s", file, claim)
		}
	}
}

// TestApplyWhenASecretDoesNotOpen: a secret that can't be decrypted stops apply
// before the first write.
func TestApplyWhenASecretDoesNotOpen(t *testing.T) {
	h := newHub(t)
	p := h.reviewed(t)
	before := len(h.Emulator.Requests())
	delete(h.secrets, "SOPS_AGE_KEY")
	h.start(t, "apply", h.push()).want(false, "rules/jobs.yaml").wantStep("Prove that every secret opens", "failure").wantStep("Apply", "skipped")
	if n := len(h.Emulator.Requests()) - before; n != 0 {
		t.Errorf("%d requests to the service, expected none", n)
	}
	if bodies := h.botComments(p.number); len(bodies) != 2 || !strings.Contains(bodies[1], "Nothing was applied") {
		t.Errorf("comments: %q", bodies)
	}
}

func TestApplyWithoutToken(t *testing.T) {
	h := newHub(t)
	h.reviewed(t)
	delete(h.secrets, "MKIO_TOKEN")
	h.start(t, "apply", h.push()).want(false, "the secret MKIO_TOKEN is empty")
}

func TestApplyByHand(t *testing.T) {
	h := newHub(t)
	h.Apply()
	h.Emulator.Put("channels", map[string]any{"url": "https://hooks.example.com/other", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	before := h.CountWrites()

	// A guard blocks the change. With the guard lifted, the plan has another
	// digest and must be read first.
	digest := h.start(t, "apply", h.dispatch(map[string]any{"flags": "--adopt=channels"})).want(false, "is not the merge of one pull request").digest()
	h.start(t, "apply", h.dispatch(map[string]any{"digest": digest})).want(false, "not what was reviewed")
	for _, flags := range []string{"--base-url=http://127.0.0.1:1", "--allow-destination=evil.example.net", "--adopt", "--report=text=x", "channels", "--adopt=channels --token-file=x", "--adopt=", "$(touch%20x)"} {
		h.start(t, "apply", h.dispatch(map[string]any{"digest": digest, "flags": flags})).want(false, "flags: ")
	}
	for _, wrong := range []string{"0", strings.ToUpper(digest) + "X", "'; touch x; '"} {
		h.start(t, "apply", h.dispatch(map[string]any{"digest": wrong})).want(false, "expected the 32 hex digits")
	}
	h.wantUntouched(t, before)
	h.start(t, "apply", h.dispatch(map[string]any{"digest": digest, "flags": "--adopt=channels"})).want(true, "1 applied")
}

// TestErrorsOfGitHub: an error contains the method, path and status, and no
// token.
func TestErrorsOfGitHub(t *testing.T) {
	h := newHub(t)
	p := h.reviewed(t)
	h.Secrets = append(h.Secrets, "ghs_")
	h.denied = "contents"
	h.start(t, "apply", h.push()).want(false, "GitHub: GET /repos/team/hooks/git/ref/heads/main: status 403: Resource not accessible by integration")
	h.denied = "pull-requests"
	h.start(t, "apply", h.push()).want(false, fmt.Sprintf("GET /repos/team/hooks/commits/%s/pulls?per_page=100&page=1: status 403", p.mergeCommit))
}
