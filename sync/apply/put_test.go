package apply_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

func TestApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.settle(rule("changed"), rule("gone", sealed("old-value")), rule("same"))
	w.service.AddEvents("gone", events(3, "gone")...)
	before, _ := w.service.Rule("gone")

	w.files(rule("changed", url("https://hooks.example.com/new"), sealed("s3cr3t-value")), rule("new"), rule("same"))
	r := w.apply()
	want(t, r, apply.Applied, "changed applied, gone applied, new applied")
	if diff := cmp.Diff([]string{"PUT changed", "PUT new", "PUT gone", "DELETE gone"}, w.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if got := w.live("changed")["url"]; got != "https://hooks.example.com/new" {
		t.Errorf("changed has the url %v", got)
	}
	changed, _ := w.service.Rule("changed")
	if diff := cmp.Diff(map[string]string{"headers.X-Webhook-Secret": "s3cr3t-value"}, changed.Auth()); diff != "" {
		t.Errorf("auth (-want +got):\n%s", diff)
	}
	c := change(t, r, "gone")
	if c.HTTPStatus != 200 || c.Attempts != 1 || c.Archive == nil || c.Archive.Records != 3 {
		t.Errorf("the delete took %+v with archive %+v", c, c.Archive)
	}
	if c := change(t, r, "new"); c.HTTPStatus != 201 || c.Attempts != 1 || c.Archive != nil {
		t.Errorf("the create took %+v", c)
	}
	stored := w.stored("gone")
	if len(stored) != 1 {
		t.Fatalf("%d archives, want 1", len(stored))
	}
	if diff := cmp.Diff(sources(before.Events), w.records(stored[0])); diff != "" {
		t.Errorf("stored records (-want +got):\n%s", diff)
	}
	m := stored[0]
	if m.Rule.ID != before.ID || !m.Rule.Spec.Enabled || !m.WasEnabled || m.Rule.Spec.Auth.Len() != 1 || m.By != "ada" || m.Tool != "mkhooks test" || m.PlanDigest != r.Digest {
		t.Errorf("manifest %+v", m)
	}
	w.inSync()
}

// TestRunTwice runs one plan again: all changes are already done.
func TestRunTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.settle(rule("changed"), rule("gone"))
	w.files(rule("changed", sealed("s3cr3t-value")), rule("new"))
	p := w.mustPlan()
	prepared := w.prepare(p)
	want(t, prepared.Run(context.Background(), nil, p), apply.Applied, "changed applied, gone applied, new applied")
	w.service.ResetRequests()
	want(t, prepared.Run(context.Background(), nil, p), apply.Nothing, "changed done, gone done, new done")
	if got := w.writes(); got != nil {
		t.Errorf("the second run wrote %q", got)
	}
}

// TestNotKnownToBeDone tests rules that look as desired. They are not done if they
// have values without a marker.
func TestNotKnownToBeDone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		owner string
		rule  apply.Rule
		want  string
	}{
		"no owner, no auth":    {"", rule("a"), "a done"},
		"no owner, auth":       {"", rule("a", sealed("s3cr3t-value")), "a stale"},
		"an owner, auth":       {"video", rule("a", sealed("s3cr3t-value")), "a done"},
		"an owner, plain auth": {"video", rule("a", sealed("s3cr3t-value"), func(r *apply.Rule) { r.AuthDigest = webhook.AuthUnknown }), "a stale"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Options{})
			w.owner, w.desired = tt.owner, []apply.Rule{tt.rule}
			p := w.mustPlan()
			prepared := w.prepare(p)
			want(t, prepared.Run(context.Background(), nil, p), apply.Applied, "a applied")
			if got := statuses(prepared.Run(context.Background(), nil, p)); got != tt.want {
				t.Errorf("the second run: %s, want %s", got, tt.want)
			}
			if tt.owner != "" {
				// A rule that was applied and then changed by hand is not done.
				w.service.Edit("a", func(spec map[string]any) { spec["enabled"] = false })
				if got := statuses(prepared.Run(context.Background(), nil, p)); got != "a stale" {
					t.Errorf("changed by hand: %s, want stale", got)
				}
				return
			}
			// Without an owner, a rule that carries a marker belongs to another
			// owner.
			w.service.Edit("a", func(spec map[string]any) {
				spec["headers"] = map[string]any{webhook.MarkerHeader: "v=1;owner=audio;id=0;spec=0;auth=0"}
			})
			if got := statuses(prepared.Run(context.Background(), nil, p)); got != "a stale" {
				t.Errorf("with another's marker: %s, want stale", got)
			}
		})
	}
}

