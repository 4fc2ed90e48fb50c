package apply_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// TestDeleteAnswers tests the attempts of the DELETE itself.
func TestDeleteAnswers(t *testing.T) {
	t.Parallel()
	one := emulator.Fault{Method: "DELETE", Nth: 1}
	tests := map[string]struct {
		fault   func(s *emulator.Server, f emulator.Fault) emulator.Fault
		outcome apply.Outcome
		status  string
		deletes int
		says    string
	}{
		"lost after it took effect": {func(_ *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Drop = emulator.DropAfter
			return f
		}, apply.Applied, "applied", 1, ""},
		"lost after it took effect, and no time is left": {func(_ *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Drop = emulator.DropAfter
			return f
		}, apply.Applied, "applied", 1, ""},
		"lost before it took effect, and no time is left": {func(_ *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Drop = emulator.DropBefore
			return f
		}, apply.Partial, "failed", 1, "may have taken effect"},
		"lost before it took effect": {func(_ *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Drop = emulator.DropBefore
			return f
		}, apply.Applied, "applied", 2, ""},
		"503 without effect": {func(_ *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Status = 503
			return f
		}, apply.Applied, "applied", 2, ""},
		"503 with effect": {func(_ *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Status, f.Effect = 503, true
			return f
		}, apply.Applied, "applied", 1, ""},
		"someone was first": {func(s *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Before = func() { s.Delete("gone") }
			return f
		}, apply.Partial, "stale", 1, "someone else deleted the rule at this moment"},
		// A DELETE that finds nothing on a retry has succeeded.
		"429, then someone was first": {func(s *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Status, f.Before = 429, func() { s.Delete("gone") }
			return f
		}, apply.Applied, "applied", 1, ""},
		"lost, and made anew": {func(s *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Drop, f.Before = emulator.DropBefore, func() { s.Recreate("gone") }
			return f
		}, apply.Partial, "unverified", 1, "another client has created a rule with its name"},
		"lost, and changed": {func(s *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Drop, f.Before = emulator.DropBefore, func() {
				s.Edit("gone", func(spec map[string]any) { spec["enabled"] = true })
			}
			return f
		}, apply.Partial, "stale", 1, "someone changed the rule"},
		"lost, and a record came": {func(s *emulator.Server, f emulator.Fault) emulator.Fault {
			f.Drop, f.Before = emulator.DropBefore, func() { s.AddEvents("gone", events(1, "more")...) }
			return f
		}, apply.Applied, "applied", 2, ""},
	}
	for name, tt := range tests {
		for _, missing404 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, 404 %v", name, missing404), func(t *testing.T) {
				t.Parallel()
				w := doomed(t, emulator.Options{DeleteMissing404: missing404}, 2)
				w.deps.Drain = time.Minute
				if strings.HasSuffix(name, "no time is left") {
					w.client.RetryFor = time.Millisecond
				}
				w.service.Fault(tt.fault(w.service, one))
				r := w.apply()
				want(t, r, tt.outcome, "gone "+tt.status)
				c := change(t, r, "gone")
				says(t, c, map[string]string{"stale": "stale", "failed": "network", "unverified": "unverified"}[tt.status], tt.says)
				left := apply.Left{} // the rule is absent, or belongs to another client
				switch {
				case tt.status == "failed":
					left = isPaused
					left.Uncertain = apply.StepDelete
				case name == "lost, and changed":
					left = apply.Left{Enabled: true, AuthRemoved: isPaused.AuthRemoved}
				}
				leaves(t, c, left)
				if c.Archive == nil || c.Attempts != tt.deletes {
					t.Errorf("archive %v after %d attempts, want %d", c.Archive, c.Attempts, tt.deletes)
				}
				if n := strings.Count(strings.Join(w.writes(), " "), "DELETE"); n != tt.deletes {
					t.Errorf("%d DELETEs, want %d", n, tt.deletes)
				}
				if tt.status == "applied" {
					all := []string{"/gone/0000", "/gone/0001"}
					if name == "lost, and a record came" {
						all = append(all, "/more/0000")
					}
					w.deleted(all)
				}
				if strings.HasSuffix(name, "anew") && !w.there("gone") {
					t.Error("the rule that someone else made is deleted")
				}
			})
		}
	}
}

