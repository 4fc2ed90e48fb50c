package apply_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// These tests change a rule while a write has to wait.

// wait returns a response that asks to wait longer than a precheck stays valid.
func wait(status int) emulator.Fault {
	return emulator.Fault{Status: status, Header: map[string]string{"Retry-After": "6"}, Times: 1}
}

// TestDeleteThatWaits checks that records that came while a DELETE waited are not
// destroyed with the rule.
func TestDeleteThatWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		during  func(w *world)
		outcome apply.Outcome
		status  string
		stored  int
	}{
		"changed": {func(w *world) {
			w.service.Edit("gone", func(spec map[string]any) { spec["url"] = "https://elsewhere.example/" })
		}, apply.Refused, "stale", 2},
		"delivered": {func(w *world) { w.service.AddEvents("gone", events(3, "late")...) }, apply.Applied, "applied", 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			w.deps.NoPause, w.deps.Drain, w.client.RetryFor = true, 30*time.Second, time.Minute
			fault := wait(429)
			fault.Method = "DELETE"
			fault.After = func() { time.AfterFunc(time.Second, func() { test.during(w) }) }
			w.service.Fault(fault)
			r := w.apply()
			want(t, r, test.outcome, "gone "+test.status)
			if w.there("gone") != (test.status == "stale") {
				t.Errorf("there: %t", w.there("gone"))
			}
			most := 0
			for _, m := range w.stored("gone") {
				most = max(most, m.Records)
			}
			if most != test.stored {
				t.Errorf("%d records are stored, want %d", most, test.stored)
			}
		})
	}
}

// TestPutThatWaits checks that an edit that came while a PUT waited is not
// overwritten. A PUT that took effect despite its response is not repeated.
func TestPutThatWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status  int
		effect  bool
		during  func(w *world)
		outcome apply.Outcome
		change  string
		says    []string
		writes  int
	}{
		"edited": {429, false, func(w *world) {
			w.service.Edit("a", func(spec map[string]any) { spec["enabled"] = false })
		}, apply.Refused, "stale", []string{"the live rule changed since the plan was made: spec.enabled"}, 1},
		"edited, and perhaps overwritten before": {503, false, func(w *world) {
			w.service.Edit("a", func(spec map[string]any) { spec["enabled"] = false })
		}, apply.Refused, "stale", []string{"spec.enabled", "an attempt of this run may have taken effect before that"}, 1},
		"deleted":   {429, false, func(w *world) { w.service.Delete("a") }, apply.Refused, "stale", []string{"the rule was deleted"}, 1},
		"done":      {503, true, func(*world) {}, apply.Applied, "applied", nil, 1},
		"untouched": {429, false, func(*world) {}, apply.Applied, "applied", nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Options{})
			w.settle(rule("a", sealed("s3cr3t-value")))
			w.files(rule("a", sealed("s3cr3t-value"), url("https://hooks.example.com/new")))
			w.client.RetryFor = time.Minute
			fault := wait(test.status)
			fault.Method, fault.Effect = "PUT", test.effect
			fault.After = func() { time.AfterFunc(time.Second, func() { test.during(w) }) }
			w.service.Fault(fault)
			rec := &recorder{}
			w.deps.Audit = rec
			r := w.apply()
			want(t, r, test.outcome, "a "+test.change)
			if test.says != nil {
				says(t, change(t, r, "a"), "stale", test.says...)
				if last := rec.told[len(rec.told)-1]; !strings.Contains(last, "stale") {
					t.Errorf("recorded %q", last)
				}
			}
			if n := len(w.writes()); n != test.writes {
				t.Errorf("writes %q, want %d", w.writes(), test.writes)
			}
		})
	}
}

// TestLateDelete tests a DELETE with a lost response that takes effect only while
// newer records are being stored. They are lost, and the result reports that.
func TestLateDelete(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	w.deps.NoPause, w.deps.Drain = true, 30*time.Second
	w.service.Fault(emulator.Fault{Method: "DELETE", Nth: 1, Drop: emulator.DropBefore, Before: func() {
		w.service.AddEvents("gone", events(3, "late")...)
		// The precheck of the second attempt reads the rule and a page.
		w.service.Fault(emulator.Fault{Kind: emulator.Events, Nth: 2, Before: func() { w.service.Delete("gone") }})
	}})
	r := w.apply()
	want(t, r, apply.Partial, "gone unverified")
	says(t, change(t, r, "gone"), "archive", "deleted by an attempt whose answer was lost, after the copy was found to lack newer records")
	if got := len(w.stored("gone")); got != 1 {
		t.Errorf("%d archives", got)
	}
}

