package apply_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// pagination returns supplemental.pagination of a page.
func pagination(body map[string]any) map[string]any {
	s, _ := body["supplemental"].(map[string]any)
	p, _ := s["pagination"].(map[string]any)
	return p
}

// cutTo makes the first n records of a page the whole history.
func cutTo(n int) func(body map[string]any) {
	return func(body map[string]any) {
		body["value"] = body["value"].([]any)[:n]
		body["supplemental"].(map[string]any)["count"] = n
		p := pagination(body)
		p["total"], p["records"], p["end"] = n, n, n
	}
}

// listing returns a fault that lists other records on some pages. pages maps the
// first position of a page to its records, by their place in the history, the oldest
// first. The counts stay as they are.
func (w *world) listing(pages map[int][]int) emulator.Fault {
	rule, _ := w.service.Rule("gone")
	return emulator.Fault{Kind: emulator.Events, Edit: func(body map[string]any) {
		start, _ := pagination(body)["start"].(float64)
		list, ok := pages[int(start)]
		if !ok {
			return
		}
		value := []any{}
		for _, i := range list {
			e := rule.Events[i]
			value = append(value, map[string]any{"created": e.Created, "source": e.Source, "type": e.Type, "status": e.Status})
		}
		body["value"] = value
	}}
}

// TestDeleteNeedsACompleteHistory tests services that list some record twice, leave
// one out, or contradict their own counts. The delete must not destroy a record that
// is not stored.
func TestDeleteNeedsACompleteHistory(t *testing.T) {
	t.Parallel()
	edit := func(do func(body map[string]any)) func(*world) emulator.Fault {
		return func(*world) emulator.Fault { return emulator.Fault{Kind: emulator.Events, Edit: do} }
	}
	set := func(name string, value any) func(*world) emulator.Fault {
		return edit(func(b map[string]any) { pagination(b)[name] = value })
	}
	lists := func(pages map[int][]int) func(*world) emulator.Fault {
		return func(w *world) emulator.Fault { return w.listing(pages) }
	}
	// afterPause applies a fault from the first read after the pause on.
	afterPause := func(fault func(*world) emulator.Fault) func(*world) emulator.Fault {
		return func(w *world) emulator.Fault {
			f := fault(w)
			f.Nth, f.Times = 2, -1
			return f
		}
	}
	for name, tt := range map[string]struct {
		top   int
		fault func(*world) emulator.Fault
		says  string // "": the rule is deleted
	}{
		"at rest":                         {2, lists(nil), ""},
		"a page twice":                    {2, lists(map[int][]int{2: {4, 3}}), "lists 2 records on two pages"},
		"a page twice, in another order":  {2, lists(map[int][]int{2: {3, 4}}), "lists 2 records on two pages"},
		"pages overlap":                   {3, lists(map[int][]int{3: {2, 0}}), "lists 1 record on two pages"},
		"the last page is of the first":   {2, lists(map[int][]int{4: {4}}), "lists 1 record on two pages"},
		"pages of one record":             {1, lists(map[int][]int{3: {4}}), "lists 1 record on two pages"},
		"a copy on its page, once paused": {10, afterPause(lists(map[int][]int{0: {4, 3, 3, 1, 0}})), "no longer lists 1 of the records"},
		"another first page, once paused": {2, afterPause(lists(map[int][]int{0: {1, 0}, 2: {2, 3}, 4: {2}})), "two pages"},
		"empty once paused":               {10, afterPause(edit(cutTo(0))), "an earlier read counted 5 records, and the service now counts 0"},
		"fewer once paused":               {10, afterPause(edit(cutTo(3))), "an earlier read counted 5 records, and the service now counts 3"},
		"records of another number":       {2, set("records", 7), "pagination.records is 7"},
		"count of another number": {2, edit(func(b map[string]any) {
			b["supplemental"].(map[string]any)["count"] = 1
			delete(pagination(b), "records")
		}), "supplemental.count is 1"},
		"a span of another length": {2, set("end", 9), "on a page that goes from 0 to 9"},
		"positions that overlap": {2, edit(func(b map[string]any) {
			if p := pagination(b); p["start"] == 2.0 {
				p["start"], p["end"] = 1, 3
			}
		}), "from 0 on, and then a page from 1 on"},

		"counts of the whole list": {2, edit(func(b map[string]any) {
			b["supplemental"].(map[string]any)["count"], pagination(b)["records"] = 5, 5
		}), ""},
		"positions from 1, the last included": {2, edit(func(b map[string]any) {
			pagination(b)["start"] = pagination(b)["start"].(float64) + 1
		}), ""},
		"positions that are always 0": {2, edit(func(b map[string]any) { pagination(b)["start"], pagination(b)["end"] = 0, 0 }), ""},
		"no other counts": {2, edit(func(b map[string]any) {
			maps.DeleteFunc(pagination(b), func(name string, _ any) bool { return name != "total" })
		}), ""},
		"counts of another type": {2, set("records", "two"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{MaxTop: tt.top}, 5)
			w.service.Fault(tt.fault(w))
			r := w.apply()
			if tt.says == "" {
				want(t, r, apply.Applied, "gone applied")
				w.deleted([]string{"/gone/0000", "/gone/0001", "/gone/0002", "/gone/0003", "/gone/0004"})
				return
			}
			want(t, r, apply.Partial, "gone blocked")
			says(t, change(t, r, "gone"), "archive", tt.says)
			leaves(t, change(t, r, "gone"), isPaused)
			if !w.there("gone") || w.stored("gone") != nil {
				t.Errorf("the rule is deleted, or a part of its history is stored")
			}
		})
	}
}

