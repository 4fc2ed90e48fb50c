package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// failingPlan returns a drift report of rules that match their files, and whose
// deliveries fail.
func failingPlan() *plan.Plan {
	p := quietPlan()
	at := time.Date(2026, 3, 2, 3, 4, 5, 0, time.UTC)
	p.Projects[0].Changes = []plan.Change{}
	p.Projects[0].Failing = []plan.Failing{
		{Rule: "job-notifications", Records: 1000, AtLeast: true, From: at, To: at.Add(6 * time.Hour)},
		{Rule: "nightly-report", Records: 1, From: at, To: at},
	}
	return p
}

// someHistory returns a document with every state and every note.
func someHistory() *history.Document {
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	since := now.Add(-7 * 24 * time.Hour)
	doc := &history.Document{
		FormatVersion: history.FormatVersion, CreatedAt: now, Tool: history.Tool{Name: "mkhooks", Version: "v0.1.0"},
		Project: "demo", BaseURL: "https://app.mk.io", Since: &since, FailOn: history.OnFailed,
	}
	add := func(name string, enabled bool, n int, every time.Duration, status func(i int) webhook.Status) *history.Rule {
		r := history.NewReading(since, now)
		var events []webhook.Event
		for i := range n {
			kind := webhook.EventType("MediaKind.JobFinished")
			if i%3 == 0 {
				kind = "MediaKind.JobStarted"
			}
			events = append(events, webhook.Event{Created: now.Add(-time.Duration(i+1) * every), Type: kind, Status: status(i), Source: "/jobs/7"})
		}
		r.AddPage(events, n, true)
		doc.Rules = append(doc.Rules, r.Result(name, enabled, nil))
		return &doc.Rules[len(doc.Rules)-1]
	}
	sent := func(int) webhook.Status { return webhook.Sent }
	add("channel-alerts", true, 2200, 4*time.Minute, func(i int) webhook.Status {
		switch {
		case i < 3:
			return webhook.Retrying
		case i < 120 || i%90 == 0:
			return webhook.Failed
		}
		return webhook.Sent
	})
	add("job-notifications", true, 168, time.Hour, func(i int) webhook.Status {
		if 40 <= i && i < 52 {
			return webhook.Failed
		}
		return webhook.Sent
	})
	add("a-rule-with-a-name-that-is-longer-than-its-column", true, 300, 20*time.Minute, sent).Archive = &history.Archive{
		Location: "archive/demo_a-rule.jsonl.gz", Records: 300, SHA256: strings.Repeat("ab", 32), Active: 2,
	}
	add("nightly-report", true, 6, 24*time.Hour, func(i int) webhook.Status {
		if i == 0 {
			return webhook.Pending
		}
		return webhook.Sent
	}).NotWhole = "the service counts 12 records and lists 6"
	add("paused-one", false, 0, time.Hour, sent)
	broken := add("unreadable", true, 5, time.Hour, sent)
	broken.State, broken.Error = history.StateUnreadable, "read the delivery history of rule \"unreadable\": 503 Service Unavailable (ref 7f3a)"
	history.SortWorstFirst(doc.Rules)
	doc.Summarize()
	return doc
}

func noHistory() *history.Document {
	doc := &history.Document{FormatVersion: history.FormatVersion, Project: "demo", BaseURL: "https://app.mk.io", Rules: []history.Rule{}}
	doc.Summarize()
	return doc
}

// writeRecords writes a few records of a document's rules.
func writeRecords(w io.Writer, f Format, doc *history.Document, o TextOptions) error {
	out := NewHistoryRecords(w, f, o)
	at := time.Date(2026, 3, 2, 3, 4, 5, 600_000_000, time.UTC)
	for _, r := range []history.Record{
		{Rule: "channel-alerts", Created: at, Type: "MediaKind.JobFinished", Status: webhook.Failed, Source: "/jobs/7"},
		{Rule: "channel-alerts", Created: at.Add(-time.Hour), Type: "MediaKind.JobStarted", Status: webhook.Sent, Source: "=1+1"},
		{Rule: "nightly-report", Created: at.Add(-2 * time.Hour), Type: "MediaKind.JobStarted", Status: "Lost\x1b[2J", Source: "a\n::add-path::b"},
	} {
		if err := out.Write(r); err != nil {
			return err
		}
	}
	doc.Rules = doc.Rules[:1]
	return out.Close(doc)
}

