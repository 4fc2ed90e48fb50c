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

// readDeliveries reads a page of the history of each rule that a file names and
// that is in use, and puts into the plan which of them fail. What one page can't
// tell is a warning.
func (g *gathered) readDeliveries(ctx context.Context) error {
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
	pages, err := g.firstPages(ctx, names)
	if err != nil {
		return failed(fmt.Errorf("--deliveries: %w", err))
	}
	project := &g.plan.Projects[0]
	var unclear []string
	for i, name := range names {
		f, known := failingOf(name, pages[i])
		switch {
		case !known:
			unclear = append(unclear, name)
		case f != nil:
			project.Failing = append(project.Failing, *f)
		}
	}
	if len(unclear) > 0 {
		project.Warnings = append(project.Warnings,
			"--deliveries: the first page of the history does not hold the latest records of "+list(unclear)+"; mkhooks history reads all of it")
	}
	return nil
}

// failingOf says how the latest deliveries failed, nil where they did not. It is
// not known where the page may not hold the latest ones: nothing promises that a
// history begins with the newest.
func failingOf(rule string, page mkio.EventPage) (f *plan.Failing, known bool) {
	reading := history.NewReading(time.Time{}, time.Time{})
	reading.Page(page.Events, page.Total, page.HasTotal)
	r := reading.Result(rule, true, nil)
	switch {
	case page.More && r.Order != history.NewestFirst:
		return nil, false
	case r.State != history.StateFailing:
		return nil, true
	}
	run := history.Run{Records: 1, From: *r.Last, To: *r.Last}
	if r.Failing != nil {
		run = *r.Failing
	}
	return &plan.Failing{Rule: rule, Records: run.Records, AtLeast: page.More && r.Status.Sent == 0, From: run.From, To: run.To}, true
}
