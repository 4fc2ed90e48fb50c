package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const applyLong = `Apply changes the live rules to match the files: it plans, shows the plan, asks
for confirmation and writes the changes. Creates and updates run first, in
parallel. Then come the deletes. A rule is deleted only after its complete
delivery history is stored in --archive and verified.

A delete first pauses its rule, which removes the rule's auth values. If the
delete does not finish, the result reports the state of the rule. The next apply
then deletes the rule, or restores it if its file exists again.

Apply decrypts and checks every secret to be sent before the first write. It
reads each rule again directly before it writes the rule. If another client
changed the rule since the plan, the change is stale and apply skips it.

With --plan, apply only makes changes of the saved plan that are still equal in
the fresh plan. With --expect, the plan must have the reviewed digest, unless
there is nothing to do. A saved plan lifts no guard.

On the first interrupt, apply finishes the writes in flight and starts no other
writes. On the second, it also cancels the requests in flight. The next apply
continues from there.

Exit codes: 0 done, or nothing to do; 1 failed, and nothing was applied;
3 invalid input, and nothing was sent; 4 refused: a change is blocked or stale,
or the answer was no; 5 partial: a write took effect, and a change failed, is
unverified, or was refused after its first write; 130 interrupted.`

// defaultDrain limits the wait for a complete history without records in
// flight.
const defaultDrain = 30 * time.Second

type applyOptions struct {
	runOptions
	planFile    string
	expect      string
	yes         bool
	noPause     bool
	concurrency int
	drain       time.Duration
}

func newApplyCommand(a *app) *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply [PATH...]",
		Short: "Change the live rules to match the files",
		Long:  applyLong,
		Example: "  mkhooks apply\n" +
			"  mkhooks apply --plan plan.json --yes\n" +
			"  mkhooks apply -p my-project --owner video-platform --archive ./archive rules/",
		RunE: func(cmd *cobra.Command, args []string) error { return runApply(a, o, cmd, args) },
	}
	o.AddFlags(cmd.Flags())
	a.addFormat(cmd.Flags())
	return cmd
}

func (o *applyOptions) AddFlags(f *pflag.FlagSet) {
	o.runOptions.AddFlags(f)
	o.addAudit(f)
	f.StringVar(&o.planFile, "plan", "", "`FILE`: apply only changes that are equal in this saved plan and the fresh plan")
	f.StringVar(&o.expect, "expect", "", "`DIGEST`: apply nothing unless the plan has this digest")
	f.BoolVar(&o.yes, "yes", false, "apply without confirmation")
	f.BoolVar(&o.noPause, "no-pause", false, "do not pause a rule before its history is archived")
	f.IntVar(&o.concurrency, "concurrency", 16, "`N`: limit the parallel writes in each project")
	f.DurationVar(&o.drain, "drain", defaultDrain, "`TIME`: before a delete, limit the wait for records in flight and a stable history")
}

func runApply(a *app, o applyOptions, cmd *cobra.Command, args []string) error {
	if err := o.checkFlags(a); err != nil {
		return err
	}
	reviewed, err := o.readPlan()
	if err != nil {
		return err
	}
	targets, err := o.resolveSettings(a, cmd, args)
	if err != nil {
		return err
	}
	ctx, cancel := a.readContext()
	defer cancel()
	store, err := targets[0].openArchive()
	if err != nil {
		return err
	}
	rec, err := targets[0].newAuditRecorder()
	if err != nil {
		return err
	}
	if reviewed, err = o.selectProjects(a, reviewed, targets); err != nil {
		return err
	}
	t, err := o.loadApplySet(ctx, a, targets, reviewed)
	if err != nil {
		return err
	}
	if reviewed != nil {
		for _, line := range plan.GuardDifferences(reviewed, t.plan) {
			a.warn("%s was made with other guards, and those of this run hold; %s", o.planFile, line)
		}
	}
	if reviewed != nil && t.unreviewed > 0 {
		a.warn("%s of the plan of now %s not in %s and will not be done",
			countNoun(t.unreviewed, "change", "changes"), pluralVerb(t.unreviewed, "is", "are"), o.planFile)
	}
	if reviewed != nil && !t.toApply.HasDifferences() {
		a.warn("nothing of %s is left to be done as it was reviewed", o.planFile)
	} else if err := a.showPlan(t.toApply, o.noPause); err != nil {
		return err
	}
	if why := o.digestProblem(reviewed, t.plan); why != "" {
		refused := *t.plan
		refused.Digest = reportedDigest(reviewed, t.plan)
		return o.refuseRun(ctx, a, cmd, args, rec, &refused, why)
	}
	if err := t.prepareAll(ctx, a, o.applyDeps(a, t.toApply, store, rec)); err != nil {
		return err
	}
	since, yes, err := o.confirmAndReread(ctx, a, t)
	if err != nil {
		return err
	}
	result, notRecorded := rec.runRecorded(ctx, a, "apply", t.toApply, func() *apply.Result {
		r := apply.DeclinedResult(t.toApply)
		if yes {
			r = t.applyAll(a)
		}
		r.AddUnmatched(append(t.unmatched, since...))
		return r
	})
	if result == nil {
		return notRecorded
	}
	notWritten := a.writeDocument(resultDocument(result, o.afterApply(cmd, args, t.toApply, result)))
	unreadable := t.readError()
	if result.Outcome == apply.Interrupted {
		unreadable = nil // the document reports it, and this exit code is more specific
	}
	return outcomeError(result, notRecorded, notWritten, unreadable)
}

