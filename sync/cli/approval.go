package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
)

// Apply makes only reviewed changes. There are three kinds of review: a saved
// plan, a digest that the plan must have, and the question on a terminal. Each
// can only remove changes from the fresh plan.

// maxDocument limits a saved document, in bytes: many times what 100,000 rules
// need.
const maxDocument = 1 << 30

// readDocument reads a document that mkhooks wrote and returns its kind.
func readDocument(file string) (data []byte, kind string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, "", err
	}
	if len(data) > maxDocument {
		return nil, "", fmt.Errorf("%s: is larger than any document of mkhooks", file)
	}
	return data, schema.DocumentKind(data), nil
}

// readPlanDocument reads a saved plan. A faulty plan is invalid input.
func readPlanDocument(file string, data []byte) (*plan.Plan, error) {
	p, err := plan.Read(data)
	if err != nil {
		return nil, invalid(fmt.Errorf("%s: %w", file, err))
	}
	return p, checkShape(file, data, schema.PlanDocument)
}

// readPlan reads the saved plan of --plan. Without --plan it returns nil.
func (o *applyOptions) readPlan() (*plan.Plan, error) {
	if o.planFile == "" {
		return nil, nil
	}
	data, kind, err := readDocument(o.planFile)
	if err != nil {
		return nil, invalid(fmt.Errorf("--plan: %w", err))
	}
	if kind != "" && kind != schema.PlanDocument {
		return nil, usagef("mkhooks show "+quotePaths([]string{o.planFile}), "%s: is a document of kind %s, expected a plan", o.planFile, kind)
	}
	return readPlanDocument(o.planFile, data)
}

// selectProjects returns the saved plan, limited to the projects that -p or
// paths select. It refuses a plan for another service, or without any of these
// projects, before anything is sent.
func (o *applyOptions) selectProjects(a *app, reviewed *plan.Plan, targets []*projectSettings) (*plan.Plan, error) {
	if reviewed == nil {
		return nil, nil
	}
	client, err := targets[0].projectClient(a, targets[0].name, false)
	if err != nil {
		return nil, err
	}
	out := *reviewed
	out.Projects = nil
	for _, p := range reviewed.Projects {
		known := o.file != nil && o.file.Project(p.Name) != nil && p.BaseURL == client.BaseURL()
		meant := slices.ContainsFunc(targets, func(t *projectSettings) bool { return t.name == p.Name })
		if meant || !known { // an unknown project ends as stale, with a message
			out.Projects = append(out.Projects, p)
		}
	}
	for _, t := range targets {
		if _, refused := reviewed.ProjectOf(client.BaseURL(), t.name); refused == nil {
			return &out, nil
		} else if err == nil {
			err = refused
		}
	}
	return nil, invalid(fmt.Errorf("%s: %w", o.planFile, err))
}

func pluralVerb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// digestProblem explains why the plan does not have the digest of --expect; ""
// if it has. A plan without differences always passes: nothing is left to
// apply.
func (o *applyOptions) digestProblem(reviewed, fresh *plan.Plan) string {
	switch {
	case o.expect == "" || !fresh.HasDifferences():
		return ""
	case reviewed != nil && string(reviewed.Digest) != o.expect:
		return fmt.Sprintf("%s has digest %s, and --expect asks for %s", o.planFile, reviewed.Digest, o.expect)
	case reviewed == nil && string(fresh.Digest) != o.expect:
		return fmt.Sprintf("the plan has digest %s, and --expect asks for %s: files, live rules or guards are not what was reviewed",
			fresh.Digest, o.expect)
	}
	return ""
}

// refuseRun ends a run that applies nothing, and writes a result with the reason.
func (o *applyOptions) refuseRun(ctx context.Context, a *app, cmd *cobra.Command, args []string, rec *auditRecorder, p *plan.Plan, why string) error {
	result, notRecorded := rec.runRecorded(ctx, a, "apply", p, func() *apply.Result {
		r := apply.DeclinedResult(p)
		r.Warnings = append(r.Warnings, "refused: "+why)
		return r
	})
	if result == nil {
		return notRecorded
	}
	if err := a.writeDocument(resultDocument(result, report.Advice{})); err != nil {
		return err
	}
	a.printMessage("hint", "look at the plan of now, and pass its digest once it is reviewed: "+nextCommand(cmd, "plan", nil, args...))
	if notRecorded != nil {
		return notRecorded
	}
	return exitError(outcomeCode(result.Outcome))
}

func isDigest(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// confirmAndReread asks for approval of the plan. Then it reads the live rules
// again, because minutes may have passed. It keeps only the changes that still
// match, and reuses the prepared secrets.
func (o *applyOptions) confirmAndReread(ctx context.Context, a *app, t *applySet) (moved []plan.Unmatched, yes bool, err error) {
	n := t.toApply.CountUnblocked()
	if n == 0 || o.yes {
		return nil, true, nil
	}
	agreed, err := a.confirm(ctx, "Apply "+countNoun(n, "change", "changes"), t.toApply)
	if err != nil || !agreed {
		return nil, false, err
	}
	fresh, err := o.loadApplySet(ctx, a, t.targets, t.toApply)
	if err != nil {
		return nil, false, err
	}
	if o.planFile == "" && fresh.unreviewed > 0 {
		a.warn("%s came up since the plan was shown and will not be done; run apply again", countNoun(fresh.unreviewed, "change", "changes"))
	}
	t.toApply, t.results = fresh.toApply, fresh.results
	for i, f := range t.results {
		if f.err != nil {
			t.prepared[i] = nil
		}
	}
	return fresh.unmatched, true, nil
}

// confirm asks for approval of an action on the projects of a plan that have
// changes.
func (a *app) confirm(ctx context.Context, what string, p *plan.Plan) (bool, error) {
	var names []string
	for _, project := range p.Projects {
		if len(project.Changes) > 0 {
			names = append(names, report.Escape(project.Name))
		}
	}
	where := "project " + joinNames(names)
	if len(names) > 1 {
		where = fmt.Sprintf("%d projects (%s)", len(names), joinNames(names))
	}
	fmt.Fprintf(a.Stderr, "\n%s to %s at %s? Only \"yes\" is taken: ", what, where, report.Escape(p.Projects[0].BaseURL))
	answer, err := readLine(ctx, a.Stdin)
	return answer == "yes", err
}

// readLine reads one line. A signal ends the wait.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-got:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return "", failed(fmt.Errorf("read the answer: %w", a.err))
		}
		return strings.TrimSpace(a.line), nil
	}
}
