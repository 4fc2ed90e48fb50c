package history

import (
	"math"
	"time"
)

// Timeline counts records over time, in columns of equal length.
type Timeline struct {
	// From is the beginning of the first column.
	From time.Time `json:"from"`
	// Seconds is the length of a column.
	Seconds int64    `json:"seconds"`
	Columns []Column `json:"columns"`
}

// Column counts the records of one column of a timeline.
type Column struct {
	Records int `json:"records"`
	Failed  int `json:"failed"`
}

// maxColumns limits the columns of a timeline in a document.
const maxColumns = 64

// slots limits the parts in which records are counted. It exceeds maxColumns,
// because the range is only known at the end and must still be divided finely.
const slots = 512

// lengths are the lengths of a slot in seconds, in usual units of time. Each is
// a multiple of the previous length, so that slots can be merged. After the
// last length they double.
var lengths = []int64{1, 5, 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600, 28 * 24 * 3600}

// spread counts records by time while their range is still unknown.
type spread struct {
	length int // index into lengths; each step beyond the end doubles the last length
	first  int64
	slots  []Column
}

func (s *spread) slotSeconds() int64 {
	last := len(lengths) - 1
	if s.length <= last {
		return lengths[s.length]
	}
	return lengths[last] << (s.length - last)
}

// columnAt returns the slot of a time and creates it if necessary.
func (s *spread) columnAt(t time.Time) *Column {
	for {
		i := floorDiv(t.Unix(), s.slotSeconds())
		if len(s.slots) == 0 {
			s.first, s.slots = i, append(s.slots, Column{})
		}
		before, behind := s.first-i, i-(s.first+int64(len(s.slots))-1)
		switch {
		case max(before, behind)+int64(len(s.slots)) > slots:
			s.mergeSlots()
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

// mergeSlots merges slots into longer slots.
func (s *spread) mergeSlots() {
	old := s.slotSeconds()
	s.length++
	by := s.slotSeconds() / old
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

// toTimeline returns the counts in at most [maxColumns] columns, or nil if
// nothing was counted.
func (s *spread) toTimeline() *Timeline {
	if len(s.slots) == 0 {
		return nil
	}
	t := Timeline{From: time.Unix(s.first*s.slotSeconds(), 0).UTC(), Seconds: s.slotSeconds(), Columns: s.slots}
	t = t.Fit(maxColumns)
	return &t
}

// Fit returns the timeline in at most n columns. It merges equal numbers of
// neighbors.
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

// Align returns a timeline for each rule, in at most n columns. All timelines
// share the same columns. A rule without a timeline gets no columns.
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
	// Starting at a multiple of the length may need another column.
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

// resample returns the timeline in other columns that cover it. It distributes
// the count of an old column over the new columns that overlap it. Without
// that, unequal lengths would cause a moiré pattern. Rounding loses no record.
func (t *Timeline) resample(first, seconds, n int64) Timeline {
	out := Timeline{From: time.Unix(first*seconds, 0).UTC(), Seconds: seconds, Columns: make([]Column, n)}
	records := t.sumBefore(func(c Column) int { return c.Records })
	failed := t.sumBefore(func(c Column) int { return c.Failed })
	recordsBefore, failedBefore := 0, 0
	for i := range out.Columns {
		end := (first + int64(i) + 1) * seconds
		r, f := records(end), failed(end)
		out.Columns[i] = Column{Records: r - recordsBefore, Failed: min(f-failedBefore, r-recordsBefore)}
		recordsBefore, failedBefore = r, f
	}
	return out
}

// sumBefore returns a function that sums n over the columns before a time.
// Successive calls must pass rising times.
func (t *Timeline) sumBefore(n func(Column) int) func(until int64) int {
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

// endTime returns the end of the last column, in Unix seconds.
func (t *Timeline) endTime() int64 { return t.From.Unix() + int64(len(t.Columns))*t.Seconds }

// columnLength returns the length in seconds of n columns that cover a range.
// It is a multiple of a usual unit of time.
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
