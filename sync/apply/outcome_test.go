package apply_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// planOf returns a plan with a create of each name in each of the projects.
func planOf(projects map[string][]string, order ...string) *plan.Plan {
	p := &plan.Plan{}
	for _, project := range order {
		pr := plan.Project{Name: project}
		for _, rule := range projects[project] {
			pr.Changes = append(pr.Changes, plan.Change{Rule: rule, Action: plan.Create})
		}
		p.Projects = append(p.Projects, pr)
	}
	return p
}

// resultOf returns the result of one project.
func resultOf(outcome apply.Outcome, project string, all ...apply.Status) *apply.Result {
	r := &apply.Result{Outcome: outcome}
	for _, s := range all {
		r.Changes = append(r.Changes, apply.Change{Project: project, Rule: "a", Action: plan.Create, Status: s})
	}
	return r
}

// TestJoin checks the outcome of a run for several projects, and that each warning
// names its project.
func TestJoin(t *testing.T) {
	t.Parallel()
	two := planOf(map[string][]string{"x": {"a"}, "y": {"a"}}, "x", "y")
	unread := planOf(map[string][]string{"x": {"a"}}, "x", "y")
	unread.Projects[1].Unreadable = "list the rules: 403 Forbidden"
	for name, test := range map[string]struct {
		plan    *plan.Plan
		results []*apply.Result
		want    apply.Outcome
	}{
		"both":                     {two, []*apply.Result{resultOf(apply.Applied, "x", apply.StatusApplied), resultOf(apply.Nothing, "y", apply.StatusDone)}, apply.Applied},
		"one fails":                {two, []*apply.Result{resultOf(apply.Applied, "x", apply.StatusApplied), resultOf(apply.Failed, "y", apply.StatusFailed)}, apply.Partial},
		"both fail":                {two, []*apply.Result{resultOf(apply.Failed, "x", apply.StatusFailed), resultOf(apply.Failed, "y", apply.StatusFailed)}, apply.Failed},
		"the first interrupted":    {two, []*apply.Result{resultOf(apply.Interrupted, "x", apply.StatusApplied), resultOf(apply.Applied, "y", apply.StatusApplied)}, apply.Interrupted},
		"the second interrupted":   {two, []*apply.Result{resultOf(apply.Applied, "x", apply.StatusApplied), resultOf(apply.Interrupted, "y", apply.StatusSkipped)}, apply.Interrupted},
		"one blocked, one stale":   {two, []*apply.Result{resultOf(apply.Refused, "x", apply.StatusBlocked), resultOf(apply.Refused, "y", apply.StatusStale)}, apply.Refused},
		"one stale, one skipped":   {two, []*apply.Result{resultOf(apply.Refused, "x", apply.StatusStale), resultOf(apply.Refused, "y", apply.StatusSkipped)}, apply.Refused},
		"one can't be read":        {unread, []*apply.Result{resultOf(apply.Applied, "x", apply.StatusApplied)}, apply.Partial},
		"one can't, nothing to do": {unread, []*apply.Result{resultOf(apply.Nothing, "x")}, apply.Failed},
	} {
		if got := apply.JoinResults(test.plan, test.results); got.Outcome != test.want {
			t.Errorf("%s: %s, want %s", name, got.Outcome, test.want)
		}
	}

	x := resultOf(apply.Applied, "x", apply.StatusApplied)
	x.ProjectWarnings = []apply.Warning{{"x", "the record is torn"}, {"x", "project x is odd"}}
	none := resultOf(apply.Nothing, "y")
	none.Warnings = []string{"of the run"}
	want := []string{"project x: the record is torn", "project x: project x is odd", "of the run"}
	if diff := cmp.Diff(want, apply.JoinResults(two, []*apply.Result{x, none}).Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	one := planOf(map[string][]string{"x": {"a"}}, "x")
	if diff := cmp.Diff([]string{"the record is torn", "project x is odd"}, apply.JoinResults(one, []*apply.Result{x}).Warnings); diff != "" {
		t.Errorf("warnings of one project (-want +got):\n%s", diff)
	}
}

// TestAdd checks that added changes keep the outcome of an interrupted or declined
// run, and do not turn another run into either.
func TestAdd(t *testing.T) {
	t.Parallel()
	done := []plan.Unmatched{{Project: "x", Change: plan.Change{Rule: "b", Action: plan.Delete}, Done: true}}
	for name, test := range map[string]struct {
		result *apply.Result
		want   apply.Outcome
	}{
		"applied":     {resultOf(apply.Applied, "x", apply.StatusApplied), apply.Applied},
		"interrupted": {resultOf(apply.Interrupted, "x", apply.StatusApplied), apply.Interrupted},
		"declined":    {apply.DeclinedResult(planOf(nil)), apply.Refused},
		"nothing":     {resultOf(apply.Nothing, "x"), apply.Nothing},
	} {
		test.result.AddUnmatched(done)
		if test.result.Outcome != test.want {
			t.Errorf("%s: %s, want %s", name, test.result.Outcome, test.want)
		}
	}
}

// TestInDoubt checks that a saved result also shows which writes may have taken
// effect.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	change := func(s apply.Status, attempts, status int, kind apply.ErrorKind) apply.Change {
		return apply.Change{Status: s, Attempts: attempts, HTTPStatus: status, Error: &apply.Error{Kind: kind}}
	}
	for name, test := range map[string]struct {
		change apply.Change
		want   bool
	}{
		"no answer":               {change(apply.StatusFailed, 1, 0, apply.KindNetwork), true},
		"stopped":                 {change(apply.StatusFailed, 1, 0, apply.KindInterrupted), true},
		"an error of the service": {change(apply.StatusFailed, 1, 500, apply.KindService), true},
		"not well":                {change(apply.StatusFailed, 1, 503, apply.KindService), true},
		"refused":                 {change(apply.StatusFailed, 1, 400, apply.KindService), false},
		"refused the second time": {change(apply.StatusFailed, 2, 400, apply.KindService), true},
		"limited":                 {change(apply.StatusFailed, 1, 429, apply.KindService), false},
		"limited again and again": {change(apply.StatusFailed, 7, 429, apply.KindService), false},
		"not sent":                {change(apply.StatusFailed, 0, 0, apply.KindNetwork), false},
		"not sent by the record":  {change(apply.StatusFailed, 0, 0, apply.KindAudit), false},
		"stale":                   {change(apply.StatusStale, 1, 503, apply.KindStale), false},
		"without a word":          {apply.Change{Status: apply.StatusFailed, Attempts: 1, HTTPStatus: 503}, false},
		"not sent, of no kind":    {change(apply.StatusFailed, 0, 503, apply.KindService), false},
	} {
		if got := test.change.InDoubt(); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