// TestStale changes the rule between the plan and the second read.
func TestStale(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rule    string
		between func(s *emulator.Server)
		says    string
	}{
		"a create that came to exist": {"new", func(s *emulator.Server) {
			s.Put("new", map[string]any{"url": "https://x.example/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
		}, "has come to exist"},
		"an update, changed": {"changed", func(s *emulator.Server) {
			s.Edit("changed", func(spec map[string]any) { spec["enabled"] = false })
		}, "changed since the plan was made: spec.enabled"},
		"an update, deleted":   {"changed", func(s *emulator.Server) { s.Delete("changed") }, "was deleted"},
		"an update, made anew": {"changed", func(s *emulator.Server) { s.Recreate("changed") }, "its id, its marker"},
		"an update, unknown field": {"changed", func(s *emulator.Server) {
			s.Edit("changed", func(spec map[string]any) { spec["retryPolicy"] = "x" })
		}, "a part that is not shown"},
		"a delete, changed": {"gone", func(s *emulator.Server) {
			s.Edit("gone", func(spec map[string]any) { spec["url"] = "https://x.example/" })
		}, "spec.url"},
		"a delete, made anew": {"gone", func(s *emulator.Server) { s.Recreate("gone") }, "its id"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Options{})
			w.settle(rule("changed"), rule("gone"))
			w.files(rule("changed", url("https://hooks.example.com/new")), rule("new"))
			p := w.mustPlan()
			p.Projects[0].Changes = []plan.Change{p.Projects[0].Changes[map[string]int{"changed": 0, "gone": 1, "new": 2}[tt.rule]]}
			prepared := w.prepare(p)
			tt.between(w.service)
			before := w.service.Rules()
			r := prepared.Run(context.Background(), nil, p)
			want(t, r, apply.Refused, tt.rule+" stale")
			says(t, change(t, r, tt.rule), "stale", tt.says)
			if diff := cmp.Diff(before, w.service.Rules()); diff != "" || w.writes() != nil {
				t.Errorf("a stale change wrote %q (-before +after):\n%s", w.writes(), diff)
			}
		})
	}
}

// TestHintOfALostPut checks that a hint is shown if the last response has none.
func TestHintOfALostPut(t *testing.T) {
	t.Parallel()
	for status, hint := range map[int]string{400: "run mkhooks plan again", 503: "tell MK.IO's support the ref"} {
		w := newWorld(t, emulator.Options{})
		w.desired = []apply.Rule{rule("a")}
		w.service.Fault(emulator.Fault{Kind: emulator.Put, Nth: 1, Drop: emulator.DropBefore})
		w.service.Fault(emulator.Fault{Kind: emulator.Put, Nth: 2, Times: 100, Status: status})
		c := change(t, w.apply(), "a")
		says(t, c, "service", "an attempt may have taken effect although its answer did not come")
		if !strings.Contains(c.Error.Hint, hint) {
			t.Errorf("%d: hint %q, want %q", status, c.Error.Hint, hint)
		}
	}
}