// outcomeError returns the outcome of a run, or the first trouble. It fails if
// the audit log or a document is incomplete, or a project was unreadable, even
// if all changes succeeded.
func outcomeError(r *apply.Result, troubles ...error) error {
	for _, err := range troubles {
		var e *codeError
		switch {
		case !errors.As(err, &e):
		case r.Outcome == apply.Interrupted:
			e.code = exitInterrupted // takes precedence over the other codes
		case r.Wrote():
			e.code = exitPartial
		}
		if err != nil {
			return err
		}
	}
	return exitError(outcomeCode(r.Outcome))
}

func (o *applyOptions) checkFlags(a *app) error {
	switch {
	case o.concurrency < 1 || o.concurrency > 256:
		return invalidf("", "--concurrency %d: expected 1 to 256", o.concurrency)
	case o.drain < 0:
		return invalidf("", "--drain: expected a time of at least 0s")
	case o.expect != "" && !isDigest(o.expect):
		return invalidf("the digest stands in the last line of a plan", "--expect %q: expected a digest of 32 digits 0-9a-f", o.expect)
	case !o.yes && !a.StdinTTY:
		return invalidf("look at the plan first, then pass --yes", "apply asks before it acts, and nobody can answer here: standard input is no terminal")
	}
	return nil
}

// applyDeps returns the dependencies of apply that plan does not need.
func (o *applyOptions) applyDeps(a *app, p *plan.Plan, store archive.Store, rec *auditRecorder) apply.Deps {
	who := readIdentity(a.Getenv)
	return apply.Deps{
		Archive: store, Audit: rec.applyRecorder(), Concurrency: o.concurrency, Drain: o.drain, NoPause: o.noPause, DeleteActive: o.deleteActive,
		By: who.actor, Host: who.host, Commit: cmp.Or(who.commit, p.Source.Commit), Finished: a.logChange(len(p.Projects) > 1),
	}
}

// openArchive opens the archive location. It returns nil if none is set.
func (o *planOptions) openArchive() (archive.Store, error) {
	if o.archive == "" {
		return nil, nil
	}
	store, err := archive.Open(o.archive)
	if err != nil {
		return nil, invalid(fmt.Errorf("--archive: %w", err))
	}
	return store, nil
}

// prepareRules decrypts and checks every secret that a project's plan would send.
// Section 7 of the contract requires this before the first write to any
// project.
func (t *projectSettings) prepareRules(ctx context.Context, a *app, client *mkio.Client, p *plan.Plan, rules []apply.Rule, deps apply.Deps) (*apply.Prepared, error) {
	deps.Client = client
	deps.Secrets = a.withLogging(a.sharedDecrypter(&t.ruleOptions))
	deps.Now = a.Now
	prepared, err := apply.Prepare(ctx, p, rules, deps)
	if err != nil && !errors.Is(err, context.Canceled) {
		err = invalid(fmt.Errorf("%w\nnothing was sent", err))
	}
	return prepared, err
}

// showPlan prints the plan before it is applied. If the format is not text,
// stdout is reserved for the result. Then the plan goes to stderr, with the
// question.
func (a *app) showPlan(p *plan.Plan, noPause bool) error {
	a.scrubber.MaskWhole(p, webhook.Redacted)
	p = secrets.Copy(p) // only the copy loses parts of values: p is applied
	a.scrubber.Mask(p, webhook.Redacted)
	w, tty := a.Stdout, a.StdoutTTY
	if a.format != string(report.Text) {
		w, tty = a.Stderr, a.StderrTTY
	}
	o := a.textOptions(tty)
	o.NoPause = noPause
	if err := report.PlanText(w, p, o); err != nil {
		return failed(fmt.Errorf("write the plan: %w", err))
	}
	return nil
}
