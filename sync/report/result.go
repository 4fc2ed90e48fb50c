package report

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// ResultText writes the result of a plan. It shows a line for each change with
// problems and remedies below, and the totals and the next step at the end.
func ResultText(w io.Writer, r *apply.Result, o TextOptions) error {
	p := newPrinter(o)
	several := severalProjects(r)
	p.printHosts(resultReceivers(r), resultHostWords)
	hints := map[string]bool{}
	last := ""
	for i, arranged := range arrangeResults(r) {
		c := arranged.change
		if several && (i == 0 || c.Project != last) {
			p.printBlank()
			p.printLine(0, 2, textSpan("Project "), styledSpan(quoteName(c.Project), styleBold))
		}
		last = c.Project
		p.printResult(c, hints)
	}
	for _, u := range r.Unreadable {
		p.printBlank()
		p.printLine(0, 2, textSpan("Project "), styledSpan(quoteName(u.Project), styleBold), styledSpan(" could not be read, so nothing in it was changed", styleRed))
		p.printMessage(u.Message)
	}
	if len(r.Warnings) > 0 {
		p.printBlank()
		p.printWarnings(r.Warnings)
	}
	p.printBlank()
	p.printResultSum(r)
	return p.flush(w)
}

// severalProjects reports whether a result covers more than one project.
func severalProjects(r *apply.Result) bool {
	return len(r.Unreadable) > 0 || slices.ContainsFunc(r.Changes, func(c apply.Change) bool { return c.Project != r.Changes[0].Project })
}

// statusStyles are the colours of the statuses of a change; the word repeats
// them.
var statusStyles = map[apply.Status]style{
	apply.StatusApplied: styleGreen, apply.StatusDone: styleGreen, apply.StatusUnverified: styleYellow, apply.StatusFailed: styleRed,
	apply.StatusBlocked: styleBlock, apply.StatusStale: styleYellow, apply.StatusSkipped: styleYellow,
}

// The columns at which the statuses and the following text begin.
const (
	statusIndent = 2
	saidIndent   = statusIndent + len(apply.StatusUnverified) + 2
)

// printResult prints the result of a change. A hint only appears at its first
// change.
func (p *printer) printResult(c *apply.Change, hints map[string]bool) {
	sign := signOf(c.Action)
	if c.Status == apply.StatusBlocked {
		sign = blockedSign
	}
	status := string(c.Status)
	color, known := statusStyles[c.Status]
	if !known {
		status = "status " + quoteName(status) // of a later version
	}
	p.printLine(statusIndent, saidIndent, solidSpan(pad(status, saidIndent-statusIndent-2)+"  ", color),
		sign, textSpan(string(c.Action)+" "), styledSpan(quoteName(c.Rule), styleBold), textSpan(writeFacts(c)))
	lead, hint := "hint: ", ""
	switch {
	case c.Blocked != nil:
		p.printMessage(string(c.Blocked.Guard) + ": " + c.Blocked.Reason)
		if lift := liftOf(c.Blocked); lift != "" {
			lead, hint = "lift with ", lift
		}
	case c.Error != nil:
		p.printMessage(c.Error.Message)
		hint = c.Error.Hint
	}
	if hint != "" && !hints[hint] {
		hints[hint] = true
		p.printUnwrapped(saidIndent, styledSpan(lead, styleDim), textSpan(hint))
	}
	if c.Left != nil {
		p.printMessage(leftWords(c.Left, quoteName))
		if !hints[keepIt] {
			hints[keepIt] = true
			p.printUnwrapped(saidIndent, styledSpan("hint: ", styleDim), textSpan(keepIt))
		}
	}
	if a := c.Archive; a != nil {
		what := "archived "
		if c.Status != apply.StatusApplied {
			what = "not deleted, but archived "
		}
		p.printUnwrapped(saidIndent, textSpan(what+countNoun(a.Records, "record", "records")+" in "+quoteName(a.Location)))
	}
}

// printMessage prints a message, each of its lines after a bar.
func (p *printer) printMessage(message string) {
	for _, l := range strings.Split(strings.TrimRight(message, "\n"), "\n") {
		p.printLine(saidIndent, saidIndent, solidSpan(continuation, styleDim), textSpan(l))
	}
}

