package report

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/audit"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// AuditLog contains some runs of an audit log.
type AuditLog struct {
	File, Head string
	Runs       []audit.Run
	// Steps shows each step of a change, not only its result.
	Steps bool
}

// AuditLogJSON writes the runs as a JSON document: the entries as in the file,
// grouped by run.
func AuditLogJSON(w io.Writer, r AuditLog) error {
	type run struct {
		Run     string         `json:"run"`
		Entries []*audit.Entry `json:"entries"`
	}
	doc := struct {
		FormatVersion int    `json:"formatVersion"`
		File          string `json:"file"`
		Head          string `json:"head"`
		Runs          []run  `json:"runs"`
	}{audit.FormatVersion, r.File, r.Head, []run{}}
	for _, x := range r.Runs {
		entries := []*audit.Entry{}
		add := func(e *audit.Entry) {
			if e != nil {
				entries = append(entries, e)
			}
		}
		add(x.Start)
		for _, d := range x.Writes {
			add(d.Intent)
			add(d.Result)
		}
		add(x.End)
		slices.SortFunc(entries, func(a, b *audit.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
		doc.Runs = append(doc.Runs, run{x.ID, entries})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// AuditLogText writes the actors and changes, run by run.
func AuditLogText(w io.Writer, r AuditLog, o TextOptions) error {
	p := newPrinter(o)
	for _, run := range r.Runs {
		p.printRunHead(run)
		for _, c := range run.Changes() {
			p.printAuditChange(run, c, r.Steps)
		}
		p.printLine(statusIndent, statusIndent+2, textSpan(runEnd(run)))
		p.printBlank()
	}
	if len(r.Runs) == 0 {
		p.printLine(0, 2, textSpan("No run in the record is what was asked for."))
	}
	p.printLine(0, 2, textSpan("Record "+quoteName(r.File)+", "+countNoun(len(r.Runs), "run", "runs")+", head "+quoteName(r.Head)))
	return p.flush(w)
}

// formatTime formats a time so that it sorts as text.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// printRunHead prints the actor, command, target and grounds of a run.
func (p *printer) printRunHead(run audit.Run) {
	if run.Start == nil {
		p.printLine(0, 2, styledSpan(formatTime(run.StartTime()), styleBold), textSpan("  a run whose beginning is not in the record"))
		return
	}
	s := run.Start.Start
	by := s.Command + " by " + quoteName(orWords(s.Actor, "nobody known"))
	if s.Host != "" {
		by += " on " + quoteName(s.Host)
	}
	word, projects := "project ", quoteName(s.Project)
	if len(s.Projects) > 0 {
		word, projects = "projects ", p.joinNames(s.Projects, maxNames)
	}
	p.printLine(0, 4, styledSpan(formatTime(run.Start.Time), styleBold), textSpan("  "+by+", "), textSpan(word), styledSpan(projects, styleBold), textSpan(" at "+serviceHost(s.BaseURL)))
	for _, l := range runGrounds(s) {
		p.printLine(4, 6, textSpan(l))
	}
}

// runGrounds returns the commit, the plan and the lifted guards, one line each.
func runGrounds(s *audit.Start) []string {
	var out []string
	if s.Commit != "" {
		about := "commit " + quoteName(s.Commit)
		if s.Dirty {
			about += " with uncommitted changes"
		}
		out = append(out, about)
	}
	if s.CommitProblem != "" {
		out = append(out, "commit not known for sure: "+s.CommitProblem)
	}
	about := "plan " + quoteName(s.PlanDigest)
	if s.Owner != "" {
		about += ", owner " + quoteName(s.Owner)
	}
	out = append(out, about)
	if s.Job != "" {
		out = append(out, "job "+s.Job)
	}
	if len(s.Lifted) > 0 {
		out = append(out, "guards lifted: --"+strings.Join(s.Lifted, ", --"))
	}
	return out
}

// auditStatus returns the status of a change according to the audit log.
func auditStatus(c audit.Change) (status string, color style) {
	last := c.LastWrite()
	switch {
	case last.InFlight():
		return "in flight", styleYellow
	case last.Result != nil && last.Result.Result != nil && last.Result.Result.Error != nil:
		r := last.Result.Result
		switch kind := apply.ErrorKind(r.Error.Kind); {
		case kind == apply.KindInterrupted && r.Attempts > 0:
			return "in flight", styleYellow // when the run was stopped
		case kind == apply.KindStale:
			return string(apply.StatusStale), styleYellow
		case kind == apply.KindGuard, kind == apply.KindInterrupted:
			return "not done", styleYellow
		}
		return string(apply.StatusFailed), styleRed
	case last.Intent == nil && last.Result.Result != nil && last.Result.Result.Live == string(webhook.Absent):
		return string(apply.StatusDone), styleGreen // the rule was already absent at the check
	case last.Intent == nil || last.Intent.Write.Step == string(apply.StepArchive) || last.Intent.Write.Step == string(apply.StepPause):
		return "not done", styleYellow // a delete that ended before its last step
	}
	return string(apply.StatusApplied), styleGreen
}

func (p *printer) printAuditChange(run audit.Run, c audit.Change, steps bool) {
	status, color := auditStatus(c)
	last := c.LastWrite()
	about := ""
	var failure *apply.Error
	if last.Result != nil && last.Result.Result != nil {
		r := last.Result.Result
		if r.Error != nil {
			failure = &apply.Error{Kind: apply.ErrorKind(r.Error.Kind), Message: r.Error.Message}
		}
		about = writeFacts(&apply.Change{Status: apply.Status(status), HTTPStatus: r.HTTPStatus, Ref: r.Ref, Attempts: r.Attempts, Error: failure})
	}
	p.printLine(statusIndent, saidIndent, solidSpan(pad(status, saidIndent-statusIndent-2)+"  ", color),
		signOf(plan.Action(c.Action)), textSpan(quoteName(c.Action)+" "), styledSpan(ruleIn(run, c), styleBold), textSpan(about))
	if failure != nil && failure.Message != "" {
		p.printMessage(failure.Message)
	}
	if last.InFlight() {
		p.printMessage("step " + last.Intent.Write.Step + " was under way when the run died, and may have taken effect")
	}
	if left := leftRule(c); left != nil && status != string(apply.StatusApplied) {
		p.printMessage(leftWords(left, quoteName))
	}
	if a := c.Archive(); a != nil {
		p.printUnwrapped(saidIndent, textSpan("archived "+countNoun(a.Records, "record", "records")+" in "+quoteName(a.Location)))
	}
	if steps {
		for _, w := range sortByEnd(c.Writes) {
			p.printLine(saidIndent, saidIndent+2, textSpan(stepLine(w)))
		}
	}
}

// leftRule returns the state of a live rule that a run paused and did not delete,
// according to the audit log; otherwise nil. A crashed run has no line about
// that state, so its pause determines it.
func leftRule(c audit.Change) *apply.Left {
	var left *apply.Left
	for _, w := range c.Writes {
		switch {
		case w.Result != nil && w.Result.Result != nil && w.Result.Result.Left != nil:
			l := w.Result.Result.Left
			return &apply.Left{Enabled: l.Enabled, AuthRemoved: l.AuthRemoved, Uncertain: apply.Step(l.Uncertain), Earlier: l.Earlier}
		case w.Intent == nil:
		case w.Intent.Write.Step == string(apply.StepPause):
			switch l := (apply.Left{AuthRemoved: w.Intent.Write.AuthRemoved}); {
			case w.Result == nil:
				l.Uncertain = apply.StepPause
				left = &l
			case w.Result.Result.Error == nil:
				left = &l
			}
		case left != nil && w.InFlight() && w.Intent.Write.Step == string(apply.StepDelete):
			left.Uncertain = apply.StepDelete
		}
	}
	return left
}

// sortByEnd sorts steps by their end. The last precheck then precedes the delete
// that waited for it, although the log has the delete's intent first.
func sortByEnd(steps []audit.LoggedWrite) []audit.LoggedWrite {
	return slices.SortedStableFunc(slices.Values(steps), func(a, b audit.LoggedWrite) int { return cmp.Compare(endSeq(a), endSeq(b)) })
}

// endSeq returns the entry number of a step's end, or of its start if it has no
// end.
func endSeq(w audit.LoggedWrite) int {
	if w.Result != nil {
		return w.Result.Seq
	}
	return w.Intent.Seq
}

// stepLine formats a step of a change.
func stepLine(w audit.LoggedWrite) string {
	e := w.Intent
	if e == nil {
		e = w.Result
	}
	line := e.Time.UTC().Format("15:04:05.000") + "  " + pad(e.Write.Step, len(apply.StepHistory)) + "  entry " + formatCount(e.Seq)
	if w.Result == nil {
		return line + ", no result"
	}
	r := w.Result.Result
	if w.Intent != nil {
		line += " to " + formatCount(w.Result.Seq)
	}
	if r == nil {
		return line
	}
	if r.HTTPStatus > 0 {
		line += ", HTTP " + formatCount(r.HTTPStatus)
	}
	if r.Records != nil {
		line += ", " + countNoun(*r.Records, "record", "records")
	}
	if r.Active != nil {
		line += ", " + formatCount(*r.Active) + " on their way"
	}
	if r.Left != nil {
		line += ": the rule as it was left"
	}
	if r.Error != nil {
		line += ": " + r.Error.Message
	}
	return line
}

// runEnd describes the end of a run.
func runEnd(run audit.Run) string {
	if run.End == nil {
		return "no end: the run " + run.DescribeUnfinished()
	}
	var counts countList
	for _, status := range slices.Sorted(maps.Keys(run.End.End.Summary)) {
		counts.addCount(run.End.End.Summary[status], quoteName(status))
	}
	out := "outcome " + quoteName(run.End.End.Outcome)
	if len(counts) > 0 {
		out += ": " + counts.String()
	}
	return out
}

// runProjects names the projects of a run.
func runProjects(s *audit.Start) string {
	if len(s.Projects) == 0 {
		return "project " + code(quoteName(s.Project))
	}
	return "projects " + codes(s.Projects, maxNames)
}

// ruleIn returns a rule's name, with its project if the run was for several.
func ruleIn(run audit.Run, c audit.Change) string {
	if run.Start != nil && len(run.Start.Start.Projects) > 0 {
		return quoteName(c.Project + "/" + c.Rule)
	}
	return quoteName(c.Rule)
}

// AuditLogMarkdown writes the runs as a list of tables.
func AuditLogMarkdown(w io.Writer, r AuditLog, o MarkdownOptions) error {
	var b builder
	b.addPart(partHead, "### mkhooks record: "+countNoun(len(r.Runs), "run", "runs")+"\n\n"+code(quoteName(r.File))+", head "+code(quoteName(r.Head))+"\n\n")
	for _, run := range r.Runs {
		title := "**" + formatTime(run.StartTime()) + "** "
		if run.Start != nil {
			s := run.Start.Start
			title += prose(s.Command) + " by " + code(quoteName(orWords(s.Actor, "nobody known"))) + ", " + runProjects(s) + "\n"
			for _, g := range runGrounds(s) {
				title += "<br>" + prose(g) + "\n"
			}
		}
		b.addPart(partTitle, title+"\n")
		changes := run.Changes()
		if len(changes) > 0 {
			b.addPart(partTitle, tableHead("Status", "What", "Rule"))
		}
		for _, c := range changes {
			status, _ := auditStatus(c)
			what := code(strings.TrimSpace(signOf(plan.Action(c.Action)).text)) + "&nbsp;" + prose(c.Action)
			if left := leftRule(c); left != nil && status != string(apply.StatusApplied) {
				what += ", " + leftWords(left, func(path string) string { return code(quoteName(path)) })
			}
			if a := c.Archive(); a != nil {
				what += ", archived " + countNoun(a.Records, "record", "records")
			}
			kind := partRow
			if c.Action != string(plan.Delete) && (status == string(apply.StatusApplied) || status == string(apply.StatusDone)) {
				kind = partRowLess
			}
			b.addPart(kind, tableRow(prose(status), what, code(omitMiddle(ruleIn(run, c)))))
		}
		b.addPart(partTitle, "\n"+prose(runEnd(run))+"\n\n")
	}
	return writeAll(w, b.fitParts(o.Limit, o.Show))
}
