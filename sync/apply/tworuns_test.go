package apply_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// restorable returns the data for a restore from the last archive of the rule
// "gone".
func (w *world) restorable() (enabled bool, auth webhook.AuthNames, authUnknown bool) {
	w.t.Helper()
	stored := w.stored("gone")
	if len(stored) == 0 {
		w.t.Fatal("there is no archive")
	}
	m := stored[len(stored)-1]
	return m.WasEnabled && m.Rule.Spec.Enabled, m.Rule.Spec.Auth, m.AuthUnknown
}

// unowned gives the doomed rule no owner: it has no marker, and a secret in a
// header and in a parameter.
func unowned(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, emulator.Options{})
	w.owner, w.options.Prune = "", plan.PruneAll
	w.service.Put("gone", map[string]any{
		"url": "https://hooks.example.com/gone", "enabled": true, "events": []any{"MediaKind.JobFinished"},
		"authentication": map[string]any{"headers": map[string]any{"X-Webhook-Secret": "v"}, "queryParams": map[string]any{"key": "v"}},
	})
	w.service.AddEvents("gone", events(2, "gone")...)
	return w
}

var (
	ownedAuth   = webhook.AuthNames{Headers: []string{"X-Webhook-Secret"}}
	unownedAuth = webhook.AuthNames{Headers: []string{"X-Webhook-Secret"}, QueryParams: []string{"key"}}
)

// TestDeleteInTwoRuns ends the first run after its pause, by each fault and at each
// request. The manifest of the run that deletes the rule must describe the rule
// before the pause. The runs share only the service and the archive, not an audit
// log.
func TestDeleteInTwoRuns(t *testing.T) {
	t.Parallel()
	for _, owned := range []bool{true, false} {
		worlds := map[bool]func(*testing.T) *world{true: func(t *testing.T) *world { return doomed(t, emulator.Options{}, 2) }, false: unowned}
		auth := map[bool]webhook.AuthNames{true: ownedAuth, false: unownedAuth}[owned]
		for nth := 1; nth <= 9; nth++ {
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprintf("owned %t, killed at %d, late %t", owned, nth, late), func(t *testing.T) {
					t.Parallel()
					w := worlds[owned](t)
					p := w.mustPlan()
					prepared := w.prepare(p)
					ctx, kill := context.WithCancel(t.Context())
					defer kill()
					w.service.Fault(emulator.Fault{Nth: nth, Stall: true, Effect: late, Before: kill})
					prepared.Run(ctx, nil, p)
					w.service.ClearFaults()
					if w.there("gone") {
						want(t, w.apply(), apply.Applied, "gone applied")
					}
					enabled, got, unknown := w.restorable()
					if diff := cmp.Diff(auth, got); diff != "" || !enabled || unknown {
						t.Errorf("enabled %t, unknown %t, auth (-want +got):\n%s", enabled, unknown, diff)
					}
				})
			}
		}
		t.Run(fmt.Sprintf("owned %t, blocked in three runs", owned), func(t *testing.T) {
			t.Parallel()
			w := worlds[owned](t)
			w.service.EditEvents("gone", func(e *emulator.Event) { e.Status = emulator.Retrying })
			want(t, w.apply(), apply.Partial, "gone blocked")
			want(t, w.apply(), apply.Refused, "gone blocked")
			w.deps.NoPause = true
			want(t, w.apply(), apply.Refused, "gone blocked")
			w.deps.DeleteActive = true
			want(t, w.apply(), apply.Applied, "gone applied")
			if enabled, got, unknown := w.restorable(); !enabled || unknown || !cmp.Equal(got, auth) {
				t.Errorf("enabled %t, unknown %t, auth %+v", enabled, unknown, got)
			}
			notes, err := filepath.Glob(filepath.Join(w.archive, "*.paused.json"))
			if err != nil || len(notes) != 1 {
				t.Errorf("%d notes: %v", len(notes), err)
			}
		})
	}
}