// TestRecordOfWhatDidNotLeave checks that the audit log gives the reason why a
// DELETE was not sent, and why a guard blocked the archive of a history.
func TestRecordOfWhatDidNotLeave(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	w.deps.NoPause, w.deps.Drain = true, 30*time.Second
	rec := &recorder{}
	w.deps.Audit = rec
	n := 0
	w.service.Fault(emulator.Fault{Method: "GET", Kind: emulator.Get, Rule: "gone", Before: func() {
		n++
		w.service.AddEvents("gone", emulator.Event{Created: now.Add(time.Duration(n) * time.Hour), Source: "/late"})
	}})
	want(t, w.apply(), apply.Refused, "gone blocked")
	var deletes []string
	for _, line := range rec.told {
		if strings.HasPrefix(line, "delete gone: ") {
			deletes = append(deletes, line)
		}
	}
	moved := "delete gone: 0, 3 records, stale"
	if len(deletes) != 5 || deletes[0] != moved {
		t.Errorf("recorded %q, want 5 as %q", deletes, moved)
	}

	w = doomed(t, emulator.Options{}, 0)
	w.service.AddEvents("gone", emulator.Event{Created: now, Source: "/a", Status: "Pending"})
	rec = &recorder{}
	w.deps.Audit = rec
	want(t, w.apply(), apply.Partial, "gone blocked")
	if diff := cmp.Diff([]string{"archive gone: 0, guard", "- left gone: paused without headers.X-Webhook-Secret"}, rec.told[len(rec.told)-2:]); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

// TestInDoubtBehindLimits checks that a PUT that took effect with a cut response
// stays in doubt, also after other responses.
func TestInDoubtBehindLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.owner = "" // so that the rule has no trace of its secret
	w.files(rule("a", sealed("s3cr3t-value")))
	w.service.Fault(emulator.Fault{Method: "PUT", Nth: 1, Cut: 5, Effect: true})
	w.service.Fault(emulator.Fault{Method: "PUT", Nth: 2, Times: 100, Status: 429})
	r := w.apply()
	want(t, r, apply.Failed, "a failed")
	if c := change(t, r, "a"); !c.InDoubt() {
		t.Errorf("it is not in doubt: %s", show(r))
	}
}

// TestFirstAnswer checks that PUTs go in sequence until the first response. A
// service without markers gets one rule too many with the first PUT.
func TestFirstAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{TrimMarker: true})
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		w.desired = append(w.desired, rule(name))
	}
	p := w.mustPlan()
	prepared := w.prepare(p)
	for _, name := range names[:2] { // another client has created these rules since
		w.service.Put(name, map[string]any{"url": "https://x.example/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	}
	r := prepared.Run(t.Context(), nil, p)
	want(t, r, apply.Partial, "a stale, b stale, c unverified, d skipped, e skipped, f skipped")
	if diff := cmp.Diff([]string{"PUT c"}, w.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// TestHistoryThatSettles tests a history that gains a record before each of the
// next requests. It is read again after a wait, and the rule is deleted when the
// history rests. No record is lost.
func TestHistoryThatSettles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options  emulator.Options
		requests int // a record comes before each of them
		drain    time.Duration
		fits     bool
	}{
		"pages of 100, 12 requests":       {emulator.Options{MaxTop: 100}, 12, 30 * time.Second, true},
		"one page, 12 requests":           {emulator.Options{}, 12, 30 * time.Second, true},
		"it never settles":                {emulator.Options{MaxTop: 100}, 1000, 30 * time.Second, false},
		"pages of 100, too short a drain": {emulator.Options{MaxTop: 100}, 12, 300 * time.Millisecond, false},
		"pages of 100, no drain":          {emulator.Options{MaxTop: 100}, 2, 0, false},
		"at rest, no drain":               {emulator.Options{MaxTop: 100}, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, test.options, 333)
			w.deps.Drain = test.drain
			var waits []time.Duration
			w.deps.After = func(d time.Duration) <-chan time.Time {
				waits = append(waits, d)
				return atOnce(d)
			}
			p := w.mustPlan()
			prepared := w.prepare(p)
			rule, _ := w.service.Rule("gone")
			all := sources(rule.Events)
			n := 0
			w.service.Fault(emulator.Fault{Kind: emulator.Events, Nth: 2, Times: max(1, test.requests), Before: func() {
				if n++; n <= test.requests {
					w.service.AddEvents("gone", events(1, fmt.Sprintf("more-%02d", n))...)
					all = append(all, fmt.Sprintf("/more-%02d/0000", n))
				}
			}})
			r := prepared.Run(t.Context(), nil, p)
			var total time.Duration
			for _, d := range waits {
				if total += d; d < 250*time.Millisecond {
					t.Errorf("a wait of %s", d)
				}
			}
			if total > test.drain || len(waits) > 10 {
				t.Errorf("waits %v, within %s", waits, test.drain)
			}
			if !test.fits {
				want(t, r, apply.Partial, "gone blocked")
				says(t, change(t, r, "gone"), "archive", "could not be read whole")
				leaves(t, change(t, r, "gone"), isPaused)
				return
			}
			want(t, r, apply.Applied, "gone applied")
			slices.Sort(all)
			w.deleted(all)
		})
	}
}

// TestStoppedWhileItSettles checks that a signal ends the wait for a history to
// settle.
func TestStoppedWhileItSettles(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]emulator.Fault{"while it is read": {Kind: emulator.Events, Nth: 3}, "behind the copy": {Kind: emulator.Get, Nth: 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			w.deps.Drain = time.Hour
			stop := make(chan struct{})
			w.deps.After = func(time.Duration) <-chan time.Time {
				close(stop)
				return nil
			}
			p := w.mustPlan()
			prepared := w.prepare(p)
			n := 0
			at.Before = func() {
				n++
				w.service.AddEvents("gone", events(1, fmt.Sprintf("more-%02d", n))...)
			}
			w.service.Fault(at)
			r := prepared.Run(t.Context(), stop, p)
			want(t, r, apply.Interrupted, "gone skipped")
			says(t, change(t, r, "gone"), "interrupted", "stopped while it waited for the delivery history to settle; nothing was deleted")
			leaves(t, change(t, r, "gone"), isPaused)
		})
	}
}
