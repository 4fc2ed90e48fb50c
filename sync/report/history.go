package report

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// HistoryText writes delivery histories for reading: a few lines a rule, or one
// line a rule if brief is set.
func HistoryText(w io.Writer, doc *history.Document, brief bool, o TextOptions) error {
	p := newPrinter(o)
	p.printHistoryHead(doc)
	if brief {
		p.printHistoryTable(doc)
	} else {
		for i := range doc.Rules {
			p.printBlank()
			p.printHistoryRule(&doc.Rules[i])
		}
	}
	p.printBlank()
	p.printHistorySum(doc)
	return p.flush(w)
}

func (p *printer) printHistoryHead(doc *history.Document) {
	window := ", all records"
	if doc.Since != nil {
		window = ", records since " + formatTime(*doc.Since)
	}
	p.printLine(0, 2, textSpan("Project "), styledSpan(quoteName(doc.Project), styleBold), textSpan(" at "+serviceHost(doc.BaseURL)+window))
}

// formatMinute formats a time without seconds.
func formatMinute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// formatWithoutZone formats a time without the zone, beside a time with the zone.
func formatWithoutZone(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// stateStyles are the styles of the states of a history.
var stateStyles = map[history.State]style{
	history.StateUnreadable: styleRed, history.StateFailing: styleRed, history.StateRetrying: styleYellow, history.StatePending: styleYellow,
	history.StateOther: styleYellow, history.StateSent: styleGreen, history.StateEmpty: styleDim,
}

// stateWords describes a history's state in a sentence; at formats a time.
func stateWords(r *history.Rule, at func(time.Time) string) string {
	switch r.State {
	case history.StateUnreadable:
		return "could not be read"
	case history.StateEmpty:
		return "no record"
	case history.StateFailing:
		if r.Failing == nil {
			return "the last delivery failed"
		}
		if n := r.Failing.Records; n > 1 {
			return "the last " + formatCount(n) + " deliveries failed, since " + at(r.Failing.From)
		}
		return "the last delivery failed, at " + at(r.Failing.To)
	case history.StateRetrying:
		return "the last delivery is tried again"
	case history.StatePending:
		return "the last delivery is on its way"
	case history.StateSent:
		return "the last delivery was sent"
	}
	if r.Last == nil {
		return "no record has a time"
	}
	return "the last record has a status that this version does not know"
}

// historyWide is the column at which a rule's facts begin.
const historyWide = 13

func (p *printer) printHistoryRule(r *history.Rule) {
	paused := ""
	if !r.Enabled {
		paused = " (paused)"
	}
	p.printLine(0, 2, textSpan("Rule "), styledSpan(quoteName(r.Rule), styleBold), textSpan(paused+": "), styledSpan(stateWords(r, formatMinute), stateStyles[r.State]))
	fact := func(label string, spans ...span) {
		p.printLine(2, 2+historyWide, append([]span{solidSpan(pad(label, historyWide), styleNone)}, spans...)...)
	}
	if r.Error != "" {
		fact("error", styledSpan(r.Error, styleRed))
	}
	if r.Records > 0 {
		label := "records"
		if r.Error != "" {
			label = "read so far"
		}
		fact(label, textSpan(formatCount(r.Records)+": "+statusCounts(r.Status)))
		if r.SuccessRate != nil {
			fact("success", textSpan(formatPercent(*r.SuccessRate)+" of "+countNoun(r.Status.Sent+r.Status.Failed, "delivery that ended", "deliveries that ended")))
		}
		if run := r.LongestFailure; run != nil {
			fact("failures", textSpan("longest run "+formatCount(run.Records)+", "+timeRange(run.From, run.To)))
		}
		if r.First != nil {
			fact("first, last", textSpan(formatWithoutZone(*r.First)+", "+formatTime(*r.Last)+" ("+Escape(string(r.LastStatus))+")"))
		}
		p.printHistoryTypes(r, fact)
		if r.Timeline != nil {
			p.printSpark(r.Timeline, fact)
		}
	}
	for _, why := range inexactReasons(r) {
		fact("not exact", styledSpan(why, styleYellow))
	}
	if a := r.Archive; a != nil {
		fact("stored", textSpan(archiveWords(a)))
	}
}

// inexactReasons returns why the counts of a rule may be wrong.
func inexactReasons(r *history.Rule) []string {
	var out []string
	if r.NotWhole != "" {
		out = append(out, r.NotWhole)
	}
	if r.Undecided != "" && r.Undecided != r.NotWhole {
		out = append(out, r.Undecided)
	}
	return out
}

// archiveWords describes an archive and its location.
func archiveWords(a *history.Archive) string { return activeWords(a) + " in " + Escape(a.Location) }

func activeWords(a *history.Archive) string {
	s := countNoun(a.Records, "record", "records")
	if a.Active > 0 {
		s += " (" + formatCount(a.Active) + " still on their way)"
	}
	return s
}

func (p *printer) printHistoryTypes(r *history.Rule, fact func(string, ...span)) {
	wide := 0
	for _, t := range r.Types {
		wide = max(wide, min(countColumns(string(t.Type)), maxLabel))
	}
	label := "types"
	for _, t := range r.Types {
		line := pad(string(t.Type), wide) + "  " + formatCount(t.Records)
		if t.Failed > 0 {
			line += ", " + formatCount(t.Failed) + " failed"
		}
		fact(label, textSpan(line))
		label = ""
	}
}

func statusCounts(c history.Counts) string {
	var l countList
	l.addCount(c.Sent, string(webhook.Sent))
	l.addCount(c.Failed, string(webhook.Failed))
	l.addCount(c.Retrying, string(webhook.Retrying))
	l.addCount(c.Pending, string(webhook.Pending))
	l.addCount(c.Other, "of another status")
	return l.String()
}

// formatPercent formats a share. It returns 100 and 0 only for all and nothing.
func formatPercent(share float64) string {
	s := strconv.FormatFloat(share*100, 'f', 1, 64)
	switch {
	case share == 1 || share == 0:
		s = strconv.FormatFloat(share*100, 'f', 0, 64)
	case s == "100.0":
		s = "99.9"
	case s == "0.0":
		s = "0.1"
	}
	return s + " %"
}

func timeRange(from, to time.Time) string {
	if from.Equal(to) {
		return "at " + formatTime(from)
	}
	return formatWithoutZone(from) + " to " + formatTime(to)
}

// formatAge formats a duration in one unit, or returns nothing if it is negative.
func formatAge(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return formatCount(int(d/(24*time.Hour))) + "d"
}

// printHistorySum prints the totals at the end.
func (p *printer) printHistorySum(doc *history.Document) {
	s := doc.Summary
	var l countList
	l.addCount(s.Failing, "failing")
	l.addCount(s.Errors, "not read or stored")
	p.printLine(0, 2, styledSpan(countNoun(s.Rules, "rule", "rules")+": ", styleBold), textSpan(orWords(l.String(), "none is failing")+"; "+historyRecords(s)+"."))
	switch {
	case undecidedWords(doc) != "":
		p.printLine(0, 2, textSpan("Exit code 1 means that "+undecidedWords(doc)+"."))
		if s.Alerts > 0 {
			p.printLine(0, 2, textSpan("For certain, "+alertWords(doc)+"."))
		}
	case s.Alerts > 0:
		p.printLine(0, 2, textSpan("Exit code 2 means that "+alertWords(doc)+"."))
	}
}

func historyRecords(s history.Summary) string {
	if s.Records == 0 {
		return "no record"
	}
	return countNoun(s.Records, "record", "records") + ", " + statusCounts(s.Status)
}

// undecidedWords describes the rules that --fail-on could not decide, or
// returns "".
func undecidedWords(doc *history.Document) string {
	n := doc.Summary.Undecided + doc.Summary.Errors
	if n == 0 || doc.FailOn == "" {
		return ""
	}
	return "--fail-on can't tell for " + countNoun(n, "rule", "rules")
}

// alertWords describes the matches of --fail-on.
func alertWords(doc *history.Document) string {
	if doc.Summary.Alerts == 0 {
		return ""
	}
	what := "Failed"
	if doc.FailOn == history.OnRetrying {
		what = "Failed or Retrying"
	}
	return countNoun(doc.Summary.Alerts, "rule has", "rules have") + " records that are " + what
}