// poisonedHistories writes every form of a history with s in all positions.
func poisonedHistories(t *testing.T, s string, o TextOptions) map[string]string {
	t.Helper()
	out := map[string]string{}
	keep := func(name string, write func(io.Writer, *history.Document) error) {
		doc := someHistory()
		poison(reflect.ValueOf(doc), s, false)
		for i := range doc.Rules {
			if a := doc.Rules[i].Archive; a != nil {
				a.SHA256 = strings.Repeat("ab", 32) // text of mkhooks
			}
		}
		var b bytes.Buffer
		if err := write(&b, doc); err != nil {
			t.Fatal(err)
		}
		out[name] = b.String()
	}
	keep("text", func(w io.Writer, d *history.Document) error { return HistoryText(w, d, false, o) })
	keep("all", func(w io.Writer, d *history.Document) error { return HistoryText(w, d, true, o) })
	keep("csv", HistoryCSV)
	keep("json", HistoryJSON)
	keep("markdown", func(w io.Writer, d *history.Document) error { return HistoryMarkdown(w, d, MarkdownOptions{}) })
	for _, f := range []Format{Text, JSON, CSV} {
		keep("records "+string(f), func(w io.Writer, d *history.Document) error {
			out := NewHistoryRecords(w, f, o)
			r := history.Record{Rule: s, Created: d.CreatedAt, Type: webhook.EventType(s), Status: webhook.Status(s), Source: s}
			for range 2 {
				if err := out.Write(r); err != nil {
					return err
				}
			}
			return out.Close(d)
		})
	}
	return out
}

// TestHostileHistories: no line begins with text from the service or is
// controlled by it. JSON matches its schema. CSV has as many cells as its first
// line and no formula. Markdown fits in a comment.
func TestHostileHistories(t *testing.T) {
	t.Parallel()
	for name, s := range everyHostile() {
		for _, o := range []TextOptions{{}, {Width: 80}, {Width: 40, Color: true, ASCII: true}} {
			for form, text := range poisonedHistories(t, s, o) {
				switch {
				case form == "text" || form == "all":
					checkLines(t, text, o)
				case form == "records text": // the line of a record is never wrapped
					checkLines(t, text, TextOptions{Color: o.Color})
				case strings.HasSuffix(form, "json"):
					for _, v := range schema.CheckDocument(schema.HistoryDocument, []byte(text)) {
						t.Errorf("%s, %s: %s", name, form, v.Message())
					}
				case strings.HasSuffix(form, "csv"):
					checkCSV(t, name, text)
				case len(text) > MaxMarkdown:
					t.Errorf("%s: Markdown of %d bytes", name, len(text))
				}
				if form == "text" && o.Width > 0 {
					checkWidth(t, name, text, o)
				}
			}
		}
	}
}

// TestNoFormula: no spreadsheet finds a formula in a table, whatever the text,
// the sign and the cell separator.
func TestNoFormula(t *testing.T) {
	t.Parallel()
	for _, sign := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "＋1", "－1", "＠SUM(A1)", "﹦1", "﹢1", "﹣1", "﹫SUM(A1)", "−1"} {
		for _, before := range []string{"", " ", "  ", "\t", "\r", "\n", `"`, "'", "\u3000", "\ufeff", ";", "x;", "x; ", `x;"`, `x";"`, `";`, ";;", ";'", "x|", "x,", `x",`, "x\t", "a\nb;"} {
			s := before + sign
			doc := noHistory()
			doc.Rules = []history.Rule{{Rule: s, State: history.StateFailing, LastStatus: webhook.Status(s), NotWhole: s, Error: s, Archive: &history.Archive{Location: s}}}
			var rules, records bytes.Buffer
			if err := HistoryCSV(&rules, doc); err != nil {
				t.Fatal(err)
			}
			out := NewHistoryRecords(&records, CSV, TextOptions{})
			if err := errors.Join(out.Write(history.Record{Rule: s, Type: webhook.EventType(s), Status: webhook.Status(s), Source: s}), out.Close(doc)); err != nil {
				t.Fatal(err)
			}
			checkCSV(t, s, rules.String())
			checkCSV(t, s, records.String())
		}
	}
}

