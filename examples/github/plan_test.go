package github

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

func TestMain(m *testing.M) { citest.Main(m) }

// change creates a branch that rotates a secret, changes a rule and adds a
// rule.
func (h *hub) change() {
	h.Git("switch", "--quiet", "-c", "change")
	h.Rule("channels", "https://hooks.example.com/alerts", "")
	h.Rule("encoding", "https://hooks.example.com/encoding", "")
	h.Sops("set", "rules/jobs.yaml", `["spec"]["authentication"]["headers"]["X-Secret"]`, `"`+citest.Rotated+`"`)
	h.Commit("Change")
	h.Git("switch", "--quiet", "main")
}

// impostors write comments that resemble ours, before and after our comment.
func (h *hub) impostors(p *pull) {
	mallory := map[string]any{"login": "mallory", "type": "User"}
	for _, user := range []map[string]any{mallory, {"login": "github-actions[bot]", "type": "User"}, {"login": "other[bot]", "type": "Bot"}} {
		h.comments = append(h.comments, map[string]any{
			"id": h.next(), "number": fmt.Sprint(p.number), "user": user, "body": "<!-- mkhooks plan demo -->\nnot ours",
		})
	}
	h.comments = append(h.comments, map[string]any{
		"id": h.next(), "number": fmt.Sprint(p.number), "user": bot(), "body": "<!-- mkhooks plan demo2 -->\nof another project",
	})
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// lastCheck returns the newest check and verifies its head.
func (h *hub) lastCheck(t *testing.T, sha string) map[string]any {
	t.Helper()
	if len(h.checks) == 0 {
		t.Fatal("there is no check")
	}
	c := h.checks[len(h.checks)-1]
	if c["name"] != "mkhooks plan (demo)" || c["head_sha"] != sha {
		t.Fatalf("check %v on %v, expected \"mkhooks plan (demo)\" on %s", c["name"], c["head_sha"], sha)
	}
	return c
}

func TestPlan(t *testing.T) {
	h := newHub(t)
	h.Apply()
	h.change()
	p := h.open("change", repository)
	h.impostors(p)
	before := h.CountWrites()

	h.start(t, "plan", h.pullRequest(p)).want(true, "jobs: secret rotated")
	check := h.lastCheck(t, p.head)
	output := check["output"].(map[string]any)
	if check["conclusion"] != "success" || !digestForm.MatchString(check["external_id"].(string)) || output["title"] != "1 to create, 2 to update, 0 to delete, 0 blocked" {
		t.Errorf("check: %v", check)
	}
	if !strings.Contains(output["summary"].(string), "https://hooks.example.com/alerts") {
		t.Errorf("the check's summary shows no plan:\n%s", output["summary"])
	}
	first := h.ours(t, p)
	for _, want := range []string{"<!-- mkhooks plan demo -->\n", "encoding", check["external_id"].(string), p.head} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is not in the comment:\n%s", want, first)
		}
	}

	// After a push: the same comment, and a check on the new head.
	h.Git("switch", "--quiet", "change")
	h.Rule("encoding", "https://hooks.example.com/encoding2", "")
	h.Commit("More")
	h.synchronize(p, "change")
	h.start(t, "plan", h.pullRequest(p)).want(true)
	if second := h.ours(t, p); second == first || !strings.Contains(second, "encoding2") {
		t.Errorf("the comment was not updated:\n%s", second)
	}
	if again := h.lastCheck(t, p.head); again["external_id"] == check["external_id"] {
		t.Error("another plan has the same digest")
	}
	if h.CountWrites() != before {
		t.Error("a plan wrote to the service")
	}
	h.wantAllUsed(t, "plan", "contents")
}

// ours returns our only comment on a pull request. It checks that all other
// comments are unchanged.
func (h *hub) ours(t *testing.T, p *pull) (body string) {
	t.Helper()
	n := 0
	for _, c := range h.comments {
		text := c["body"].(string)
		switch {
		case strings.HasSuffix(text, "\nnot ours") || strings.HasSuffix(text, "\nof another project"):
		case strings.HasPrefix(text, "<!-- mkhooks plan demo -->\n") && fmt.Sprint(c["user"]) == fmt.Sprint(bot()):
			body, n = text, n+1
		default:
			t.Errorf("a comment was changed or made that should not be: %v", c)
		}
	}
	if n != 1 {
		t.Fatalf("%d comments of ours, expected 1", n)
	}
	return body
}

// wantAllUsed checks that a job needs all its permissions, except those that
// its checkout needs.
func (h *hub) wantAllUsed(t *testing.T, kind string, but ...string) {
	t.Helper()
	for name, level := range called(t, kind).Jobs[kind].Permissions {
		used := h.used[name]
		for _, b := range but {
			if b == name {
				used = level
			}
		}
		if used != level {
			t.Errorf("%s.yml grants %s: %s, and needs %q", kind, name, level, used)
		}
	}
}

func TestPlanShowsWhatIsLoosened(t *testing.T) {
	h := newHub(t)
	h.Git("switch", "--quiet", "-c", "loose")
	h.Write("mkhooks.yaml", strings.Replace(citest.Config, "[hooks.example.com]", `["*.example.com"]`, 1))
	h.Commit("Loosen")
	p := h.open("loose", repository)
	h.start(t, "plan", h.pullRequest(p)).want(true)
	if body := h.ours(t, p); !strings.Contains(body, "destinations") {
		t.Errorf("the comment does not say that destinations were loosened:\n%s", body)
	}
}

