package gitlab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

func TestMain(m *testing.M) { citest.Main(m) }

// branch creates a branch that rotates a secret, changes a rule and adds a
// rule.
func (l *lab) branch(change func()) {
	l.Git("switch", "--quiet", "-c", "change")
	if change == nil {
		l.Rule("channels", "https://hooks.example.com/alerts", "")
		l.Rule("encoding", "https://hooks.example.com/encoding", "")
		l.Sops("set", "rules/jobs.yaml", `["spec"]["authentication"]["headers"]["X-Secret"]`, `"`+citest.Rotated+`"`)
	} else {
		change()
	}
	l.Commit("Change")
	l.Git("switch", "--quiet", "main")
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// status returns the newest commit status and checks its head.
func (l *lab) status(t *testing.T, sha string) object {
	t.Helper()
	if len(l.statuses) == 0 {
		t.Fatal("there is no status")
	}
	s := l.statuses[len(l.statuses)-1]
	if s["name"] != "mkhooks plan (demo)" || s["sha"] != sha {
		t.Fatalf("status %v on %v, expected one on %s", s["name"], s["sha"], sha)
	}
	return s
}

func TestPlan(t *testing.T) {
	l := newLab(t)
	l.Apply()
	l.branch(nil)
	q := l.open("change", projectID)
	for _, author := range []int{1, 2, 3} {
		l.notes = append(l.notes, object{"id": l.next(), "of": fmt.Sprint("merge_requests", q.iid), "author": user(author), "system": false, "body": "<!-- mkhooks plan demo -->\nnot ours"})
	}
	// main has new commits, so the plan is of the merge.
	l.Rule("other", "https://hooks.example.com/other", "")
	l.Commit("Another one")
	before := l.CountWrites()

	l.start(t, l.ofRequest(q)).want(true, "plan validate", "jobs: secret rotated", "other: new")
	s := l.status(t, q.head)
	if s["state"] != "success" || !digestForm.MatchString(s["description"].(string)) {
		t.Errorf("status: %v", s)
	}
	notes := l.botNotes("merge_requests", q.iid)
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "<!-- mkhooks plan demo -->\n") || !strings.Contains(notes[0], s["description"].(string)) {
		t.Errorf("notes: %q", notes)
	}

	// An invalid push: the same note, and no digest.
	l.Git("switch", "--quiet", "change")
	l.Write("rules/encoding.yaml", "metadata: {}\n")
	l.Commit("Break")
	l.pushed(q, "change")
	l.start(t, l.ofRequest(q)).want(false, "plan validate", "rules/encoding.yaml")
	if s := l.status(t, q.head); s["state"] != "failed" || digestForm.MatchString(s["description"].(string)) {
		t.Errorf("status: %v", s)
	}
	if again := l.botNotes("merge_requests", q.iid); len(again) != 1 || again[0] == notes[0] {
		t.Errorf("notes: %q", again)
	}
	for _, n := range l.notes[:3] {
		if n["body"] != "<!-- mkhooks plan demo -->\nnot ours" {
			t.Errorf("a note of others was changed: %v", n)
		}
	}
	if l.CountWrites() != before {
		t.Error("a plan wrote to the service")
	}
}

func TestFork(t *testing.T) {
	l := newLab(t)
	l.Apply()
	l.branch(func() {
		l.Rule("channels", "https://hooks.example.com/alerts", "")
		l.Write("mkhooks.yaml", strings.ReplaceAll(citest.Config, "team", "mallory"))
		l.Write("rules/.sops.yaml", "creation_rules: []\n")
	})
	q := l.open("change", 99)
	l.start(t, l.ofRequest(q)).want(true, "validate")
	if len(l.sent) != 0 {
		t.Errorf("something was sent: %q", l.sent)
	}

	r := l.start(t, l.ofMain("web", fmt.Sprint("MKHOOKS_MR=", q.iid), "MKHOOKS_HEAD="+q.head)).want(true, "plan-fork", "owner team", "alerts")
	if status := l.GitIn(r.tree, "status", "--porcelain"); status != "M  rules/channels.yaml" {
		t.Errorf("the tree differs from main's in:\n%s", status)
	}
	if s := l.status(t, q.head); s["state"] != "success" {
		t.Errorf("status: %v", s)
	}
	if notes := l.botNotes("merge_requests", q.iid); len(notes) != 1 || !strings.Contains(notes[0], "2 files of this merge request that are no rule files") {
		t.Errorf("notes: %q", notes)
	}
	l.merge(q)
	l.start(t, l.ofMain("push")).want(false, "apply", "not what was reviewed") // mallory's config gives another plan
}