// TestEqualRecords checks that equal records do not prevent a delete if one page
// lists them: the total counts each of them.
func TestEqualRecords(t *testing.T) {
	t.Parallel()
	for name, copies := range map[string][]int{"two": {0, 0, 1}, "all": {0, 0, 0}, "apart": {0, 1, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 0)
			two := events(2, "gone")
			var all []string
			for _, i := range copies {
				w.service.AddEvents("gone", two[i])
				all = append(all, two[i].Source)
			}
			want(t, w.apply(), apply.Applied, "gone applied")
			slices.Sort(all)
			w.deleted(all)
		})
	}
}

// TestFewerRecordsInTheNextRun tests the reference of a run that did not pause the
// rule: the note of the run that did, and the plan.
func TestFewerRecordsInTheNextRun(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"none": 0, "fewer": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 5)
			crash := w.service.Fault(emulator.Fault{Method: "DELETE", Status: 400})
			want(t, w.apply(), apply.Partial, "gone failed") // and left paused
			crash.Remove()
			gone := w.service.Fault(emulator.Fault{Kind: emulator.Events, Edit: cutTo(n)})
			r := w.apply()
			want(t, r, apply.Refused, "gone blocked")
			says(t, change(t, r, "gone"), "archive", "an earlier read counted 5 records")
			r = w.apply()
			if n > 0 { // the run before said so, and noted the smaller number
				want(t, r, apply.Applied, "gone applied")
				return
			}
			want(t, r, apply.Refused, "gone blocked")
			says(t, change(t, r, "gone"), "archive", "delete the rule by hand")
			gone.Remove()
			want(t, w.apply(), apply.Applied, "gone applied")
			w.deleted([]string{"/gone/0000", "/gone/0001", "/gone/0002", "/gone/0003", "/gone/0004"})
		})
	}
	t.Run("than the plan saw", func(t *testing.T) {
		t.Parallel()
		w := doomed(t, emulator.Options{}, 5)
		w.deps.NoPause = true
		p := w.mustPlan()
		p.Projects[0].Changes[0].History = &plan.History{Records: 6}
		r := w.prepare(p).Run(t.Context(), nil, p)
		want(t, r, apply.Refused, "gone blocked")
		says(t, change(t, r, "gone"), "archive", "an earlier read counted 6 records, and the service now counts 5")
	})
}