// TestPlanOfInvalidFiles: the comment and the check of an earlier plan must not
// remain unchanged.
func TestPlanOfInvalidFiles(t *testing.T) {
	h := newHub(t)
	h.change()
	p := h.open("change", repository)
	h.start(t, "plan", h.pullRequest(p)).want(true)
	h.Git("switch", "--quiet", "change")
	h.Write("rules/encoding.yaml", "metadata:\n  name: encoding\nspec:\n  url: https://hooks.example.com/x\n  enabled: true\n  events: [MediaKind.JobFinish]\n")
	h.Commit("Break")
	h.synchronize(p, "change")
	h.start(t, "plan", h.pullRequest(p)).want(false, "::error file=rules/encoding.yaml,line=6").wantStep("Plan", "skipped")
	if check := h.lastCheck(t, p.head); check["conclusion"] != "failure" || digestForm.MatchString(check["external_id"].(string)) {
		t.Errorf("check: %v", check)
	}
	if body := h.ours(t, p); !strings.Contains(body, "MediaKind.JobFinish") {
		t.Errorf("the comment does not show the problem:\n%s", body)
	}
}

func TestPlanWhenTheServiceIsDown(t *testing.T) {
	h := newHub(t)
	h.change()
	p := h.open("change", repository)
	h.secrets["MKIO_TOKEN_READ"] = "revoked"
	h.Secrets = append(h.Secrets, "revoked ")
	h.start(t, "plan", h.pullRequest(p)).want(false).wantStep("Validate", "success")
	if check := h.lastCheck(t, p.head); check["conclusion"] != "failure" {
		t.Errorf("check: %v", check)
	}
	if body := h.ours(t, p); !strings.Contains(body, "401 Unauthorized") {
		t.Errorf("the comment does not say what is wrong:\n%s", body)
	}
}

func TestPlanWithoutToken(t *testing.T) {
	h := newHub(t)
	h.change()
	delete(h.secrets, "MKIO_TOKEN_READ")
	p := h.open("change", repository)
	h.start(t, "plan", h.pullRequest(p)).want(false, "the secret MKIO_TOKEN_READ is empty")
	if body := h.ours(t, p); !strings.Contains(body, "There is no plan") {
		t.Errorf("the comment does not say that there is no plan:\n%s", body)
	}
}

// TestPlanOfDependabot: its pull requests are from the repository itself, but
// get no secrets.
func TestPlanOfDependabot(t *testing.T) {
	h := newHub(t)
	h.change()
	h.actor = "dependabot[bot]"
	h.start(t, "plan", h.pullRequest(h.open("change", repository))).want(true).wantStep("Validate", "success").wantStep("Plan", "skipped")
	if len(h.sent) != 0 {
		t.Errorf("something was sent to GitHub: %q", h.sent)
	}
}

// TestPlanOfALongReport: GitHub refuses a check with a summary longer than
// 65,535.
func TestPlanOfALongReport(t *testing.T) {
	h := newHub(t)
	h.change()
	for i := range 400 {
		h.Git("switch", "--quiet", "change")
		h.Write(fmt.Sprintf("rules/r%d.yaml", i), fmt.Sprintf("metadata:\n  name: r%d\nspec:\n  url: https://hooks.example.com/%s\n  enabled: true\n  events: [MediaKind.JobFinished]\n  headers:\n    X-Long: %q\n", i, strings.Repeat("long", 20), strings.Repeat("ü", 200)))
	}
	h.Commit("Many")
	p := h.open("change", repository)
	h.start(t, "plan", h.pullRequest(p)).want(true)
	summary := h.lastCheck(t, p.head)["output"].(map[string]any)["summary"].(string)
	if len(summary) > 65535 {
		t.Errorf("the check's summary has %d bytes", len(summary))
	}
	if body := h.ours(t, p); len([]rune(body)) > 65536 {
		t.Errorf("the comment has %d characters", len([]rune(body)))
	}
}

// TestAction runs the step of the composite action. The step builds the tool
// from the commit of the action.
func TestAction(t *testing.T) {
	var action struct {
		Runs struct{ Steps []step }
	}
	unmarshal(t, "action.yml", read(t, ".github", "actions", "mkhooks", "action.yml"), &action)
	temp := t.TempDir()
	path, output := temp+"/path", temp+"/output"
	for _, s := range action.Runs.Steps {
		if s.Run == "" {
			continue
		}
		w := citest.New(t)
		out, code := w.Bash(temp, []string{
			"RUNNER_TEMP=" + temp, "GITHUB_PATH=" + path, "GITHUB_OUTPUT=" + output, "GITHUB_ACTION_PATH=" + citest.Root() + "/.github/actions/mkhooks",
			"HOME=" + os.Getenv("HOME"), "GOCACHE=" + os.Getenv("GOCACHE"), "GOFLAGS=" + os.Getenv("GOFLAGS"),
		}, s.Run)
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
	}
	bin, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(strings.TrimSpace(string(bin)) + "/mkhooks"); err != nil {
		t.Error(err)
	}
	if version, _ := os.ReadFile(output); !strings.HasPrefix(string(version), "version=mkhooks ") {
		t.Errorf("output: %s", version)
	}
}
