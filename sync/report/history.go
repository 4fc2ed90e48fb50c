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
	p.historyHead(doc)
	if brief {
		p.historyTable(doc)
	} else {
		for i := range doc.Rules {
			p.blank()
			p.historyRule(&doc.Rules[i])
		}
	}
	p.blank()
	p.historySum(doc)
	return p.flush(w)
}

func (p *printer) historyHead(doc *history.Document) {
	window := ", all records"
	if doc.Since != nil {
		window = ", records since " + moment(*doc.Since)
	}
	p.line(0, 2, textSpan("Project "), styled(quoteName(doc.Project), styleBold), textSpan(" at "+host(doc.BaseURL)+window))
}

// minute formats a time without seconds.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// day formats a time without the zone, beside a time with the zone.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

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
			return "the last " + count(n) + " deliveries failed, since " + at(r.Failing.From)
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

func (p *printer) historyRule(r *history.Rule) {
	paused := ""
	if !r.Enabled {
		paused = " (paused)"
	}
	p.line(0, 2, textSpan("Rule "), styled(quoteName(r.Rule), styleBold), textSpan(paused+": "), styled(stateWords(r, minute), stateStyles[r.State]))
	fact := func(label string, spans ...span) {
		p.line(2, 2+historyWide, append([]span{solidSpan(pad(label, historyWide), styleNone)}, spans...)...)
	}
	if r.Error != "" {
		fact("error", styled(r.Error, styleRed))
	}
	if r.Records > 0 {
		label := "records"
		if r.Error != "" {
			label = "read so far"
		}
		fact(label, textSpan(count(r.Records)+": "+statusCounts(r.Status)))
		if r.SuccessRate != nil {
			fact("success", textSpan(percent(*r.SuccessRate)+" of "+countNoun(r.Status.Sent+r.Status.Failed, "delivery that ended", "deliveries that ended")))
		}
		if run := r.LongestFailure; run != nil {
			fact("failures", textSpan("longest run "+count(run.Records)+", "+between(run.From, run.To)))
		}
		if r.First != nil {
			fact("first, last", textSpan(day(*r.First)+", "+moment(*r.Last)+" ("+Escape(string(r.LastStatus))+")"))
		}
		p.historyTypes(r, fact)
		if r.Timeline != nil {
			p.spark(r.Timeline, fact)
		}
	}
	for _, why := range notExact(r) {
		fact("not exact", styled(why, styleYellow))
	}
	if a := r.Archive; a != nil {
		fact("stored", textSpan(stored(a)))
	}
}

// notExact returns why the counts of a rule may be wrong.
func notExact(r *history.Rule) []string {
	var out []string
	if r.NotWhole != "" {
		out = append(out, r.NotWhole)
	}
	if r.Undecided != "" && r.Undecided != r.NotWhole {
		out = append(out, r.Undecided)
	}
	return out
}

// stored describes an archive and its location.
func stored(a *history.Archive) string { return activeWords(a) + " in " + Escape(a.Location) }

func activeWords(a *history.Archive) string {
	s := countNoun(a.Records, "record", "records")
	if a.Active > 0 {
		s += " (" + count(a.Active) + " still on their way)"
	}
	return s
}

func (p *printer) historyTypes(r *history.Rule, fact func(string, ...span)) {
	wide := 0
	for _, t := range r.Types {
		wide = max(wide, min(columns(string(t.Type)), maxLabel))
	}
	label := "types"
	for _, t := range r.Types {
		line := pad(string(t.Type), wide) + "  " + count(t.Records)
		if t.Failed > 0 {
			line += ", " + count(t.Failed) + " failed"
		}
		fact(label, textSpan(line))
		label = ""
	}
}

func statusCounts(c history.Counts) string {
	var l list
	l.addCount(c.Sent, string(webhook.Sent))
	l.addCount(c.Failed, string(webhook.Failed))
	l.addCount(c.Retrying, string(webhook.Retrying))
	l.addCount(c.Pending, string(webhook.Pending))
	l.addCount(c.Other, "of another status")
	return l.String()
}

// percent formats a share. It returns 100 and 0 only for all and nothing.
func percent(share float64) string {
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

func between(from, to time.Time) string {
	if from.Equal(to) {
		return "at " + moment(from)
	}
	return day(from) + " to " + moment(to)
}

// age formats a duration in one unit, or returns nothing if it is negative.
func age(d time.Duration) string {
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
	return count(int(d/(24*time.Hour))) + "d"
}

// historySum prints the totals at the end.
func (p *printer) historySum(doc *history.Document) {
	s := doc.Summary
	var l list
	l.addCount(s.Failing, "failing")
	l.addCount(s.Errors, "not read or stored")
	p.line(0, 2, styled(countNoun(s.Rules, "rule", "rules")+": ", styleBold), textSpan(orWords(l.String(), "none is failing")+"; "+historyRecords(s)+"."))
	switch {
	case undecidedWords(doc) != "":
		p.line(0, 2, textSpan("Exit code 1 means that "+undecidedWords(doc)+"."))
		if s.Alerts > 0 {
			p.line(0, 2, textSpan("For certain, "+alertWords(doc)+"."))
		}
	case s.Alerts > 0:
		p.line(0, 2, textSpan("Exit code 2 means that "+alertWords(doc)+"."))
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
