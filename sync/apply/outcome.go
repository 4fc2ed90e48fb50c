package apply

import (
	"cmp"
	"slices"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// DeclinedResult returns the result of a plan that was not confirmed: nothing was done.
func DeclinedResult(p *plan.Plan) *Result {
	r := newResult(p)
	for _, project := range p.Projects {
		for _, c := range project.Changes {
			out := newChange(project.Name, c)
			out.Status = StatusSkipped
			if c.Blocked != nil {
				out.setBlocked(*c.Blocked)
			}
			r.Changes = append(r.Changes, out)
		}
	}
	r.setOutcome(false)
	r.Outcome = Refused
	if len(r.Unreadable) > 0 {
		r.Outcome = Failed
	}
	return r
}

// AddUnmatched adds confirmed changes that are now stale or done. It skips changes that the
// result already contains.
func (r *Result) AddUnmatched(moved []plan.Unmatched) {
	declined := r.Outcome == Refused
	for _, m := range moved {
		if !slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Project == m.Project && c.Rule == m.Change.Rule }) {
			r.Changes = append(r.Changes, unmatchedChange(m))
		}
	}
	// A plan's changes are in order of their rules. Projects keep their order;
	// projects that are not in the plan come last.
	place := map[string]int{}
	for i, name := range r.Order {
		place[name] = i
	}
	for _, c := range r.Changes {
		if _, known := place[c.Project]; !known {
			place[c.Project] = len(place)
		}
	}
	slices.SortStableFunc(r.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(place[a.Project], place[b.Project]), cmp.Compare(a.Rule, b.Rule))
	})
	r.setOutcome(r.Outcome == Interrupted)
	if declined {
		r.Outcome = Refused
	}
}

func unmatchedChange(m plan.Unmatched) Change {
	out := newChange(m.Project, m.Change)
	if m.Done {
		out.Status = StatusDone
		return out
	}
	out.Status = StatusStale
	out.Error = &Error{Kind: KindStale, Message: "no longer what the plan saw: " + m.Why, Hint: planAgain}
	return out
}

// JoinResults merges the results of all projects of a plan. results are in the plan's
// order, without the projects that could not be read.
func JoinResults(p *plan.Plan, results []*Result) *Result {
	out := newResult(p)
	interrupted := false
	for _, r := range results {
		out.Changes = append(out.Changes, r.Changes...)
		for _, w := range r.ProjectWarnings {
			text := w.Text
			if len(p.Projects) > 1 {
				text = "project " + w.Project + ": " + text
			}
			out.Warnings = append(out.Warnings, text)
		}
		out.Warnings = append(out.Warnings, r.Warnings...)
		interrupted = interrupted || r.Outcome == Interrupted
	}
	out.setOutcome(interrupted)
	return out
}

func newResult(p *plan.Plan) *Result {
	r := &Result{FormatVersion: FormatVersion, Digest: p.Digest, Changes: []Change{}, Warnings: []string{}}
	for _, project := range p.Projects {
		r.Order = append(r.Order, project.Name)
	}
	for _, project := range p.UnreadableProjects() {
		r.Unreadable = append(r.Unreadable, Unreadable{Project: project.Name, Message: project.Unreadable})
	}
	return r
}

// newChange returns a change without a status.
func newChange(project string, c plan.Change) Change {
	return Change{Project: project, Rule: c.Rule, Action: c.Action, SecretTo: c.SecretTo}
}

// setOutcome counts the changes by status and sets the outcome.
func (r *Result) setOutcome(interrupted bool) {
	var s Summary
	unfinished := 0
	for _, c := range r.Changes {
		if c.wrote && c.Status != StatusApplied && c.Status != StatusUnverified {
			unfinished++
		}
		switch c.Status {
		case StatusApplied:
			s.Applied++
		case StatusDone:
			s.Done++
		case StatusUnverified:
			s.Unverified++
		case StatusFailed:
			s.Failed++
		case StatusBlocked:
			s.Blocked++
		case StatusStale:
			s.Stale++
		case StatusSkipped:
			s.Skipped++
		}
	}
	r.Summary = s
	r.Outcome = s.outcome(interrupted, len(r.Unreadable), unfinished)
}

// outcome returns the run in one word. unfinished counts the changes that wrote
// something and then ended with another status than applied.
func (s Summary) outcome(interrupted bool, unreadable, unfinished int) Outcome {
	written, bad := s.Applied+s.Unverified, s.Failed+s.Unverified+unreadable
	switch {
	case interrupted:
		return Interrupted
	case unfinished > 0:
		return Partial
	case bad > 0 && written > 0:
		return Partial
	case bad > 0:
		return Failed
	case s.Blocked+s.Stale+s.Skipped > 0:
		return Refused
	case written > 0:
		return Applied
	}
	return Nothing
}
