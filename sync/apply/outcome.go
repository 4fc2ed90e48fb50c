package apply

import (
	"github.com/mkhooks/mkhooks/sync/plan"
)

// finish counts the changes and says how the run ended.
func (r *Result) finish(interrupted bool) {
	if r.Changes == nil {
		r.Changes = []Change{}
	}
	r.Summary = Summary{}
	counts := map[Status]*int{
		StatusApplied: &r.Summary.Applied, StatusDone: &r.Summary.Done, StatusUnverified: &r.Summary.Unverified,
		StatusFailed: &r.Summary.Failed, StatusBlocked: &r.Summary.Blocked, StatusStale: &r.Summary.Stale, StatusSkipped: &r.Summary.Skipped,
	}
	for _, c := range r.Changes {
		*counts[c.Status]++
	}
	s := r.Summary
	written := s.Applied + s.Unverified
	switch {
	case interrupted:
		r.Outcome = Interrupted
	case s.Failed+s.Unverified > 0 && written > 0:
		r.Outcome = Partial
	case s.Failed > 0:
		r.Outcome = Failed
	case s.Blocked+s.Stale+s.Skipped > 0:
		r.Outcome = Refused
	case written > 0:
		r.Outcome = Applied
	default:
		r.Outcome = Nothing
	}
}

// Declined is the result of a plan that the user did not want.
func Declined(p *plan.Plan) *Result {
	r := &Result{FormatVersion: FormatVersion, Digest: p.Digest, Warnings: []string{}}
	for _, project := range p.Projects {
		for _, c := range project.Changes {
			out := Change{Project: project.Name, Rule: c.Rule, Action: c.Action, Status: StatusSkipped}
			if c.Blocked != nil {
				out.Status, out.Blocked = StatusBlocked, c.Blocked
			}
			r.Changes = append(r.Changes, out)
		}
	}
	r.finish(false)
	r.Outcome = Refused
	return r
}

// Add reports reviewed changes that the fresh plan no longer held as they were.
func (r *Result) Add(moved []plan.Moved) {
	if len(moved) == 0 {
		return
	}
	for _, m := range moved {
		c := Change{Project: m.Project, Rule: m.Change.Rule, Action: m.Change.Action, Status: StatusDone}
		if !m.Done {
			c.Status = StatusStale
			c.Error = &Error{Kind: KindStale, Message: "no longer what was shown: the rule or its file changed since", Hint: "run plan again and look at what changed"}
		}
		r.Changes = append(r.Changes, c)
	}
	r.finish(r.Outcome == Interrupted)
}