func TestForkIsRefused(t *testing.T) {
	l := newLab(t)
	l.branch(func() {
		l.Rule("channels", "https://hooks.example.com/alerts", "")
		if err := os.Symlink("/etc/passwd", filepath.Join(l.Dir, "rules/x.yaml")); err != nil {
			t.Fatal(err)
		}
	})
	q := l.open("change", 99)
	by := func(head string) map[string]string {
		return l.ofMain("web", fmt.Sprint("MKHOOKS_MR=", q.iid), "MKHOOKS_HEAD="+head)
	}
	l.start(t, by(q.head)).want(false, "plan-fork", "something else than a regular file")
	l.start(t, by(l.Git("rev-parse", "main"))).want(false, "plan-fork", "read what was pushed")
	l.start(t, by(q.head[:10])).want(false, "plan-fork", "the whole SHA")
	l.start(t, by("")).want(false, "plan-fork", "the whole SHA")
	q.target = "weak"
	l.start(t, by(q.head)).want(false, "plan-fork", "goes into another branch")
	if len(l.sent) != 0 || len(l.Emulator.Requests()) != 0 {
		t.Errorf("sent to GitLab: %q; requests to the service: %d", l.sent, len(l.Emulator.Requests()))
	}
}

// reviewed returns a merge request that was planned and merged.
func (l *lab) reviewed(t *testing.T) *request {
	t.Helper()
	l.Apply()
	l.branch(nil)
	q := l.open("change", projectID)
	l.start(t, l.ofRequest(q)).want(true, "plan validate")
	l.merge(q)
	return q
}

func TestApply(t *testing.T) {
	l := newLab(t)
	q := l.reviewed(t)
	l.start(t, l.ofMain("push")).want(true, "apply", "Applied: 3 applied")
	if got := l.Emulator.Rules()["jobs"].Auth()["headers.X-Secret"]; got != citest.Rotated {
		t.Error("the live secret is not the rotated one")
	}
	if notes := l.botNotes("merge_requests", q.iid); len(notes) != 2 || !strings.HasPrefix(notes[1], "<!-- mkhooks apply demo -->\n") {
		t.Errorf("notes: %q", notes)
	}
	// A second run changes nothing and adds no note.
	l.start(t, l.ofMain("push")).want(true, "apply")
	if notes := l.botNotes("merge_requests", q.iid); len(notes) != 2 {
		t.Errorf("notes: %q", notes)
	}
}

func TestApplyIsRefused(t *testing.T) {
	none := "no successful status"
	tests := map[string]struct {
		change func(l *lab, q *request) map[string]string // nil variables mean a push
		want   string
	}{
		"an old commit": {func(l *lab, _ *request) map[string]string {
			v := l.ofMain("push")
			l.Write("README.md", "x")
			l.Commit("Later")
			return v
		}, "is no longer the tip of main"},
		"no status":        {func(l *lab, _ *request) map[string]string { l.statuses = nil; return nil }, none},
		"another's status": {func(l *lab, _ *request) map[string]string { l.statuses[0]["author"] = user(1); return nil }, none},
		"a failed status":  {func(l *lab, _ *request) map[string]string { l.statuses[0]["status"] = "failed"; return nil }, none},
		"no merge request": {func(l *lab, _ *request) map[string]string { l.requests = nil; return nil }, "is not the merge of one merge request"},
		"merged elsewhere": {func(l *lab, q *request) map[string]string { q.target = "dev"; return nil }, "is not the merge of one merge request"},
		"a hand-made one":  {func(l *lab, _ *request) map[string]string { return l.ofMain("web", "MKHOOKS_DIGEST=0") }, "expected the 32 hex digits"},
		"a flag that sends": {func(l *lab, _ *request) map[string]string {
			return l.ofMain("web", "MKHOOKS_FLAGS=--base-url=http://127.0.0.1:1")
		}, "flags: "},
		"live rules moved": {func(l *lab, _ *request) map[string]string {
			l.Emulator.Edit("channels", func(spec map[string]any) { spec["enabled"] = false })
			return nil
		}, "not what was reviewed"},
		"a secret that does not open": {func(l *lab, _ *request) map[string]string { delete(l.protected, "SOPS_AGE_KEY"); return nil }, "rules/jobs.yaml"},
		"no token":                    {func(l *lab, _ *request) map[string]string { delete(l.protected, "MKIO_TOKEN"); return nil }, "the secret MKIO_TOKEN is empty"},
		"no token of GitLab":          {func(l *lab, _ *request) map[string]string { l.plain["MKHOOKS_GITLAB_TOKEN"] = ""; return nil }, "there is no token for it"},
		"a wrong token of GitLab": {func(l *lab, _ *request) map[string]string { l.plain["MKHOOKS_GITLAB_TOKEN"] = "x"; return nil },
			"GitLab: GET /projects/17/repository/branches/main: status 401: 401 Unauthorized"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			q := l.reviewed(t)
			before := l.CountWrites()
			v := tt.change(l, q)
			if v == nil {
				v = l.ofMain("push")
			}
			r := l.start(t, v).want(false, "apply", tt.want)
			if n := l.CountWrites() - before; n != 0 {
				t.Errorf("%d writes to the service, expected none", n)
			}
			if tt.want != none {
				return
			}
			r.want(false, "apply", "run a pipeline on main with MKHOOKS_DIGEST")
			if name != "no status" {
				return
			}
			l.start(t, l.ofMain("web", "MKHOOKS_DIGEST="+r.digest())).want(true, "apply", "3 applied")
		})
	}
}

