package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
)

const applyLong = `Apply makes the live rules what the files say: it plans, shows the plan, asks,
and acts. Creates and updates go first, side by side; then deletes, each only
after the rule's delivery history is stored in --archive, whole and verified.

Every secret that will be sent is decrypted and checked before the first
write. Each rule is read again directly before it is written: what someone
changed since the plan is left alone and reported as stale.

Interrupted once, apply finishes what is under way and starts nothing more;
twice, it gives up the requests under way, too. Run again, it converges.

Exit codes: 0 done, or nothing to do; 1 failed and nothing was applied;
3 invalid input, nothing was sent; 4 refused: a change is blocked or stale, or
the answer was no; 5 partial; 130 interrupted.`

type applyOptions struct {
	runOptions
	yes         bool
	noPause     bool
	concurrency int
	drain       time.Duration
}

func newApplyCommand(a *app) *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply PATH...",
		Short: "Make the live rules what the files say",
		Long:  applyLong,
		Example: "  mkhooks apply -p my-project --owner video-platform rules/\n" +
			"  mkhooks apply -p my-project --owner video-platform --prune owned --archive ./archive --yes rules/",
		RunE: func(_ *cobra.Command, args []string) error { return runApply(a, o, args) },
	}
	o.AddFlags(cmd.Flags())
	a.addFormat(cmd.Flags())
	return cmd
}

func (o *applyOptions) AddFlags(f *pflag.FlagSet) {
	o.runOptions.AddFlags(f)
	f.BoolVar(&o.yes, "yes", false, "apply without asking")
	f.BoolVar(&o.noPause, "no-pause", false, "do not pause a rule while its history is stored before a delete")
	f.IntVar(&o.concurrency, "concurrency", 16, "most writes side by side (`N`)")
	f.DurationVar(&o.drain, "drain", 30*time.Second, "`TIME` to wait for deliveries on their way before a delete")
}

func runApply(a *app, o applyOptions, paths []string) error {
	if err := o.check(a); err != nil {
		return err
	}
	ctx, cancel := a.context()
	defer cancel()
	store, err := o.openArchive()
	if err != nil {
		return err
	}
	g, err := o.gather(ctx, a, paths, false)
	if err != nil {
		return err
	}
	if err := a.showPlan(g.plan); err != nil {
		return err
	}
	prepared, err := o.prepare(ctx, a, g, o.deps(a, g, store))
	if err != nil {
		return err
	}
	narrowed, moved, answer, err := o.ask(ctx, a, g)
	if err != nil {
		return err
	}
	var result *apply.Result
	if answer {
		result = prepared.Run(a.root, a.Stop, narrowed)
	} else {
		result = apply.Declined(g.plan)
	}
	result.Add(moved)
	if err := a.writeResult(result); err != nil {
		return err
	}
	return exit(outcomeCode(result.Outcome))
}

func (o *applyOptions) check(a *app) error {
	switch {
	case o.concurrency < 1 || o.concurrency > 256:
		return invalidf("", "--concurrency %d: expected 1 to 256", o.concurrency)
	case o.drain < 0:
		return invalidf("", "--drain: expected a time of at least 0s")
	case !o.yes && !a.StdinTTY:
		return invalidf("look at the plan first, then pass --yes", "apply asks before it acts, and nobody can answer here: standard input is no terminal")
	}
	return nil
}

// deps are what applying needs beside what planning had.
func (o *applyOptions) deps(a *app, g *gathered, store archive.Store) apply.Deps {
	by, host := actor(a.Getenv)
	return apply.Deps{
		Archive: store, Concurrency: o.concurrency, Drain: o.drain, NoPause: o.noPause, DeleteActive: o.deleteActive,
		By: by, Host: host, Commit: g.plan.Source.Commit, Finished: a.logChange,
	}
}

// openArchive opens the place for histories; nil where none is given.
func (o *applyOptions) openArchive() (archive.Store, error) {
	if o.archive == "" {
		return nil, nil
	}
	store, err := archive.Open(o.archive)
	if err != nil {
		return nil, invalid(fmt.Errorf("--archive: %w", err))
	}
	return store, nil
}

// prepare opens and checks every secret that the plan would send: contract,
// section 7, before the first write anywhere.
func (o *runOptions) prepare(ctx context.Context, a *app, g *gathered, deps apply.Deps) (*apply.Prepared, error) {
	deps.Client = g.client
	deps.Secrets = a.logged(o.decrypter(a))
	deps.Now = a.Now
	rules := make([]apply.Rule, 0, len(g.rules.Rules))
	for _, r := range g.rules.Rules {
		rules = append(rules, apply.Rule{Desired: r.Desired, Sealed: r.Sealed})
	}
	prepared, err := apply.Prepare(ctx, g.plan, rules, deps)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, invalid(fmt.Errorf("%w\nnothing was sent", err))
	}
	return prepared, nil
}

// ask shows what will be done and takes the answer. After it the list is read
// again, because minutes may have passed: only what is still the same is done.
func (o *applyOptions) ask(ctx context.Context, a *app, g *gathered) (p *plan.Plan, moved []plan.Moved, yes bool, err error) {
	todo := 0
	for _, c := range g.plan.Projects[0].Changes {
		if c.Blocked == nil {
			todo++
		}
	}
	if todo == 0 || o.yes {
		return g.plan, nil, true, nil
	}
	fmt.Fprintf(a.Stderr, "\nApply %s to project %s at %s? Only \"yes\" is taken: ",
		count(todo, "change", "changes"), report.Escape(g.input.Project), report.Escape(g.input.BaseURL))
	answer, err := readLine(ctx, a.Stdin)
	if err != nil {
		return nil, nil, false, err
	}
	if answer != "yes" {
		return nil, nil, false, nil
	}
	fresh, err := g.refresh(ctx, a)
	if err != nil {
		return nil, nil, false, err
	}
	narrowed, moved, unreviewed := plan.Narrow(g.plan, fresh)
	if unreviewed > 0 {
		a.warn("%s came up since the plan was shown and will not be done; run apply again", count(unreviewed, "change", "changes"))
	}
	return narrowed, moved, true, nil
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

// showPlan shows the plan before it is done. With --format json stdout is for
// the result, so the plan goes where the question is.
func (a *app) showPlan(p *plan.Plan) error {
	w, tty := a.Stdout, a.StdoutTTY
	if a.format == formatJSON {
		w, tty = a.Stderr, a.StderrTTY
	}
	if err := report.PlanText(w, p, a.textOptions(tty)); err != nil {
		return failed(fmt.Errorf("write the plan: %w", err))
	}
	return nil
}

func (a *app) writeResult(r *apply.Result) error {
	return a.document(func(w io.Writer) error {
		if a.format == formatJSON {
			return report.ResultJSON(w, r)
		}
		return report.ResultText(w, r, a.textOptions(a.StdoutTTY))
	})
}

// actor names who runs this, for manifests: the CI's own name for the person,
// otherwise the OS user; and the host.
func actor(getenv func(string) string) (who, host string) {
	host, _ = os.Hostname()
	for _, name := range []string{"GITHUB_ACTOR", "GITLAB_USER_LOGIN"} {
		if v := getenv(name); v != "" {
			return v, host
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username, host
	}
	return "", host
}
