package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/history"
)

// The first column of CSV is always a word or a time of mkhooks, so that no
// line begins with foreign text. All text passes through csvText.

// HistoryCSV writes a line for each rule, below a header line.
func HistoryCSV(w io.Writer, doc *history.Document) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"state", "rule", "enabled", "records", "sent", "failed", "retrying", "pending", "other", "success_rate",
		"longest_failure", "failing", "first", "last", "last_status", "alert", "not_whole", "error", "archive", "undecided"}) // Flush has its error
	for i := range doc.Rules {
		r := &doc.Rules[i]
		archive := ""
		if r.Archive != nil {
			archive = r.Archive.Location
		}
		rate := ""
		if r.SuccessRate != nil {
			rate = strconv.FormatFloat(*r.SuccessRate, 'f', 6, 64)
		}
		_ = out.Write([]string{csvText(string(r.State)), csvText(r.Rule), strconv.FormatBool(r.Enabled), strconv.Itoa(r.Records),
			strconv.Itoa(r.Status.Sent), strconv.Itoa(r.Status.Failed), strconv.Itoa(r.Status.Retrying), strconv.Itoa(r.Status.Pending), strconv.Itoa(r.Status.Other),
			rate, runLength(r.LongestFailure), runLength(r.Failing), csvTime(r.First), csvTime(r.Last), csvText(string(r.LastStatus)),
			strconv.FormatBool(r.Alert), csvText(r.NotWhole), csvText(r.Error), csvText(archive), csvText(r.Undecided)})
	}
	out.Flush()
	return out.Error()
}

func runLength(r *history.Run) string {
	if r == nil {
		return ""
	}
	return strconv.Itoa(r.Records)
}

func csvTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// formulaSigns begin a formula. Some spreadsheets also accept the wide and
// small forms, and the minus sign of mathematics.
const formulaSigns = "=+-@＝＋－＠﹦﹢﹣﹫−"

// Before a formula, a spreadsheet skips cellPadding. cellSeparators end a cell
// for spreadsheets of some languages or settings, whatever the quotes around
// them.
const (
	cellPadding    = ` "'`
	cellSeparators = ",;|"
)

// csvText makes text safe for a cell. It puts an apostrophe before each sign
// that a spreadsheet could read as the start of a formula. Such signs are at
// the start of the text and after each separator. Tabs and line ends are
// escaped, so they separate nothing.
func csvText(s string) string {
	s = Escape(s)
	if !strings.ContainsAny(s, formulaSigns) {
		return s
	}
	var b strings.Builder
	begins := true
	for _, r := range s {
		switch {
		case strings.ContainsRune(cellSeparators, r):
			begins = true
		case strings.ContainsRune(cellPadding, r): // the next character may still begin a cell
		default:
			if begins && strings.ContainsRune(formulaSigns, r) {
				b.WriteByte('\'')
			}
			begins = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
