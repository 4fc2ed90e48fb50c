package apply

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// run is one run over one project.
type run struct {
	*Prepared
	client  *mkio.Client
	project *plan.Project
	stop    <-chan struct{}

	mu       sync.Mutex
	halted   string // why nothing more is written; empty means no reason
	warnings []Warning
}

// Run applies pl: the prepared plan, or the part of it that [plan.Narrow] kept
// after a second read. [Result.AddUnmatched] adds the other changes.
//
// After stop is closed, Run starts nothing new and finishes the requests in flight.
// It ends a delete that only waits. After ctx ends, it also cancels the requests in
// flight. The result always contains every change once.
func (p *Prepared) Run(ctx context.Context, stop <-chan struct{}, pl *plan.Plan) *Result {
	result := newResult(p.plan)
	for _, project := range p.clientProjects(pl) {
		r := &run{Prepared: p, client: p.deps.Client, project: project, stop: stop}
		result.Changes = append(result.Changes, r.runAll(ctx)...)
		result.ProjectWarnings = append(result.ProjectWarnings, r.warnings...)
	}
	slices.SortFunc(result.ProjectWarnings, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Text, b.Text))
	})
	stopped := ctx.Err() != nil
	select {
	case <-stop:
		stopped = true
	default:
	}
	result.setOutcome(stopped)
	return result
}

// runAll does creates and updates, then deletes.
func (r *run) runAll(ctx context.Context) []Change {
	changes := r.project.Changes
	out := make([]Change, len(changes))
	var writes, deletes []int
	for i, c := range changes {
		if c.Action == plan.Delete {
			deletes = append(deletes, i)
		} else {
			writes = append(writes, i)
		}
	}
	// The first response to a PUT shows whether the service keeps the marker. If it
	// does not, that is one rule too many already, so the first PUT goes alone.
	for r.project.Owner != "" && len(writes) > 0 {
		i := writes[0]
		writes = writes[1:]
		out[i] = r.runChange(ctx, changes[i], r.putRule)
		if s := out[i].Status; s != StatusBlocked && s != StatusStale && s != StatusDone {
			break
		}
	}
	r.runParallel(writes, func(i int) { out[i] = r.runChange(ctx, changes[i], r.putRule) })
	reason := dependenceReason(out)
	r.runParallel(deletes, func(i int) {
		out[i] = r.runChange(ctx, changes[i], func(ctx context.Context, c plan.Change) Change {
			if reason != "" {
				blocked := newChange(r.project.Name, c)
				blocked.blockBy(plan.GuardDependence, reason)
				return blocked
			}
			return r.deleteRule(ctx, c)
		})
	})
	return out
}

func (r *run) runParallel(indexes []int, do func(i int)) {
	var group errgroup.Group
	group.SetLimit(r.deps.Concurrency)
	for _, i := range indexes {
		group.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = group.Wait() // each change keeps its error
}

// runChange does one change and reports its result to Finished.
func (r *run) runChange(ctx context.Context, c plan.Change, do func(context.Context, plan.Change) Change) Change {
	out := r.runGuarded(ctx, c, do)
	r.searchChange(&out)
	if r.deps.Finished != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.deps.Finished(out)
	}
	return out
}

// runGuarded does one change, unless a guard, a stop or a halt prevents it.
func (r *run) runGuarded(ctx context.Context, c plan.Change, do func(context.Context, plan.Change) Change) (out Change) {
	out = newChange(r.project.Name, c)
	if c.Blocked != nil {
		out.setBlocked(*c.Blocked)
		return out
	}
	if r.isStopped(ctx) {
		out.markSkipped("not tried: the run was stopped before it")
		return out
	}
	if why := r.haltReason(); why != "" {
		out.fail(StatusSkipped, KindUnverified, "not tried: "+why, "")
		return out
	}
	defer func() {
		// A fault in one change must not end the others. The text of a panic could
		// hold a value.
		if recover() != nil {
			out = newChange(r.project.Name, c)
			out.failInternal()
		}
	}()
	return do(ctx, c)
}

// isStopped reports whether nothing more is to be started.
func (r *run) isStopped(ctx context.Context) bool {
	select {
	case <-r.stop:
		return true
	default:
		return ctx.Err() != nil
	}
}

// waitUnlessStopped waits, and returns false if the run was stopped meanwhile.
func (r *run) waitUnlessStopped(ctx context.Context, d time.Duration) bool {
	select {
	case <-r.deps.After(d):
		return !r.isStopped(ctx)
	case <-r.stop:
	case <-ctx.Done():
	}
	return false
}

// haltWrites prevents further writes to the project.
func (r *run) haltWrites(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.halted == "" {
		r.halted = why
		r.warnings = append(r.warnings, Warning{r.project.Name, why + "; nothing more was written to the project"})
	}
}

func (r *run) haltReason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.halted
}

func (r *run) addWarning(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warnings = append(r.warnings, Warning{r.project.Name, r.client.ShowText(text)})
}

// dependenceReason returns why the deletes of the project have to wait, or "". A create
// that is not done and verified, or a failed update, may be the other half of a
// delete.
func dependenceReason(out []Change) string {
	for _, c := range out {
		bad := false
		switch c.Action {
		case plan.Create:
			bad = c.Status != StatusApplied && c.Status != StatusDone
		case plan.Update:
			bad = c.Status == StatusFailed || c.Status == StatusUnverified
		}
		if bad {
			return "deletes wait until every create and update is done, and " + changeName(c.Action, c.Rule) + " is " + string(c.Status)
		}
	}
	return ""
}

// recordIntent records that a write is about to leave.
func (r *run) recordIntent(ctx context.Context, c plan.Change, step Step, before, after webhook.Digest, removes ...string) (Write, error) {
	w := Write{Project: r.project.Name, Rule: c.Rule, Action: c.Action, Step: step, Before: before, After: after, AuthRemoved: removes}
	if r.deps.Audit == nil {
		return w, nil
	}
	return w, r.deps.Audit.Intent(ctx, w)
}

// recordResult records the result of a write. It also runs after an interrupt,
// because the audit log matters most then.
func (r *run) recordResult(ctx context.Context, w Write, d WriteResult) {
	if r.deps.Audit == nil {
		return
	}
	r.searchResult(&d)
	if err := r.deps.Audit.Result(context.WithoutCancel(ctx), w, d); err != nil {
		r.addWarning("the record of " + changeName(w.Action, w.Rule) + " could not be written: " + err.Error())
	}
}

// recordStep records a step that writes nothing. It ignores an error, because the
// next intent also fails, and then stops the write.
func (r *run) recordStep(ctx context.Context, c plan.Change, step Step, before webhook.Digest, d WriteResult) {
	if r.deps.Audit == nil {
		return
	}
	r.searchResult(&d)
	w := Write{Project: r.project.Name, Rule: c.Rule, Action: c.Action, Step: step, Before: before, After: c.DesiredDigest}
	_ = r.deps.Audit.Step(context.WithoutCancel(ctx), w, d)
}
