package report

import (
	"strings"

	"github.com/mkhooks/mkhooks/sync/history"
)

// The widths of the table that has one line a rule.
const (
	maxRuleColumn = 48
	minRuleColumn = 12
	sparkColumn   = 32
	minSpark      = 16
	wideTerminal  = 110 // the least width for a full spark line
	tableIndent   = 2
	tableHang     = 6
)

// table lays out cells with a width for each column.
type table struct {
	head  []string
	right []bool // columns of numbers
	wide  []int
}

func newTable(head []string, right []bool, rows [][]string) *table {
	t := &table{head: head, right: right}
	for i := range head {
		t.wide = append(t.wide, columns(head[i]))
		for _, row := range rows {
			t.wide[i] = max(t.wide[i], columns(row[i]))
		}
	}
	return t
}

// narrowColumn makes a column narrower. An ellipsis marks omitted text.
func (t *table) narrowColumn(column, most int, rows [][]string) {
	if t.wide[column] <= most {
		return
	}
	t.wide[column] = most
	for _, row := range rows {
		if columns(row[column]) <= most {
			continue
		}
		used, kept := 0, strings.Builder{}
		for _, r := range Escape(row[column]) {
			if used += runeColumns(r); used >= most {
				break
			}
			kept.WriteRune(r)
		}
		row[column] = kept.String() + "…"
	}
}

// width returns the number of columns of a row, including the space after it.
func (t *table) width() int {
	n := 0
	for _, w := range t.wide {
		n += w + 2
	}
	return n
}

func (t *table) row(cells []string) string {
	var b strings.Builder
	for i, c := range cells {
		if t.right[i] {
			b.WriteString(strings.Repeat(" ", max(0, t.wide[i]-columns(c))) + c)
		} else {
			b.WriteString(pad(c, t.wide[i]))
		}
		b.WriteString("  ")
	}
	return b.String()
}

// historyTable prints a line for each rule, in the document's order. The spark
// lines share an axis, so that they can be compared.
func (p *printer) historyTable(doc *history.Document) {
	if len(doc.Rules) == 0 {
		return
	}
	rows := make([][]string, 0, len(doc.Rules))
	for i := range doc.Rules {
		rows = append(rows, historyCells(doc, &doc.Rules[i]))
	}
	t := newTable([]string{"rule", "records", "failed", "success", "last"}, []bool{false, true, true, true, false}, rows)
	room := sparkColumn
	if most := maxRuleColumn; !p.Verbose {
		if p.Width > 0 {
			spark := minSpark
			if p.Width >= wideTerminal {
				spark = sparkColumn
			}
			most = max(minRuleColumn, min(most, p.Width-tableIndent-(t.width()-t.wide[0])-spark))
		}
		t.narrowColumn(0, most, rows)
	}
	if p.Width > 0 {
		room = max(minSpark, min(room, p.Width-tableIndent-t.width()))
	}
	lines := history.Align(doc.Rules, room)
	p.blank()
	p.line(0, tableHang, solidSpan("  "+t.row(t.head)+"deliveries", styleDim))
	for i := range doc.Rules {
		r := &doc.Rules[i]
		sign := "  "
		if r.State == history.StateFailing || r.Error != "" {
			sign = "! "
		}
		p.line(0, tableHang, append([]span{solidSpan(sign+t.row(rows[i]), stateStyles[r.State])}, p.brief(lines[i])...)...)
	}
	p.tableNotes(doc, lines)
}

// tableNotes prints the scale of the spark lines, and notes on inexact counts.
func (p *printer) tableNotes(doc *history.Document, lines []history.Timeline) {
	p.blank()
	for _, t := range lines {
		if len(t.Columns) > 0 {
			p.line(0, 2, styled("Deliveries: "+axis(t)+"; "+string(p.cross())+" "+mostlyFailed+".", styleDim))
			break
		}
	}
	for i := range doc.Rules {
		r := &doc.Rules[i]
		if r.Error != "" {
			p.line(0, 2, styled("error: ", styleRed), textSpan(quoteName(r.Rule)+": "+r.Error))
		}
		for _, why := range notExact(r) {
			p.line(0, 2, styled("not exact: ", styleYellow), textSpan(quoteName(r.Rule)+": "+why))
		}
		if r.Archive != nil {
			p.line(0, 2, textSpan("stored: "+quoteName(r.Rule)+": "+stored(r.Archive)))
		}
	}
}

// historyCells returns the cells of a rule's line without the spark line.
func historyCells(doc *history.Document, r *history.Rule) []string {
	failed, success, last := "", "", string(r.State)
	if r.Status.Failed > 0 {
		failed = count(r.Status.Failed)
	}
	if r.SuccessRate != nil && r.State != history.StateUnreadable {
		success = percent(*r.SuccessRate)
	}
	switch {
	case r.State == history.StateFailing && r.Failing != nil: // how long it has been failing
		last += " " + age(doc.CreatedAt.Sub(r.Failing.From))
	case r.Last != nil && r.State != history.StateUnreadable: // how long ago
		last += " " + age(doc.CreatedAt.Sub(*r.Last))
	}
	last = strings.TrimSpace(last)
	if !r.Enabled {
		last += ", paused"
	}
	return []string{quoteName(r.Rule), count(r.Records), failed, success, last}
}
