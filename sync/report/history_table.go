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
		t.wide = append(t.wide, countColumns(head[i]))
		for _, row := range rows {
			t.wide[i] = max(t.wide[i], countColumns(row[i]))
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
		if countColumns(row[column]) <= most {
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

// rowWidth returns the number of columns of a row, including the space after it.
func (t *table) rowWidth() int {
	n := 0
	for _, w := range t.wide {
		n += w + 2
	}
	return n
}

func (t *table) formatRow(cells []string) string {
	var b strings.Builder
	for i, c := range cells {
		if t.right[i] {
			b.WriteString(strings.Repeat(" ", max(0, t.wide[i]-countColumns(c))) + c)
		} else {
			b.WriteString(pad(c, t.wide[i]))
		}
		b.WriteString("  ")
	}
	return b.String()
}

// printHistoryTable prints a line for each rule, in the document's order. The spark
// lines share an axis, so that they can be compared.
func (p *printer) printHistoryTable(doc *history.Document) {
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
			most = max(minRuleColumn, min(most, p.Width-tableIndent-(t.rowWidth()-t.wide[0])-spark))
		}
		t.narrowColumn(0, most, rows)
	}
	if p.Width > 0 {
		room = max(minSpark, min(room, p.Width-tableIndent-t.rowWidth()))
	}
	lines := history.Align(doc.Rules, room)
	p.printBlank()
	p.printLine(0, tableHang, solidSpan("  "+t.formatRow(t.head)+"deliveries", styleDim))
	for i := range doc.Rules {
		r := &doc.Rules[i]
		sign := "  "
		if r.State == history.StateFailing || r.Error != "" {
			sign = "! "
		}
		p.printLine(0, tableHang, append([]span{solidSpan(sign+t.formatRow(rows[i]), stateStyles[r.State])}, p.briefSpark(lines[i])...)...)
	}
	p.printTableNotes(doc, lines)
}

// printTableNotes prints the scale of the spark lines, and notes on inexact counts.
func (p *printer) printTableNotes(doc *history.Document, lines []history.Timeline) {
	p.printBlank()
	for _, t := range lines {
		if len(t.Columns) > 0 {
			p.printLine(0, 2, styledSpan("Deliveries: "+axisWords(t)+"; "+string(p.crossRune())+" "+mostlyFailed+".", styleDim))
			break
		}
	}
	for i := range doc.Rules {
		r := &doc.Rules[i]
		if r.Error != "" {
			p.printLine(0, 2, styledSpan("error: ", styleRed), textSpan(quoteName(r.Rule)+": "+r.Error))
		}
		for _, why := range inexactReasons(r) {
			p.printLine(0, 2, styledSpan("not exact: ", styleYellow), textSpan(quoteName(r.Rule)+": "+why))
		}
		if r.Archive != nil {
			p.printLine(0, 2, textSpan("stored: "+quoteName(r.Rule)+": "+archiveWords(r.Archive)))
		}
	}
}

// historyCells returns the cells of a rule's line without the spark line.
func historyCells(doc *history.Document, r *history.Rule) []string {
	failed, success, last := "", "", string(r.State)
	if r.Status.Failed > 0 {
		failed = formatCount(r.Status.Failed)
	}
	if r.SuccessRate != nil && r.State != history.StateUnreadable {
		success = formatPercent(*r.SuccessRate)
	}
	switch {
	case r.State == history.StateFailing && r.Failing != nil: // how long it has been failing
		last += " " + formatAge(doc.CreatedAt.Sub(r.Failing.From))
	case r.Last != nil && r.State != history.StateUnreadable: // how long ago
		last += " " + formatAge(doc.CreatedAt.Sub(*r.Last))
	}
	last = strings.TrimSpace(last)
	if !r.Enabled {
		last += ", paused"
	}
	return []string{quoteName(r.Rule), formatCount(r.Records), failed, success, last}
}
