package history

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// The service says nothing of the order of a history's records, has no filter
// by time, and records have no id. So a history is read to its end whatever is
// asked of it; what depends on the order (runs of failures) is counted in the
// order of the list, in both directions, and the direction that the times show
// decides at the end.

// Reading sums up one reading of a history, page by page.
type Reading struct {
	// since and now bound what is looked at; a zero since is the beginning.
	since, now time.Time

	whole   whole
	untimed int // records whose time the service left out

	rising, falling int
	started         bool
	before          time.Time

	records    int
	status     Counts
	types      map[webhook.EventType]*TypeCount
	first      time.Time
	last       time.Time
	lastInList [2]webhook.Status // of the latest time, the first and the last in the list
	runs       runs
	spread     spread
}

// NewReading looks at the records from since on, or at all where it is zero.
// Now is the end of the timeline where there is a since.
func NewReading(since, now time.Time) *Reading {
	return &Reading{since: since, now: now, types: map[webhook.EventType]*TypeCount{}}
}

// Page adds one page. Total is that of the whole history as this page has it.
func (r *Reading) Page(events []webhook.Event, total int, hasTotal bool) {
	r.whole.page(events, total, hasTotal)
	for i := range events {
		if !events[i].Created.IsZero() {
			r.order(events[i].Created)
		}
		if r.Looks(events[i]) {
			r.addRecord(&events[i])
		}
	}
}

// Looks reports whether a record is in the time that is looked at. A record
// without a time may be, and counts.
func (r *Reading) Looks(e webhook.Event) bool {
	return r.since.IsZero() || e.Created.IsZero() || !e.Created.Before(r.since)
}

func (r *Reading) order(t time.Time) {
	if r.started {
		switch c := t.Compare(r.before); {
		case c > 0:
			r.rising++
		case c < 0:
			r.falling++
		}
	}
	r.started, r.before = true, t
}

// maxStray is how many steps in the other direction still leave an order: one
// in so many. Records that come while pages are read shift them by a few.
const maxStray = 20

func (r *Reading) ordered() Order {
	switch {
	case r.rising == 0 && r.falling == 0:
		return UnknownOrder
	case r.rising*maxStray <= r.falling:
		return NewestFirst
	case r.falling*maxStray <= r.rising:
		return OldestFirst
	}
	return MixedOrder
}

func (r *Reading) addRecord(e *webhook.Event) {
	r.records++
	r.status.add(e.Status)
	failed := e.Status == webhook.Failed
	r.noteType(e.Type, failed)
	if e.Created.IsZero() {
		r.untimed++
		return
	}
	timed := r.records - r.untimed
	if timed == 1 || e.Created.Before(r.first) {
		r.first = e.Created
	}
	switch c := e.Created.Compare(r.last); {
	case timed == 1 || c > 0:
		r.last, r.lastInList = e.Created, [2]webhook.Status{e.Status, e.Status}
	case c == 0:
		r.lastInList[1] = e.Status
	}
	r.runs.addRecord(e)
	c := r.spread.columnAt(e.Created)
	c.Records++
	if failed {
		c.Failed++
	}
}

// The most types that are counted by name, and the most characters of one: the
// service has ten, and what it sends must not fill the memory.
const (
	maxTypes    = 32
	maxTypeName = 100
)

// OtherTypes stands for all types beyond the most that are counted.
const OtherTypes webhook.EventType = "(other types)"

func (r *Reading) noteType(name webhook.EventType, failed bool) {
	c := r.types[name]
	if c == nil {
		kept := webhook.EventType(short(string(name)))
		if c = r.types[kept]; c == nil && len(r.types) >= maxTypes {
			kept = OtherTypes
			c = r.types[kept]
		}
		if c == nil {
			c = &TypeCount{Type: kept}
			r.types[kept] = c
		}
	}
	c.Records++
	if failed {
		c.Failed++
	}
}

// short cuts what nobody would read, and does not keep the page that it is of.
func short(s string) string {
	if runes := []rune(s); len(runes) > maxTypeName {
		return string(runes[:maxTypeName]) + "…"
	}
	return strings.Clone(s)
}

