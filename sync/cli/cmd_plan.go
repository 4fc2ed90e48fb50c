package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/apply"
)

const planLong = `Plan compares the rule files with the live rules and shows the changes that
apply would make. It sends only GET requests, so a token with
webhooks.config.get is enough. It decrypts nothing unless --decrypt is given: a
new secret shows as new ciphertext.

With --only, the plan contains no deletes. Problems in the files of other rules
are then warnings.

Exit codes: 0 done; 2 differences found, with --detailed-exitcode; 1 the service
could not be read; 3 invalid input.`

type planCommandOptions struct {
	runOptions
	base             string
	detailedExitcode bool
	decrypt          bool
}

func newPlanCommand(a *app) *cobra.Command {
	var o planCommandOptions
	cmd := &cobra.Command{
		Use:   "plan [PATH...]",
		Short: "Show the changes that apply would make",
		Long:  planLong,
		Example: "  mkhooks plan\n" +
			"  mkhooks plan -p my-project --owner video-platform rules/\n" +
			"  mkhooks plan --base origin/main --out plan.json --report markdown=plan.md",
		RunE: func(cmd *cobra.Command, args []string) error { return runPlan(a, o, cmd, args) },
	}
	o.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&a.out, "out", "", "`FILE`: save the plan in this file, for apply --plan and show")
	a.addFormat(cmd.Flags())
	return cmd
}

// AddFlags adds the flags that plan, apply and drift share.
func (o *runOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	o.connectOptions.AddFlags(f)
	o.planOptions.AddFlags(f)
	o.ruleOptions.AddFlags(f)
	f.IntVar(&o.parallel, "parallel", 8, "`N`: limit the projects in parallel")
}

func (o *planCommandOptions) AddFlags(f *pflag.FlagSet) {
	o.runOptions.AddFlags(f)
	o.addPlaceholders(f)
	f.StringVar(&o.base, "base", "", "`COMMIT`: report weaker guards and new readers of secrets since this commit")
	f.BoolVar(&o.detailedExitcode, "detailed-exitcode", false, "exit with 2 if there are differences")
	f.BoolVar(&o.decrypt, "decrypt", false, "also check that every secret to be sent can be decrypted")
}

func runPlan(a *app, o planCommandOptions, cmd *cobra.Command, args []string) error {
	targets, err := o.resolveSettings(a, cmd, args)
	if err != nil {
		return err
	}
	ctx, cancel := a.readContext()
	defer cancel()
	base := noBase()
	if o.base != "" {
		if base, err = o.loosenedSince(ctx, a, o.base, targets); err != nil {
			return err
		}
	}
	notOpened := make([]error, len(targets))
	s, err := o.planProjects(ctx, a, targets, true, func(i int, g *projectInput) error {
		if o.decrypt { // decrypts everything that apply would send, and discards it
			_, notOpened[i] = g.prepareRules(ctx, a, g.client, g.plan, g.rulesToSend(g.plan), apply.Deps{})
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.plan.Base = base
	var differs error
	if o.detailedExitcode && s.plan.HasDifferences() {
		differs = exitError(exitDifferences)
	}
	notWritten := a.writeDocument(planDocument(s.plan, o.planAdvice(a, cmd, s.plan, args)))
	return a.worstError(joinInvalid(notOpened), notWritten, s.readError(), differs)
}
