package report

import (
	"io"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/history"
)

// HistoryMarkdown writes delivery histories as a table with one row a rule, and
// what is to be known of single ones below it.
func HistoryMarkdown(w io.Writer, doc *history.Document, o MarkdownOptions) error {
	m := historyMarkdown{printer: newPrinter(TextOptions{})}
	m.add(partHead, m.headline(doc))
	if len(doc.Rules) > 0 {
		m.add(partTitle, tableHead("Rule", "State", "Records", "Failed", "Success", "Last", "Deliveries"))
	}
	lines := history.Align(doc.Rules, sparkColumn)
	for i := range doc.Rules {
		m.add(partRow, m.row(&doc.Rules[i], lines[i]))
	}
	m.add(partTitle, "\n")
	for _, t := range lines {
		if len(t.Columns) > 0 {
			m.add(partNote, "Deliveries: "+stretch(t.Seconds)+" a column, from "+code(minute(t.From))+"; × "+mostlyFailed+".\n\n")
			break
		}
	}
	m.add(partNote, m.notes(doc))
	if o.Show == "" {
		o.Show = "mkhooks history --all"
	}
	return writeAll(w, m.fit(o.Limit, o.Show))
}

type historyMarkdown struct {
	*printer
	builder
}

func (m *historyMarkdown) headline(doc *history.Document) string {
	var b strings.Builder
	s := doc.Summary
	var l list
	l.add(s.Failing, "failing")
	l.add(s.Errors, "not read or stored")
	b.WriteString("### mkhooks history: " + orWords(l.String(), "none is failing") + "\n\n")
	b.WriteString("Project " + code(name(doc.Project)) + " at " + code(host(doc.BaseURL)) + ", " + plural(s.Rules, "rule", "rules") + ", " + historyRecords(s))
	if doc.Since != nil {
		b.WriteString(", since " + code(moment(*doc.Since)))
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

func (m *historyMarkdown) row(r *history.Rule, line history.Timeline) string {
	cells := []string{code(name(r.Rule)), stateCell(r), count(r.Records), count(r.Status.Failed), "", "", ""}
	if r.SuccessRate != nil && r.State != history.StateUnreadable {
		cells[4] = strings.ReplaceAll(percent(*r.SuccessRate), " ", "&nbsp;")
	}
	if r.Last != nil {
		cells[5] = code(moment(*r.Last))
	}
	if len(line.Columns) > 0 {
		var b strings.Builder
		for _, s := range m.brief(line) {
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

// notes says of single rules what a table has no room for.
func (m *historyMarkdown) notes(doc *history.Document) string {
	var items []string
	for i := range doc.Rules {
		r := &doc.Rules[i]
		rule := code(name(r.Rule)) + ": "
		if r.Error != "" {
			items = append(items, rule+"**error**: "+prose(r.Error))
		}
		if r.State == history.StateFailing {
			items = append(items, rule+stateWords(r, func(t time.Time) string { return code(minute(t)) }))
		}
		for _, why := range notExact(r) {
			items = append(items, rule+"not exact: "+prose(why))
		}
		if a := r.Archive; a != nil {
			items = append(items, rule+activeWords(a)+" stored in "+code(a.Location))
		}
	}
	shown := firstOf(items, maxList)
	if n := more(items); n != "" {
		shown = append(shown[:len(shown):len(shown)], strings.TrimSpace(n))
	}
	return bullets(shown)
}