// TestBetweenTwoRuns changes the paused rule before the second run. A note about
// another rule, or about another state of the rule, is ignored.
func TestBetweenTwoRuns(t *testing.T) {
	t.Parallel()
	none := webhook.AuthNames{}
	edit := func(change func(map[string]any)) func(*world) {
		return func(w *world) { w.service.Edit("gone", change) }
	}
	other := map[string]any{"headers": map[string]any{"X-Other": "v"}}
	for name, test := range map[string]struct {
		owned   bool
		between func(w *world)
		enabled bool
		auth    webhook.AuthNames
		unknown bool
	}{
		"nothing":                   {false, func(*world) {}, true, unownedAuth, false},
		"owned, nothing":            {true, func(*world) {}, true, ownedAuth, false},
		"another url":               {false, edit(func(s map[string]any) { s["url"] = "https://elsewhere.example/" }), false, none, false},
		"owned, another url":        {true, edit(func(s map[string]any) { s["url"] = "https://elsewhere.example/" }), true, none, true},
		"owned, another archive":    {true, func(w *world) { w.move() }, true, none, true},
		"another archive":           {false, func(w *world) { w.move() }, false, none, false},
		"another secret":            {false, edit(func(s map[string]any) { s["authentication"] = other }), false, webhook.AuthNames{Headers: []string{"X-Other"}}, false},
		"enabled":                   {false, edit(func(s map[string]any) { s["enabled"] = true }), true, none, false},
		"made anew":                 {false, func(w *world) { w.service.Recreate("gone") }, false, none, false},
		"brought back with another": {false, edit(func(s map[string]any) { s["enabled"], s["authentication"] = true, other }), true, webhook.AuthNames{Headers: []string{"X-Other"}}, false},
		"paused twice, the second counts": {false, func(w *world) {
			w.service.Edit("gone", func(s map[string]any) { s["enabled"], s["authentication"] = true, other })
			w.blockedOnce()
		}, true, webhook.AuthNames{Headers: []string{"X-Other"}}, false},
		"owned, its file came back disabled": {true, func(w *world) {
			w.files(rule("gone", url("https://hooks.example.com/other"), func(r *apply.Rule) { r.Spec.Enabled = false }))
			want(w.t, w.apply(), apply.Applied, "gone applied")
			w.files()
		}, false, none, false},
		"owned, its file came back": {true, func(w *world) {
			w.files(rule("gone", sealed("old-value")))
			want(w.t, w.apply(), apply.Applied, "gone applied")
			w.files()
		}, true, ownedAuth, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := unowned(t)
			if test.owned {
				w = doomed(t, emulator.Options{}, 2)
			}
			w.blockedOnce()
			test.between(w)
			want(t, w.apply(), apply.Applied, "gone applied")
			enabled, auth, unknown := w.restorable()
			if diff := cmp.Diff(test.auth, auth); enabled != test.enabled || unknown != test.unknown || diff != "" {
				t.Errorf("enabled %t, unknown %t, auth (-want +got):\n%s", enabled, unknown, diff)
			}
		})
	}
}

// blockedOnce runs a delete that pauses the rule "gone" and is then blocked.
func (w *world) blockedOnce() {
	w.t.Helper()
	fault := w.service.Fault(emulator.Fault{Kind: emulator.Events, Rule: "gone", Edit: func(b map[string]any) { delete(b, "supplemental") }})
	r := w.apply()
	want(w.t, r, apply.Partial, "gone blocked")
	fault.Remove()
}

// move gives the world another archive.
func (w *world) move() {
	w.t.Helper()
	w.archive = w.t.TempDir()
	store, err := archive.Open(w.archive)
	if err != nil {
		w.t.Fatal(err)
	}
	w.deps.Archive = store
}

// TestPausedByHand checks that a rule that its user disabled is archived as it is.
// A rule that only looks as if a delete had paused it does no harm.
func TestPausedByHand(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit    func(spec map[string]any)
		enabled bool
		auth    webhook.AuthNames
		unknown bool
	}{
		"disabled":                     {func(s map[string]any) { s["enabled"] = false }, false, ownedAuth, false},
		"disabled, its secret removed": {func(s map[string]any) { s["enabled"] = false; delete(s, "authentication") }, true, webhook.AuthNames{}, true},
		"no marker, secret removed": {func(s map[string]any) {
			s["enabled"] = false
			delete(s, "authentication")
			delete(s, "headers")
		}, false, webhook.AuthNames{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			w.options.Prune = plan.PruneAll
			w.service.Edit("gone", test.edit)
			want(t, w.apply(), apply.Applied, "gone applied")
			if slices.Contains(w.writes(), "PUT gone") {
				t.Error("it was paused once more")
			}
			enabled, auth, unknown := w.restorable()
			if diff := cmp.Diff(test.auth, auth); enabled != test.enabled || unknown != test.unknown || diff != "" {
				t.Errorf("enabled %t, unknown %t, auth (-want +got):\n%s", enabled, unknown, diff)
			}
		})
	}
}

// TestNoPauseWithoutNote checks that a rule is not paused if its note cannot be
// stored, and is not deleted if the note cannot be read.
func TestNoPauseWithoutNote(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	sound := w.deps.Archive
	w.deps.Archive = noNotes{Store: sound}
	r := w.apply()
	want(t, r, apply.Failed, "gone failed")
	says(t, change(t, r, "gone"), "archive", "no room for notes")
	leaves(t, change(t, r, "gone"), apply.Left{})
	if w.writes() != nil {
		t.Errorf("writes %q", w.writes())
	}
	w.deps.Archive = sound
	w.blockedOnce()
	w.deps.Archive = noNotes{Store: sound}
	r = w.apply()
	want(t, r, apply.Failed, "gone failed")
	says(t, change(t, r, "gone"), "archive", "notes can't be read")
	if !w.there("gone") {
		t.Error("it is deleted")
	}
}

// noNotes fails to store and to return notes about pauses.
type noNotes struct{ archive.Store }

func (s noNotes) Create(ctx context.Context, name string) (archive.Writer, error) {
	if strings.HasSuffix(name, ".paused.json") {
		return nil, errors.New("no room for notes")
	}
	return s.Store.Create(ctx, name)
}

func (s noNotes) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if strings.HasSuffix(name, ".paused.json") {
		return nil, errors.New("notes can't be read")
	}
	return s.Store.Open(ctx, name)
}
