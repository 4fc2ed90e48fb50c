package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

var start = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// statuses returns records a minute apart, oldest first. The letters are S, F,
// R, P and ? (a status of a later version).
func statuses(letters string) []webhook.Event {
	names := map[rune]webhook.Status{'S': webhook.Sent, 'F': webhook.Failed, 'R': webhook.Retrying, 'P': webhook.Pending, '?': "Lost"}
	var out []webhook.Event
	for i, l := range letters {
		out = append(out, webhook.Event{Created: start.Add(time.Duration(i) * time.Minute), Source: "/jobs/1", Type: "MediaKind.JobFinished", Status: names[l]})
	}
	return out
}

// reversed returns the same history in the order of a service that lists the
// newest first.
func reversed(events []webhook.Event) []webhook.Event {
	out := slices.Clone(events)
	slices.Reverse(out)
	return out
}

// read summarizes events in pages of the given size.
func read(events []webhook.Event, size int, since time.Time) Rule {
	r := NewReading(since, start.Add(24*time.Hour))
	for i := 0; i == 0 || i < len(events); i += size {
		r.AddPage(events[i:min(i+size, len(events))], len(events), true)
	}
	return r.Result("jobs", true, nil)
}

func minute(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

// TestRuns: the runs of failures do not depend on the direction of the list.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		letters string
		longest *Run
		failing *Run
		state   State
	}{
		{"SSSS", nil, nil, StateSent},
		{"SFFSS", &Run{2, minute(1), minute(2)}, nil, StateSent},
		{"FFFSF", &Run{3, minute(0), minute(2)}, &Run{1, minute(4), minute(4)}, StateFailing},
		{"FFF", &Run{3, minute(0), minute(2)}, &Run{3, minute(0), minute(2)}, StateFailing},
		// Records in flight neither end a run nor extend it.
		{"SFRFP", &Run{2, minute(1), minute(3)}, &Run{2, minute(1), minute(3)}, StateFailing},
		{"FSR", &Run{1, minute(0), minute(0)}, nil, StateRetrying},
		{"FSP", &Run{1, minute(0), minute(0)}, nil, StatePending},
		{"FS?", &Run{1, minute(0), minute(0)}, nil, StateOther},
		// The later of two equal runs counts.
		{"FFSFFS", &Run{2, minute(3), minute(4)}, nil, StateSent},
		{"F", &Run{1, minute(0), minute(0)}, &Run{1, minute(0), minute(0)}, StateFailing},
		{"", nil, nil, StateEmpty},
	} {
		for order, events := range map[Order][]webhook.Event{OldestFirst: statuses(tc.letters), NewestFirst: reversed(statuses(tc.letters))} {
			for _, size := range []int{1, 2, 100} {
				got := read(events, size, time.Time{})
				if d := cmp.Diff([]any{tc.longest, tc.failing, tc.state}, []any{got.LongestFailure, got.Failing, got.State}); d != "" {
					t.Errorf("%s, %s first, pages of %d (-want +got):\n%s", tc.letters, order, size, d)
				}
				if len(events) > 1 && got.Order != order {
					t.Errorf("%s: order %s, want %s", tc.letters, got.Order, order)
				}
				if got.NotWhole != "" {
					t.Errorf("%s: not whole: %s", tc.letters, got.NotWhole)
				}
			}
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	events := statuses("SSFRP?")
	events[0].Type = "MediaKind.JobStarted"
	got := read(reversed(events), 4, time.Time{})
	rate := 2.0 / 3
	first, last := minute(0), minute(5)
	want := Rule{
		Rule: "jobs", Enabled: true, State: StateFailing, Order: NewestFirst, Records: 6,
		Undecided:   "the status of 1 record is not one that this version knows",
		Status:      Counts{Sent: 2, Failed: 1, Retrying: 1, Pending: 1, Other: 1},
		Types:       []TypeCount{{"MediaKind.JobFinished", 5, 1}, {"MediaKind.JobStarted", 1, 0}},
		First:       &first,
		Last:        &last,
		LastStatus:  "Lost",
		SuccessRate: &rate, LongestFailure: &Run{1, minute(2), minute(2)}, Failing: &Run{1, minute(2), minute(2)},
	}
	timeline := got.Timeline
	got.Timeline = nil
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
	records, failed := sums(*timeline)
	if records != 6 || failed != 1 || timeline.Seconds != 5 || !timeline.From.Equal(start) {
		t.Errorf("timeline from %s, %d s, %d records, %d failed", timeline.From, timeline.Seconds, records, failed)
	}
}

func sums(t Timeline) (records, failed int) {
	for _, c := range t.Columns {
		records += c.Records
		failed += c.Failed
	}
	return records, failed
}

// TestSince: mkhooks filters by time, wherever in the list a record is.
func TestSince(t *testing.T) {
	t.Parallel()
	for _, events := range [][]webhook.Event{statuses("FFFSSF"), reversed(statuses("FFFSSF"))} {
		got := read(events, 2, minute(3))
		if got.Records != 3 || got.Status.Failed != 1 || !got.First.Equal(minute(3)) || got.NotWhole != "" {
			t.Errorf("since the fourth record: %+v", got)
		}
		if begin, end := got.Timeline.From, got.Timeline.endTime(); begin.After(minute(3)) || end < start.Add(24*time.Hour).Unix() {
			t.Errorf("the timeline goes from %s to %d, want all of the time that was asked for", begin, end)
		}
	}
	if got := read(statuses("FF"), 10, minute(5)); got.State != StateEmpty || got.First != nil || got.Timeline != nil || got.SuccessRate != nil {
		t.Errorf("nothing since: %+v", got)
	}
}

// TestOrder: a list with a few records out of place still has an order. With
// many it has none, and no run is reported.
func TestOrder(t *testing.T) {
	t.Parallel()
	events := reversed(statuses(strings.Repeat("S", 100) + "FF"))
	events[50], events[51] = events[51], events[50]
	if got := read(events, 10, time.Time{}); got.Order != NewestFirst || got.Failing == nil || got.Failing.Records != 2 {
		t.Errorf("one record out of place: order %s, failing %v", got.Order, got.Failing)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	got := read(events, 10, time.Time{})
	if got.Order != MixedOrder || got.Failing != nil || got.LongestFailure != nil {
		t.Errorf("shuffled: order %s, failing %v, longest %v", got.Order, got.Failing, got.LongestFailure)
	}
	if got.State != StateFailing || got.LastStatus != webhook.Failed {
		t.Errorf("shuffled: state %s, last %s; the latest record is Failed", got.State, got.LastStatus)
	}
}

// TestOneTime: records of the same time have no order.
func TestOneTime(t *testing.T) {
	t.Parallel()
	for _, letters := range []string{"SF", "FS"} {
		events := statuses(letters)
		events[1].Created = events[0].Created
		got := read(events, 10, time.Time{})
		if got.Order != UnknownOrder || got.LastStatus != webhook.Failed || got.Failing != nil || got.State != StateFailing {
			t.Errorf("%s at one time: %+v", letters, got)
		}
	}
	// With an order, the list decides which of two records is later.
	for letters, want := range map[string]webhook.Status{"SSF": webhook.Failed, "SFS": webhook.Sent} {
		events := statuses(letters)
		events[2].Created = events[1].Created
		for _, list := range [][]webhook.Event{events, reversed(events)} {
			if got := read(list, 10, time.Time{}); got.LastStatus != want {
				t.Errorf("%s, %s first: last status %s, want %s", letters, got.Order, got.LastStatus, want)
			}
		}
	}
}

func TestNotWhole(t *testing.T) {
	t.Parallel()
	events := statuses("SSSS")
	for name, tc := range map[string]struct {
		pages func(*Reading)
		want  string
	}{
		"no total":       {func(r *Reading) { r.AddPage(events, 0, false) }, "does not say how many"},
		"a total lost":   {func(r *Reading) { r.AddPage(events[:2], 4, true); r.AddPage(events[2:], 0, false) }, "does not say how many"},
		"moved":          {func(r *Reading) { r.AddPage(events[:2], 4, true); r.AddPage(events[2:], 5, true) }, "went from 4 to 5"},
		"more listed":    {func(r *Reading) { r.AddPage(events, 3, true) }, "counts 3 records and lists 4"},
		"fewer listed":   {func(r *Reading) { r.AddPage(events, 40, true) }, "counts 40 records and lists 4"},
		"no page":        {func(*Reading) {}, "does not say how many"},
		"whole":          {func(r *Reading) { r.AddPage(events, 4, true) }, ""},
		"whole in two":   {func(r *Reading) { r.AddPage(events[:2], 4, true); r.AddPage(events[2:], 4, true) }, ""},
		"empty, whole":   {func(r *Reading) { r.AddPage(nil, 0, true) }, ""},
		"a page of none": {func(r *Reading) { r.AddPage(nil, 4, true); r.AddPage(events, 4, true) }, ""},
	} {
		r := NewReading(time.Time{}, start)
		tc.pages(r)
		if got := r.Result("jobs", true, nil).NotWhole; tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
			t.Errorf("%s: not whole %q, want %q", name, got, tc.want)
		}
	}
	r := NewReading(time.Time{}, start)
	r.AddPage(events, 5, true)
	if got := r.Result("jobs", true, errors.New("cut")); got.State != StateUnreadable || got.Error != "cut" || got.NotWhole != "" || got.Records != 4 {
		t.Errorf("ended early: %+v", got)
	}
}

// TestUndecided: a history is undecided if it may hide a failed record, and
// only then.
func TestUndecided(t *testing.T) {
	t.Parallel()
	events := statuses("SSSSSS")
	some := func(n int, edit func(*webhook.Event)) []webhook.Event {
		out := slices.Clone(events)
		for i := range n {
			edit(&out[i])
		}
		return out
	}
	for name, tc := range map[string]struct {
		pages func(*Reading)
		want  string
	}{
		"whole":                    {func(r *Reading) { r.AddPage(events, 6, true) }, ""},
		"empty":                    {func(r *Reading) { r.AddPage(nil, 0, true) }, ""},
		"an empty page first":      {func(r *Reading) { r.AddPage(nil, 6, true); r.AddPage(events, 6, true) }, ""},
		"an empty page last":       {func(r *Reading) { r.AddPage(events, 6, true); r.AddPage(nil, 6, true) }, ""},
		"records came, shifted":    {func(r *Reading) { r.AddPage(events[:3], 5, true); r.AddPage(events[2:5], 6, true) }, ""},
		"records came, at the end": {func(r *Reading) { r.AddPage(events[:3], 5, true); r.AddPage(events[3:], 6, true) }, ""},
		"records came, not listed": {func(r *Reading) { r.AddPage(events[:3], 5, true); r.AddPage(events[3:5], 9, true) }, ""},
		"records came, some lost":  {func(r *Reading) { r.AddPage(events[:3], 5, true); r.AddPage(events[4:5], 9, true) }, "counts 5 records, then 9, and lists 4"},
		"records came, too many":   {func(r *Reading) { r.AddPage(events[:3], 3, true); r.AddPage(events[3:], 4, true) }, "counts 3 records, then 4, and lists 6"},
		"records went":             {func(r *Reading) { r.AddPage(events[:3], 6, true); r.AddPage(events[3:], 5, true) }, "went from 6 to 5"},
		"records went and came": {func(r *Reading) {
			r.AddPage(events[:2], 6, true)
			r.AddPage(events[2:4], 5, true)
			r.AddPage(events[4:], 6, true)
		}, "moved"},
		"half":                {func(r *Reading) { r.AddPage(events, 500, true) }, "counts 500 records and lists 6"},
		"none of some":        {func(r *Reading) { r.AddPage(nil, 1, true) }, "counts 1 records and lists 0"},
		"more than counted":   {func(r *Reading) { r.AddPage(events, 5, true) }, "counts 5 records and lists 6"},
		"more than none":      {func(r *Reading) { r.AddPage(events, 0, true) }, "counts 0 records and lists 6"},
		"no total":            {func(r *Reading) { r.AddPage(events, 0, false) }, "does not say how many"},
		"no total of nothing": {func(r *Reading) { r.AddPage(nil, 0, false) }, "does not say how many"},
		"no total at first":   {func(r *Reading) { r.AddPage(events[:3], 0, false); r.AddPage(events[3:], 6, true) }, "does not say how many"},
		"no page":             {func(*Reading) {}, "does not say how many"},
		"a page for another":  {func(r *Reading) { r.AddPage(events[:3], 6, true); r.AddPage(events[:3], 6, true) }, "3 records on two pages"},
		"a page for another, later": {func(r *Reading) {
			r.AddPage(events[:2], 6, true)
			r.AddPage(events[2:4], 6, true)
			r.AddPage(events[:2], 6, true)
		}, "2 records on two pages"},
		"alike, one a page":  {func(r *Reading) { r.AddPage(events[:1], 2, true); r.AddPage(events[:1], 2, true) }, "1 record on two pages"},
		"alike, on one page": {func(r *Reading) { r.AddPage([]webhook.Event{events[0], events[0], events[1]}, 3, true) }, ""},
		"pages overlap":      {func(r *Reading) { r.AddPage(events[:3], 5, true); r.AddPage(events[2:4], 5, true) }, "1 record on two pages"},
		"pages overlap, and it ended meanwhile": {func(r *Reading) {
			r.AddPage(some(3, func(e *webhook.Event) { e.Status = webhook.Pending })[:3], 5, true)
			r.AddPage(events[2:4], 5, true)
		}, "1 record on two pages"},
		"a page is there three times": {func(r *Reading) {
			r.AddPage(events[:2], 6, true)
			r.AddPage(events[:2], 6, true)
			r.AddPage(events[:2], 6, true)
		}, "4 records on two pages"},
		"records came, more come twice": {func(r *Reading) { r.AddPage(events[:3], 4, true); r.AddPage(events[1:3], 5, true) }, "2 records on two pages"},
		"records came, one is lost":     {func(r *Reading) { r.AddPage(events[:3], 5, true); r.AddPage(events[2:4], 6, true) }, "1 record on two pages"},
		"counts contradict":             {func(r *Reading) { r.AddPage(events, 6, true); r.Contradict("contradiction") }, "contradiction"},
		"another word":                  {func(r *Reading) { r.AddPage(some(2, func(e *webhook.Event) { e.Status = "Dropped" }), 6, true) }, "the status of 2 records"},
		"another spelling":              {func(r *Reading) { r.AddPage(some(1, func(e *webhook.Event) { e.Status = "failed" }), 6, true) }, "the status of 1 record"},
		"no status":                     {func(r *Reading) { r.AddPage(some(1, func(e *webhook.Event) { e.Status = "" }), 6, true) }, "the status of 1 record"},
		"no time":                       {func(r *Reading) { r.AddPage(some(3, func(e *webhook.Event) { e.Created = time.Time{} }), 6, true) }, "the time of 3 records"},
		"no time at all":                {func(r *Reading) { r.AddPage(some(6, func(e *webhook.Event) { e.Created = time.Time{} }), 6, true) }, "the time of 6 records"},
	} {
		for since, zero := range map[string]time.Time{"all": {}, "since": start.Add(-time.Hour)} {
			r := NewReading(zero, start.Add(24*time.Hour))
			tc.pages(r)
			doc := Document{FailOn: OnFailed, Rules: []Rule{r.Result("jobs", true, nil)}}
			doc.Summarize()
			got := doc.Rules[0]
			if tc.want == "" && got.Undecided != "" || !strings.Contains(got.Undecided, tc.want) {
				t.Errorf("%s, %s: undecided %q, want %q", name, since, got.Undecided, tc.want)
			}
			if want := min(1, len(tc.want)); doc.Summary.Undecided != want {
				t.Errorf("%s, %s: %d undecided, want %d", name, since, doc.Summary.Undecided, want)
			}
		}
	}

	// A failed record without a time counts in any time range.
	r := NewReading(start.Add(time.Hour), start.Add(2*time.Hour))
	r.AddPage([]webhook.Event{{Status: webhook.Failed}}, 1, true)
	if got := r.Result("jobs", true, nil); got.Status.Failed != 1 || got.First != nil {
		t.Errorf("without a time: %+v", got)
	}
}

// TestBounded: input from the service does not fill the memory.
func TestBounded(t *testing.T) {
	t.Parallel()
	r := NewReading(time.Time{}, start)
	for i := range 5000 {
		at := time.Date(i+1, 1, 1, 0, 0, 0, 0, time.UTC)
		r.AddPage([]webhook.Event{{Created: at, Type: webhook.EventType(fmt.Sprintf("%d %s", i, strings.Repeat("x", 5000))), Status: webhook.Status(strings.Repeat("y", 5000))}}, 5000, true)
	}
	got := r.Result("jobs", true, nil)
	if n := len(got.Types); n != maxTypes+1 || got.Types[0].Type != OtherTypes || got.Types[0].Records != 5000-maxTypes {
		t.Errorf("%d types, the first %+v", n, got.Types[0])
	}
	if len(got.Types[1].Type) > 2*maxTypeName || len(got.LastStatus) > 2*maxTypeName {
		t.Error("a text is kept in full length")
	}
	if n := len(got.Timeline.Columns); n > maxColumns || len(r.spread.slots) > slots {
		t.Errorf("%d columns, %d slots", n, len(r.spread.slots))
	}
}

// TestTimeline: the columns do not depend on the order and lose no record.
// There are at most 64, each of a usual unit of time.
func TestTimeline(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		span := time.Duration(1) << (20 + random.IntN(40))
		var events []webhook.Event
		for range 1 + random.IntN(300) {
			e := webhook.Event{Created: start.Add(time.Duration(random.Int64N(int64(span)))), Status: webhook.Sent}
			if random.IntN(3) == 0 {
				e.Status = webhook.Failed
			}
			events = append(events, e)
		}
		one := read(events, 7, time.Time{}).Timeline
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		other := read(events, 7, time.Time{})
		if d := cmp.Diff(one, other.Timeline); d != "" {
			t.Fatalf("another order (-want +got):\n%s", d)
		}
		for _, n := range []int{1, 7, 40, 64, 1000} {
			fit := one.Fit(n)
			records, failed := sums(fit)
			if len(fit.Columns) > n || records != len(events) || failed != other.Status.Failed || fit.endTime() < one.endTime() {
				t.Fatalf("fit to %d: %d columns with %d of %d records, %d of %d failed", n, len(fit.Columns), records, len(events), failed, other.Status.Failed)
			}
		}
	}
}