// writeFacts returns details of the write. It contains the number of attempts. It
// also contains the status and the reference for the service's support, unless
// the change is simply applied or the message contains them.
func writeFacts(c *apply.Change) string {
	named := c.Error != nil && c.Error.NamesResponse()
	var l countList
	usual := 1
	if c.Action == plan.Delete {
		usual = 2 // the pause counts
	}
	if c.Attempts > usual {
		l.addCount(c.Attempts, "attempts")
	}
	if c.HTTPStatus >= 300 && !named {
		l = append(l, "HTTP "+strconv.Itoa(c.HTTPStatus))
	}
	if c.Status != apply.StatusApplied && c.Ref != "" && !named {
		l = append(l, "ref "+quoteName(c.Ref))
	}
	if len(l) == 0 {
		return ""
	}
	return "  (" + l.String() + ")"
}

// outcomes are the outcomes of a run in words.
var outcomes = map[apply.Outcome]span{
	apply.Applied:     styledSpan("Applied", styleGreen),
	apply.Nothing:     styledSpan("Nothing to do", styleGreen),
	apply.Partial:     styledSpan("Partly applied", styleYellow),
	apply.Refused:     styledSpan("Refused", styleYellow),
	apply.Failed:      styledSpan("Failed", styleRed),
	apply.Interrupted: styledSpan("Interrupted", styleYellow),
}

func (p *printer) printResultSum(r *apply.Result) {
	s := r.Summary
	counts := resultCounts(r)
	end := "."
	if len(counts) > 0 {
		end = ": " + counts.String() + "."
		if s.Done == 0 && !r.Wrote() {
			end = ": " + counts.String() + "; nothing was applied."
			if slices.ContainsFunc(r.Changes, func(c apply.Change) bool { return c.InDoubt() }) {
				end = ": " + counts.String() + "; nothing is known to have been applied."
			}
		}
	}
	word, ok := outcomes[r.Outcome]
	if !ok {
		word = textSpan("Outcome " + string(r.Outcome)) // of a later version
	}
	p.printLine(0, 2, word, textSpan(end))
	if next := nextStep(r); next != "" && len(p.Next) == 0 {
		p.printLine(0, 2, textSpan("Next: "+next))
	}
	p.printNext(p.Next)
	if r.Audit != nil {
		p.printLine(0, 2, textSpan("Record "+quoteName(r.Audit.File)+", head "+quoteName(r.Audit.Head)))
	}
}

// resultCounts returns the number of changes by result, and leftovers that must
// not be overlooked.
func resultCounts(r *apply.Result) countList {
	var counts countList
	s := r.Summary
	counts.addCount(s.Applied, "applied")
	counts.addCount(s.Done, "done already")
	counts.addCount(s.Unverified, "unverified")
	counts.addCount(s.Failed, "failed")
	counts.addCount(s.Blocked, "blocked")
	counts.addCount(s.Stale, "stale")
	counts.addCount(s.Skipped, "skipped")
	counts.addCount(len(r.Unreadable), pluralOf(len(r.Unreadable), "project", "projects")+" could not be read")
	left := 0
	for _, c := range r.Changes {
		if c.Left != nil && !c.Left.Enabled && c.Left.Uncertain == "" {
			left++
		}
	}
	counts.addCount(left, pluralOf(left, "rule", "rules")+" left paused")
	return counts
}

// nextStep returns the one thing to do now, or "".
func nextStep(r *apply.Result) string {
	s := r.Summary
	switch {
	case r.Outcome == apply.Applied || r.Outcome == apply.Nothing:
		return ""
	case s.Failed > 0 || len(r.Unreadable) > 0 || r.Outcome == apply.Interrupted:
		return "run the same mkhooks apply again; what is done stays done."
	case s.Unverified > 0:
		return "run mkhooks plan with the same flags; it shows what the service kept."
	case s.Stale > 0:
		return "run mkhooks plan with the same flags; it shows what moved."
	case s.Blocked > 0:
		return "settle what blocks, then run mkhooks apply again."
	}
	return "" // the person declined
}
