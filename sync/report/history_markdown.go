package report

import (
	"io"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/fair"
	"github.com/mkhooks/mkhooks/sync/history"
)

// HistoryMarkdown writes delivery histories as a table with a row for each
// rule, and notes on single rules below it.
func HistoryMarkdown(w io.Writer, doc *history.Document, o MarkdownOptions) error {
	m := historyMarkdown{printer: newPrinter(TextOptions{})}
	m.addPart(partHead, m.headline(doc))
	if len(doc.Rules) > 0 {
		m.addPart(partTitle, tableHead("Rule", "State", "Records", "Failed", "Success", "Last", "Deliveries"))
	}
	lines := history.Align(doc.Rules, sparkColumn)
	for i := range doc.Rules {
		kind := partRow
		if r := &doc.Rules[i]; !r.Alert && r.Error == "" && (r.State == history.StateSent || r.State == history.StateEmpty) {
			kind = partRowLess
		}
		m.addPart(kind, m.ruleRow(&doc.Rules[i], lines[i]))
	}
	m.addPart(partTitle, "\n")
	for _, t := range lines {
		if len(t.Columns) > 0 {
			m.addPart(partNote, "Deliveries: "+formatStretch(t.Seconds)+" a column, from "+code(formatMinute(t.From))+"; × "+mostlyFailed+".\n\n")
			break
		}
	}
	addList(&m.builder, "", m.ruleNotes(doc), func(s string) string { return s })
	if o.Show == "" {
		o.Show = "mkhooks history --all"
	}
	return writeAll(w, m.fitParts(o.Limit, o.Show))
}

type historyMarkdown struct {
	*printer
	builder
}

func (m *historyMarkdown) headline(doc *history.Document) string {
	var b strings.Builder
	s := doc.Summary
	var l countList
	l.addCount(s.Failing, "failing")
	l.addCount(s.Errors, "not read or stored")
	b.WriteString("### mkhooks history: " + orWords(l.String(), "none is failing") + "\n\n")
	b.WriteString("Project " + code(quoteName(doc.Project)) + " at " + code(serviceHost(doc.BaseURL)) + ", " + countNoun(s.Rules, "rule", "rules") + ", " + historyRecords(s))
	if doc.Since != nil {
		b.WriteString(", since " + code(formatTime(*doc.Since)))
	}
	b.WriteString(".\n\n")
	var alerts []string
	for _, words := range []string{undecidedWords(doc), alertWords(doc)} {
		if words != "" {
			alerts = append(alerts, "**"+words+"**")
		}
	}
	if len(alerts) > 0 {
		b.WriteString(alert("WARNING", alerts...))
	}
	return b.String()
}

func (m *historyMarkdown) ruleRow(r *history.Rule, line history.Timeline) string {
	cells := []string{shortCode(r.Rule), stateCell(r), formatCount(r.Records), formatCount(r.Status.Failed), "", "", ""}
	if r.SuccessRate != nil && r.State != history.StateUnreadable {
		cells[4] = strings.ReplaceAll(formatPercent(*r.SuccessRate), " ", "&nbsp;")
	}
	if r.Last != nil {
		cells[5] = code(formatTime(*r.Last))
	}
	if len(line.Columns) > 0 {
		var b strings.Builder
		for _, s := range m.briefSpark(line) {
			b.WriteString(s.text)
		}
		cells[6] = code(b.String())
	}
	return tableRow(cells...)
}

func stateCell(r *history.Rule) string {
	cell := prose(string(r.State))
	if r.State == history.StateFailing || r.State == history.StateUnreadable {
		cell = "**" + cell + "**"
	}
	if !r.Enabled {
		cell += ", paused"
	}
	return cell
}

// ruleNotes returns the notes on single rules that do not fit in a table. The kinds
// take turns: errors, failures, inexact counts, archives.
func (m *historyMarkdown) ruleNotes(doc *history.Document) []string {
	type note struct{ kind, text string }
	var notes []note
	for i := range doc.Rules {
		r := &doc.Rules[i]
		rule := shortCode(r.Rule) + ": "
		if r.Error != "" {
			notes = append(notes, note{"error", rule + "**error**: " + prose(r.Error)})
		}
		if r.State == history.StateFailing {
			notes = append(notes, note{"failing", rule + stateWords(r, func(t time.Time) string { return code(formatMinute(t)) })})
		}
		for _, why := range inexactReasons(r) {
			notes = append(notes, note{"not exact", rule + "not exact: " + prose(why)})
		}
		if a := r.Archive; a != nil {
			notes = append(notes, note{"stored", rule + activeWords(a) + " stored in " + code(a.Location)})
		}
	}
	// Failures and errors of a rule stay together if there is room for all
	// notes.
	if len(notes) > maxList {
		notes = fair.Order(notes, func(n note) string { return n.kind })
	}
	var items []string
	for _, n := range notes {
		items = append(items, n.text)
	}
	return items
}
