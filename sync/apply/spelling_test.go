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

func TestServiceWithoutMarkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{TrimMarker: true})
	w.service.Put("x", map[string]any{"url": "https://x.example/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	w.options.Prune = plan.PruneAll
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		w.desired = append(w.desired, rule(name))
	}
	r := w.apply()
	want(t, r, apply.Partial, "a unverified, b skipped, c skipped, d skipped, e skipped, x skipped")
	says(t, change(t, r, "a"), "unverified", "does not keep the header X-Mkhooks")
	if diff := cmp.Diff([]string{"PUT a"}, w.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if len(r.ProjectWarnings) != 1 || !strings.Contains(r.ProjectWarnings[0].Text, "nothing more was written") {
		t.Errorf("warnings %q", r.ProjectWarnings)
	}
}

// TestServiceWithItsOwnSpelling tests a service that keeps another spec than the
// sent spec, with a difference that the canonical form does not forgive.
func TestServiceWithItsOwnSpelling(t *testing.T) {
	t.Parallel()
	slash := func(_ string, spec map[string]any) {
		if u := spec["url"].(string); !strings.HasSuffix(u, "/") {
			spec["url"] = u + "/"
		}
		if h, ok := spec["headers"].(map[string]any); ok && h["X-Note"] != nil {
			h["X-Note"] = "shouted"
		}
	}
	w := newWorld(t, emulator.Options{Rewrite: slash})
	w.desired = []apply.Rule{rule("a", sealed("s3cr3t-value"), func(r *apply.Rule) { r.Spec.Headers = map[string]string{"X-Note": "hello"} })}
	r := w.apply()
	want(t, r, apply.Partial, "a unverified")
	says(t, change(t, r, "a"), "unverified", "keeps something else in spec.headers.X-Note, spec.url")
	if hint := change(t, r, "a").Error.Hint; !strings.Contains(hint, "from now on this counts as the service's own spelling") {
		t.Errorf("hint %q", hint)
	}
	if c := change(t, r, "a"); c.Attempts != 2 || c.HTTPStatus != 200 {
		t.Errorf("took %+v, want two attempts", c)
	}
	second, _ := w.body("a", 2)["headers"].(map[string]any)
	if marker, _ := second["X-Mkhooks"].(string); !strings.Contains(marker, ";kept=") {
		t.Errorf("the second PUT has the marker %q, want kept in it", marker)
	}
	w.inSync()
	if p := w.mustPlan(); len(p.Projects[0].Warnings) != 1 {
		t.Errorf("the next plan warns of %q, want one warning", p.Projects[0].Warnings)
	}
	want(t, w.apply(), apply.Nothing, "")

	w.owner = ""
	w.desired = []apply.Rule{rule("b")}
	r = w.apply()
	want(t, r, apply.Partial, "b unverified")
	if n := change(t, r, "b").Attempts; n != 1 {
		t.Errorf("without an owner it took %d attempts, want 1", n)
	}
}

// TestWhatIsNoSpelling tests a service that keeps another receiver or another state
// of enabled. The next plan shows that as a difference, so the hint must not say that
// it counts as a spelling.
func TestWhatIsNoSpelling(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"enabled": false, "url": "https://elsewhere.example/a"} {
		w := newWorld(t, emulator.Options{Rewrite: func(_ string, spec map[string]any) { spec[name] = value }})
		w.desired = []apply.Rule{rule("a")}
		r := w.apply()
		want(t, r, apply.Partial, "a unverified")
		if hint := change(t, r, "a").Error.Hint; strings.Contains(hint, "counts as") || !strings.Contains(hint, "shows the difference again") {
			t.Errorf("%s: hint %q", name, hint)
		}
		if !w.mustPlan().HasDifferences() {
			t.Errorf("%s: the next plan has no difference", name)
		}
	}
}

