package cli

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/plan"
)

const driftLong = `Drift is the plan for scheduled runs. For each rule it reports which side
changed since the last apply: live or in the files. It sends only GET requests
and decrypts nothing.

The service never shows secrets, so drift cannot detect a changed live secret.
With --deliveries, it reads a page of each rule's delivery history and reports
rules whose latest deliveries failed. These do not affect the exit code.

With --metrics, it writes a file for the textfile collector of the node exporter
or for a push gateway: rules by state, last success, requests, retries and
duration. It writes the file even if the run fails, and keeps the time of the
last success.

Without --owner, drift reports that a rule differs, but not which side changed.

Exit codes: 0 no difference, 2 differences, 1 the service could not be read,
3 invalid input.`

type driftOptions struct {
	runOptions
	deliveries bool
}

// liveSide is the value of --only that counts only live-side changes. A rule
// with this name is selected as PROJECT/drift.
const liveSide = "drift"

func newDriftCommand(a *app) *cobra.Command {
	var o driftOptions
	cmd := &cobra.Command{
		Use:     "drift [PATH...]",
		Short:   "Report rules that differ, and which side changed",
		Long:    driftLong,
		Example: "  mkhooks drift\n  mkhooks drift -q --deliveries --metrics /srv/textfile/mkhooks.prom\n  mkhooks drift -p my-project --owner video-platform rules/",
		RunE:    func(cmd *cobra.Command, args []string) error { return runDrift(a, o, cmd, args) },
	}
	o.AddFlags(cmd.Flags())
	a.addFormat(cmd.Flags())
	a.meter.AddFlags(cmd.Flags())
	return cmd
}

func (o *driftOptions) AddFlags(f *pflag.FlagSet) {
	o.runOptions.AddFlags(f)
	o.addPlaceholders(f)
	f.BoolVar(&o.deliveries, "deliveries", false, "also report rules whose latest deliveries failed")
	f.Lookup("only").Usage = "`RULE`: compare only rules that match this name or pattern (repeatable); the word drift counts only live-side changes for the exit code"
}

func runDrift(a *app, o driftOptions, cmd *cobra.Command, args []string) error {
	liveOnly := slices.Contains(o.only, liveSide)
	o.only = slices.DeleteFunc(slices.Clone(o.only), func(s string) bool { return s == liveSide })
	targets, err := o.resolveSettings(a, cmd, args)
	if err != nil {
		return err
	}
	if liveOnly && targets[0].owner == "" {
		return invalidf("pass --owner NAME", "--only drift needs an owner: without one nothing says which side moved")
	}
	a.meter.addProjects(targets)
	ctx, cancel := a.readContext()
	defer cancel()
	s, err := o.planProjects(ctx, a, targets, true, func(_ int, g *projectInput) error {
		if o.deliveries {
			if err := g.readDeliveries(ctx); err != nil {
				return err
			}
		}
		a.meter.recordEnd(g.name, a.Now())
		return nil
	})
	if err != nil {
		return err
	}
	a.meter.recordResults(s, o.deliveries)
	differs := s.plan.HasDifferences()
	if liveOnly {
		differs = liveSideMoved(s.plan)
	}
	says := o.planAdvice(a, cmd, s.plan, args)
	unreadable := s.readError()
	if differs && unreadable == nil {
		says.Exit = "Exit code 2 means that something differs."
	}
	var verdict error
	if differs {
		verdict = exitError(exitDifferences)
	}
	return a.worstError(a.writeDocument(planDocument(s.plan, says)), unreadable, verdict)
}

// liveSideMoved reports whether a live rule has changed since the last apply.
func liveSideMoved(p *plan.Plan) bool {
	for _, project := range p.Projects {
		if slices.ContainsFunc(project.Changes, func(c plan.Change) bool {
			return c.Direction == plan.DirDrift || c.Direction == plan.DirBoth
		}) {
			return true
		}
	}
	return false
}
