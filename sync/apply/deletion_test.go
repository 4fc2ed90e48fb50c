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

// doomed returns a world with one rule without a file, with n records.
func doomed(t *testing.T, o emulator.Options, n int) *world {
	t.Helper()
	w := newWorld(t, o)
	w.settle(rule("gone", sealed("old-value")))
	w.service.AddEvents("gone", events(n, "gone")...)
	w.files()
	return w
}

// deleted checks that the rule is absent, and that its last archive holds all its
// records.
func (w *world) deleted(all []string) {
	w.t.Helper()
	if w.there("gone") {
		w.t.Error("the rule is still there")
	}
	stored := w.stored("gone")
	if len(stored) == 0 {
		w.t.Fatal("there is no archive")
	}
	best := 0
	for i, m := range stored {
		if m.Records > stored[best].Records {
			best = i
		}
	}
	if diff := cmp.Diff(all, w.records(stored[best])); diff != "" {
		w.t.Errorf("stored records (-want +got):\n%s", diff)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	marker := w.live("gone")["headers"].(map[string]any)["X-Mkhooks"]
	want(t, w.apply(), apply.Applied, "gone applied")
	if diff := cmp.Diff([]string{"PUT gone", "DELETE gone"}, w.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	wantBody := map[string]any{
		"url": "https://hooks.example.com/gone", "enabled": false, "events": []any{"MediaKind.JobFinished"},
		"headers": map[string]any{"X-Mkhooks": marker},
	}
	if diff := cmp.Diff(wantBody, w.body("gone", 1)); diff != "" {
		t.Errorf("the pause (-want +got):\n%s", diff)
	}
	if m := w.stored("gone"); len(m) != 1 || !m[0].When.Equal(now) {
		t.Errorf("manifests %+v, want one of the run's own time", m)
	}
}

func TestNoPause(t *testing.T) {
	t.Parallel()
	edit := func(change func(spec map[string]any)) func(w *world) {
		return func(w *world) { w.service.Edit("gone", change) }
	}
	tests := map[string]struct {
		set     func(w *world)
		enabled bool
	}{
		"by flag":             {func(w *world) { w.deps.NoPause = true }, true},
		"paused already":      {edit(func(spec map[string]any) { spec["enabled"] = false }), false},
		"with unknown fields": {edit(func(spec map[string]any) { spec["retryPolicy"] = "slow" }), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			tt.set(w)
			want(t, w.apply(), apply.Applied, "gone applied")
			if diff := cmp.Diff([]string{"DELETE gone"}, w.writes()); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			if m := w.stored("gone"); len(m) != 1 || m[0].WasEnabled != tt.enabled || m[0].Rule.Spec.Enabled != tt.enabled {
				t.Errorf("manifests %+v", m)
			}
		})
	}
}

// TestPausedAndLeft ends a delete after the pause. The next run deletes the rule,
// or restores it if its file exists again.
func TestPausedAndLeft(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprintf("file came back %v", back), func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			fault := w.service.Fault(emulator.Fault{Method: "DELETE", Status: 400})
			r := w.apply()
			want(t, r, apply.Partial, "gone failed")
			says(t, change(t, r, "gone"), "service", "400")
			leaves(t, change(t, r, "gone"), isPaused)
			if c := change(t, r, "gone"); c.Archive == nil || c.HTTPStatus != 400 || c.Attempts != 1 {
				t.Errorf("the change is %+v", c)
			}
			if w.live("gone")["enabled"] != false {
				t.Error("the rule is not paused")
			}
			r = w.apply()
			want(t, r, apply.Failed, "gone failed") // this run wrote nothing
			earlier := isPaused
			earlier.Earlier = true
			leaves(t, change(t, r, "gone"), earlier)
			fault.Remove()
			if !back {
				want(t, w.apply(), apply.Applied, "gone applied")
				w.deleted([]string{"/gone/0000", "/gone/0001"})
				for _, m := range w.stored("gone") { // of three runs
					if !m.WasEnabled || !slices.Equal(m.Rule.Spec.Auth.Headers, []string{"X-Webhook-Secret"}) || m.AuthUnknown {
						t.Errorf("a manifest does not say what the rule was: %+v", m)
					}
				}
				return
			}
			w.files(rule("gone", sealed("old-value")))
			if c := w.mustPlan().Projects[0].Changes[0]; !c.Paused || c.Direction != plan.DirDrift {
				t.Errorf("planned as %+v, want a paused rule", c)
			}
			want(t, w.apply(), apply.Applied, "gone applied")
			if got, _ := w.service.Rule("gone"); got.Spec["enabled"] != true || got.Auth()["headers.X-Webhook-Secret"] != "old-value" || len(got.Events) != 2 {
				t.Errorf("the restored rule is %+v", got)
			}
		})
	}
}

func TestPauseThatGoesWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault   func(s *emulator.Server) emulator.Fault
		outcome apply.Outcome
		status  string
		kind    string
		says    string
	}{
		"refused": {func(*emulator.Server) emulator.Fault { return emulator.Fault{Status: 400} },
			apply.Failed, "failed", "service", "pausing it before the delete: "},
		"not kept": {func(*emulator.Server) emulator.Fault {
			return emulator.Fault{Edit: func(b map[string]any) { b["spec"].(map[string]any)["enabled"] = true }}
		}, apply.Partial, "blocked", "archive", "pass --no-pause"},
		"the marker lost": {func(*emulator.Server) emulator.Fault {
			return emulator.Fault{Edit: func(b map[string]any) { delete(b["spec"].(map[string]any), "headers") }}
		}, apply.Partial, "unverified", "unverified", "lost the header X-Mkhooks"},
		"deleted by someone at that moment": {func(s *emulator.Server) emulator.Fault {
			return emulator.Fault{Before: func() { s.Delete("gone") }}
		}, apply.Partial, "stale", "stale", "made it anew"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			f := tt.fault(w.service)
			f.Method = "PUT"
			w.service.Fault(f)
			r := w.apply()
			want(t, r, tt.outcome, "gone "+tt.status)
			says(t, change(t, r, "gone"), tt.kind, tt.says)
			switch name {
			case "refused":
				leaves(t, change(t, r, "gone"), apply.Left{})
			case "not kept":
				leaves(t, change(t, r, "gone"), apply.Left{Enabled: true, AuthRemoved: isPaused.AuthRemoved})
			default:
				leaves(t, change(t, r, "gone"), isPaused)
			}
			if diff := cmp.Diff([]string{"PUT gone"}, w.writes()); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMayBePaused tests a pause that may or may not have taken effect.
func TestMayBePaused(t *testing.T) {
	t.Parallel()
	unseen := emulator.Fault{Kind: emulator.Get, Nth: 2, Times: -1, Status: 403}
	for name, tt := range map[string]struct {
		put emulator.Fault
		may bool
	}{
		"no answer":         {emulator.Fault{Drop: emulator.DropBefore}, true},
		"500":               {emulator.Fault{Status: 500}, true},
		"a page of a proxy": {emulator.Fault{Body: "<html>hello</html>"}, true},
		"400":               {emulator.Fault{Status: 400}, false},
		"403":               {emulator.Fault{Status: 403}, false},
		"429":               {emulator.Fault{Status: 429}, false},
		"404":               {emulator.Fault{Status: 404}, true},
		"a proxy's 404":     {emulator.Fault{Status: 404, Body: "<html>"}, true},
		"409":               {emulator.Fault{Status: 409}, true},
		"410":               {emulator.Fault{Status: 410}, true},
		"a redirect":        {emulator.Fault{Status: 302}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			tt.put.Method = "PUT"
			w.service.Fault(tt.put)
			w.service.Fault(unseen)
			r := w.apply()
			if name == "a page of a proxy" {
				want(t, r, apply.Partial, "gone unverified")
			} else {
				want(t, r, apply.Failed, "gone failed")
			}
			left := apply.Left{}
			if tt.may {
				left = apply.Left{AuthRemoved: isPaused.AuthRemoved, Uncertain: apply.StepPause}
			}
			c := change(t, r, "gone")
			leaves(t, c, left)
			if c.InDoubt() != tt.may {
				t.Errorf("in doubt: %t", c.InDoubt())
			}
		})
	}
}

// TestMovingHistory adds records while the history is read and after it.
func TestMovingHistory(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault  emulator.Fault
		status string
		kind   string
		says   string
	}{
		"between two pages":           {emulator.Fault{Kind: emulator.Events, Nth: 2}, "applied", "", ""},
		"after the last page":         {emulator.Fault{Kind: emulator.Events, Nth: 4}, "applied", "", ""},
		"while the copy is stored":    {emulator.Fault{Kind: emulator.Get, Nth: 2}, "applied", "", ""},
		"on the last look":            {emulator.Fault{Kind: emulator.Events, Nth: 5}, "applied", "", ""},
		"on every page for ever":      {emulator.Fault{Kind: emulator.Events}, "blocked", "archive", "could not be read whole in 1 reading (waiting at most 30s)"},
		"on every last look for ever": {emulator.Fault{Kind: emulator.Get}, "blocked", "archive", "moved again and again, in 5 readings (waiting at most 30s)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range []emulator.RecordOrder{emulator.NewestFirst, emulator.OldestFirst} {
				w := doomed(t, emulator.Options{MaxTop: 2, RecordOrder: order}, 5)
				w.deps.NoPause, w.deps.Drain = true, 30*time.Second
				p := w.mustPlan()
				prepared := w.prepare(p)
				n := 0
				tt.fault.Before = func() {
					n++
					w.service.AddEvents("gone", events(1, fmt.Sprintf("more-%04d", n))...)
				}
				if tt.says == "" {
					tt.fault.Times = 1
				}
				// The record must exist, so that the plan has the same rule.
				w.service.Fault(tt.fault)
				r := prepared.Run(context.Background(), nil, p)
				if tt.status == "blocked" {
					want(t, r, apply.Refused, "gone blocked")
					says(t, change(t, r, "gone"), tt.kind, tt.says)
					if !w.there("gone") || w.writes() != nil {
						t.Errorf("writes %q", w.writes())
					}
					continue
				}
				want(t, r, apply.Applied, "gone applied")
				if n != 1 {
					t.Errorf("%d records came, want 1: the case does not happen", n)
				}
				w.deleted([]string{"/gone/0000", "/gone/0001", "/gone/0002", "/gone/0003", "/gone/0004", "/more-0001/0000"})
			}
		})
	}
}

