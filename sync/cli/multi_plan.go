package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// A run reads its projects in parallel: while one project waits for the
// service, the files of another are read.
//
// A planned project keeps only its changes. Memory grows with the projects in
// progress, not with all projects.
//
// An unreadable project does not stop the others. An invalid file stops the
// run, after the files of all projects were checked.

// multiPlan is the joint plan of all projects of a run.
type multiPlan struct {
	targets []*projectSettings
	flags   *runOptions // as they were given
	results []projectResult
	// holders contains the secrets that the guard destination compares with.
	// heldWarning warns about unreadable parts of it.
	holders     *plan.Holders
	heldWarning string
	// plan joins all projects, in the order of the targets.
	plan *plan.Plan
}

// projectResult is the outcome of one project.
type projectResult struct {
	client *mkio.Client
	plan   *plan.Plan // nil if the files are invalid
	// err explains why the project was not read completely.
	err      error
	problems []schema.Problem
	// misses maps flag patterns that match no rule of the project to a
	// suggestion, or "".
	misses map[string]string
}

// planProjects reads the files and the live rules of every project, and plans.
// It serves plan, drift and apply, so that apply does what plan shows. keep
// gets each planned project, which is discarded afterwards.
func (o *runOptions) planProjects(ctx context.Context, a *app, targets []*projectSettings, readOnly bool, keep func(i int, g *projectInput) error) (*multiPlan, error) {
	s := &multiPlan{targets: targets, flags: o, results: make([]projectResult, len(targets))}
	notReady := s.makeClients(a, readOnly)
	source := parallel.Start(func() plan.Source { return o.gitSource(ctx, a, s.allRulePaths()) })
	// Invalid files end the run, so the remaining projects send no requests.
	var offline atomic.Bool
	offline.Store(notReady != nil)
	var err error
	if notReady == nil {
		if s.holders, s.heldWarning, err = s.readHoldings(ctx); err != nil {
			return nil, err
		}
	}
	task := a.progress.Task("read projects", len(targets))
	defer task.Done()
	group, inner := parallel.WithContext(ctx)
	group.SetLimit(o.parallel)
	for i := range targets {
		group.Go(func() error {
			defer task.Add(1)
			return s.planProject(inner, a, i, &offline, keep)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if problems := s.allProblems(); schema.HasErrors(problems) {
		return nil, s.refuseInvalid(a, problems, notReady != nil || len(targets) == 1)
	}
	switch {
	case notReady != nil:
		return nil, notReady
	case len(targets) == 1 && s.results[0].err != nil:
		return nil, s.results[0].err
	}
	if err := s.checkPatterns(a); err != nil {
		return nil, err
	}
	parts := make([]*plan.Plan, 0, len(targets))
	for _, f := range s.results {
		parts = append(parts, f.plan)
	}
	s.plan = plan.Join(parts)
	s.plan.Source = source()
	if p := s.plan.Source.Problem; p != "" {
		a.warn("the commit of the files is not known for sure: %s", p)
		if h := s.plan.Source.Hint; h != "" {
			a.printMessage("hint", h)
		}
	}
	return s, nil
}

// makeClients makes the clients. An error stops the run before anything is sent.
func (s *multiPlan) makeClients(a *app, readOnly bool) error {
	for i, t := range s.targets {
		var err error
		if s.results[i].client, err = t.projectClient(a, t.name, readOnly); err != nil {
			if len(s.targets) > 1 {
				return withProject(t.name, err)
			}
			return err
		}
	}
	return nil
}

// withProject adds the project name to an error. It keeps the exit code and the
// hints.
func withProject(name string, err error) error {
	var e *codeError
	if !errors.As(err, &e) || e.err == nil {
		return fmt.Errorf("project %s: %w", name, err)
	}
	named := *e
	named.err = fmt.Errorf("project %s: %w", name, e.err)
	return &named
}

// planProject reads and plans one project. Its error ends the run: a context
// error or invalid input.
func (s *multiPlan) planProject(ctx context.Context, a *app, i int, offline *atomic.Bool, keep func(int, *projectInput) error) error {
	t, f := s.targets[i], &s.results[i]
	if f.client == nil { // the files are still checked
		_, problems, err := t.ruleOptions.loadRules(ctx, a, t.paths)
		f.problems = problems
		return err
	}
	g, problems, err := t.readRuleFiles(ctx, a, f.client)
	f.problems = problems
	switch {
	case err != nil:
		return err
	case g == nil:
		offline.Store(true)
		return nil
	case offline.Load():
		return nil
	}
	g.input.Held = s.holders
	if s.heldWarning != "" {
		g.input.Warnings = append(g.input.Warnings, s.heldWarning)
	}
	err = g.readLive(ctx, a)
	if err == nil && keep != nil {
		err = keep(i, g)
	}
	var e *codeError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && (!errors.As(err, &e) || e.code != exitFailed):
		return err
	case err != nil:
		g.input.Now = a.Now().UTC()
		f.err, f.plan = err, plan.NewUnreadable(g.input, err.Error())
		return nil
	}
	o := s.flags
	f.misses = t.unmatchedPatterns(slices.Concat(t.fileProtect, o.only, o.protect, o.dropAuth, o.takeOver, o.adopt), g.ruleNames)
	g.warnOfMisses(f.misses)
	f.plan = g.plan
	f.plan.DropInSync()
	return nil
}

// refuseInvalid ends a run with an invalid rule file. unsent: no request was
// sent.
func (s *multiPlan) refuseInvalid(a *app, problems []schema.Problem, unsent bool) error {
	nothing := "nothing was changed"
	if unsent {
		nothing = "nothing was sent"
	}
	var paths []string
	if s.targets[0].file == nil { // otherwise validate takes them from the config file
		paths = s.allRulePaths()
	}
	return a.refuseFiles(problems, nothing, paths)
}

// refuseFiles prints the problems of rule files; at least one of them must be
// an error. Its argument nothing tells what did not happen, such as "nothing
// was sent".
func (a *app) refuseFiles(problems []schema.Problem, nothing string, paths []string) error {
	if err := a.printProblems(problems); err != nil {
		return err
	}
	return &codeError{
		code: exitInvalid, problems: problems,
		err:   fmt.Errorf("%s in the rule files; %s", countNoun(countErrors(problems), "problem", "problems"), nothing),
		hints: []diag.Hint{{Command: strings.TrimSpace("mkhooks validate " + quotePaths(paths))}},
	}
}

// allProblems returns the problems of all files without duplicates: projects may
// share layers.
func (s *multiPlan) allProblems() []schema.Problem {
	var all []schema.Problem
	seen := map[schema.Problem]bool{}
	for _, f := range s.results {
		for _, p := range f.problems {
			if !seen[p] {
				seen[p] = true
				all = append(all, p)
			}
		}
	}
	schema.SortProblems(all)
	return all
}

// allRulePaths returns the rule paths of all projects without duplicates.
func (s *multiPlan) allRulePaths() []string {
	var out []string
	seen := map[string]bool{}
	for _, t := range s.targets {
		for _, p := range t.paths {
			if !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// readError returns an error if some projects were not read completely, else
// nil. Documents also report these projects.
func (s *multiPlan) readError() error {
	n := 0
	var first error
	for i, f := range s.results {
		if f.err == nil {
			continue
		}
		if n++; first == nil {
			first = withProject(s.targets[i].name, f.err)
		}
	}
	if n == 0 {
		return nil
	}
	var e *codeError
	if !errors.As(first, &e) {
		e = &codeError{code: exitFailed, err: first}
	}
	if n > 1 {
		e.err = fmt.Errorf("%d of %d projects could not be read; the first is %w", n, len(s.results), e.err)
	}
	return e
}