func TestAnswersToPut(t *testing.T) {
	t.Parallel()
	always := 1000
	tests := map[string]struct {
		fault   emulator.Fault
		outcome apply.Outcome
		status  string
		kind    string
		says    string
		http    int
	}{
		"400":                {emulator.Fault{Status: 400}, apply.Failed, "failed", "service", "400 Bad Request", 400},
		"403":                {emulator.Fault{Status: 403}, apply.Failed, "failed", "service", "403 Forbidden", 403},
		"503 once":           {emulator.Fault{Status: 503, Nth: 1}, apply.Applied, "applied", "", "", 201},
		"500 always":         {emulator.Fault{Status: 500, Times: always}, apply.Failed, "failed", "service", "may have taken effect", 500},
		"no answer once":     {emulator.Fault{Drop: emulator.DropAfter, Nth: 1}, apply.Applied, "applied", "", "", 200},
		"no answer ever":     {emulator.Fault{Drop: emulator.DropAfter, Times: always}, apply.Applied, "applied", "", "", 0},
		"a cut answer once":  {emulator.Fault{Cut: 5, Nth: 1}, apply.Applied, "applied", "", "", 200},
		"a page of a proxy":  {emulator.Fault{Body: "<html>hello</html>"}, apply.Applied, "applied", "", "", 201},
		"another rule's":     {emulator.Fault{Edit: func(b map[string]any) { b["metadata"].(map[string]any)["name"] = "b" }}, apply.Applied, "applied", "", "", 201},
		"a field of a later": {emulator.Fault{Edit: func(b map[string]any) { b["spec"].(map[string]any)["retryPolicy"] = 1 }}, apply.Applied, "applied", "", "", 201},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Options{})
			w.desired = []apply.Rule{rule("a", sealed("s3cr3t-value"))}
			tt.fault.Method = "PUT"
			w.service.Fault(tt.fault)
			r := w.apply()
			want(t, r, tt.outcome, "a "+tt.status)
			c := change(t, r, "a")
			says(t, c, tt.kind, tt.says)
			if c.HTTPStatus != tt.http || c.Attempts == 0 {
				t.Errorf("took %d attempts and the status %d, want %d", c.Attempts, c.HTTPStatus, tt.http)
			}
			if c.InDoubt() != strings.Contains(tt.says, "may have taken effect") {
				t.Errorf("in doubt: %t", c.InDoubt())
			}
			if tt.status == "failed" && tt.http > 0 && c.Ref == "" {
				t.Error("the service's ref is missing")
			}
		})
	}
}

// TestSecondLook tests a PUT with an unreadable response. The rule that is read
// then counts, if it is known to equal the sent rule.
func TestSecondLook(t *testing.T) {
	t.Parallel()
	lost, page := emulator.Fault{Method: "PUT", Drop: emulator.DropAfter}, emulator.Fault{Method: "PUT", Body: "<html>hello</html>"}
	unseen := emulator.Fault{Kind: emulator.Get, Nth: 2, Times: -1, Status: 403}
	another := emulator.Fault{Kind: emulator.Get, Nth: 2, Times: -1, Edit: func(b map[string]any) { b["spec"].(map[string]any)["enabled"] = false }}
	marker := emulator.Fault{Kind: emulator.Get, Nth: 2, Times: -1, Edit: func(b map[string]any) {
		b["spec"].(map[string]any)["headers"].(map[string]any)["X-Mkhooks"] = "another"
	}}
	for name, tt := range map[string]struct {
		owner      string
		put, get   emulator.Fault
		want, kind string
	}{
		"lost, and can't be read":   {"video", lost, unseen, "a failed", "network"},
		"lost, and another rule":    {"video", lost, another, "a failed", "network"},
		"lost, and another marker":  {"video", lost, marker, "a failed", "network"},
		"lost, and no owner":        {"", lost, emulator.Fault{Kind: emulator.Other}, "a failed", "network"},
		"never took effect":         {"video", emulator.Fault{Method: "PUT", Status: 500}, emulator.Fault{Kind: emulator.Other}, "a failed", "service"},
		"a page, and can't be read": {"video", page, unseen, "a unverified", "unverified"},
		"a page, and another rule":  {"video", page, another, "a unverified", "unverified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Options{})
			w.owner, w.desired = tt.owner, []apply.Rule{rule("a", sealed("s3cr3t-value"))}
			w.service.Fault(tt.put)
			w.service.Fault(tt.get)
			r := w.apply()
			if got := statuses(r); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if c := change(t, r, "a"); c.Error == nil || string(c.Error.Kind) != tt.kind {
				t.Errorf("it is %+v, want the kind %s", c.Error, tt.kind)
			}
		})
	}
}

