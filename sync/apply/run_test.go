package apply_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

func TestInterrupted(t *testing.T) {
	t.Parallel()
	t.Run("once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, emulator.Options{})
		w.settle(rule("gone"))
		w.files(rule("a"), rule("b"), rule("c"))
		w.deps.Concurrency = 1
		stop := make(chan struct{})
		w.service.Fault(emulator.Fault{Method: "PUT", Rule: "b", Before: func() { close(stop) }})
		p := w.mustPlan()
		r := w.prepare(p).Run(context.Background(), stop, p)
		want(t, r, apply.Interrupted, "a applied, b applied, c skipped, gone skipped")
		says(t, change(t, r, "c"), "interrupted", "not tried")
		if diff := cmp.Diff([]string{"PUT a", "PUT b"}, w.writes()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		want(t, w.apply(), apply.Applied, "c applied, gone applied")
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, emulator.Options{})
		w.files(rule("a"), rule("b"), rule("c"))
		w.deps.Concurrency = 1
		stop := make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		w.service.Fault(emulator.Fault{Method: "PUT", Rule: "b", Stall: true, Effect: true, Before: func() {
			close(stop)
			cancel()
		}})
		p := w.mustPlan()
		r := w.prepare(p).Run(ctx, stop, p)
		want(t, r, apply.Interrupted, "a applied, b failed, c skipped")
		says(t, change(t, r, "b"), "interrupted", "may have taken effect")
		if b, c := change(t, r, "b"), change(t, r, "c"); !b.InDoubt() || c.InDoubt() {
			t.Errorf("in doubt: b %t, c %t", b.InDoubt(), c.InDoubt())
		}
	})
	t.Run("twice, at the DELETE", func(t *testing.T) {
		t.Parallel()
		w := doomed(t, emulator.Options{}, 2)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		w.service.Fault(emulator.Fault{Method: "DELETE", Stall: true, Before: cancel})
		p := w.mustPlan()
		r := w.prepare(p).Run(ctx, nil, p)
		want(t, r, apply.Interrupted, "gone failed")
		says(t, change(t, r, "gone"), "interrupted", "may have taken effect")
		left := isPaused
		left.Uncertain = apply.StepDelete
		leaves(t, change(t, r, "gone"), left)
	})
	t.Run("twice, at the last look", func(t *testing.T) {
		t.Parallel()
		w := doomed(t, emulator.Options{}, 2)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		// The first read of the rule is before the pause.
		w.service.Fault(emulator.Fault{Kind: emulator.Get, Nth: 2, Stall: true, Before: cancel})
		p := w.mustPlan()
		r := w.prepare(p).Run(ctx, nil, p)
		want(t, r, apply.Interrupted, "gone skipped")
		says(t, change(t, r, "gone"), "interrupted", "the run was stopped")
		leaves(t, change(t, r, "gone"), isPaused)
	})
	t.Run("before it began", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, emulator.Options{})
		w.files(rule("a"))
		stop := make(chan struct{})
		close(stop)
		p := w.mustPlan()
		want(t, w.prepare(p).Run(context.Background(), stop, p), apply.Interrupted, "a skipped")
	})
	t.Run("at the first read", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, emulator.Options{})
		w.files(rule("a"))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		w.service.Fault(emulator.Fault{Kind: emulator.Get, Stall: true, Before: cancel})
		p := w.mustPlan()
		want(t, w.prepare(p).Run(ctx, nil, p), apply.Interrupted, "a skipped")
		if w.writes() != nil {
			t.Errorf("writes %q", w.writes())
		}
	})
}

func TestBlockedChangesAreLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.settle(rule("gone"))
	w.options.MaxDeletes, w.options.Protect = plan.Limit{}, nil
	// A blocked change is not even decrypted.
	w.files(rule("new"), rule("old"))
	w.service.Put("old", map[string]any{"url": "https://x.example/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	w.desired[1] = rule("old", sealed("x"), func(r *apply.Rule) { r.Sealed.Sources[0].Document = []byte("damaged") })
	r := w.apply()
	want(t, r, apply.Refused, "gone blocked, new applied, old blocked")
	says(t, change(t, r, "gone"), "too many deletes", "--max-deletes 1")
	says(t, change(t, r, "old"), "adopt", "--adopt old")
}

func TestDeclined(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.files(rule("a"), rule("b"))
	p := w.mustPlan()
	p.Projects[0].Changes[0].Blocked = &plan.Blocked{Guard: plan.GuardAdopt, Reason: "because"}
	r := apply.DeclinedResult(p)
	want(t, r, apply.Refused, "a blocked, b skipped")
	r.AddUnmatched([]plan.Unmatched{{Project: "demo", Change: plan.Change{Rule: "aa", Action: plan.Delete}, Done: true}})
	want(t, r, apply.Refused, "a blocked, aa done, b skipped")
	if r.Summary != (apply.Summary{Blocked: 1, Done: 1, Skipped: 1}) {
		t.Errorf("summary %+v", r.Summary)
	}
}

// TestOneFailureLeavesTheOthers checks that independent changes continue.
func TestOneFailureLeavesTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.settle(rule("gone-1"), rule("gone-2"))
	w.service.Fault(emulator.Fault{Method: "DELETE", Rule: "gone-1", Status: 400})
	w.files()
	r := w.apply()
	want(t, r, apply.Partial, "gone-1 failed, gone-2 applied")

	w = newWorld(t, emulator.Options{Latency: 10 * time.Millisecond})
	for i := range 40 {
		w.desired = append(w.desired, rule(fmt.Sprintf("r%02d", i)))
	}
	w.service.Fault(emulator.Fault{Method: "PUT", Rule: "r07", Status: 400})
	var finished []string
	w.deps.Finished = func(c apply.Change) { finished = append(finished, c.Rule) }
	r = w.apply()
	if r.Outcome != apply.Partial || r.Summary != (apply.Summary{Applied: 39, Failed: 1}) {
		t.Errorf("got %s", show(r))
	}
	if len(finished) != 40 {
		t.Errorf("told of %d changes, want 40", len(finished))
	}
	most := 0
	for _, q := range w.service.Requests() {
		most = max(most, q.Concurrent)
	}
	if most < 2 || most > 16 {
		t.Errorf("%d requests side by side, want 2 to 16", most)
	}
}

// recorder stores its calls.
type recorder struct {
	mu     sync.Mutex
	told   []string
	intent func(apply.Write) error
	broken bool
}

func (r *recorder) Intent(_ context.Context, w apply.Write) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf("%s %s", w.Step, w.Rule)
	if len(w.AuthRemoved) > 0 {
		text += " without " + strings.Join(w.AuthRemoved, ", ")
	}
	r.told = append(r.told, text)
	if w.Before == "" || w.After == "" || w.Project != "demo" || w.Action == "" {
		return fmt.Errorf("told too little: %+v", w)
	}
	if r.intent != nil {
		return r.intent(w)
	}
	return nil
}

func (r *recorder) Result(_ context.Context, w apply.Write, d apply.WriteResult) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf("%s %s: %d", w.Step, w.Rule, d.HTTPStatus)
	if d.Archive != nil {
		text += fmt.Sprintf(", %d records", d.Archive.Records)
	}
	if d.Error != nil {
		text += ", " + string(d.Error.Kind)
	}
	r.told = append(r.told, text)
	if r.broken {
		return errors.New("no room")
	}
	return nil
}

