// Package complete checks whether one reading of a delivery history can be
// complete. A reading is complete if it lists every record exactly once.
//
// The package is pure. It serves summaries, alerts and the archive, so that all of
// them judge a history in the same way.
package complete

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Check checks the pages of one reading. The zero value is a reading without
// pages.
//
// Records have no id. Equal records on one page count as different records: the
// service lists each of them, and its total counts them. Equal records on two pages
// look the same as a page that repeats, so they count as one record that was listed
// twice, and another record may be missing. The status does not matter for that: a
// delivery may end between two pages.
//
// Check holds 8 bytes per record.
type Check struct {
	pages, listed int
	first, last   int // totals of the first and last page
	totalMissing  bool
	fellFrom      int // the first total that a smaller total follows, or 0; fellTo is the smaller total
	fellTo        int
	contradiction string

	seed maphash.Seed
	seen []uint64 // the hashes of the records of each page; each page has a hash once
}

// mostReserved limits the records that Check reserves memory for because a service
// says that it has them. Growing a list in steps takes several times its memory.
const mostReserved = 1 << 20

// Page adds a page. total is the size of the complete history according to the
// page, if hasTotal is true.
func (c *Check) Page(events []webhook.Event, total int, hasTotal bool) {
	c.pages++
	c.listed += len(events)
	switch {
	case !hasTotal:
		c.totalMissing = true
	case c.pages == 1:
		c.first, c.last = total, total
		c.seen = make([]uint64, 0, min(max(total, 0), mostReserved))
	default:
		if total < c.last && c.fellFrom == 0 {
			c.fellFrom, c.fellTo = c.last, total
		}
		c.last = total
	}
	c.addRecords(events)
}

// Contradict adds a contradiction within the service's own counts; "" adds none.
func (c *Check) Contradict(why string) {
	if c.contradiction == "" {
		c.contradiction = why
	}
}

// addRecords adds the hash of each record of a page, equal records once.
func (c *Check) addRecords(events []webhook.Event) {
	if c.pages == 1 {
		c.seed = maphash.MakeSeed()
	}
	from := len(c.seen)
	for i := range events {
		e := &events[i]
		var h maphash.Hash
		h.SetSeed(c.seed)
		maphash.WriteComparable(&h, e.Created.UnixNano())
		for _, s := range []string{e.Source, string(e.Type)} {
			_, _ = h.WriteString(s) // never fails
			_ = h.WriteByte(0)
		}
		c.seen = append(c.seen, h.Sum64())
	}
	page := c.seen[from:]
	slices.Sort(page)
	c.seen = c.seen[:from+len(slices.Compact(page))]
}

// repeated counts the records that a later page lists again.
func (c *Check) repeated() int {
	slices.Sort(c.seen) // the order has no use
	n := 0
	for i := 1; i < len(c.seen); i++ {
		if c.seen[i] == c.seen[i-1] {
			n++
		}
	}
	return n
}

// MayMiss returns why records may be missing that existed when the reading began,
// or "". A growing total is no reason: new records shift the pages, and the list
// then still has the records that existed at the beginning. But new records must
// explain each record that comes twice.
func (c *Check) MayMiss() string {
	repeated := c.repeated()
	switch {
	case c.totalMissing || c.pages == 0:
		return "the service does not say how many records the history has"
	case c.fellFrom > 0:
		return fmt.Sprintf("the history moved while it was read: its total went from %d to %d", c.fellFrom, c.fellTo)
	case c.first == c.last && c.listed != c.first:
		return fmt.Sprintf("the service counts %d records and lists %d", c.first, c.listed)
	case c.listed < c.first || c.listed > c.last:
		return fmt.Sprintf("the service counts %d records, then %d, and lists %d", c.first, c.last, c.listed)
	case repeated > c.last-c.first || c.listed-repeated < c.first:
		return fmt.Sprintf("the service lists %s on two pages, so others may be missing", countRecords(repeated))
	case c.contradiction != "":
		return c.contradiction
	}
	return ""
}

// Incomplete returns why some record may not have been listed exactly once, or "".
func (c *Check) Incomplete() string {
	if why := c.MayMiss(); why != "" {
		return why
	}
	if c.first != c.last {
		return fmt.Sprintf("the history moved while it was read: its total went from %d to %d", c.first, c.last)
	}
	return ""
}

func countRecords(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}
