package history

import (
	"fmt"
	"hash/maphash"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// A history is complete if every record was listed once. An alert needs less
// and more than that. Records created during the reading belong to the next
// run. But a record that may be missing, or that has no known status or time,
// must not count as a success.

// whole checks a reading for records that may be missing or listed twice.
type whole struct {
	pages, read  int
	first, last  int // totals of the first and last page
	totalMissing bool
	fellFrom     int // the first total that a smaller total follows, or 0; fellTo is the smaller total
	fellTo       int

	seed  maphash.Seed
	seen  map[uint64]bool // pages with more than one record, by hash
	twice int             // records of pages that were listed twice
}

// page adds a page.
func (w *whole) page(events []webhook.Event, total int, hasTotal bool) {
	w.pages++
	w.read += len(events)
	switch {
	case !hasTotal:
		w.totalMissing = true
	case w.pages == 1:
		w.first, w.last = total, total
	default:
		if total < w.last && w.fellFrom == 0 {
			w.fellFrom, w.fellTo = w.last, total
		}
		w.last = total
	}
	if len(events) > 1 { // two single records can be equal by chance
		w.notePage(events)
	}
}

// notePage detects a page with the same records as an earlier page.
func (w *whole) notePage(events []webhook.Event) {
	if w.seen == nil {
		w.seen, w.seed = map[uint64]bool{}, maphash.MakeSeed()
	}
	var h maphash.Hash
	h.SetSeed(w.seed)
	for i := range events {
		e := &events[i]
		maphash.WriteComparable(&h, e.Created.UnixNano())
		for _, s := range []string{e.Source, string(e.Type), string(e.Status)} {
			_, _ = h.WriteString(s) // never fails
			_ = h.WriteByte(0)
		}
	}
	sum := h.Sum64()
	if w.seen[sum] {
		w.twice += len(events)
	}
	w.seen[sum] = true
}

// mayMiss returns why records may be missing that existed when the reading
// began, or "". A growing total is no reason: the list then still contains the
// records that existed at the beginning.
func (w *whole) mayMiss() string {
	switch {
	case w.totalMissing || w.pages == 0:
		return "the service does not say how many records the history has"
	case w.fellFrom > 0:
		return fmt.Sprintf("the history moved while it was read: its total went from %d to %d", w.fellFrom, w.fellTo)
	case w.first == w.last && w.read != w.first:
		return fmt.Sprintf("the service counts %d records and lists %d", w.first, w.read)
	case w.read < w.first || w.read > w.last:
		return fmt.Sprintf("the service counts %d records, then %d, and lists %d", w.first, w.last, w.read)
	case w.twice > 0:
		return fmt.Sprintf("the service lists a page of %d records twice", w.twice)
	}
	return ""
}

// notWhole returns why some record may not have been counted exactly once, or
// "".
func (w *whole) notWhole() string {
	if why := w.mayMiss(); why != "" {
		return why
	}
	if w.first != w.last {
		return fmt.Sprintf("the history moved while it was read: its total went from %d to %d", w.first, w.last)
	}
	return ""
}

// undecided returns why it is unknown whether a record failed, or "".
func (r *Reading) undecided() string {
	if why := r.whole.mayMiss(); why != "" {
		return why
	}
	if n := r.status.Other; n > 0 {
		return fmt.Sprintf("the status of %s is not one that this version knows", ofRecords(n))
	}
	if n := r.untimed; n > 0 {
		return fmt.Sprintf("the time of %s is missing", ofRecords(n))
	}
	return ""
}

func ofRecords(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}
