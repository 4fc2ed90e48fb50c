package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
)

const releaseLong = `Release removes the marker from live rules and leaves the rules in place. They
then have no owner, and another config repository can adopt them.

A PUT replaces the complete rule, also its secrets. The live rule must therefore
match its file, and release decrypts and sends the secrets. It can release a
rule without a file only if the rule has no secrets.

Remove the file afterwards. Otherwise the next apply adopts the rule again.

Exit codes: as apply.`

type releaseOptions struct {
	runOptions
	rules []string
	yes   bool
}

func newReleaseCommand(a *app) *cobra.Command {
	var o releaseOptions
	cmd := &cobra.Command{
		Use:     "release RULE...",
		Short:   "Remove the owner's marker from live rules",
		Long:    releaseLong,
		Example: "  mkhooks release --owner video-platform --rules rules/ job-notifications",
		RunE:    func(cmd *cobra.Command, args []string) error { return runRelease(a, o, cmd, args) },
	}
	o.AddFlags(cmd.Flags())
	a.addFormat(cmd.Flags())
	return cmd
}

func (o *releaseOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	o.connectOptions.AddFlags(f)
	o.ruleOptions.AddFlags(f)
	addRules(f, &o.rules)
	f.StringVar(&o.owner, "owner", "", "`NAME`: release rules that this config repository owns")
	f.StringArrayVar(&o.destinations, "destination", nil, "`HOST`: allow this host to receive secrets (repeatable)")
	f.StringArrayVar(&o.allowDestinations, "allow-destination", nil, "`HOST`: also allow this host to receive secrets, in this run only (repeatable)")
	f.BoolVar(&o.dropUnknown, "drop-unknown", false, "allow the write to drop unknown fields")
	o.addAudit(f)
	f.BoolVar(&o.yes, "yes", false, "release without confirmation")
}

func runRelease(a *app, o releaseOptions, cmd *cobra.Command, rules []string) error {
	switch {
	case len(rules) == 0:
		return usagef("mkhooks help release", "release: expected the name of a rule")
	case !o.yes && !a.StdinTTY:
		return invalidf("pass --yes", "release asks before it acts, and nobody can answer here: standard input is no terminal")
	}
	g, rec, err := o.loadRelease(a, cmd, rules)
	if err != nil {
		return err
	}
	ctx, cancel := a.readContext()
	defer cancel()
	p, desired := plan.Release(g.input)
	p.Source = g.plan.Source
	if len(p.Projects[0].Changes) == 0 {
		return invalidf("", "none of these rules is live in project %s", g.name)
	}
	prepared, err := g.prepareRules(ctx, a, g.client, p, g.withSecrets(desired), apply.Deps{Audit: rec.applyRecorder(), Finished: a.logChange(false)})
	if err != nil {
		return err
	}
	yes, err := o.confirmRelease(ctx, a, g, p)
	if err != nil {
		return err
	}
	result, notRecorded := rec.runRecorded(ctx, a, "release", p, func() *apply.Result {
		if yes {
			return prepared.Run(a.rootContext, a.Stop, p)
		}
		return apply.DeclinedResult(p)
	})
	if result == nil {
		return notRecorded
	}
	notWritten := a.writeDocument(resultDocument(result, afterRelease(cmd, p)))
	a.hintLeftFiles(p, result)
	return outcomeError(result, notRecorded, notWritten)
}

// loadRelease reads the selected project and prepares the audit log.
func (o *releaseOptions) loadRelease(a *app, cmd *cobra.Command, rules []string) (*projectInput, *auditRecorder, error) {
	ctx, cancel := a.readContext()
	defer cancel()
	if err := o.readConfig(a, cmd.Flags()); err != nil {
		return nil, nil, err
	}
	if _, err := o.resolveProject(a, &o.configOptions); err != nil {
		return nil, nil, err
	}
	if o.file != nil {
		o.projects = []string{plan.Pattern(o.projects[0])}
	}
	// Release selects from all rules of the owner, so prune must not matter.
	o.only, o.onlyLabel, o.prune = rules, "release ", string(plan.PruneNone)
	targets, err := o.resolveSettings(a, cmd, o.rules)
	if err != nil {
		return nil, nil, err
	}
	t := targets[0]
	t.planSettings.Prune = plan.PruneNone
	if t.owner == "" {
		return nil, nil, invalidf("pass --owner NAME", "release needs the owner whose marker is to go")
	}
	rec, err := t.newAuditRecorder()
	if err != nil {
		return nil, nil, err
	}
	var g *projectInput
	s, err := o.planProjects(ctx, a, targets, false, func(_ int, found *projectInput) error {
		g = found
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	g.plan.Source = s.plan.Source
	return g, rec, nil
}

// confirmRelease lists the releases and asks for approval.
func (o *releaseOptions) confirmRelease(ctx context.Context, a *app, g *projectInput, p *plan.Plan) (bool, error) {
	n := 0
	for _, c := range p.Projects[0].Changes {
		if c.Blocked != nil {
			continue
		}
		n++
		fmt.Fprintf(a.Stderr, "mkhooks: rule %s: the marker of owner %s goes, all else stays\n", report.Escape(c.Rule), g.input.Owner)
	}
	if o.yes || n == 0 {
		return true, nil
	}
	return a.confirm(ctx, "Release "+countNoun(n, "rule", "rules"), p)
}

// hintLeftFiles lists the rule files that would restore the marker.
func (a *app) hintLeftFiles(p *plan.Plan, r *apply.Result) {
	files := map[string]string{}
	for _, c := range p.Projects[0].Changes {
		files[c.Rule] = c.File
	}
	var left []string
	for _, c := range r.Changes {
		if c.Status == apply.StatusApplied && files[c.Rule] != "" {
			left = append(left, files[c.Rule])
		}
	}
	if len(left) > 0 {
		a.printMessage("hint", "the next apply would adopt what has a file: git rm "+quotePaths(left))
	}
}
