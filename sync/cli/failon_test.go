package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/history"
)

// TestFailOnCannotTell checks that a monitor with an incomplete history never
// exits with 0. It must not exit with 2 either, because that code claims a
// complete history.
func TestFailOnCannotTell(t *testing.T) {
	t.Parallel()
	page := func(edit func(body map[string]any)) *emulator.Fault {
		return &emulator.Fault{Kind: emulator.Events, Edit: edit}
	}
	record := func(body map[string]any, i int) map[string]any {
		r, _ := body["value"].([]any)[i].(map[string]any)
		return r
	}
	total := func(to any) func(map[string]any) {
		return func(body map[string]any) {
			s, _ := body["supplemental"].(map[string]any)
			p, _ := s["pagination"].(map[string]any)
			if p["total"] = to; to == nil {
				delete(p, "total")
			}
		}
	}
	// from replaces records of the second page by records of the first page.
	from := func(places map[int]int) *emulator.Fault {
		var first []any
		return page(func(body map[string]any) {
			value, _ := body["value"].([]any)
			switch pageStart(body) {
			case 0:
				first = value
			case 2:
				for to, from := range places {
					value[to] = first[from]
				}
			}
		})
	}
	count := func(name string, to any) *emulator.Fault {
		return page(func(body map[string]any) {
			s, _ := body["supplemental"].(map[string]any)
			p, _ := s["pagination"].(map[string]any)
			if _, ok := p[name]; ok {
				p[name] = to
			} else {
				s[name] = to
			}
		})
	}
	for name, c := range map[string]struct {
		fault   *emulator.Fault
		options emulator.Options
		code    int
		says    string
	}{
		"all is well":                   {nil, emulator.Options{}, 0, ""},
		"an empty page with a link":     {&emulator.Fault{Kind: emulator.Events, Nth: 2, Link: emulator.LinkEmpty}, emulator.Options{}, 0, ""},
		"a link is missing":             {&emulator.Fault{Kind: emulator.Events, Link: emulator.LinkLost}, emulator.Options{}, 1, "counts 9 records and lists 2"},
		"a later link is missing":       {&emulator.Fault{Kind: emulator.Events, Nth: 3, Link: emulator.LinkLost}, emulator.Options{}, 1, "counts 9 records and lists 6"},
		"a page is left out":            {&emulator.Fault{Kind: emulator.Events, Nth: 2, Link: emulator.LinkSkip}, emulator.Options{}, 1, "counts 9 records and lists 7"},
		"a page comes twice":            {&emulator.Fault{Kind: emulator.Events, Nth: 2, Link: emulator.LinkRepeat}, emulator.Options{}, 1, "counts 9 records and lists 11"},
		"a link to itself":              {&emulator.Fault{Kind: emulator.Events, Nth: 2, Link: emulator.LinkItself}, emulator.Options{}, 1, "read before"},
		"a link elsewhere":              {&emulator.Fault{Kind: emulator.Events, Nth: 2, Link: emulator.LinkElsewhere}, emulator.Options{}, 1, "another place"},
		"a page twice, counted":         {from(map[int]int{0: 0, 1: 1}), emulator.Options{}, 1, "lists 2 records on two pages"},
		"pages overlap":                 {from(map[int]int{0: 1}), emulator.Options{}, 1, "lists 1 record on two pages"},
		"a total that grows":            {&emulator.Fault{Kind: emulator.Events, Nth: 5, Edit: total(11)}, emulator.Options{}, 0, ""},
		"records of another number":     {count("records", 3), emulator.Options{}, 1, "pagination.records is 3"},
		"a count of another number":     {count("count", 1), emulator.Options{}, 1, "supplemental.count is 1"},
		"a start that stays":            {count("start", 0), emulator.Options{}, 1, "a page that goes from 0 to 4"},
		"an end that stays":             {count("end", 2), emulator.Options{}, 1, "a page that goes from 2 to 2"},
		"fewer can be read":             {nil, emulator.Options{ReadableRecords: 4}, 1, "counts 9 records and lists 4"},
		"nothing is counted":            {nil, emulator.Options{NoSupplemental: true}, 1, "does not say how many"},
		"no total":                      {page(total(nil)), emulator.Options{}, 1, "does not say how many"},
		"no total once":                 {&emulator.Fault{Kind: emulator.Events, Nth: 2, Edit: total(nil)}, emulator.Options{}, 1, "does not say how many"},
		"a total that is too small":     {page(total(3)), emulator.Options{}, 1, "3"},
		"a total that is text":          {page(total("9")), emulator.Options{}, 1, "total"},
		"a total that falls":            {&emulator.Fault{Kind: emulator.Events, Nth: 4, Edit: total(7)}, emulator.Options{}, 1, "went from 9 to 7"},
		"an unknown status":             {page(func(b map[string]any) { record(b, 0)["status"] = "Dropped" }), emulator.Options{}, 1, "the status of 5 records"},
		"a status that is no text":      {page(func(b map[string]any) { record(b, 0)["status"] = nil }), emulator.Options{}, 1, "status"},
		"a record without a status":     {page(func(b map[string]any) { delete(record(b, 0), "status") }), emulator.Options{}, 1, "status"},
		"a record without a time":       {page(func(b map[string]any) { delete(record(b, 0), "created") }), emulator.Options{}, 1, "created"},
		"a time that means none":        {page(func(b map[string]any) { record(b, 0)["created"] = "0001-01-01T00:00:00Z" }), emulator.Options{}, 1, "the time of 5 records"},
		"not read at all":               {&emulator.Fault{Kind: emulator.Events, Status: http.StatusForbidden}, emulator.Options{}, 1, "403 Forbidden"},
		"not read to its end":           {&emulator.Fault{Kind: emulator.Events, Nth: 3, Times: 99, Status: http.StatusInternalServerError}, emulator.Options{}, 1, "500"},
		"the rule is deleted meanwhile": {&emulator.Fault{Kind: emulator.Events, Nth: 2, Status: http.StatusNotFound}, emulator.Options{}, 1, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			for _, more := range [][]string{
				{}, {"--all"}, {"--since", "2026-09-01"}, {"--since", "2026-10-01T00:07:30Z", "jobs"},
				{"--records", "--format", "csv"}, {"--records", "--format", "json"}, {"--records"}, {"--format", "json"}, {"--format", "csv"}, {"--format", "markdown"},
			} {
				for _, sad := range []bool{false, true} {
					o := c.options
					o.MaxTop, o.RecordOrder = 2, emulator.OldestFirst
					s := serveEmulator(t, o)
					s.Put("jobs", map[string]any{"url": "https://hooks.example.com/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
					list := makeRecords(9)
					if sad { // no reading can miss it there
						list[1].Status = "Failed"
					}
					s.AddEvents("jobs", list...)
					if c.fault != nil {
						s.Fault(*c.fault)
					}
					args := slices.Concat([]string{"history", "--retry-for", "1ms", "--fail-on", "failed"}, more)
					stdout, stderr, code := r.runMkhooks(s, args...)
					want := c.code
					if seen := !slices.Contains(more, "2026-10-01T00:07:30Z"); want == 0 && sad && seen {
						want = exitDifferences
					} else if !seen && strings.HasPrefix(c.says, "the ") {
						continue // fewer records are read
					}
					if code != want {
						t.Errorf("%q, failed: %v: exit code %d, want %d\n%s%s", args, sad, code, want, stdout, stderr)
					}
					if c.code == 0 && strings.Contains(stderr, "missing") {
						t.Errorf("%q: exit code %d, and a warning: %s", args, code, stderr)
					}
					if c.code != 0 && !strings.Contains(strings.ReplaceAll(stderr, "\n", " "), c.says) {
						t.Errorf("%q: does not say why: %s", args, stderr)
					}
					if slices.Contains(more, "json") {
						if kind := oneDocument(t, stdout); kind != schema.HistoryDocument {
							t.Errorf("%q: a document of kind %q", args, kind)
						}
						var doc history.Document
						if err := json.Unmarshal([]byte(stdout), &doc); err != nil || (doc.Summary.Undecided+doc.Summary.Errors > 0) != (c.code == 1) {
							t.Errorf("%q: %v: %+v", args, err, doc.Summary)
						}
					}
				}
			}
		})
	}
}

// pageStart returns the position of the first record of a page.
func pageStart(body map[string]any) int {
	s, _ := body["supplemental"].(map[string]any)
	p, _ := s["pagination"].(map[string]any)
	start, _ := p["start"].(float64)
	return int(start)
}

// TestRecordsWarn checks the warning about possibly missing records: on stderr
// in every format, and in documents with a field for it. Without --fail-on this
// is not a failure.
func TestRecordsWarn(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	s := serveEmulator(t, emulator.Options{MaxTop: 2})
	s.Put("jobs", map[string]any{"url": "https://hooks.example.com/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	s.AddEvents("jobs", makeRecords(9)...)
	s.Fault(emulator.Fault{Kind: emulator.Events, Link: emulator.LinkLost})
	for _, format := range []string{"text", "json", "csv"} {
		stdout, stderr := r.mustRun(s, 0, "history", "--records", "--format", format)
		if !strings.Contains(stderr, "warning: rule jobs: records may be missing or listed twice: the service counts 9 records and lists 2") {
			t.Errorf("%s: %s", format, stderr)
		}
		if said := strings.Contains(stdout, "counts 9 records"); said != (format != "csv") {
			t.Errorf("%s: %s", format, stdout)
		}
	}
}

// TestDeliveriesUnknown checks that drift --deliveries reports the rules whose
// state a page does not show, in the document and to Prometheus.
func TestDeliveriesUnknown(t *testing.T) {
	t.Parallel()
	status := func(to string) func(map[string]any) {
		return func(body map[string]any) {
			for _, v := range body["value"].([]any) {
				v.(map[string]any)["status"] = to
			}
		}
	}
	for name, c := range map[string]struct {
		fault   *emulator.Fault
		options emulator.Options
		unknown bool
	}{
		"newest first":                         {nil, emulator.Options{}, false},
		"newest first, a link is missing":      {&emulator.Fault{Kind: emulator.Events, Link: emulator.LinkLost}, emulator.Options{}, false},
		"oldest first":                         {nil, emulator.Options{RecordOrder: emulator.OldestFirst}, true},
		"oldest first, a link is missing":      {&emulator.Fault{Kind: emulator.Events, Link: emulator.LinkLost}, emulator.Options{RecordOrder: emulator.OldestFirst}, true},
		"oldest first, not counted, no link":   {&emulator.Fault{Kind: emulator.Events, Link: emulator.LinkLost}, emulator.Options{RecordOrder: emulator.OldestFirst, NoSupplemental: true}, true},
		"fewer can be read":                    {nil, emulator.Options{ReadableRecords: 1}, true},
		"a status of a later version":          {&emulator.Fault{Kind: emulator.Events, Edit: status("Dropped")}, emulator.Options{}, true},
		"an empty page of a history with some": {&emulator.Fault{Kind: emulator.Events, Link: emulator.LinkEmpty}, emulator.Options{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			r.writeRule("rules", "jobs", "jobs", "")
			o := c.options
			o.MaxTop = 2
			s := serveEmulator(t, o)
			r.mustRun(s, 0, "apply", "--owner", "team", "--yes", "rules")
			s.AddEvents("jobs", makeRecords(9)...)
			if c.fault != nil {
				s.Fault(*c.fault)
			}
			stdout, _ := r.mustRun(s, 0, "drift", "--owner", "team", "--deliveries", "--metrics", "m.prom", "--format", "json", "rules")
			oneDocument(t, stdout)
			if got := strings.Contains(stdout, `"deliveriesUnknown": [`); got != c.unknown {
				t.Errorf("in the document: %v\n%s", got, stdout)
			}
			want := "\nmkhooks_rules_unknown_deliveries{project=\"demo\"} 0\n"
			if c.unknown {
				want = strings.Replace(want, " 0\n", " 1\n", 1)
			}
			if text := readFile(t, r.dir, "m.prom"); !strings.Contains(text, want) {
				t.Errorf("the metrics lack %q:\n%s", want, text)
			}
		})
	}
}

func readFile(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
