package apply_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// bereft reports whether a rule exists, is paused and has lost its secret.
func (w *world) bereft(name string) bool {
	r, ok := w.service.Rule(name)
	return ok && r.Spec["enabled"] == false && len(r.Auth()) == 0
}

// ends are the faults with which a request can end a delete.
var ends = map[string]emulator.Fault{
	"400":               {Status: 400},
	"403":               {Status: 403},
	"404":               {Status: 404},
	"500":               {Status: 500},
	"500 with effect":   {Status: 500, Effect: true},
	"429":               {Status: 429},
	"no response":       {Drop: emulator.DropBefore},
	"response lost":     {Drop: emulator.DropAfter},
	"a proxy's page":    {Body: "<html>hello</html>"},
	"a proxy's 502":     {Status: 502, Body: "<html>bad gateway</html>"},
	"a proxy's 404":     {Status: 404, Body: "<html>not found</html>"},
	"cut short":         {Cut: 3},
	"the run cancelled": {Stall: true},
	"cancelled late":    {Stall: true, Effect: true},
}

// TestPausedRuleIsReported ends a delete at each request, once or from then on, by
// each fault. If the live rule is or may be paused and without its secret, the
// result reports that; otherwise it does not. It never reports that nothing was
// applied.
func TestPausedRuleIsReported(t *testing.T) {
	t.Parallel()
	const requests = 11 // of a delete: GET, events, PUT, events twice, GET, events, DELETE, GET; and two more
	for name, fault := range ends {
		for nth := 1; nth <= requests; nth++ {
			for _, times := range []int{1, -1} {
				t.Run(fmt.Sprintf("%s at %d, %d times", name, nth, times), func(t *testing.T) {
					t.Parallel()
					w := doomed(t, emulator.Options{}, 2)
					w.client.RetryFor = time.Millisecond
					p := w.mustPlan()
					prepared := w.prepare(p)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					f := fault
					f.Nth, f.Times = nth, times
					if f.Stall {
						f.Before = cancel
					}
					w.service.Fault(f)
					r := prepared.Run(ctx, nil, p)
					if s := change(t, r, "gone").Status; name == "404" && times < 0 && (s == apply.StatusStale || s == apply.StatusApplied) {
						return // every response of the service says that the rule is absent
					}
					reportsLeft(t, w, r)
				})
			}
		}
	}
}

// reportsLeft compares the result of the rule "gone" with the service.
func reportsLeft(t *testing.T, w *world, r *apply.Result) {
	t.Helper()
	c := change(t, r, "gone")
	certain := c.Left != nil && c.Left.Uncertain == ""
	switch {
	case c.Status == apply.StatusApplied && w.there("gone"):
		t.Errorf("applied, and the rule is there: %s", show(r))
	case w.bereft("gone") && c.Left == nil:
		t.Errorf("the rule is paused, and nothing says so: %s", show(r))
	case w.bereft("gone") && (c.Left.Enabled || !slices.Equal(c.Left.AuthRemoved, isPaused.AuthRemoved)):
		t.Errorf("the rule is paused without its secret: %s", show(r))
	case certain && !w.bereft("gone"):
		t.Errorf("the rule is not paused: %s", show(r))
	case certain && (!r.Wrote() || r.Outcome != apply.Partial && r.Outcome != apply.Interrupted):
		t.Errorf("the pause was applied: %s", show(r))
	case w.bereft("gone") && !certain && !c.InDoubt():
		t.Errorf("nothing is said to be in doubt: %s", show(r))
	case !w.there("gone") && c.Status != apply.StatusApplied && c.Status != apply.StatusUnverified && !c.InDoubt():
		t.Errorf("the rule is deleted: %s", show(r))
	}
}