// TestSecondLookAtAnUpdate is [TestSecondLook] for a rule that existed before.
func TestSecondLookAtAnUpdate(t *testing.T) {
	t.Parallel()
	moved := url("https://hooks.example.com/new")
	for name, tt := range map[string]struct {
		owner         string
		before, after apply.Rule
		resend        bool
		put           emulator.Fault
		want          string
		looks         int // reads of the rule, including the read before the PUT
	}{
		"lost, and no owner and no secret":  {"", rule("a"), rule("a", moved), false, emulator.Fault{Drop: emulator.DropAfter}, "a applied", 2},
		"lost, and deleted by someone else": {"video", rule("a"), rule("a", moved), false, emulator.Fault{Drop: emulator.DropBefore, Nth: 1, Times: -1}, "a failed", 2},
		// The rule looks the same whether the secret was sent or not.
		"lost, and all is as it was": {"video", rule("a", sealed("one")), rule("a", sealed("one")), true, emulator.Fault{Drop: emulator.DropBefore}, "a failed", 2},
		"refused":                    {"video", rule("a"), rule("a", moved), false, emulator.Fault{Status: 403}, "a failed", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Options{})
			w.owner = tt.owner
			w.settle(tt.before)
			w.files(tt.after)
			w.options.ResendAuth = tt.resend
			tt.put.Method = "PUT"
			if strings.HasSuffix(name, "someone else") {
				tt.put.Before = func() { w.service.Delete("a") }
			}
			w.service.Fault(tt.put)
			r := w.apply()
			if got := statuses(r); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if c := change(t, r, "a"); tt.want == "a failed" && (c.Error == nil || c.Error.Kind != map[int]apply.ErrorKind{1: apply.KindService, 2: apply.KindNetwork}[tt.looks]) {
				t.Errorf("it is %+v", c.Error)
			}
			looks := 0
			for _, req := range w.service.Requests() {
				if req.Kind == emulator.Get {
					looks++
				}
			}
			if looks != tt.looks {
				t.Errorf("the rule was read %d times, want %d", looks, tt.looks)
			}
		})
	}
}

// TestOthersAtThisVeryMoment checks warnings if the response to a PUT shows that
// another client changed the rule since the last read.
func TestOthersAtThisVeryMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.settle(rule("changed"))
	w.files(rule("changed", sealed("s3cr3t-value")), rule("new"))
	w.service.Fault(emulator.Fault{Method: "PUT", Rule: "changed", Before: func() { w.service.Delete("changed") }})
	w.service.Fault(emulator.Fault{Method: "PUT", Rule: "new", Before: func() {
		w.service.Put("new", map[string]any{"url": "https://x.example/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	}})
	r := w.apply()
	want(t, r, apply.Applied, "changed applied, new applied")
	if got := show(r); !strings.Contains(got, `rule "changed" made it anew`) || !strings.Contains(got, `rule "new" wrote over`) {
		t.Errorf("warnings: %s", got)
	}
}

// TestDropsAuth tests a response that lacks the authentication that was sent.
func TestDropsAuth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{Rewrite: func(_ string, spec map[string]any) { delete(spec, "authentication") }})
	w.desired = []apply.Rule{rule("a", sealed("s3cr3t-value"))}
	r := w.apply()
	want(t, r, apply.Partial, "a unverified")
	says(t, change(t, r, "a"), "unverified", "spec.authentication.headers.X-Webhook-Secret")
}