func checkWidth(t *testing.T, name, text string, o TextOptions) {
	t.Helper()
	for line := range strings.Lines(sgr.ReplaceAllString(text, "")) {
		if n := countColumns(strings.TrimSuffix(line, "\n")); n > o.Width {
			t.Fatalf("%s: a line of %d columns at width %d: %.100q", name, n, o.Width, line)
		}
	}
}

func checkCSV(t *testing.T, name, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.ContainsAny(cell, "\r\n\t\x1b") {
				t.Errorf("%s: a control character in %q", name, cell)
			}
			checkCell(t, name, cell)
		}
	}
	for _, separator := range ",;|\t" {
		// Read it like a spreadsheet of another language, which finds no quotes
		// at the expected positions, and like a spreadsheet without quotes.
		other := csv.NewReader(strings.NewReader(text))
		other.Comma, other.LazyQuotes, other.FieldsPerRecord = separator, true, -1
		rows, err := other.ReadAll()
		if err != nil {
			t.Fatalf("%s: with %q: %v", name, separator, err)
		}
		for line := range strings.Lines(text) {
			rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), string(separator)))
		}
		for _, row := range rows {
			for _, cell := range row {
				checkCell(t, name, cell)
			}
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "::") || strings.HasPrefix(line, `"`) {
			t.Errorf("%s: a line begins with text of others: %.80q", name, line)
		}
	}
}

// checkCell looks for a formula. Spreadsheets skip blanks and stray quotes.
func checkCell(t *testing.T, name, cell string) {
	t.Helper()
	if c := []rune(strings.TrimLeft(cell, ` "`)); len(c) > 0 && strings.ContainsRune("=+-@\t\r\n＝＋－＠﹦﹢﹣﹫−", c[0]) {
		t.Errorf("%s: %q could be a formula", name, cell)
	}
}

// TestBars: any number above 0 is visible, and 0 is not.
func TestBars(t *testing.T) {
	t.Parallel()
	p := newPrinter(TextOptions{})
	for n, want := range map[int]rune{0: '·', 1: '▁', 500: '▄', 501: '▅', 999: '█', 1000: '█'} {
		if got := p.barRune(n, 1000, p.noRecordRune()); got != want {
			t.Errorf("bar of %d in 1000 is %c, want %c", n, got, want)
		}
	}
	p.ASCII = true
	for n, want := range map[int]rune{0: ' ', 1: '_', 1000: '@'} {
		if got := p.barRune(n, 1000, p.noRecordRune()); got != want {
			t.Errorf("ASCII bar of %d in 1000 is %c, want %c", n, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{0: "0 %", 1: "100 %", 0.5: "50.0 %", 0.9999: "99.9 %", 0.00001: "0.1 %"} {
		if got := formatPercent(share); got != want {
			t.Errorf("percent(%v) is %s, want %s", share, got, want)
		}
	}
}

// TestRecordsWithoutOne: a document without records is a valid document.
func TestRecordsWithoutOne(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := NewHistoryRecords(&out, JSON, TextOptions{}).Close(someHistory()); err != nil {
		t.Fatal(err)
	}
	if v := schema.CheckDocument(schema.DocumentKind(out.Bytes()), out.Bytes()); len(v) > 0 || !json.Valid(out.Bytes()) {
		t.Errorf("%v in %s", v, out.Bytes())
	}
	out.Reset()
	if err := NewHistoryRecords(&out, CSV, TextOptions{}).Close(someHistory()); err != nil || out.String() != "created,status,type,source,rule\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}