// TestPausedByAnotherClient tests a rule that another client changes after the
// pause of this run. The result reports the rule as it was read last.
func TestPausedByAnotherClient(t *testing.T) {
	t.Parallel()
	withSecret := map[string]any{"headers": map[string]any{"X-Webhook-Secret": "v"}}
	for name, test := range map[string]struct {
		edit func(spec map[string]any)
		want apply.Left
	}{
		"enabled":         {func(s map[string]any) { s["enabled"] = true }, apply.Left{Enabled: true, AuthRemoved: isPaused.AuthRemoved}},
		"another url":     {func(s map[string]any) { s["url"] = "https://elsewhere.example/" }, isPaused},
		"with its secret": {func(s map[string]any) { s["authentication"] = withSecret }, apply.Left{AuthRemoved: []string{}}},
		"restored":        {func(s map[string]any) { s["enabled"], s["authentication"] = true, withSecret }, apply.Left{Enabled: true, AuthRemoved: []string{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			w.service.Fault(emulator.Fault{Kind: emulator.Events, Nth: 2, Before: func() { w.service.Edit("gone", test.edit) }})
			r := w.apply()
			want(t, r, apply.Partial, "gone stale")
			leaves(t, change(t, r, "gone"), test.want)
		})
	}
}

// TestPauseLostThenChanged tests an attempt to pause that took effect without a
// response. Another client changed the rule before the next attempt.
func TestPauseLostThenChanged(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	w.client.RetryFor = time.Minute
	w.service.Fault(emulator.Fault{Method: "PUT", Status: 503, Effect: true, Times: 1, Header: map[string]string{"Retry-After": "6"}, After: func() {
		time.AfterFunc(time.Second, func() {
			w.service.Edit("gone", func(s map[string]any) { s["url"] = "https://elsewhere.example/" })
		})
	}})
	r := w.apply()
	want(t, r, apply.Partial, "gone stale")
	leaves(t, change(t, r, "gone"), isPaused)
}

// TestPauseIsRecorded checks that the audit log lists the values that a pause
// removes before the pause leaves. At the end it has the state that is left, also
// if a fault of mkhooks ends the delete.
func TestPauseIsRecorded(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	rec := &recorder{intent: func(w apply.Write) error {
		if w.Step == apply.StepArchive {
			panic("s3cr3t-value")
		}
		return nil
	}}
	w.deps.Audit = rec
	r := w.apply()
	want(t, r, apply.Partial, "gone failed")
	leaves(t, change(t, r, "gone"), isPaused)
	wantTold := []string{
		"- read gone", "- note gone", "pause gone without headers.X-Webhook-Secret", "pause gone: 200", "archive gone",
		"- left gone: paused without headers.X-Webhook-Secret",
	}
	if diff := cmp.Diff(wantTold, rec.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestPausedBesideOthers checks that a rule that is left paused makes the run
// partial, whatever the results of the other changes.
func TestPausedBesideOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files   []apply.Rule
		outcome apply.Outcome
		all     string
	}{
		"alone":          {nil, apply.Partial, "gone blocked"},
		"one is applied": {[]apply.Rule{rule("new")}, apply.Partial, "gone blocked, new applied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			w.service.EditEvents("gone", func(e *emulator.Event) { e.Status = emulator.Pending })
			w.files(test.files...)
			p := w.mustPlan()
			want(t, w.prepare(p).Run(t.Context(), nil, p), test.outcome, test.all)
			r := apply.JoinResults(p, []*apply.Result{w.apply()})
			if c := change(t, r, "gone"); c.Left == nil || !c.Left.Earlier || r.Outcome != apply.Refused {
				t.Errorf("the second run, which wrote nothing: %s", show(r))
			}
		})
	}
	// A delete that never comes to its pause leaves nothing.
	w := doomed(t, emulator.Options{}, 2)
	w.options.Protect = []string{"gone"}
	r := w.apply()
	want(t, r, apply.Refused, "gone blocked")
	leaves(t, change(t, r, "gone"), apply.Left{})
	if got := apply.DeclinedResult(w.mustPlan()); got.Wrote() || change(t, got, "gone").Blocked.Guard != plan.GuardProtect {
		t.Errorf("declined: %s", show(got))
	}
}
