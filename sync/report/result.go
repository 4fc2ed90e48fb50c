package report

import (
	"fmt"
	"io"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// statusStyles are the colours of what became of a change; the word says it, too.
var statusStyles = map[apply.Status]style{
	apply.StatusApplied: styleGreen, apply.StatusDone: styleGreen, apply.StatusUnverified: styleYellow, apply.StatusFailed: styleRed,
	apply.StatusBlocked: styleBlock, apply.StatusStale: styleYellow, apply.StatusSkipped: styleDim,
}

// ResultText writes what became of a plan for people.
func ResultText(w io.Writer, r *apply.Result, o TextOptions) error {
	p := newPrinter(o)
	for i := range r.Changes {
		p.result(&r.Changes[i])
	}
	for _, warning := range r.Warnings {
		p.line(0, 2, styled("warning: ", styleYellow), text(warning))
	}
	p.resultSum(r)
	return p.flush(w)
}

// widest is the length of the longest status.
const widest = len(apply.StatusUnverified)

func (p *printer) result(c *apply.Change) {
	tail := ""
	if c.Attempts > 1 {
		tail = fmt.Sprintf("  (%d attempts)", c.Attempts)
		if c.Action == plan.Delete && c.Status == apply.StatusApplied {
			tail = "" // a pause, then a delete
		}
	}
	p.line(0, widest+1, solid(pad(string(c.Status), widest)+" ", statusStyles[c.Status]),
		signOf(c.Action), text(string(c.Action)+" "), styled(name(c.Rule), styleBold), text(tail))
	if c.Error != nil {
		p.line(widest+1, widest+3, styled("| ", styleDim), text(c.Error.Message))
		if c.Error.Hint != "" {
			p.raw(widest+1, styled("hint: ", styleDim), text(c.Error.Hint))
		}
	}
	if c.Blocked != nil && c.Error == nil {
		p.line(widest+1, widest+3, styled("| "+string(c.Blocked.Guard)+": ", styleDim), text(c.Blocked.Reason))
	}
	if a := c.Archive; a != nil {
		p.raw(widest+1, styled("archive: ", styleDim), text(a.Location), styled("  ("+plural(a.Records, "record", "records")+")", styleDim))
	}
}

// outcomeWords begin the last line.
var outcomeWords = map[apply.Outcome]string{
	apply.Applied: "Applied", apply.Nothing: "Nothing to do", apply.Partial: "Partly applied",
	apply.Refused: "Refused", apply.Failed: "Failed", apply.Interrupted: "Interrupted",
}

// nextSteps say what to do where something is left to do.
var nextSteps = map[apply.Outcome]string{
	apply.Partial:     "look at what is not applied, then run apply again: it converges",
	apply.Failed:      "nothing was applied; run apply again once the cause is gone",
	apply.Interrupted: "run apply again: it converges",
}

func (p *printer) resultSum(r *apply.Result) {
	s := r.Summary
	var counts list
	counts.add(s.Applied, "applied")
	counts.add(s.Done, "done already")
	counts.add(s.Unverified, "unverified")
	counts.add(s.Failed, "failed")
	counts.add(s.Blocked, "blocked")
	counts.add(s.Stale, "stale")
	counts.add(s.Skipped, "skipped")
	if len(r.Changes) > 0 {
		p.blank()
	}
	words := outcomeWords[r.Outcome]
	if len(counts) > 0 {
		words += ": " + counts.String()
	}
	p.line(0, 2, styled(words+".", styleBold))
	next := nextSteps[r.Outcome]
	switch {
	case next != "":
	case s.Stale > 0:
		next = "run plan again and look at what changed since"
	case s.Skipped > 0 && r.Outcome == apply.Refused:
		next = "nothing was changed"
	}
	if next != "" {
		p.line(0, 2, styled("next: ", styleDim), text(next))
	}
}