// TestSpellingThatNeverSettles tests a service whose responses differ from one PUT
// to the next, and a rule that another client changes between the two.
func TestSpellingThatNeverSettles(t *testing.T) {
	t.Parallel()
	n := 0
	w := newWorld(t, emulator.Options{})
	w.desired = []apply.Rule{rule("a")}
	w.service.Fault(emulator.Fault{Kind: emulator.Put, Edit: func(body map[string]any) {
		n++
		body["spec"].(map[string]any)["url"] = "https://hooks.example.com/" + strings.Repeat("x", n)
	}})
	r := w.apply()
	want(t, r, apply.Partial, "a unverified")
	says(t, change(t, r, "a"), "unverified", "spec.url", "did not succeed: the live rule is already another one")
	if got := w.writes(); len(got) != 1 {
		t.Errorf("writes %q, want one PUT", got)
	}
}

// TestNoteOfASpelling checks failures of the second PUT, which stores the service's
// spelling. The rule itself is written.
func TestNoteOfASpelling(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault      emulator.Fault
		kind, says string
	}{
		"refused": {emulator.Fault{Status: 400}, "unverified", "noting that in its marker did not succeed: PUT rule"},
		"another spelling": {emulator.Fault{Edit: func(body map[string]any) {
			body["spec"].(map[string]any)["url"] = "https://hooks.example.com/other"
		}}, "unverified", "did not succeed: the service keeps it in another way each time"},
		"without the marker": {emulator.Fault{Edit: func(body map[string]any) {
			delete(body["spec"].(map[string]any)["headers"].(map[string]any), webhook.MarkerHeader)
		}}, "unverified", "did not succeed: the service does not keep the marker"},
		"another's marker": {emulator.Fault{Edit: func(body map[string]any) {
			headers := body["spec"].(map[string]any)["headers"].(map[string]any)
			headers[webhook.MarkerHeader] = strings.Replace(headers[webhook.MarkerHeader].(string), "owner=video", "owner=audio", 1)
		}}, "unverified", "did not succeed: the service does not keep the marker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, emulator.Options{Rewrite: func(_ string, spec map[string]any) {
				if u := spec["url"].(string); !strings.HasSuffix(u, "/") {
					spec["url"] = u + "/"
				}
			}})
			w.desired = []apply.Rule{rule("a")}
			test.fault.Kind, test.fault.Nth = emulator.Put, 2
			w.service.Fault(test.fault)
			r := w.apply()
			want(t, r, apply.Partial, "a unverified")
			says(t, change(t, r, "a"), test.kind, "keeps something else in spec.url", test.says)
		})
	}
}

// TestInterruptedNote checks that a run reports if it was stopped at the PUT of the
// spelling.
func TestInterruptedNote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{Rewrite: func(_ string, spec map[string]any) { spec["url"] = "https://hooks.example.com/other" }})
	w.desired = []apply.Rule{rule("a")}
	ctx, cancel := context.WithCancel(t.Context())
	w.service.Fault(emulator.Fault{Kind: emulator.Put, Nth: 2, Before: cancel, Stall: true})
	p := w.mustPlan()
	r := w.prepare(p).Run(ctx, nil, p)
	want(t, r, apply.Interrupted, "a unverified")
	says(t, change(t, r, "a"), "interrupted", "keeps something else in spec.url")
}

// TestAnothersMarker checks that a service that keeps another marker than the sent
// marker counts as keeping none.
func TestAnothersMarker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{Rewrite: func(_ string, spec map[string]any) {
		if h, ok := spec["headers"].(map[string]any); ok {
			h[webhook.MarkerHeader] = strings.Replace(h[webhook.MarkerHeader].(string), "owner=video", "owner=audio", 1)
		}
	}})
	w.desired = []apply.Rule{rule("a")}
	r := w.apply()
	want(t, r, apply.Partial, "a unverified")
	says(t, change(t, r, "a"), "unverified", "does not keep the header X-Mkhooks")
}