// TestHistoryOfAServiceInTrouble checks that an error of the service is reported
// unchanged, and not as an error of the archive.
func TestHistoryOfAServiceInTrouble(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	w.service.Fault(emulator.Fault{Kind: emulator.Events, Status: 500})
	r := w.apply()
	want(t, r, apply.Failed, "gone failed")
	leaves(t, change(t, r, "gone"), apply.Left{}) // the history is read once before the pause
	says(t, change(t, r, "gone"), "service", "read the delivery history", "500")
	if hint := change(t, r, "gone").Error.Hint; strings.Contains(hint, "archive") {
		t.Errorf("hint %q", hint)
	}
}

// TestGoneWhileItIsRead deletes the rule during the delete.
func TestGoneWhileItIsRead(t *testing.T) {
	t.Parallel()
	for _, at := range []emulator.Fault{{Kind: emulator.Events, Nth: 2}, {Kind: emulator.Events, Nth: 4}, {Kind: emulator.Get, Nth: 2}} {
		w := doomed(t, emulator.Options{}, 2)
		at.Before = func() { w.service.Delete("gone") }
		w.service.Fault(at)
		r := w.apply()
		want(t, r, apply.Partial, "gone stale") // its pause took effect
		leaves(t, change(t, r, "gone"), apply.Left{})
		says(t, change(t, r, "gone"), "stale", "someone else deleted the rule")
	}
}

func TestArchiveTrouble(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	w.deps.Archive = nil
	r := w.apply()
	want(t, r, apply.Refused, "gone blocked")
	says(t, change(t, r, "gone"), "archive", "--archive DIR")
	if w.writes() != nil {
		t.Errorf("without an archive it wrote %q", w.writes())
	}

	dir := w.archive + "/sub"
	store, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.deps.Archive = store
	r = w.apply()
	want(t, r, apply.Failed, "gone failed")
	says(t, change(t, r, "gone"), "archive", dir)
	if !w.there("gone") {
		t.Error("the rule was deleted without an archive")
	}
	if w.writes() != nil {
		t.Errorf("a rule whose history can't be stored was touched: %q", w.writes())
	}
}

// noRoom is an archive that can't be written, with a hint.
type noRoom struct{ archive.Store }

func (noRoom) Create(context.Context, string) (archive.Writer, error) { return nil, noRoomError{} }

type noRoomError struct{}

func (noRoomError) Error() string { return "the bucket is locked" }
func (noRoomError) Hint() string  { return "unlock the bucket" }

// TestArchiveHint checks that the hint of a store is shown.
func TestArchiveHint(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	w.deps.Archive = noRoom{w.deps.Archive}
	c := change(t, w.apply(), "gone")
	says(t, c, "archive", "the bucket is locked")
	if c.Error == nil || c.Error.Hint != "the rule was not deleted: unlock the bucket; then run mkhooks apply again" {
		t.Errorf("the hint is %+v", c.Error)
	}
}

// TestDependence tests deletes after failed creates and updates.
func TestDependence(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault emulator.Fault
		want  string
		says  string
	}{
		"a create failed":   {emulator.Fault{Method: "PUT", Rule: "new", Status: 400}, "gone blocked, new failed, old applied", `the create of rule "new" is failed`},
		"a create stale":    {emulator.Fault{Method: "GET", Rule: "new"}, "gone blocked, new stale, old applied", `the create of rule "new" is stale`},
		"an update failed":  {emulator.Fault{Method: "PUT", Rule: "old", Status: 400}, "gone blocked, new applied, old failed", `the update of rule "old" is failed`},
		"an update stale":   {emulator.Fault{Method: "GET", Rule: "old"}, "gone applied, new applied, old stale", ""},
		"an update differs": {emulator.Fault{Method: "PUT", Rule: "old", Edit: func(b map[string]any) { b["spec"].(map[string]any)["url"] = "x" }}, "gone blocked, new applied, old unverified", `the update of rule "old" is unverified`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Options{})
			w.settle(rule("gone"), rule("old"))
			w.files(rule("new"), rule("old", url("https://hooks.example.com/x")))
			p := w.mustPlan()
			prepared := w.prepare(p)
			spec := map[string]any{"url": "https://x.example/", "enabled": true, "events": []any{}}
			if strings.HasSuffix(name, "stale") {
				tt.fault.Before = func() { w.service.Put(tt.fault.Rule, spec) }
			}
			w.service.Fault(tt.fault)
			r := prepared.Run(context.Background(), nil, p)
			if got := statuses(r); got != tt.want {
				t.Errorf("want %s\ngot %s", tt.want, show(r))
			}
			if tt.says != "" {
				says(t, change(t, r, "gone"), "dependence", tt.says)
			}
			if w.there("gone") != (tt.says != "") {
				t.Errorf("the rule is there: %v", w.there("gone"))
			}
		})
	}
}
