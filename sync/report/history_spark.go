package report

import (
	"time"

	"github.com/mkhooks/mkhooks/sync/history"
)

// A spark line shows the number of records in each stretch of time. Failures
// differ by more than colour. For a single rule they have a separate line
// below, on the same scale. In a table, a cross marks a stretch in which at
// least half failed.

// The characters of a spark line, from the least to the most. The ASCII
// characters are for terminals that can't show the others.
var (
	blocks      = []rune("▁▂▃▄▅▆▇█")
	asciiBlocks = []rune("_.-=+*%@")
)

const (
	noRecord, asciiNoRecord = '·', ' '
	cross, asciiCross       = '×', 'x'
)

// bar returns one character of a spark line.
func (p *printer) bar(n, most int, none rune) rune {
	set := blocks
	if p.ASCII {
		set = asciiBlocks
	}
	if n == 0 {
		return none
	}
	return set[min((n*len(set)-1)/most, len(set)-1)]
}

func (p *printer) none() rune {
	if p.ASCII {
		return asciiNoRecord
	}
	return noRecord
}

func (p *printer) cross() rune {
	if p.ASCII {
		return asciiCross
	}
	return cross
}

// tallest returns the largest number of records in a column.
func tallest(t history.Timeline) int {
	most := 1
	for _, c := range t.Columns {
		most = max(most, c.Records)
	}
	return most
}

// spark prints a rule's spark lines, with their scale.
func (p *printer) spark(whole *history.Timeline, fact func(string, ...span)) {
	if whole == nil {
		return
	}
	t := whole.Fit(p.sparkRoom(2 + historyWide))
	most := tallest(t)
	var all, failed []rune
	failures := 0
	for _, c := range t.Columns {
		all = append(all, p.bar(c.Records, most, p.none()))
		failed = append(failed, p.bar(c.Failed, most, ' '))
		failures += c.Failed
	}
	fact("deliveries", solidSpan(string(all), styleNone))
	if failures > 0 {
		fact("failed", solidSpan(string(failed), styleRed))
	}
	fact("", styled(axis(t)+", highest "+count(most), styleDim))
}

// axis describes the columns of a spark line.
func axis(t history.Timeline) string { return stretch(t.Seconds) + " a column, from " + minute(t.From) }

// sparkRoom returns the number of columns that a spark line may have after an
// indent.
func (p *printer) sparkRoom(indent int) int {
	if p.Width == 0 {
		return 1 << 10
	}
	return max(p.Width-indent, 8)
}

// mostlyFailed explains a cross in a table's spark line.
const mostlyFailed = "where at least half failed"

// brief returns a spark line as spans of a line, with its own scale.
func (p *printer) brief(t history.Timeline) []span {
	most := tallest(t)
	var out []span
	for _, c := range t.Columns {
		s := solidSpan(string(p.bar(c.Records, most, p.none())), styleNone)
		if c.Failed > 0 && 2*c.Failed >= c.Records {
			s = solidSpan(string(p.cross()), styleRed)
		}
		out = append(out, s)
	}
	return out
}

// stretch formats a length of time in whole units.
func stretch(seconds int64) string {
	for _, u := range []struct {
		seconds   int64
		one, many string
	}{{24 * 3600, "day", "days"}, {3600, "hour", "hours"}, {60, "minute", "minutes"}} {
		if seconds >= u.seconds && seconds%u.seconds == 0 {
			return countNoun(int(seconds/u.seconds), u.one, u.many)
		}
	}
	return (time.Duration(seconds) * time.Second).String()
}