// runs counts failures in a row, in the order of the list. A record that is
// still on its way neither goes on with a run nor ends it.
type runs struct {
	now, longest Run
	head         Run // before the first success
	succeeded    bool
}

func (r *runs) addRecord(e *webhook.Event) {
	switch e.Status {
	case webhook.Sent:
		r.succeeded = true
		r.now = Run{}
	case webhook.Failed:
		if r.now.Records == 0 {
			r.now = Run{From: e.Created, To: e.Created}
		}
		r.now.extend(e.Created)
		if !r.succeeded {
			r.head = r.now
		}
		if n, most := r.now.Records, r.longest.Records; n > most || n == most && r.now.To.After(r.longest.To) {
			r.longest = r.now
		}
	}
}

func (r *Run) extend(t time.Time) {
	r.Records++
	if t.Before(r.From) {
		r.From = t
	}
	if t.After(r.To) {
		r.To = t
	}
}

// Result says what was read. Not all of it may be there: err is why the
// reading ended early, nil where it did not.
func (r *Reading) Result(rule string, enabled bool, err error) Rule {
	out := Rule{Rule: rule, Enabled: enabled, Order: r.ordered(), Records: r.records, Status: r.status, Types: r.typeCounts(), NotWhole: r.whole.notWhole(), Undecided: r.undecided()}
	if err != nil {
		out.Error, out.NotWhole, out.Undecided = err.Error(), "", ""
	}
	if r.records > r.untimed {
		first, last := r.first, r.last
		out.First, out.Last, out.LastStatus = &first, &last, webhook.Status(short(string(r.lastStatus(out.Order))))
	}
	if ended := r.status.Sent + r.status.Failed; ended > 0 {
		rate := float64(r.status.Sent) / float64(ended)
		out.SuccessRate = &rate
	}
	if out.Order != MixedOrder {
		out.LongestFailure = orNone(r.runs.longest)
		out.Failing = orNone(r.failing(out.Order))
	}
	if !r.since.IsZero() {
		r.spread.columnAt(r.since)
		r.spread.columnAt(r.now.Add(-1)) // a slot that begins now has nothing yet
	}
	if r.records > r.untimed {
		out.Timeline = r.spread.timeline()
	}
	out.State = r.state(&out)
	return out
}

func orNone(r Run) *Run {
	if r.Records == 0 {
		return nil
	}
	return &r
}

// failing is the run of failures that still goes on. Records of one time have
// no order, so a run among them goes on only where none was a success.
func (r *Reading) failing(o Order) Run {
	switch {
	case o == NewestFirst || o == UnknownOrder && !r.runs.succeeded:
		return r.runs.head
	case o == OldestFirst:
		return r.runs.now
	}
	return Run{}
}

// lastStatus is that of the latest record; of several of one time, the one that
// the order puts last, otherwise the worst.
func (r *Reading) lastStatus(o Order) webhook.Status {
	first, last := r.lastInList[0], r.lastInList[1]
	switch {
	case o == NewestFirst:
		return first
	case o == OldestFirst:
		return last
	}
	worst := []webhook.Status{webhook.Failed, webhook.Retrying, webhook.Pending}
	for _, s := range worst {
		if first == s || last == s {
			return s
		}
	}
	return first
}

func (r *Reading) state(out *Rule) State {
	switch {
	case out.Error != "":
		return StateUnreadable
	case r.records == 0:
		return StateEmpty
	case out.Failing != nil || out.LastStatus == webhook.Failed:
		return StateFailing
	}
	switch out.LastStatus {
	case webhook.Retrying:
		return StateRetrying
	case webhook.Pending:
		return StatePending
	case webhook.Sent:
		return StateSent
	}
	return StateOther
}

func (r *Reading) typeCounts() []TypeCount {
	out := make([]TypeCount, 0, len(r.types))
	for _, c := range r.types {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b TypeCount) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Type, b.Type))
	})
	return out
}