func TestDrift(t *testing.T) {
	l := newLab(t)
	l.Apply()
	for _, i := range []object{
		{"author": user(1), "description": "<!-- mkhooks drift demo -->\n"},
		{"author": user(botID), "description": "<!-- mkhooks drift demo2 -->\n"},
		{"author": user(botID), "description": nil},
	} {
		i["iid"], i["state"], i["labels"] = l.next(), "opened", "mkhooks-drift"
		l.issues = append(l.issues, i)
	}
	others := fmt.Sprint(l.issues)
	drift := func(ok bool, issues int) {
		t.Helper()
		l.start(t, l.ofMain("schedule")).want(ok, "drift")
		if len(l.issues) != issues || fmt.Sprint(l.issues[:3]) != others {
			t.Fatalf("issues: %v", l.issues)
		}
	}
	drift(true, 3)
	l.Emulator.Edit("channels", func(spec map[string]any) { spec["enabled"] = false })
	drift(true, 4)
	l.issues[3]["title"] = "Who?"
	l.Emulator.Edit("jobs", func(spec map[string]any) { spec["enabled"] = false })
	drift(true, 4)
	if i := l.issues[3]; i["title"] != "Who?" || !strings.Contains(i["description"].(string), "jobs") {
		t.Errorf("issue: %v", i)
	}
	l.plain["MKIO_TOKEN_READ"] = "revoked"
	sent := len(l.sent)
	drift(false, 4)
	if len(l.sent) != sent {
		t.Errorf("something was sent: %q", l.sent[sent:])
	}
	l.plain["MKIO_TOKEN_READ"] = citest.ReadToken
	for _, name := range []string{"jobs", "channels"} {
		l.Emulator.Edit(name, func(spec map[string]any) { spec["enabled"] = true })
	}
	drift(true, 4)
	if i := l.issues[3]; i["state"] != "closed" || len(l.botNotes("issues", i["iid"].(int))) != 1 {
		t.Errorf("issue: %v", i)
	}
}

// TestShellcheckOfThePipeline runs shellcheck on the scripts: no linter here
// checks .gitlab-ci.yml.
func TestShellcheckOfThePipeline(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("shellcheck is not on the PATH: the scripts of .gitlab-ci.yml are not checked")
	}
	jobs := pipeline(t)
	for name, j := range jobs {
		script := "#!/bin/bash\n" + strings.Join(append(jobs["default"].Before, j.Script...), "\n") + "\n"
		file := filepath.Join(t.TempDir(), "job.sh")
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("shellcheck", file).CombinedOutput(); err != nil {
			t.Errorf("job %s: %v\n%s", name, err, out)
		}
	}
	if jobs["apply"].Resource == "" || jobs["apply"].Environment != "mkhooks" {
		t.Error("apply has no resource group or is not in the environment that guards its secrets")
	}
}
