package history

import (
	"math"
	"time"
)

// Timeline is how records spread over time, in columns of one length.
type Timeline struct {
	// From is the beginning of the first column.
	From time.Time `json:"from"`
	// Seconds is the length of a column.
	Seconds int64    `json:"seconds"`
	Columns []Column `json:"columns"`
}

// Column counts the records of one stretch of time.
type Column struct {
	Records int `json:"records"`
	Failed  int `json:"failed"`
}

// maxColumns is the most columns of a timeline in a document.
const maxColumns = 64

// slots is in how many parts a timeline is counted at most. It is larger than
// maxColumns, so that a range that is found out bit by bit is cut finely in the
// end.
const slots = 512

// lengths are those of a slot, in seconds: what people count time in. Each is a
// multiple of the one before, so that slots can be put together; after the last
// they double.
var lengths = []int64{1, 5, 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600, 28 * 24 * 3600}

// spread counts records by time while their range is not known yet.
type spread struct {
	length int // index into lengths; beyond them, doubled as often
	first  int64
	slots  []Column
}

func (s *spread) seconds() int64 {
	last := len(lengths) - 1
	if s.length <= last {
		return lengths[s.length]
	}
	return lengths[last] << (s.length - last)
}

// columnAt is the slot of a time, made where it is not there yet.
func (s *spread) columnAt(t time.Time) *Column {
	for {
		i := floorDiv(t.Unix(), s.seconds())
		if len(s.slots) == 0 {
			s.first, s.slots = i, append(s.slots, Column{})
		}
		before, behind := s.first-i, i-(s.first+int64(len(s.slots))-1)
		switch {
		case max(before, behind)+int64(len(s.slots)) > slots:
			s.widen()
			continue
		case before > 0:
			s.slots = append(make([]Column, before, int(before)+len(s.slots)), s.slots...)
			s.first = i
		case behind > 0:
			s.slots = append(s.slots, make([]Column, behind)...)
		}
		return &s.slots[i-s.first]
	}
}

// widen puts slots together to longer ones.
func (s *spread) widen() {
	old := s.seconds()
	s.length++
	by := s.seconds() / old
	first := floorDiv(s.first, by)
	merged := make([]Column, 0, len(s.slots))
	for i, c := range s.slots {
		at := int(floorDiv(s.first+int64(i), by) - first)
		for len(merged) <= at {
			merged = append(merged, Column{})
		}
		merged[at].Records += c.Records
		merged[at].Failed += c.Failed
	}
	s.first, s.slots = first, merged
}

// timeline is what was counted, in at most [maxColumns] columns; nil where
// nothing was.
func (s *spread) timeline() *Timeline {
	if len(s.slots) == 0 {
		return nil
	}
	t := Timeline{From: time.Unix(s.first*s.seconds(), 0).UTC(), Seconds: s.seconds(), Columns: s.slots}
	t = t.Fit(maxColumns)
	return &t
}

// Fit is the timeline in at most n columns: neighbours are put together, each
// time the same number of them.
func (t Timeline) Fit(n int) Timeline {
	n = max(n, 1)
	by := (len(t.Columns) + n - 1) / n
	if by <= 1 {
		return t
	}
	out := Timeline{From: t.From, Seconds: t.Seconds * int64(by)}
	for i, c := range t.Columns {
		if i%by == 0 {
			out.Columns = append(out.Columns, Column{})
		}
		last := &out.Columns[len(out.Columns)-1]
		last.Records += c.Records
		last.Failed += c.Failed
	}
	return out
}

// Align returns a timeline for each rule, in at most n columns that are the same
// stretches of time for all. One without records has no columns.
func Align(rules []Rule, n int) []Timeline {
	out := make([]Timeline, len(rules))
	from, to, found := int64(0), int64(0), false
	for _, r := range rules {
		if t := r.Timeline; t != nil {
			if begin := t.From.Unix(); !found || begin < from {
				from = begin
			}
			if end := t.endTime(); !found || end > to {
				to = end
			}
			found = true
		}
	}
	if !found {
		return out
	}
	// Beginning at a multiple of its length takes a column more.
	seconds := columnLength(to-from, int64(max(n, 2))-1)
	first := floorDiv(from, seconds)
	count := floorDiv(to-1, seconds) - first + 1
	for i, r := range rules {
		if r.Timeline == nil {
			continue
		}
		out[i] = r.Timeline.resample(first, seconds, count)
	}
	return out
}

// resample is the timeline in other columns, which cover it. What a column has
// spreads over those that it reaches into, or moiré would show where the
// lengths don't fit; nothing is lost by rounding.
func (t *Timeline) resample(first, seconds, n int64) Timeline {
	out := Timeline{From: time.Unix(first*seconds, 0).UTC(), Seconds: seconds, Columns: make([]Column, n)}
	records := t.share(func(c Column) int { return c.Records })
	failed := t.share(func(c Column) int { return c.Failed })
	recordsBefore, failedBefore := 0, 0
	for i := range out.Columns {
		end := (first + int64(i) + 1) * seconds
		r, f := records(end), failed(end)
		out.Columns[i] = Column{Records: r - recordsBefore, Failed: min(f-failedBefore, r-recordsBefore)}
		recordsBefore, failedBefore = r, f
	}
	return out
}

// share returns how many of what n counts lie before a time, to be asked for
// times that rise.
func (t *Timeline) share(n func(Column) int) func(until int64) int {
	i, sum := 0, 0
	return func(until int64) int {
		begin := t.From.Unix() + int64(i)*t.Seconds
		for ; i < len(t.Columns) && begin+t.Seconds <= until; begin += t.Seconds {
			sum += n(t.Columns[i])
			i++
		}
		if i == len(t.Columns) || until <= begin {
			return sum
		}
		return sum + int(math.Round(float64(n(t.Columns[i]))*float64(until-begin)/float64(t.Seconds)))
	}
}

// endTime is the end of the last column, in seconds.
func (t *Timeline) endTime() int64 { return t.From.Unix() + int64(len(t.Columns))*t.Seconds }

// columnLength is the length of n columns that cover a range: the next multiple
// of a length that people count time in.
func columnLength(seconds, n int64) int64 {
	least := (seconds + n - 1) / n
	unit := lengths[0]
	for _, l := range lengths {
		if l <= least {
			unit = l
		}
	}
	return (least + unit - 1) / unit * unit
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