// TestHistoryThatCannotBeRead tests services that omit a part of the history.
func TestHistoryThatCannotBeRead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options emulator.Options
		says    string
	}{
		"no total":              {emulator.Options{NoSupplemental: true}, "does not say how many records"},
		"more than can be read": {emulator.Options{ReadableRecords: 3}, "counts 5 records and lists 3; if the rest may be lost, delete the rule by hand"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, tt.options, 5)
			r := w.apply()
			want(t, r, apply.Partial, "gone blocked")
			says(t, change(t, r, "gone"), "archive", tt.says)
			leaves(t, change(t, r, "gone"), isPaused)
			if !w.there("gone") || w.stored("gone") != nil {
				t.Error("the rule is gone, or there is an archive of a part")
			}
		})
	}
}

// TestPagingFaults tests pages that repeat, are omitted or lead elsewhere.
func TestPagingFaults(t *testing.T) {
	t.Parallel()
	for _, link := range []emulator.Link{emulator.LinkElsewhere, emulator.LinkItself, emulator.LinkRepeat, emulator.LinkSkip, emulator.LinkLost} {
		t.Run(string(link), func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{MaxTop: 2}, 5)
			p := w.mustPlan()
			prepared := w.prepare(p)
			w.service.Fault(emulator.Fault{Kind: emulator.Events, Link: link})
			r := prepared.Run(context.Background(), nil, p)
			if r.Outcome == apply.Applied || !w.there("gone") {
				t.Errorf("deleted after %s", show(r))
			}
			if stored := w.stored("gone"); stored != nil {
				t.Errorf("stored %+v", stored)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	active := func(t *testing.T) *world {
		w := doomed(t, emulator.Options{}, 2)
		w.service.EditEvents("gone", func(e *emulator.Event) { e.Status = emulator.Retrying })
		return w
	}
	t.Run("waited for", func(t *testing.T) {
		t.Parallel()
		w := active(t)
		w.deps.Drain = time.Hour
		w.service.Fault(emulator.Fault{Kind: emulator.Events, Nth: 3, Before: func() {
			w.service.EditEvents("gone", func(e *emulator.Event) { e.Status = emulator.Failed })
		}})
		want(t, w.apply(), apply.Applied, "gone applied")
		w.deleted([]string{"/gone/0000", "/gone/0001"})
	})
	t.Run("not waited for", func(t *testing.T) {
		t.Parallel()
		w := active(t)
		r := w.apply()
		want(t, r, apply.Partial, "gone blocked")
		says(t, change(t, r, "gone"), "live deliveries", "2 of 2 records are still on their way after 0s", "--delete-active")
		leaves(t, change(t, r, "gone"), isPaused)
		if !w.there("gone") || w.stored("gone") != nil {
			t.Error("the rule is gone, or an archive is there")
		}
	})
	t.Run("lifted", func(t *testing.T) {
		t.Parallel()
		w := active(t)
		w.deps.DeleteActive = true
		want(t, w.apply(), apply.Applied, "gone applied")
		w.deleted([]string{"/gone/0000", "/gone/0001"})
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		w := active(t)
		w.deps.Drain = time.Hour
		stop := make(chan struct{})
		w.service.Fault(emulator.Fault{Kind: emulator.Events, Nth: 2, Before: func() { close(stop) }})
		p := w.mustPlan()
		r := w.prepare(p).Run(context.Background(), stop, p)
		want(t, r, apply.Interrupted, "gone skipped")
		says(t, change(t, r, "gone"), "interrupted", "waited for deliveries")
		leaves(t, change(t, r, "gone"), isPaused)
	})
}
