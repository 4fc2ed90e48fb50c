package report

import (
	"io"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/fair"
)

// ResultMarkdown writes the result of a plan: the outcome and its counts, a
// table of the changes, and problems with their remedies.
func ResultMarkdown(w io.Writer, r *apply.Result, o MarkdownOptions) error {
	var b builder
	several := severalProjects(r)
	about := "Digest " + code(string(r.Digest))
	if len(r.Changes) > 0 && !several {
		about = "Project " + code(quoteName(r.Changes[0].Project)) + ", digest " + code(string(r.Digest))
	}
	b.addPart(partHead, "### mkhooks apply: "+resultTitle(r)+"\n\n"+hostParagraphs(resultReceivers(r), resultHostWords, roomFor(o.Limit))+about+"\n\n")
	if len(r.Changes) > 0 {
		head := []string{"Status", "What", "Rule"}
		if several {
			head = append(head, "Project")
		}
		b.addPart(partTitle, tableHead(head...))
	}
	changes := arrangeResults(r)
	for _, c := range changes {
		kind := partRowLess
		if c.class.matters() {
			kind = partRow
		}
		b.addTurn(kind, resultRow(c.change, several), c.turn)
	}
	hints := map[string]bool{}
	began := false
	for _, c := range changes {
		d := resultDetail(c.change, hints)
		if d != "" && !began {
			b.addPart(partTitle, "\n")
			began = true
		}
		kind := partDetailLess
		if c.class.matters() {
			kind = partDetail
		}
		b.addTurn(kind, d, c.turn)
	}
	if len(changes) > 0 {
		b.addPart(partTitle, "\n")
	}
	for _, u := range r.Unreadable {
		b.addPart(partTitle, unreadAlert(u.Project, u.Message))
	}
	b.warningList(r.Warnings)
	switch next := nextStep(r); {
	case len(o.Next) > 0:
		b.addPart(partHead, nextLines(o.Next))
	case next != "":
		b.addPart(partHead, "**Next:** "+next+"\n")
	}
	if r.Audit != nil {
		b.addPart(partHead, "\nRecord "+code(quoteName(r.Audit.File))+", head "+code(quoteName(r.Audit.Head))+"\n")
	}
	return writeAll(w, b.fitParts(o.Limit, o.Show))
}

// unreadAlert returns a warning that a project could not be read, with the
// reason.
func unreadAlert(project, why string) string {
	return alert("WARNING", "**Project "+code(quoteName(project))+" could not be read, so nothing in it is known or changed:** "+prose(why))
}

// resultTitle returns the outcome and the counts, without repeated words.
func resultTitle(r *apply.Result) string {
	word := "outcome " + prose(string(r.Outcome)) // of a later version
	if w, ok := outcomes[r.Outcome]; ok {
		word = strings.ToLower(w.text)
	}
	counts := resultCounts(r)
	switch {
	case len(counts) == 0:
		return word
	case r.Outcome == apply.Applied:
		return counts.String()
	case r.Outcome == apply.Failed && !r.Wrote():
		return "nothing applied: " + counts.String()
	}
	return word + ": " + counts.String()
}

func resultRow(c *apply.Change, several bool) string {
	sign := strings.TrimSpace(signOf(c.Action).text)
	if c.Status == apply.StatusBlocked {
		sign = "!"
	}
	status := prose(string(c.Status))
	if c.Status != apply.StatusApplied && c.Status != apply.StatusDone {
		status = "**" + status + "**"
	}
	what := code(sign) + "&nbsp;" + prose(string(c.Action))
	if f := writeFacts(c); f != "" {
		what += " " + prose(strings.TrimSpace(f))
	}
	cells := []string{status, what, shortCode(c.Rule)}
	if several {
		cells = append(cells, shortCode(c.Project))
	}
	return tableRow(cells...)
}

// resultDetail describes the problem of a change, its remedy, and the location
// of the history.
func resultDetail(c *apply.Change, hints map[string]bool) string {
	var said []string
	hint := ""
	switch {
	case c.Blocked != nil:
		said = append(said, "**"+prose(string(c.Blocked.Guard))+"**, "+prose(c.Blocked.Reason))
		if lift := liftOf(c.Blocked); lift != "" {
			hint = "lift with " + code(lift)
		}
	case c.Error != nil:
		said = append(said, prose(strings.ReplaceAll(strings.TrimSpace(c.Error.Message), "\n", "; ")))
		if c.Error.Hint != "" {
			hint = "hint: " + prose(c.Error.Hint)
		}
	}
	if hint != "" && !hints[hint] {
		hints[hint] = true
		said = append(said, hint)
	}
	if c.Left != nil {
		said = append(said, "**"+leftWords(c.Left, func(path string) string { return code(quoteName(path)) })+"**")
		if !hints[keepIt] {
			hints[keepIt] = true
			said = append(said, "hint: "+prose(keepIt))
		}
	}
	if a := c.Archive; a != nil {
		what := "archived "
		if c.Status != apply.StatusApplied {
			what = "not deleted, but archived "
		}
		said = append(said, what+countNoun(a.Records, "record", "records")+" in "+code(a.Location))
	}
	if len(said) == 0 {
		return ""
	}
	return "- " + shortCode(c.Rule) + " (" + prose(string(c.Status)) + "): " + strings.Join(said, "; ") + "\n"
}

// ProblemsMarkdown writes the problems of input files as a table.
func ProblemsMarkdown(w io.Writer, problems []schema.Problem, o MarkdownOptions) error {
	var b builder
	b.addPart(partHead, "### mkhooks: "+problemsTitle(problems)+"\n\n")
	if len(problems) > 0 {
		b.addPart(partTitle, tableHead("", "Where", "Problem", "Hint"))
	}
	turn := problemTurns(problems)
	for i, p := range problems {
		severity, where, hint := "error", "", ""
		if p.Severity == schema.Warning {
			severity = "warning"
		}
		if p.File != "" {
			where = code(omitMiddle(p.Position.String()))
		}
		if p.Hint != "" {
			hint = hintProse(p.Advice())
		}
		kind := partRow
		if p.Severity == schema.Warning {
			kind = partRowLess
		}
		b.addTurn(kind, tableRow(severity, where, prose(p.Message), hint), turn[i])
	}
	b.addPart(partHead, "\n"+nextLines(o.Next))
	return writeAll(w, b.fitParts(o.Limit, o.Show))
}

// problemTurns returns for each problem the position in which it keeps its room: files
// and kinds of problems take turns.
func problemTurns(problems []schema.Problem) []int {
	order := make([]int, len(problems))
	for i := range order {
		order[i] = i
	}
	order = fair.Order(order, func(i int) string { return problems[i].File })
	order = fair.Order(order, func(i int) string { return fair.Shape(problems[i].Message) })
	out := make([]int, len(problems))
	for turn, i := range order {
		out[i] = turn
	}
	return out
}

func problemsTitle(problems []schema.Problem) string {
	var l countList
	errors := 0
	for _, p := range problems {
		if p.Severity != schema.Warning {
			errors++
		}
	}
	if errors > 0 {
		l = append(l, countNoun(errors, "error", "errors"))
	}
	if n := len(problems) - errors; n > 0 {
		l = append(l, countNoun(n, "warning", "warnings"))
	}
	if len(l) == 0 {
		return "no problem in the files"
	}
	if !slices.ContainsFunc(problems, func(p schema.Problem) bool { return p.File != "" }) {
		return l.String() // of the service, or of how the command was called
	}
	return l.String() + " in the files"
}
