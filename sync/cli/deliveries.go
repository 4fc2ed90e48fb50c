package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// readDeliveries reads a history page of each enabled live rule that has a
// file. It adds the failing rules to the plan. A rule with an unknown state
// causes a warning.
func (g *projectInput) readDeliveries(ctx context.Context) error {
	enabled := map[string]bool{}
	for _, r := range g.input.Live {
		enabled[r.Name] = r.Spec.Enabled
	}
	var names []string
	for _, d := range g.input.Desired {
		if enabled[d.Name] && (g.about == nil || g.about(d.Name)) {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	found := make([]struct {
		failing *plan.Failing
		known   bool
	}, len(names))
	err := g.firstPages(ctx, names, func(i int, page mkio.EventPage) {
		found[i].failing, found[i].known = newestFailures(names[i], page)
	})
	if err != nil {
		return failed(fmt.Errorf("--deliveries: %w", err))
	}
	project := &g.plan.Projects[0]
	for i, name := range names {
		switch f := found[i]; {
		case !f.known:
			project.DeliveriesUnknown = append(project.DeliveriesUnknown, name)
		case f.failing != nil:
			project.Failing = append(project.Failing, *f.failing)
		}
	}
	if unknown := project.DeliveriesUnknown; len(unknown) > 0 {
		project.Warnings = append(project.Warnings,
			"--deliveries: one page of the history does not tell whether the latest deliveries failed, of "+joinNames(unknown)+"; mkhooks history reads all of it")
	}
	return nil
}

// newestFailures returns the newest failures of a rule, nil if its newest deliveries
// did not fail. The state is unknown in two cases. The page may lack the newest
// records, because no order is promised. Or the newest record has a status that
// this version does not know.
func newestFailures(rule string, page mkio.EventPage) (f *plan.Failing, known bool) {
	reading := history.NewReading(time.Time{}, time.Time{})
	reading.AddPage(page.Events, page.Total, page.HasTotal)
	reading.Contradict(page.Contradiction)
	r := reading.Result(rule, true, nil)
	more := page.More || r.NotWhole != ""
	switch {
	case more && r.Order != history.NewestFirst, r.State == history.StateOther:
		return nil, false
	case r.State != history.StateFailing:
		return nil, true
	}
	run := history.Run{Records: 1, From: *r.Last, To: *r.Last}
	if r.Failing != nil {
		run = *r.Failing
	}
	return &plan.Failing{Rule: rule, Records: run.Records, AtLeast: more && r.Status.Sent == 0, From: run.From, To: run.To}, true
}
