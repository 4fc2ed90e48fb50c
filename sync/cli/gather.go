package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// historyPages is how many first pages of delivery histories are read side by
// side for a plan.
const historyPages = 16

// runOptions are what plan, apply and drift share.
type runOptions struct {
	configOptions
	connectOptions
	ruleOptions
	planOptions
}

// gathered is what a plan was made from, kept to apply it or to make it anew.
type gathered struct {
	client *mkio.Client
	rules  *config.Rules
	input  plan.Input
	plan   *plan.Plan
	// asked is how rules are named on this command's line.
	asked string
}

// gather is steps 1 to 4 of every run: read the files, list the live rules,
// plan. plan, drift and apply share it, so that what was shown is what is done.
func (o *runOptions) gather(ctx context.Context, a *app, paths []string, readOnly bool) (*gathered, error) {
	g, err := o.open(ctx, a, paths, readOnly)
	if err != nil {
		return nil, err
	}
	return g, g.read(ctx, a)
}

// open reads the files and makes the client; it sends nothing yet.
func (o *runOptions) open(ctx context.Context, a *app, paths []string, readOnly bool) (*gathered, error) {
	options, err := o.planOptions.plan(a)
	if err != nil {
		return nil, err
	}
	if len(o.only) > 0 || o.narrowed != nil {
		project := o.projectName(a)
		o.about = func(rule string) bool {
			return (o.narrowed == nil || o.narrowed[rule]) && (len(o.only) == 0 || plan.MatchRule(o.only, project, rule))
		}
	}
	rules, warnings, err := o.ruleOptions.load(ctx, a, paths)
	if err != nil {
		return nil, err
	}
	client, err := o.connectOptions.client(a, readOnly)
	if err != nil {
		return nil, err
	}
	named := paths
	if o.shown != nil {
		named = o.shown
	}
	return &gathered{asked: "--only ", client: client, rules: rules, input: plan.Input{
		Project: client.Project(), BaseURL: client.BaseURL(), Owner: o.owner,
		FormerOwners: o.formerOwners,
		Paths:        named, Desired: desired(rules), Options: options, Warnings: warnings,
		Tool: plan.Tool{Name: "mkhooks", Version: version()},
	}}, nil
}

// read lists the live rules and plans.
func (g *gathered) read(ctx context.Context, a *app) (err error) {
	source := make(chan plan.Source, 1)
	go func() { source <- gitSource(ctx, a, g.input.Paths) }()
	g.input.Live, err = g.client.Rules(ctx)
	if err != nil {
		return failed(err)
	}
	if err := g.checkOnly(); err != nil {
		return err
	}
	g.input.Now, g.input.Source = a.Now().UTC(), <-source
	g.plan, err = g.makePlan(ctx)
	return err
}

// checkOnly refuses a name or pattern of --only that fits no rule at all: it is
// more often misspelt than meant.
func (g *gathered) checkOnly() error {
	var names []string
	for _, d := range g.input.Desired {
		names = append(names, d.Name)
	}
	for _, r := range g.input.Live {
		names = append(names, r.Name)
	}
	pattern, near, all := matched(g.input.Options.Only, g.input.Project, names)
	if all {
		return nil
	}
	hint := "mkhooks plan names the rules"
	if near != "" {
		hint = "did you mean " + g.asked + shell.Word(plan.Pattern(near))
	}
	return invalidf(hint, g.asked+"%q: neither a file nor a live rule has this name", pattern)
}

// matched reports whether all patterns fit a name; otherwise the first that
// does not, and the name that was probably meant, or "".
func matched(patterns []string, project string, names []string) (pattern, near string, all bool) {
	for _, p := range patterns {
		if !slices.ContainsFunc(names, func(n string) bool { return plan.MatchRule([]string{p}, project, n) }) {
			return p, schema.Nearest(p, names), false
		}
	}
	return "", "", true
}

// refresh reads the list again and returns the plan of now.
func (g *gathered) refresh(ctx context.Context, a *app) (*plan.Plan, error) {
	live, err := g.client.Rules(ctx)
	if err != nil {
		return nil, failed(err)
	}
	fresh := *g
	fresh.input.Live = live
	fresh.input.Now = a.Now().UTC()
	return fresh.makePlan(ctx)
}