// TestAlign: the timelines of all rules have the same columns and lose no
// record.
func TestAlign(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var rules []Rule
		for range 1 + random.IntN(4) {
			base := start.Add(time.Duration(random.Int64N(int64(1000 * time.Hour))))
			span := time.Duration(1) << (20 + random.IntN(35))
			r := NewReading(time.Time{}, start)
			for range random.IntN(50) {
				s := webhook.Sent
				if random.IntN(2) == 0 {
					s = webhook.Failed
				}
				r.AddPage([]webhook.Event{{Created: base.Add(time.Duration(random.Int64N(int64(span)))), Status: s}}, 1, true)
			}
			rules = append(rules, r.Result("x", true, nil))
		}
		n := 2 + random.IntN(40)
		var from time.Time
		seconds, columns := int64(0), 0
		for i, line := range Align(rules, n) {
			if rules[i].Timeline == nil {
				if len(line.Columns) != 0 {
					t.Fatal("a line of nothing")
				}
				continue
			}
			if columns == 0 {
				from, seconds, columns = line.From, line.Seconds, len(line.Columns)
			}
			if !line.From.Equal(from) || line.Seconds != seconds || len(line.Columns) != columns || columns > n {
				t.Fatalf("columns %s %d %d and %s %d %d, at most %d", from, seconds, columns, line.From, line.Seconds, len(line.Columns), n)
			}
			if records, _ := sums(line); records != rules[i].Records {
				t.Fatalf("%d records of %d", records, rules[i].Records)
			}
		}
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	for on, want := range map[FailOn][]bool{"": {false, false, false}, OnFailed: {true, false, false}, OnRetrying: {true, true, false}} {
		d := Document{FailOn: on, Rules: []Rule{read(statuses("FS"), 9, time.Time{}), read(statuses("SR"), 9, time.Time{}), read(statuses("SP"), 9, time.Time{})}}
		d.Summarize()
		alerts := 0
		for i := range d.Rules {
			if d.Rules[i].Alert != want[i] {
				t.Errorf("%q: alert of rule %d is %v", on, i, d.Rules[i].Alert)
			}
			if want[i] {
				alerts++
			}
		}
		wantSum := Summary{Rules: 3, Alerts: alerts, Records: 6, Status: Counts{Sent: 3, Failed: 1, Retrying: 1, Pending: 1}}
		if d := cmp.Diff(wantSum, d.Summary); d != "" {
			t.Errorf("summary (-want +got):\n%s", d)
		}
	}
}

