package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// applySet is the work of one apply run, by project.
type applySet struct {
	*multiPlan
	parallel int
	// toApply is the fresh plan. If a plan was reviewed, it contains only
	// changes that are also in the reviewed plan. unmatched lists the reviewed
	// changes that no longer match.
	toApply   *plan.Plan
	unmatched []plan.Unmatched
	// unreviewed counts the changes that appeared after the review.
	unreviewed int
	// rules are the rules to send, and prepared is their prepared form. Both
	// are indexed like targets.
	rules    [][]apply.Rule
	prepared []*apply.Prepared
}

// loadApplySet reads and plans all projects. It keeps every change, or with a
// reviewed plan only the changes that both plans contain.
func (o *runOptions) loadApplySet(ctx context.Context, a *app, targets []*projectSettings, reviewed *plan.Plan) (*applySet, error) {
	t := &applySet{parallel: o.parallel, rules: make([][]apply.Rule, len(targets))}
	parts := make([]*plan.Plan, len(targets))
	moved := make([][]plan.Unmatched, len(targets))
	unreviewed := make([]int, len(targets))
	narrow := func(i int, fresh *plan.Plan) {
		parts[i] = fresh
		if reviewed != nil {
			parts[i], moved[i], unreviewed[i] = plan.Narrow(reviewed, fresh, a.maskChange)
		}
	}
	var err error
	inputs := make([]*projectInput, len(targets)) // with a reviewed plan only
	t.multiPlan, err = o.planProjects(ctx, a, targets, false, func(i int, g *projectInput) error {
		if reviewed != nil {
			fresh := *g.plan // keeps what DropInSync would release
			fresh.Projects = slices.Clone(fresh.Projects)
			inputs[i], parts[i] = g, &fresh
			return nil
		}
		parts[i], t.rules[i] = g.plan, g.rulesToSend(g.plan)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if reviewed != nil && plan.Masks(reviewed, t.plan, a.maskChange) {
		if err := t.openReviewed(ctx, a, reviewed, inputs); err != nil {
			return nil, err
		}
	}
	for i, f := range t.results {
		switch {
		case f.err != nil:
			narrow(i, f.plan)
		case inputs[i] != nil:
			narrow(i, parts[i])
			t.rules[i] = inputs[i].rulesToSend(parts[i])
		}
		parts[i].DropInSync()
		t.unreviewed += unreviewed[i]
	}
	t.toApply = plan.Join(parts)
	t.toApply.Source = t.plan.Source
	t.unmatched = slices.Concat(moved...)
	if reviewed != nil {
		t.unmatched = append(t.unmatched, plan.UnmatchedElsewhere(reviewed, t.plan)...)
	}
	t.toApply.Digest = reportedDigest(reviewed, t.plan)
	return t, nil
}

// maskChange hides the secrets that this run knows in a change, as in a document.
func (a *app) maskChange(c *plan.Change) int { return a.scrubber.Mask(c, webhook.Redacted) }

// openReviewed decrypts the secrets of the reviewed changes. plan --decrypt knew
// them and masked each plain text that contains one. This run can compare such a
// change only when it also knows them.
func (t *applySet) openReviewed(ctx context.Context, a *app, reviewed *plan.Plan, inputs []*projectInput) error {
	seen := map[string]bool{}
	for _, p := range reviewed.Projects {
		for _, c := range p.Changes {
			seen[p.Name+"\x00"+c.Rule] = true
		}
	}
	a.decryptTask = a.progress.Task("open secrets", 0)
	defer a.decryptTask.Done()
	errs := make([]error, len(inputs))
	for i, g := range inputs {
		if g == nil || t.results[i].err != nil {
			continue
		}
		p := *g.plan
		p.Projects = slices.Clone(p.Projects)
		p.Projects[0].Changes = slices.DeleteFunc(slices.Clone(p.Projects[0].Changes), func(c plan.Change) bool {
			return !seen[p.Projects[0].Name+"\x00"+c.Rule]
		})
		_, errs[i] = g.prepareRules(ctx, a, g.client, &p, g.rulesToSend(&p), apply.Deps{})
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return joinInvalid(errs)
}

// reportedDigest returns the digest that the result, the audit log and the manifests
// report. A person saw this digest and can find it again: the saved plan's
// digest, or the fresh plan's without a saved plan. A narrowed plan has no
// digest.
func reportedDigest(reviewed, fresh *plan.Plan) webhook.Digest {
	if reviewed != nil {
		return reviewed.Digest
	}
	return fresh.Digest
}

// prepareAll decrypts and checks the secrets of all projects before the first
// write to any project.
func (t *applySet) prepareAll(ctx context.Context, a *app, deps apply.Deps) error {
	t.prepared = make([]*apply.Prepared, len(t.targets))
	errs := make([]error, len(t.targets))
	a.decryptTask = a.progress.Task("open secrets", 0)
	defer a.decryptTask.Done()
	var group parallel.Group
	group.SetLimit(t.parallel)
	for i, target := range t.targets {
		if t.results[i].err != nil {
			continue
		}
		group.Go(func() error {
			t.prepared[i], errs[i] = target.prepareRules(ctx, a, t.results[i].client, t.toApply, t.rules[i], deps)
			return nil
		})
	}
	_ = group.Wait() // each project keeps its error
	t.rules = nil
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return joinInvalid(errs)
}

// joinInvalid joins the errors of several projects into one error; nil if there
// is none. Each error names its files.
func joinInvalid(errs []error) error {
	var texts []error
	var all *codeError
	for _, err := range errs {
		var e *codeError
		switch {
		case err == nil:
			continue
		case !errors.As(err, &e):
			return err
		case all == nil:
			all = &codeError{code: e.code}
		}
		texts = append(texts, e.err)
		for _, h := range e.hints {
			if !slices.Contains(all.hints, h) {
				all.hints = append(all.hints, h)
			}
		}
	}
	if all == nil {
		return nil
	}
	all.err = errors.Join(texts...)
	return all
}

// changes returns the number of changes in all projects.
func (t *applySet) changes() (n int) {
	for _, p := range t.toApply.Projects {
		n += len(p.Changes)
	}
	return n
}

// applyAll applies several projects in parallel and joins their results.
func (t *applySet) applyAll(a *app) *apply.Result {
	results := make([]*apply.Result, len(t.targets))
	a.applyTask = a.progress.Task("apply", t.changes())
	defer a.applyTask.Done()
	var group parallel.Group
	group.SetLimit(t.parallel)
	for i, p := range t.prepared {
		if p == nil {
			continue
		}
		group.Go(func() error {
			results[i] = p.Run(a.rootContext, a.Stop, t.toApply)
			return nil
		})
	}
	_ = group.Wait() // each change keeps its error
	return apply.JoinResults(t.toApply, slices.DeleteFunc(results, func(r *apply.Result) bool { return r == nil }))
}
