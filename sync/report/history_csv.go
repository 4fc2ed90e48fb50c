package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/history"
)

// Of CSV the first column is always a word or a time of our own, so that no
// line begins with text of others. Texts are escaped, so that a record is one
// line, and can't be taken for a formula.

// HistoryCSV writes one line a rule, below a line of names.
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
		_ = out.Write([]string{string(r.State), csvText(r.Rule), strconv.FormatBool(r.Enabled), strconv.Itoa(r.Records),
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

// formulaSigns begin a formula for a spreadsheet, behind spaces, too; some take
// the wide forms for the others.
const formulaSigns = "=+-@＝＋－＠"

// csvText is text for a cell: where a spreadsheet would take it for a formula,
// an apostrophe stands before it.
func csvText(s string) string {
	s = Escape(s)
	if t := strings.TrimLeft(s, ` "'`); t != "" && strings.ContainsRune(formulaSigns, []rune(t)[0]) {
		return "'" + s
	}
	return s
}