func (r *recorder) Step(_ context.Context, w apply.Write, d apply.WriteResult) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf("- %s %s", w.Step, w.Rule)
	if d.Records != nil {
		text += fmt.Sprintf(": %d records", *d.Records)
	}
	if d.Active != nil {
		text += fmt.Sprintf(", %d on their way", *d.Active)
	}
	if d.Error != nil {
		text += ": " + d.Error.Message
	}
	if d.Left != nil && !d.Left.Enabled {
		text += ": paused without " + strings.Join(d.Left.AuthRemoved, ", ")
	}
	if w.Step == apply.StepRead && d.Error == nil && d.Live != w.Before {
		text += ": another digest than the plan's"
	}
	r.told = append(r.told, text)
	return nil
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	w.files(rule("bad"), rule("new"))
	w.service.Fault(emulator.Fault{Method: "PUT", Rule: "bad", Status: 400})
	rec := &recorder{}
	w.deps.Audit, w.deps.Concurrency = rec, 1
	w.apply()
	w.service.ClearFaults()
	w.apply()
	wantTold := []string{
		"put bad", "put bad: 400, service", "put new", "put new: 201",
		"put bad", "put bad: 201",
		"- read gone", "- note gone", "pause gone without headers.X-Webhook-Secret", "pause gone: 200",
		"archive gone", "- history gone: 2 records", "archive gone: 0, 2 records",
		"delete gone", "- look gone", "delete gone: 200, 2 records",
	}
	if diff := cmp.Diff(wantTold, rec.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestRecorderRefuses checks that a write that can't be recorded is not sent.
func TestRecorderRefuses(t *testing.T) {
	t.Parallel()
	for step, want := range map[apply.Step][]string{
		apply.StepPut: nil, apply.StepPause: {"PUT new"}, apply.StepArchive: {"PUT new", "PUT gone"}, apply.StepDelete: {"PUT new", "PUT gone"},
	} {
		w := doomed(t, emulator.Options{}, 2)
		w.files(rule("new"))
		w.deps.Audit = &recorder{intent: func(w apply.Write) error {
			if w.Step == step {
				return errors.New("no room")
			}
			return nil
		}}
		r := w.apply()
		if diff := cmp.Diff(want, w.writes()); diff != "" {
			t.Errorf("%s refused: writes (-want +got):\n%s", step, diff)
		}
		c := change(t, r, map[bool]string{true: "new", false: "gone"}[step == apply.StepPut])
		if c.Status != apply.StatusFailed {
			t.Errorf("%s refused: %s", step, show(r))
		}
		says(t, c, "audit", "no room")
		if step == apply.StepPut || step == apply.StepPause {
			leaves(t, c, apply.Left{})
		} else {
			leaves(t, c, isPaused)
		}
	}
}

func TestRecorderThatBreaks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.files(rule("new"))
	w.deps.Audit = &recorder{broken: true}
	r := w.apply()
	want(t, r, apply.Applied, "new applied")
	if len(r.ProjectWarnings) != 1 || !strings.Contains(r.ProjectWarnings[0].Text, `the record of the create of rule "new" could not be written: no room`) {
		t.Errorf("warnings %q", r.ProjectWarnings)
	}
}

// TestPanic checks that a fault in one change neither ends the others nor shows its
// text.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.files(rule("a"), rule("b"), rule("c"))
	w.deps.Audit = &recorder{intent: func(w apply.Write) error {
		if w.Rule == "b" {
			panic("s3cr3t-value")
		}
		return nil
	}}
	r := w.apply()
	want(t, r, apply.Partial, "a applied, b failed, c applied")
	says(t, change(t, r, "b"), "internal", "a fault in mkhooks")
	if strings.Contains(show(r), "s3cr3t") {
		t.Errorf("the panic shows: %s", show(r))
	}
}

// openerFunc decrypts with a function.
type openerFunc func(context.Context, secrets.Sealed) (secrets.Auth, error)

