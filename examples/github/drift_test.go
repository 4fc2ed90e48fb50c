package github

import (
	"fmt"
	"strings"
	"testing"
)

func TestDrift(t *testing.T) {
	h := newHub(t)
	h.Apply()
	before := h.CountWrites()
	// Issues that resemble ours: by a person, of another project, without our
	// label, and a pull request.
	marker := "<!-- mkhooks drift demo -->\n"
	for _, i := range []map[string]any{
		{"user": map[string]any{"login": "mallory", "type": "User"}, "labels": []any{"mkhooks-drift"}, "body": marker},
		{"user": bot(), "labels": []any{"mkhooks-drift"}, "body": "<!-- mkhooks drift demo2 -->\n"},
		{"user": bot(), "labels": []any{"bug"}, "body": marker},
		{"user": bot(), "labels": []any{"mkhooks-drift"}, "body": marker, "pull_request": map[string]any{}},
		{"user": map[string]any{"login": "other[bot]", "type": "Bot"}, "labels": []any{"mkhooks-drift"}, "body": marker},
		{"user": bot(), "labels": []any{"mkhooks-drift"}, "body": nil},
	} {
		i["number"], i["state"], i["title"] = h.next(), "open", "not ours"
		h.issues = append(h.issues, i)
	}
	others := fmt.Sprint(h.issues)

	h.start(t, "drift", h.schedule()).want(true)
	if len(h.sent) != 0 {
		t.Fatalf("no drift, and something was sent: %q", h.sent)
	}

	// One issue is opened, then updated. Changes that people made to it are
	// kept.
	h.Emulator.Edit("channels", func(spec map[string]any) { spec["enabled"] = false })
	h.start(t, "drift", h.schedule()).want(true)
	issue := h.issue(t, others)
	if body := issue["body"].(string); !strings.HasPrefix(body, marker) || !strings.Contains(body, "channels") {
		t.Errorf("issue: %v", issue)
	}
	issue["title"], issue["labels"] = "Who paused channels?", []any{"mkhooks-drift", "urgent"}
	h.Emulator.Edit("jobs", func(spec map[string]any) { spec["enabled"] = false })
	h.start(t, "drift", h.schedule()).want(true)
	issue = h.issue(t, others)
	if !strings.Contains(issue["body"].(string), "jobs") || issue["title"] != "Who paused channels?" || len(issue["labels"].([]any)) != 2 {
		t.Errorf("issue: %v", issue)
	}

	// A run that can't read the service fails and keeps the issue.
	token := h.secrets["MKIO_TOKEN_READ"]
	h.secrets["MKIO_TOKEN_READ"] = "revoked"
	sent := len(h.sent)
	h.start(t, "drift", h.schedule()).want(false).wantStep("Open, update or close the issue", "skipped")
	if len(h.sent) != sent {
		t.Errorf("something was sent: %q", h.sent[sent:])
	}
	h.secrets["MKIO_TOKEN_READ"] = token

	// Without drift, the issue is closed once.
	for _, name := range []string{"jobs", "channels"} {
		h.Emulator.Edit(name, func(spec map[string]any) { spec["enabled"] = true })
	}
	h.start(t, "drift", h.schedule()).want(true)
	if issue = h.issue(t, others); issue["state"] != "closed" || len(h.botComments(issue["number"].(int))) != 1 {
		t.Errorf("issue: %v", issue)
	}
	sent = len(h.sent)
	h.start(t, "drift", h.schedule()).want(true)
	if len(h.sent) != sent {
		t.Errorf("something was sent: %q", h.sent[sent:])
	}
	h.wantAllUsed(t, "drift", "contents")

	// The next drift opens another issue.
	h.Emulator.Edit("channels", func(spec map[string]any) { spec["enabled"] = false })
	h.start(t, "drift", h.schedule()).want(true)
	if len(h.issues) != 8 {
		t.Errorf("%d issues, expected 8", len(h.issues))
	}
	if h.CountWrites() != before {
		t.Error("drift wrote to the service")
	}
}

// issue returns the newest issue. It checks that the six other issues are
// unchanged.
func (h *hub) issue(t *testing.T, others string) map[string]any {
	t.Helper()
	if got := fmt.Sprint(h.issues[:6]); got != others {
		t.Errorf("an issue of others was changed:\n%s\nwas\n%s", got, others)
	}
	if len(h.issues) != 7 {
		t.Fatalf("%d issues, expected 7", len(h.issues))
	}
	return h.issues[6]
}
