package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// maxHistoryPages limits the history pages that a plan reads in parallel.
const maxHistoryPages = 16

// runOptions are the options that plan, apply and drift share.
type runOptions struct {
	configOptions
	connectOptions
	ruleOptions
	planOptions
	parallel int
}

// projectInput contains a project's plan and its sources.
type projectInput struct {
	*projectSettings
	client *mkio.Client
	rules  *config.Rules
	input  plan.Input
	plan   *plan.Plan
}

// readRuleFiles reads the rule files of a project. If a problem is an error, it
// returns only the problems.
func (t *projectSettings) readRuleFiles(ctx context.Context, a *app, client *mkio.Client) (*projectInput, []schema.Problem, error) {
	rules, problems, err := t.ruleOptions.loadRules(ctx, a, t.paths)
	if err != nil || schema.HasErrors(problems) {
		return nil, problems, err
	}
	named := t.paths
	if t.namedPaths != nil {
		named = t.namedPaths
	}
	var warnings []string
	for _, p := range problems {
		warnings = append(warnings, p.Position.String()+": "+p.Message)
	}
	return &projectInput{projectSettings: t, client: client, rules: rules, input: plan.Input{
		Project: t.name, BaseURL: client.BaseURL(), Owner: t.owner,
		FormerOwners: t.formerOwners,
		Paths:        named, Desired: desiredRules(rules), Options: t.planSettings, Warnings: warnings,
		Tool: plan.Tool{Name: "mkhooks", Version: version()},
	}}, nil, nil
}

// readLive lists the live rules and plans.
func (g *projectInput) readLive(ctx context.Context, a *app) (err error) {
	if g.input.Live, err = g.client.ListRules(ctx); err != nil {
		return failed(err)
	}
	g.input.Now = a.Now().UTC()
	g.plan, err = g.makePlan(ctx)
	return err
}

// ruleNames returns the names of all rules, in files and live.
func (g *projectInput) ruleNames() []string {
	names := make([]string, 0, len(g.input.Desired)+len(g.input.Live))
	for _, d := range g.input.Desired {
		names = append(names, d.Name)
	}
	for _, r := range g.input.Live {
		names = append(names, r.Name)
	}
	return names
}

// makePlan plans. It also reads a history page of each rule that the plan
// deletes.
func (g *projectInput) makePlan(ctx context.Context) (*plan.Plan, error) {
	p := plan.New(g.input)
	var names []string
	for _, c := range p.Projects[0].Changes {
		if c.Action == plan.Delete {
			names = append(names, c.Rule)
		}
	}
	type counted struct {
		plan.History
		known bool
	}
	found := make([]counted, len(names))
	err := g.firstPages(ctx, names, func(i int, page mkio.EventPage) {
		found[i] = counted{plan.History{Records: page.Total}, page.HasTotal}
		for _, e := range page.Events {
			if e.Status.IsActive() {
				found[i].Pending++
			}
		}
	})
	if err != nil {
		return nil, failed(fmt.Errorf("a rule is to be deleted: %w", err))
	}
	for i, name := range names {
		p.SetHistory(g.input.Project, name, found[i].History, found[i].known)
	}
	return p, nil
}

// firstPages reads the first history page of each rule in parallel and passes
// it to each. It keeps no page, because there may be thousands.
func (g *projectInput) firstPages(ctx context.Context, rules []string, each func(i int, page mkio.EventPage)) error {
	group, ctx := parallel.WithContext(ctx)
	group.SetLimit(maxHistoryPages)
	for i, name := range rules {
		group.Go(func() error {
			page, err := g.client.ReadEventPage(ctx, name)
			if err == nil {
				each(i, page)
			}
			return err
		})
	}
	return group.Wait()
}

func desiredRules(rules *config.Rules) []webhook.Desired {
	out := make([]webhook.Desired, 0, len(rules.Rules))
	for _, r := range rules.Rules {
		out = append(out, r.Desired)
	}
	return out
}

// withSecrets combines desired rules with the sealed secrets of their files.
func (g *projectInput) withSecrets(desired []webhook.Desired) []apply.Rule {
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

// rulesToSend returns only the rules that a plan would send, with their sealed
// secrets. A run must not keep all rules of all projects in memory.
func (g *projectInput) rulesToSend(p *plan.Plan) []apply.Rule {
	sent := map[string]bool{}
	for _, c := range p.Projects[0].Changes {
		sent[c.Rule] = c.Blocked == nil && c.Action != plan.Delete
	}
	var wanted []webhook.Desired
	for _, d := range g.input.Desired {
		if sent[d.Name] {
			wanted = append(wanted, d)
		}
	}
	return g.withSecrets(wanted)
}

// loadRules loads the rule files below paths.
func (o *ruleOptions) loadRules(ctx context.Context, a *app, paths []string) (*config.Rules, []schema.Problem, error) {
	if err := o.checkKeyServices(); err != nil {
		return nil, nil, err
	}
	if len(paths) == 0 {
		return nil, nil, noPathsError()
	}
	rules, problems, err := config.LoadRules(ctx, paths, o.parseOptions(a))
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, nil, err
		}
		return nil, nil, invalid(err)
	}
	for i, p := range problems {
		if o.layersOf == nil || p.Line > 0 { // line 0 is about the whole file or directory
			continue
		}
		if at := o.layersOf.NamedAt(p.File); at != "" {
			problems[i].Hint = "it is named at " + at + "; " + p.Hint
		}
	}
	return rules, problems, nil
}

// noPathsError returns the error for a call without rule files.
func noPathsError() error {
	hint := "name a file or folder of rule files, or write a config file: mkhooks help init"
	if info, err := os.Stat("rules"); err == nil && info.IsDir() {
		hint = "did you mean: rules/"
	}
	return invalidf(hint, "no path of rule files is given")
}

// countErrors counts the problems that are errors.
func countErrors(problems []schema.Problem) int {
	n := 0
	for _, p := range problems {
		if p.Severity == schema.Error {
			n++
		}
	}
	return n
}

func countNoun(n int, one, many string) string {
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
