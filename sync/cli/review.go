package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
)

// What was reviewed is what is applied: a saved plan, a digest that the plan
// must have, and the question on a terminal. Each only takes away from what
// the plan of now would do.

// maxDocument is the most bytes of a saved document: many times what 100,000
// rules need.
const maxDocument = 1 << 30

// readDocument reads a file that mkhooks wrote, and says which kind it is.
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

// readPlanDocument reads a saved plan; what is wrong with it is invalid input.
func readPlanDocument(file string, data []byte) (*plan.Plan, error) {
	p, err := plan.Read(data)
	if err != nil {
		return nil, invalid(fmt.Errorf("%s: %w", file, err))
	}
	return p, checkShape(file, data, schema.PlanDocument)
}

// readPlan reads the plan of --plan; nil where there is none.
func (o *applyOptions) readPlan() (*plan.Plan, error) {
	if o.planFile == "" {
		return nil, nil
	}
	data, kind, err := readDocument(o.planFile)
	if err != nil {
		return nil, invalid(fmt.Errorf("--plan: %w", err))
	}
	if kind != "" && kind != schema.PlanDocument {
		return nil, invalidf("mkhooks show "+quotePaths([]string{o.planFile}), "%s: is a document of kind %s, expected a plan", o.planFile, kind)
	}
	return readPlanDocument(o.planFile, data)
}

// fits refuses a saved plan that is for another project or service than this
// run, before anything is sent.
func (o *applyOptions) fits(reviewed *plan.Plan, g *gathered) error {
	if reviewed == nil {
		return nil
	}
	if _, err := reviewed.ProjectOf(g.client.BaseURL(), g.client.Project()); err != nil {
		return invalid(fmt.Errorf("%s: %w", o.planFile, err))
	}
	return nil
}

// narrow is what of the plan of now is to be done: all of it, or what a saved
// plan says, too.
func (o *applyOptions) narrow(a *app, reviewed, fresh *plan.Plan) (*plan.Plan, []plan.Moved) {
	if reviewed == nil {
		return fresh, nil
	}
	narrowed, moved, unreviewed := plan.Narrow(reviewed, fresh)
	if unreviewed > 0 {
		a.warn("%s of the plan of now %s not in %s and will not be done",
			count(unreviewed, "change", "changes"), verb(unreviewed, "is", "are"), o.planFile)
	}
	return narrowed, moved
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// unexpected says why the plan is not the one that --expect names, or "".
// Nothing left to do is what everybody wanted.
func (o *applyOptions) unexpected(reviewed, fresh *plan.Plan) string {
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

// refuse ends a run that does nothing, with a document that says why.
func (o *applyOptions) refuse(ctx context.Context, a *app, cmd *cobra.Command, args []string, rec *recorder, g *gathered, why string) error {
	result, notRecorded := rec.around(ctx, a, "apply", g, func() *apply.Result {
		r := apply.Declined(g.plan)
		r.Warnings = append(r.Warnings, "refused: "+why)
		return r
	})
	if result == nil {
		return notRecorded
	}
	if err := a.write(resultDocument(result, report.Advice{})); err != nil {
		return err
	}
	a.line("hint", "look at the plan of now, and pass its digest once it is reviewed: "+nextCommand(cmd, "plan", nil, args...))
	if notRecorded != nil {
		return notRecorded
	}
	return exit(exitRefused)
}

func isDigest(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// ask shows what will be done and takes the answer. After it the list is read
// again, because minutes may have passed: only what is still the same is done.
func (o *applyOptions) ask(ctx context.Context, a *app, g *gathered, todo *plan.Plan) (p *plan.Plan, moved []plan.Moved, yes bool, err error) {
	n := 0
	for _, c := range todo.Projects[0].Changes {
		if c.Blocked == nil {
			n++
		}
	}
	if n == 0 || o.yes {
		return todo, nil, true, nil
	}
	agreed, err := a.confirm(ctx, "Apply "+count(n, "change", "changes"), g)
	if err != nil || !agreed {
		return todo, nil, false, err
	}
	fresh, err := g.refresh(ctx, a)
	if err != nil {
		return nil, nil, false, err
	}
	narrowed, moved, unreviewed := plan.Narrow(todo, fresh)
	if o.planFile == "" && unreviewed > 0 {
		a.warn("%s came up since the plan was shown and will not be done; run apply again", count(unreviewed, "change", "changes"))
	}
	return narrowed, moved, true, nil
}

// confirm asks whether something is to be done to the project.
func (a *app) confirm(ctx context.Context, what string, g *gathered) (bool, error) {
	fmt.Fprintf(a.Stderr, "\n%s to project %s at %s? Only \"yes\" is taken: ",
		what, report.Escape(g.input.Project), report.Escape(g.input.BaseURL))
	answer, err := readLine(ctx, a.Stdin)
	return answer == "yes", err
}

// readLine reads one line; a signal ends the wait.
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