// TestAbsentIsConfirmed tests responses that seem to say that the rule is absent,
// while it exists. A delete must not believe any single one of them. The result and
// the audit log have what is left.
func TestAbsentIsConfirmed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault  emulator.Fault
		status apply.Status
		paused bool
		says   string
	}{
		"no history before the pause":   {emulator.Fault{Kind: emulator.Events, Status: 404}, apply.StatusFailed, false, "the rule itself exists"},
		"no history after the pause":    {emulator.Fault{Kind: emulator.Events, Status: 404, Nth: 2, Times: -1}, apply.StatusFailed, true, "the rule itself exists"},
		"no history once":               {emulator.Fault{Kind: emulator.Events, Status: 404, Nth: 3}, apply.StatusFailed, true, "the rule itself exists"},
		"no history before the delete":  {emulator.Fault{Kind: emulator.Events, Status: 404, Nth: 4}, apply.StatusFailed, true, "the rule itself exists"},
		"no rule at all":                {emulator.Fault{Kind: emulator.Get, Status: 404}, apply.StatusFailed, false, "lists it"},
		"no rule before the delete":     {emulator.Fault{Kind: emulator.Get, Status: 404, Nth: 2}, apply.StatusFailed, true, "lists it"},
		"nor afterwards":                {emulator.Fault{Kind: emulator.Get, Status: 404, Nth: 2, Times: -1}, apply.StatusFailed, true, "lists it"},
		"DELETE 404":                    {emulator.Fault{Method: "DELETE", Status: 404}, apply.StatusFailed, true, "404 Not Found, and the rule still exists"},
		"DELETE 404 once":               {emulator.Fault{Method: "DELETE", Status: 404, Nth: 1}, apply.StatusFailed, true, "still exists"},
		"DELETE 204":                    {emulator.Fault{Method: "DELETE", Status: 204}, apply.StatusFailed, true, "204 No Content, and the rule still exists"},
		"DELETE 200":                    {emulator.Fault{Method: "DELETE", Status: 200}, apply.StatusUnverified, true, "200 OK, and the rule still exists"},
		"DELETE 202":                    {emulator.Fault{Method: "DELETE", Status: 202}, apply.StatusUnverified, true, "202 Accepted, and the rule still exists"},
		"DELETE 409":                    {emulator.Fault{Method: "DELETE", Status: 409}, apply.StatusFailed, true, "409"},
		"a page of a proxy with DELETE": {emulator.Fault{Method: "DELETE", Status: 200, Body: "<html>"}, apply.StatusUnverified, true, "still exists"},
		"a proxy's 404 for the history": {emulator.Fault{Kind: emulator.Events, Status: 404, Body: "<html>", Nth: 2, Times: -1}, apply.StatusFailed, true, "404"},
		"a proxy's 404 for the rule":    {emulator.Fault{Kind: emulator.Get, Status: 404, Body: "<html>", Nth: 2, Times: -1}, apply.StatusFailed, true, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := doomed(t, emulator.Options{}, 2)
			rec := &recorder{}
			w.deps.Audit = rec
			w.service.Fault(tt.fault)
			r := w.apply()
			c := change(t, r, "gone")
			outcome := apply.Failed
			if tt.paused {
				outcome = apply.Partial
			}
			want(t, r, outcome, "gone "+string(tt.status))
			if c.Error == nil || !strings.Contains(c.Error.Message, tt.says) {
				t.Errorf("says %+v, want %q", c.Error, tt.says)
			}
			reportsLeft(t, w, r)
			told := strings.Join(rec.told, "\n")
			if left := strings.Contains(told, "- left gone: paused without headers.X-Webhook-Secret"); left != tt.paused {
				t.Errorf("left is in the audit log: %v, want %v\n%s", left, tt.paused, told)
			}
		})
	}
}

// TestDeletedLater tests a service that accepts a DELETE and deletes the rule a
// little later.
func TestDeletedLater(t *testing.T) {
	t.Parallel()
	w := doomed(t, emulator.Options{}, 2)
	w.deps.After = nil
	w.service.Fault(emulator.Fault{Method: "DELETE", Status: 202})
	w.service.Fault(emulator.Fault{Kind: emulator.Get, Nth: 4, Before: func() { w.service.Delete("gone") }})
	want(t, w.apply(), apply.Applied, "gone applied")
}

// TestPauseWithoutEffect tests the same responses to a pause that has no effect. The
// rule is read, so the result does not say that it may be paused.
func TestPauseWithoutEffect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{302, 400, 403, 404, 408, 409, 410, 422} {
		w := doomed(t, emulator.Options{}, 2)
		w.service.Fault(emulator.Fault{Method: "PUT", Status: status})
		r := w.apply()
		want(t, r, apply.Failed, "gone failed")
		leaves(t, change(t, r, "gone"), apply.Left{})
	}
}

// TestServiceDoesNotPause tests a service that leaves a rule enabled. The delete took
// nothing from a rule without authentication, so nothing is left.
func TestServiceDoesNotPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, emulator.Options{Rewrite: func(_ string, spec map[string]any) { spec["enabled"] = true }})
	w.settle(rule("gone"))
	w.files()
	r := w.apply()
	want(t, r, apply.Partial, "gone blocked")
	says(t, change(t, r, "gone"), "archive", "the service does not pause the rule")
	leaves(t, change(t, r, "gone"), apply.Left{})
}

// TestPauseAnsweredWithAnError tests pauses that take effect under a response that
// says otherwise. The rule is read, so the delete goes on.
func TestPauseAnsweredWithAnError(t *testing.T) {
	t.Parallel()
	for _, status := range []int{302, 400, 403, 404, 408, 409, 410, 422} {
		w := doomed(t, emulator.Options{}, 2)
		w.service.Fault(emulator.Fault{Method: "PUT", Status: status, Effect: true})
		r := w.apply()
		want(t, r, apply.Applied, "gone applied")
	}
}