func (f openerFunc) Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error) {
	return f(ctx, s)
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	plain := func(value string) func(*apply.Rule) {
		return func(r *apply.Rule) {
			sealed(value)(r)
			r.AuthDigest = webhook.AuthUnknown
			r.Sealed = secrets.Sealed{File: r.File, Plain: secrets.Auth{Headers: map[string]secrets.String{"X-Webhook-Secret": secrets.NewString(value)}}}
		}
	}
	w.files(
		rule("f-good", sealed("s3cr3t-value")), rule("e-plain", plain("s3cr3t-value")),
		rule("d-mask", sealed("********")), rule("c-damaged", sealed("x"), func(r *apply.Rule) { r.Sealed.Sources[0].Document = []byte("{") }),
		rule("b-other", sealed("s3cr3t-value"), func(r *apply.Rule) { r.Sealed.Sources[0].Document = []byte(`{"X-Other":"s3cr3t-value"}`) }),
		rule("a-space", plain(" s3cr3t-value")), rule("g-panic", sealed("boom")), rule("h-none"),
	)
	var opened atomic.Int64
	w.deps.Secrets = openerFunc(func(ctx context.Context, s secrets.Sealed) (secrets.Auth, error) {
		opened.Add(1)
		if strings.Contains(string(s.Sources[0].Document), "boom") {
			panic("s3cr3t-value")
		}
		return opener{}.Auth(ctx, s)
	})
	p := w.mustPlan()
	w.service.ResetRequests()
	w.deps.Client = w.newClient()
	_, err := apply.Prepare(context.Background(), p, w.desired, w.deps)
	wantText := `rules/a-space.yaml: spec.authentication.headers.X-Webhook-Secret has white space around it
rules/b-other.yaml: spec.authentication holds other names than when it was read
rules/c-damaged.yaml: is damaged
rules/d-mask.yaml: spec.authentication.headers.X-Webhook-Secret is a mask (only asterisks), as the service shows a stored value, not the value itself
rules/g-panic.yaml: opening its secrets broke down, which is a fault in mkhooks`
	if err == nil || err.Error() != wantText {
		t.Errorf("Prepare: %v\nwant: %s", err, wantText)
	}
	if n := opened.Load(); n != 5 {
		t.Errorf("%d files were opened, want the 5 with something sealed", n)
	}
	if n := len(w.service.Requests()); n != 0 {
		t.Errorf("%d requests were made", n)
	}

	w.desired = w.desired[:2]
	p = w.mustPlan()
	w.deps.Secrets = nil
	if _, err := apply.Prepare(context.Background(), p, w.desired, w.deps); err == nil || !strings.Contains(err.Error(), "nothing to open its secrets with") {
		t.Errorf("Prepare without a decrypter: %v", err)
	}
	w.deps.Secrets = opener{}
	if _, err := apply.Prepare(context.Background(), p, w.desired, w.deps); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := apply.Prepare(ctx, p, w.desired, w.deps); !errors.Is(err, context.Canceled) {
		t.Errorf("Prepare of a stopped run: %v", err)
	}
	if _, err := apply.Prepare(context.Background(), p, []apply.Rule{rule("f-good")}, w.deps); err == nil || !strings.Contains(err.Error(), "not made from these files") {
		t.Errorf("Prepare with other files: %v", err)
	}
}

// TestNotPrepared checks that a change whose secrets were not decrypted is not
// sent.
func TestNotPrepared(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.files(rule("a"))
	prepared := w.prepare(w.mustPlan())
	w.files(rule("a", url("https://hooks.example.com/other")))
	want(t, prepared.Run(context.Background(), nil, w.mustPlan()), apply.Failed, "a failed")
	if w.writes() != nil {
		t.Errorf("writes %q", w.writes())
	}
}

// TestNarrowed runs the part of a plan that is left after a second read. A delete
// does not run before a create that another client has made impossible.
func TestNarrowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{})
	w.settle(rule("gone"), rule("old"))
	w.files(rule("new"), rule("old", url("https://hooks.example.com/x")))
	shown := w.mustPlan()
	prepared := w.prepare(shown)
	w.service.Put("new", map[string]any{"url": "https://x.example/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	narrowed, moved, _ := plan.Narrow(shown, w.mustPlan(), nil)
	r := prepared.Run(context.Background(), nil, narrowed)
	r.AddUnmatched(moved)
	r.AddUnmatched(moved)
	want(t, r, apply.Refused, "gone blocked, new stale, old applied")
	says(t, change(t, r, "gone"), "dependence", `the create of rule "new"`)
}
