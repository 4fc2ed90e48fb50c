package history

import (
	"fmt"
	"hash/maphash"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// A history is whole if every record was listed once. Whoever alerts on it needs
// less and more than that: records that came during the reading are the next
// run's, but what may have been left out, or can't be told for what it is, must
// not pass for fine.

// whole checks a reading for records that may be missing or listed twice.
type whole struct {
	pages, read  int
	first, last  int // totals of the first and the last page
	totalMissing bool
	fellFrom     int // the first total that a smaller one follows, and that one
	fellTo       int

	seed  maphash.Seed
	seen  map[uint64]bool // pages of more than one record
	twice int             // records of pages that were listed twice
}

// page adds one page.
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
	if len(events) > 1 { // one record may well be like another one
		w.notePage(events)
	}
}

// notePage notices a page that has the same records as one before it.
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

// mayMiss says why records may be missing that the history had when its reading
// began, or "". A total that only grows is no reason: what is listed then has
// at least the records of the beginning.
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

// notWhole says why not every record may have been counted once, or "".
func (w *whole) notWhole() string {
	if why := w.mayMiss(); why != "" {
		return why
	}
	if w.first != w.last {
		return fmt.Sprintf("the history moved while it was read: its total went from %d to %d", w.first, w.last)
	}
	return ""
}

// undecided says why it is not known whether a record failed, or "".
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
