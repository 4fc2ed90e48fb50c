package apply_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// direct sends requests to a handler in this process, so that time passes only on a
// test's clock.
type direct struct{ service http.Handler }

func (d direct) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	r := req.Clone(req.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	defer func() {
		switch cause := recover(); {
		case cause == nil:
		case rec.Flushed: // the connection ended in the middle of the body
			resp = rec.Result()
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(rec.Body.Bytes()), broken{}))
		default:
			resp, err = nil, errors.New("the connection was closed")
		}
	}()
	d.service.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// broken is a body that ends too early.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// deleteFaults are the responses to one attempt to delete, each with and without
// effect. "well" has no fault.
var deleteFaults = map[string]emulator.Fault{
	"well":                 {},
	"no response":          {Drop: emulator.DropBefore},
	"response lost":        {Drop: emulator.DropAfter},
	"503":                  {Status: 503},
	"503 with effect":      {Status: 503, Effect: true},
	"429":                  {Status: 429},
	"429 with effect":      {Status: 429, Effect: true},
	"403":                  {Status: 403},
	"403 with effect":      {Status: 403, Effect: true},
	"proxy's 404":          {Status: 404, Body: "<html>"},
	"proxy's 404, deleted": {Status: 404, Body: "<html>", Effect: true},
	"redirect with effect": {Status: 302, Effect: true},
}

// meanwhile maps names to actions of another client after an attempt.
var meanwhile = map[string]func(w *world){
	"nothing":   func(*world) {},
	"deleted":   func(w *world) { w.service.Delete("gone") },
	"made anew": func(w *world) { w.service.Delete("gone"); w.service.Put("gone", w.spec) },
	"changed": func(w *world) {
		w.service.Edit("gone", func(s map[string]any) { s["url"] = "https://elsewhere.example/" })
	},
	"a record came":   func(w *world) { w.service.AddEvents("gone", events(1, "late")...) },
	"paused and back": func(w *world) { w.service.Edit("gone", func(s map[string]any) { s["enabled"] = true }) },
}

// TestDeleteSequences tests every response to the first attempt, every action of
// another client after it, and every response to the second attempt. It compares
// the result with the requests that the service saw.
func TestDeleteSequences(t *testing.T) {
	t.Parallel()
	for first, one := range deleteFaults {
		for other, do := range meanwhile {
			for second, two := range deleteFaults {
				if first == "well" && second != "well" {
					continue // no second attempt follows
				}
				t.Run(first+"; "+other+"; "+second, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, emulator.Options{}) // its server listens, so it must start outside the bubble
					synctest.Test(t, func(t *testing.T) { deleteSequence(t, w, one, do, two) })
				})
			}
		}
	}
}

func deleteSequence(t *testing.T, w *world, one emulator.Fault, do func(*world), two emulator.Fault) {
	w.client.Transport, w.url = direct{w.service}, "http://127.0.0.1:9"
	w.client.RetryFor, w.deps.Drain, w.deps.After = time.Minute, time.Minute, nil
	w.settle(rule("gone", sealed("old-value")))
	w.service.AddEvents("gone", events(2, "gone")...)
	w.files()
	was, _ := w.service.Rule("gone")
	w.spec = was.Spec
	one.Method, one.Nth, one.After = "DELETE", 1, func() { do(w) }
	two.Method, two.Nth = "DELETE", 2
	w.service.Fault(one)
	w.service.Fault(two)
	r := w.apply()
	c := change(t, r, "gone")

	ours := false
	for _, q := range w.service.Requests() {
		ours = ours || q.Method == "DELETE" && q.Handled == http.StatusOK
	}
	now, there := w.service.Rule("gone")
	deleted := !there || now.ID != was.ID
	switch {
	case ours && c.Status != apply.StatusApplied && c.Status != apply.StatusUnverified && !c.InDoubt():
		t.Errorf("our DELETE took effect: %s", show(r))
	case !deleted && (c.Status == apply.StatusApplied || c.Status == apply.StatusUnverified):
		t.Errorf("nobody deleted the rule: %s", show(r))
	case there && deleted && c.Status == apply.StatusApplied && c.HTTPStatus != http.StatusOK:
		t.Errorf("another rule has the name: %s", show(r))
	case !r.Wrote() || r.Outcome != apply.Applied && r.Outcome != apply.Partial:
		t.Errorf("the pause took effect: %s", show(r))
	case !there && c.Left != nil && c.Left.Uncertain == "":
		t.Errorf("there is no rule that could be left paused: %s", show(r))
	case !deleted && c.Left == nil:
		t.Errorf("the rule is left paused, and nothing says so: %s", show(r))
	}
	// Whoever deleted it, its records are stored.
	most := 0
	for _, m := range w.stored("gone") {
		if m.Rule.ID == was.ID {
			most = max(most, m.Records)
		}
	}
	if most < 2 {
		t.Errorf("%d records are stored: %s", most, show(r))
	}
}
