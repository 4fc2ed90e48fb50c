package history

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/complete"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// The service does not document the order of a history's records. It has no
// filter by time, and records have no ID. So mkhooks always reads a history to
// its end. Runs of failures depend on the order. They are counted in list
// order, in both directions; at the end, the times of the records select the
// direction.

// Reading summarizes one reading of a history, page by page.
type Reading struct {
	// since and now limit the inspected time; a zero since means no lower limit.
	since, now time.Time

	whole   complete.Check
	untimed int // records without a time

	rising, falling int
	started         bool
	before          time.Time

	records    int
	status     Counts
	types      map[webhook.EventType]*TypeCount
	first      time.Time
	last       time.Time
	lastInList [2]webhook.Status // first and last in list order among the records of the latest time
	runs       failureRuns
	spread     spread
}

// NewReading returns a reading of the records from since on, or of all records
// if since is zero. If since is set, the timeline ends at now.
func NewReading(since, now time.Time) *Reading {
	return &Reading{since: since, now: now, types: map[webhook.EventType]*TypeCount{}}
}

// AddPage adds a page. total is the size of the complete history according to this
// page.
func (r *Reading) AddPage(events []webhook.Event, total int, hasTotal bool) {
	r.whole.Page(events, total, hasTotal)
	for i := range events {
		if !events[i].Created.IsZero() {
			r.countStep(events[i].Created)
		}
		if r.Includes(events[i]) {
			r.addRecord(&events[i])
		}
	}
}

// Contradict adds a contradiction within the service's own counts; "" adds none.
func (r *Reading) Contradict(why string) { r.whole.Contradict(why) }

// Includes reports whether a record is in the inspected time. A record without a
// time may be in it, so it counts.
func (r *Reading) Includes(e webhook.Event) bool {
	return r.since.IsZero() || e.Created.IsZero() || !e.Created.Before(r.since)
}

func (r *Reading) countStep(t time.Time) {
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

// maxStray limits the steps in the other direction that still leave an order:
// 1 in maxStray. Records created during the reading shift the pages by a few.
const maxStray = 20

func (r *Reading) listOrder() Order {
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
	r.status.addStatus(e.Status)
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

// Limits of the types counted by name, and of the characters of a type name.
// The service has ten types, and its responses must not fill the memory.
const (
	maxTypes    = 32
	maxTypeName = 100
)

// OtherTypes replaces all types beyond maxTypes.
const OtherTypes webhook.EventType = "(other types)"

func (r *Reading) noteType(name webhook.EventType, failed bool) {
	c := r.types[name]
	if c == nil {
		kept := webhook.EventType(truncateName(string(name)))
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

// truncateName truncates overlong text. It returns a copy, so that the page can be
// freed.
func truncateName(s string) string {
	if runes := []rune(s); len(runes) > maxTypeName {
		return string(runes[:maxTypeName]) + "…"
	}
	return strings.Clone(s)
}

// failureRuns counts failures in a row, in list order. A record in flight neither
// extends a run nor ends it.
type failureRuns struct {
	now, longest Run
	head         Run // failures before the first success
	succeeded    bool
}

func (r *failureRuns) addRecord(e *webhook.Event) {
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

// Result returns the summary of the reading. err is the error that ended the
// reading early, or nil.
func (r *Reading) Result(rule string, enabled bool, err error) Rule {
	out := Rule{Rule: rule, Enabled: enabled, Order: r.listOrder(), Records: r.records, Status: r.status, Types: r.typeCounts(), NotWhole: r.whole.Incomplete(), Undecided: r.undecidedReason()}
	if err != nil {
		out.Error, out.NotWhole, out.Undecided = err.Error(), "", ""
	}
	if r.records > r.untimed {
		first, last := r.first, r.last
		out.First, out.Last, out.LastStatus = &first, &last, webhook.Status(truncateName(string(r.lastStatus(out.Order))))
	}
	if ended := r.status.Sent + r.status.Failed; ended > 0 {
		rate := float64(r.status.Sent) / float64(ended)
		out.SuccessRate = &rate
	}
	if out.Order != MixedOrder {
		out.LongestFailure = runOrNil(r.runs.longest)
		out.Failing = runOrNil(r.failingRun(out.Order))
	}
	if !r.since.IsZero() {
		r.spread.columnAt(r.since)
		r.spread.columnAt(r.now.Add(-1)) // a slot that begins at now has no record yet
	}
	if r.records > r.untimed {
		out.Timeline = r.spread.toTimeline()
	}
	out.State = r.ruleState(&out)
	return out
}

func runOrNil(r Run) *Run {
	if r.Records == 0 {
		return nil
	}
	return &r
}

// failingRun returns the run of failures that has not ended. Records of the same
// time have no order, so their run only counts if none of them is a success.
func (r *Reading) failingRun(o Order) Run {
	switch {
	case o == NewestFirst || o == UnknownOrder && !r.runs.succeeded:
		return r.runs.head
	case o == OldestFirst:
		return r.runs.now
	}
	return Run{}
}

// lastStatus returns the status of the latest record. If several records have
// that time, the order decides. Without an order it returns their worst status.
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

func (r *Reading) ruleState(out *Rule) State {
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
