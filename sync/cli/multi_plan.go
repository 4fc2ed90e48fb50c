package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// A run reads its projects side by side: while one waits for the service, the
// files of another are read. Of a project that is planned only its changes are
// kept, so that memory grows with the projects that are under way and not with
// all of them. One that can't be read stops no other; a file that is not valid
// stops the run, after the files of all projects were looked at.

// multiPlan is what came of reading all projects of a run.
type multiPlan struct {
	targets []*projectSettings
	flags   *runOptions // as they were given
	results []projectResult
	// held is what the guard destination compares secrets with, and notHeld says
	// what of it could not be read.
	held    *plan.Holders
	notHeld string
	// plan is that of all projects, in the order of the targets.
	plan *plan.Plan
}

// projectResult is what came of one project.
type projectResult struct {
	client *mkio.Client
	plan   *plan.Plan // nil where the files are not valid
	// err is why the project could not be read whole.
	err      error
	problems []schema.Problem
	// misses are the patterns of flags that fit no rule of the project, with the
	// pattern that was probably meant, or "".
	misses map[string]string
}

// planProjects reads the files and the live rules of every project, and plans. plan,
// drift and apply share it, so that what was shown is what is done. Each project
// is handed to keep once it is planned; it is forgotten afterwards.
func (o *runOptions) planProjects(ctx context.Context, a *app, targets []*projectSettings, readOnly bool, keep func(i int, g *projectInput) error) (*multiPlan, error) {
	s := &multiPlan{targets: targets, flags: o, results: make([]projectResult, len(targets))}
	notReady := s.connect(a, readOnly)
	source := parallel.Start(func() plan.Source { return o.gitSource(ctx, a, s.allRulePaths()) })
	// Files that are not valid end the run: then the service is not asked any more.
	var offline atomic.Bool
	offline.Store(notReady != nil)
	var err error
	if notReady == nil {
		if s.held, s.notHeld, err = s.holdings(ctx); err != nil {
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
	if problems := s.problems(); schema.HasErrors(problems) {
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

// connect makes the clients: what keeps one from being made keeps the whole run
// from sending anything.
func (s *multiPlan) connect(a *app, readOnly bool) error {
	for i, t := range s.targets {
		var err error
		if s.results[i].client, err = t.client(a, t.name, readOnly); err != nil {
			if len(s.targets) > 1 {
				return ofProject(t.name, err)
			}
			return err
		}
	}
	return nil
}

// ofProject puts the project's name before an error, and keeps code and hints.
func ofProject(name string, err error) error {
	var e *codeError
	if !errors.As(err, &e) || e.err == nil {
		return fmt.Errorf("project %s: %w", name, err)
	}
	named := *e
	named.err = fmt.Errorf("project %s: %w", name, e.err)
	return &named
}

// planProject reads one project. Its error ends the run: that of the context, or
// invalid input.
func (s *multiPlan) planProject(ctx context.Context, a *app, i int, offline *atomic.Bool, keep func(int, *projectInput) error) error {
	t, f := s.targets[i], &s.results[i]
	if f.client == nil { // the files are looked at all the same
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
	g.input.Held = s.held
	if s.notHeld != "" {
		g.input.Warnings = append(g.input.Warnings, s.notHeld)
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
		f.err, f.plan = err, plan.Unread(g.input, err.Error())
		return nil
	}
	o := s.flags
	f.misses = t.unmatchedPatterns(slices.Concat(t.fileProtect, o.only, o.protect, o.dropAuth, o.takeOver, o.adopt), g.names)
	g.warnOfMisses(f.misses)
	f.plan = g.plan
	f.plan.DropInSync()
	return nil
}

// refuseInvalid ends a run of which a rule file is not valid. unsent says that the
// service was not asked for anything.
func (s *multiPlan) refuseInvalid(a *app, problems []schema.Problem, unsent bool) error {
	nothing := "nothing was changed"
	if unsent {
		nothing = "nothing was sent"
	}
	var paths []string
	if s.targets[0].file == nil { // otherwise validate knows them
		paths = s.allRulePaths()
	}
	return a.refuseFiles(problems, nothing, paths)
}

// refuseFiles prints problems of rule files, of which one at least is an error;
// nothing is what did not happen because of them.
func (a *app) refuseFiles(problems []schema.Problem, nothing string, paths []string) error {
	if err := a.printProblems(problems); err != nil {
		return err
	}
	return &codeError{
		code: exitInvalid, problems: problems,
		err:   fmt.Errorf("%s in the rule files; %s", countNoun(errorsAmong(problems), "problem", "problems"), nothing),
		hints: []string{strings.TrimSpace("mkhooks validate " + quotePaths(paths))},
	}
}

// problems are those of all files, each once: projects may share layers.
func (s *multiPlan) problems() []schema.Problem {
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

// allRulePaths are the rule paths of all projects, each once.
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

// readError is how a run ends of which some projects could not be read whole;
// nil where all were. Documents say it, too.
func (s *multiPlan) readError() error {
	n := 0
	var first error
	for i, f := range s.results {
		if f.err == nil {
			continue
		}
		if n++; first == nil {
			first = ofProject(s.targets[i].name, f.err)
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