func TestSortWorstFirst(t *testing.T) {
	t.Parallel()
	var rules []Rule
	add := func(name, letters string, err error) {
		r := NewReading(time.Time{}, start)
		r.AddPage(statuses(letters), len(letters), true)
		rules = append(rules, r.Result(name, true, err))
	}
	add("b fine", "SSSS", nil)
	add("a fine", "SSSS", nil)
	add("retrying", "SSSR", nil)
	add("failed once", "SFSS", nil)
	add("failed twice", "FFSS", nil)
	add("failing once", "FFFSSF", nil)
	add("failing thrice", "SFFF", nil)
	add("unreadable", "SS", errors.New("cut"))
	SortWorstFirst(rules)
	var got []string
	for _, r := range rules {
		got = append(got, r.Rule)
	}
	want := []string{"unreadable", "failing thrice", "failing once", "failed twice", "failed once", "retrying", "a fine", "b fine"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

// TestRecordOf: a value that looks like a credential is not shown.
func TestRecordOf(t *testing.T) {
	t.Parallel()
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijkl"
	for source, want := range map[string]string{
		"/projects/demo/jobs/1":                "/projects/demo/jobs/1",
		jwt:                                    webhook.Redacted,
		"https://u:p@h.example/x?token=" + jwt: "",
	} {
		got := RecordOf("jobs", webhook.Event{Source: source}).Source
		if want != "" && got != want || strings.Contains(got, jwt) || strings.Contains(got, "u:p") {
			t.Errorf("source %q is shown as %q", source, got)
		}
	}
}
