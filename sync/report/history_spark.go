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

// barRune returns one character of a spark line.
func (p *printer) barRune(n, most int, none rune) rune {
	set := blocks
	if p.ASCII {
		set = asciiBlocks
	}
	if n == 0 {
		return none
	}
	return set[min((n*len(set)-1)/most, len(set)-1)]
}

func (p *printer) noRecordRune() rune {
	if p.ASCII {
		return asciiNoRecord
	}
	return noRecord
}

func (p *printer) crossRune() rune {
	if p.ASCII {
		return asciiCross
	}
	return cross
}

// mostRecords returns the largest number of records in a column.
func mostRecords(t history.Timeline) int {
	most := 1
	for _, c := range t.Columns {
		most = max(most, c.Records)
	}
	return most
}

// printSpark prints a rule's spark lines, with their scale.
func (p *printer) printSpark(whole *history.Timeline, fact func(string, ...span)) {
	if whole == nil {
		return
	}
	t := whole.Fit(p.sparkRoom(2 + historyWide))
	most := mostRecords(t)
	var all, failed []rune
	failures := 0
	for _, c := range t.Columns {
		all = append(all, p.barRune(c.Records, most, p.noRecordRune()))
		failed = append(failed, p.barRune(c.Failed, most, ' '))
		failures += c.Failed
	}
	fact("deliveries", solidSpan(string(all), styleNone))
	if failures > 0 {
		fact("failed", solidSpan(string(failed), styleRed))
	}
	fact("", styledSpan(axisWords(t)+", highest "+formatCount(most), styleDim))
}

// axisWords describes the columns of a spark line.
func axisWords(t history.Timeline) string {
	return formatStretch(t.Seconds) + " a column, from " + formatMinute(t.From)
}

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

// briefSpark returns a spark line as spans of a line, with its own scale.
func (p *printer) briefSpark(t history.Timeline) []span {
	most := mostRecords(t)
	var out []span
	for _, c := range t.Columns {
		s := solidSpan(string(p.barRune(c.Records, most, p.noRecordRune())), styleNone)
		if c.Failed > 0 && 2*c.Failed >= c.Records {
			s = solidSpan(string(p.crossRune()), styleRed)
		}
		out = append(out, s)
	}
	return out
}

// formatStretch formats a length of time in whole units.
func formatStretch(seconds int64) string {
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