// makePlan plans, and reads one page of the history of each rule that would be
// deleted.
func (g *gathered) makePlan(ctx context.Context) (*plan.Plan, error) {
	p := plan.New(g.input)
	var names []string
	for _, c := range p.Projects[0].Changes {
		if c.Action == plan.Delete {
			names = append(names, c.Rule)
		}
	}
	pages, err := g.firstPages(ctx, names)
	if err != nil {
		return nil, failed(fmt.Errorf("a rule is to be deleted: %w", err))
	}
	for i, name := range names {
		page := pages[i]
		h := plan.History{Records: page.Total}
		for _, e := range page.Events {
			if e.Status.Active() {
				h.Pending++
			}
		}
		p.SetHistory(g.input.Project, name, h, page.HasTotal)
	}
	return p, nil
}

// firstPages reads the first page of each rule's history, side by side.
func (g *gathered) firstPages(ctx context.Context, rules []string) ([]mkio.EventPage, error) {
	pages := make([]mkio.EventPage, len(rules))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(historyPages)
	for i, name := range rules {
		group.Go(func() (err error) {
			pages[i], err = g.client.EventsPage(ctx, name)
			return err
		})
	}
	return pages, group.Wait()
}

func desired(rules *config.Rules) []webhook.Desired {
	out := make([]webhook.Desired, 0, len(rules.Rules))
	for _, r := range rules.Rules {
		out = append(out, r.Desired)
	}
	return out
}

// sealed puts the sealed secrets of the files to the rules that are desired.
func (g *gathered) sealed(desired []webhook.Desired) []apply.Rule {
	files := make(map[string]secrets.Sealed, len(g.rules.Rules))
	for _, r := range g.rules.Rules {
		files[r.Name] = r.Sealed
	}
	out := make([]apply.Rule, 0, len(desired))
	for _, d := range desired {
		out = append(out, apply.Rule{Desired: d, Sealed: files[d.Name]})
	}
	return out
}

// load reads the rule files; problems that are errors end the run, warnings
// are printed and returned for the document.
func (o *ruleOptions) load(ctx context.Context, a *app, paths []string) (*config.Rules, []string, error) {
	rules, problems, err := o.read(ctx, a, paths)
	if err != nil {
		return nil, nil, err
	}
	if schema.HasErrors(problems) {
		if err := a.printProblems(problems); err != nil {
			return nil, nil, err
		}
		return nil, nil, &codeError{
			code: exitInvalid, problems: problems,
			err:   fmt.Errorf("%s in the rule files; nothing was sent", count(errorsAmong(problems), "problem", "problems")),
			hints: []string{"mkhooks validate " + quotePaths(paths)},
		}
	}
	var warnings []string
	for _, p := range problems {
		warnings = append(warnings, p.Position.String()+": "+p.Message)
	}
	return rules, warnings, nil
}

// read loads the rule files below paths.
func (o *ruleOptions) read(ctx context.Context, a *app, paths []string) (*config.Rules, []schema.Problem, error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	if len(paths) == 0 {
		hint := "name a file or folder of rule files, or write a config file: mkhooks help init"
		if info, err := os.Stat("rules"); err == nil && info.IsDir() {
			hint = "did you mean: rules/"
		}
		return nil, nil, invalidf(hint, "no path of rule files is given")
	}
	rules, problems, err := config.LoadRules(ctx, paths, o.config(a))
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, nil, err
		}
		return nil, nil, invalid(err)
	}
	return rules, problems, nil
}

// errorsAmong counts the problems that are errors.
func errorsAmong(problems []schema.Problem) int {
	n := 0
	for _, p := range problems {
		if p.Severity == schema.Error {
			n++
		}
	}
	return n
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// quotePaths makes paths safe to paste into a shell.
func quotePaths(paths []string) string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		out = append(out, shell.Path(p))
	}
	return strings.Join(out, " ")
}
