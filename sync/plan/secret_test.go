package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestGuardSecret: a rule whose file has a placeholder is shown and blocked.
// Apart from that, only the digest changes.
func TestGuardSecret(t *testing.T) {
	t.Parallel()
	spec := webhook.Spec{URL: "https://hooks.example.com/mkio", Enabled: true, Events: []webhook.EventType{"MediaKind.JobFinished"},
		Auth: webhook.AuthNames{Headers: []string{"X-Secret"}}}
	desired := func(name string, placeholders ...string) webhook.Desired {
		return webhook.Desired{Rule: webhook.Rule{Name: name, Spec: spec}, AuthDigest: webhook.AuthUnknown, File: "rules/" + name + ".yaml", Placeholders: placeholders}
	}
	secret := "spec.authentication.headers.X-Secret"
	in := Input{Project: "demo", Owner: "video",
		Live:    []webhook.Rule{{ID: "1", Name: "adopted", Spec: spec}},
		Desired: []webhook.Desired{desired("adopted", secret), desired("new", secret, "spec.url"), desired("ready")},
	}
	p := New(in)
	want := map[string]string{
		"adopted": secret + " is still to come; set it with mkhooks secret set rules/adopted.yaml",
		"new":     secret + ", spec.url are still to come; write what belongs there",
	}
	for _, c := range p.Projects[0].Changes {
		switch reason, held := want[c.Rule]; {
		case held && (c.Blocked == nil || c.Blocked.Guard != GuardSecret || c.Blocked.Reason != reason):
			t.Errorf("%s is blocked by %+v, want %q", c.Rule, c.Blocked, reason)
		case !held && c.Blocked != nil:
			t.Errorf("%s is blocked: %+v", c.Rule, c.Blocked)
		}
	}
	if n := len(p.Projects[0].Changes); n != 3 {
		t.Errorf("%d changes, want 3", n)
	}
	for i := range in.Desired {
		in.Desired[i].Placeholders = nil
	}
	if other := New(in); other.Digest == p.Digest || strings.Join(other.Projects[0].Guards.InForce, " ") != strings.Join(p.Projects[0].Guards.InForce, " ") {
		t.Errorf("the guard changes what is in force, or not the digest")
	}
}

// TestDependenceOnTheFirst: a blocked create blocks deletes even if it is the
// first change.
func TestDependenceOnTheFirst(t *testing.T) {
	t.Parallel()
	in := baseInput()
	in.Desired[0].Name, in.Desired[0].Placeholders = "a-new", []string{"spec.url"}
	for _, c := range New(in).Projects[0].Changes {
		if c.Action == Delete && (c.Blocked == nil || c.Blocked.Guard != GuardDependence) {
			t.Errorf("the delete of %s is not held back: %+v", c.Rule, c.Blocked)
		}
	}
}

// TestAdoptCountsFields: the number of changed fields in an adoption excludes
// unknown fields.
func TestAdoptCountsFields(t *testing.T) {
	t.Parallel()
	in := baseInput()
	in.Live[0].Spec = in.Live[0].Spec.WithoutMarker()
	in.Live[0].Spec.Unknown = map[string]json.RawMessage{"spec.retryPolicy": json.RawMessage("1"), "spec.other": json.RawMessage("2")}
	for _, c := range New(in).Projects[0].Changes {
		if c.Rule == "moved" && (c.Blocked == nil || !strings.Contains(c.Blocked.Reason, "would change 1 field")) {
			t.Errorf("blocked by %+v, want an adoption that changes 1 field", c.Blocked)
		}
	}
}
