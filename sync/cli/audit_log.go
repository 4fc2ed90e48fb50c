package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"sync"
	"time"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/audit"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// auditRecorder writes the steps of a run to the audit log. It opens the log
// only before the first step: a run that waits for an answer must not block
// other runs.
type auditRecorder struct {
	path string
	log  *audit.Log

	mu      sync.Mutex
	intents map[writeKey]int // sequence numbers of intents, for their results
}

// writeKey identifies a write of a rule. A rule has one write in flight at a
// time.
type writeKey struct {
	project, rule string
	step          apply.Step
}

// newAuditRecorder returns a recorder for the file of --audit; nil without
// --audit. It finds an unusable file before anything is sent.
func (o *planOptions) newAuditRecorder() (*auditRecorder, error) {
	if o.audit == "" {
		return nil, nil
	}
	if err := audit.CheckPath(o.audit); err != nil {
		return nil, invalidf("name a file with --audit FILE that is a record, or none yet, and can be written to", "the record can't be kept: %w", err)
	}
	return &auditRecorder{path: o.audit, intents: map[writeKey]int{}}, nil
}

// applyRecorder returns the recorder for package apply. A nil recorder becomes
// a nil interface, which package apply checks for.
func (r *auditRecorder) applyRecorder() apply.AuditLog {
	if r == nil {
		return nil
	}
	return r
}

// lockPatience is the time that a run waits for a locked audit log before it
// warns.
const lockPatience = 2 * time.Second

// runRecorded opens the audit log, runs do, and closes the log.
func (r *auditRecorder) runRecorded(ctx context.Context, a *app, command string, p *plan.Plan, do func() *apply.Result) (*apply.Result, error) {
	do = a.warnOnInterrupt(do)
	if r == nil {
		return do(), nil
	}
	if err := r.lockLog(ctx, a); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, failed(fmt.Errorf("the record can't be kept, so nothing was done: %w", err), "make room for it, or name another file with --audit FILE")
	}
	if f := r.log.Faults(); len(f) > 0 {
		a.warn("%s: %s in what earlier runs wrote, the first on line %d: %s; this run adds to it all the same; look at it with mkhooks audit verify %s",
			r.path, countNoun(len(f), "fault", "faults"), f[0].Line, f[0].Message, shell.Path(r.path))
	}
	if h := r.log.Healed(); h != nil {
		a.warn("%s: its last line was only half written, by a run that died; it was taken off and is kept in an entry of its own", r.path)
	}
	if err := r.log.Start(a.startEntry(command, p)); err != nil {
		return nil, failed(fmt.Errorf("the record can't be kept, so nothing was done: %w", err), "make room for it, or name another file with --audit FILE")
	}
	result := do()
	s := result.Summary
	err := r.log.Close(audit.End{Outcome: string(result.Outcome), Summary: map[string]int{
		"applied": s.Applied, "done": s.Done, "unverified": s.Unverified, "failed": s.Failed, "blocked": s.Blocked, "stale": s.Stale, "skipped": s.Skipped,
	}})
	if audit.Replaced(err) { // the file at the path, if there is one, does not have this run's lines
		result.Warnings = append(result.Warnings, "the record is not whole: "+err.Error())
		return result, failed(fmt.Errorf("the record %s is lost: %w", r.path, err), "look for the file that was moved away; what this run did is in its result")
	}
	result.Audit = &apply.Audit{File: r.path, Head: r.log.Head()}
	if err != nil {
		result.Warnings = append(result.Warnings, "the record is not whole: "+err.Error())
		return result, failed(fmt.Errorf("the end of the record could not be written: %w", err),
			"make room for it and run mkhooks apply again; what was recorded: mkhooks audit show "+shell.Path(r.path))
	}
	return result, nil
}

// lockLog waits for the lock of the audit log. A signal ends the wait.
func (r *auditRecorder) lockLog(ctx context.Context, a *app) error {
	type opened struct {
		log *audit.Log
		err error
	}
	got := make(chan opened, 1)
	go func() {
		l, err := audit.Open(r.path, a.Now)
		got <- opened{l, err}
	}()
	for patience := time.After(lockPatience); ; {
		select {
		case o := <-got:
			r.log = o.log
			return o.err
		case <-ctx.Done():
			return ctx.Err()
		case <-patience:
			a.warn("another apply adds to %s; waiting until it has ended", r.path)
		}
	}
}

// startEntry returns the first entry of a run: user, host, job, commit, plan
// and lifted guards.
func (a *app) startEntry(command string, p *plan.Plan) audit.Start {
	who := readIdentity(a.Getenv)
	first := p.Projects[0] // all projects share service and owner
	out := audit.Start{
		Command: command, Actor: who.actor, Host: who.host, Job: who.job,
		Commit: cmp.Or(who.commit, p.Source.Commit), Dirty: p.Source.Dirty, CommitProblem: sourceProblem(p.Source),
		PlanDigest: string(p.Digest), Tool: p.Tool.Name + " " + p.Tool.Version,
		Project: first.Name, BaseURL: first.BaseURL, Owner: first.Owner, Lifted: first.Guards.Lifted,
	}
	if len(p.Projects) == 1 {
		return out
	}
	out.Project = ""
	out.Lifted = slices.Clone(out.Lifted)
	for _, project := range p.Projects {
		out.Projects = append(out.Projects, project.Name)
		for _, l := range project.Guards.Lifted {
			if !slices.Contains(out.Lifted, l) {
				out.Lifted = append(out.Lifted, l)
			}
		}
	}
	return out
}

// Intent records a write before it is sent.
func (r *auditRecorder) Intent(_ context.Context, w apply.Write) error {
	of, err := r.log.Intent(writeEntry(w))
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intents[writeKey{w.Project, w.Rule, w.Step}] = of
	return nil
}

// Result records the result of a write.
func (r *auditRecorder) Result(_ context.Context, w apply.Write, d apply.WriteResult) error {
	entry := resultEntry(d)
	r.mu.Lock()
	entry.Of = r.intents[writeKey{w.Project, w.Rule, w.Step}]
	r.mu.Unlock()
	return r.log.Result(writeEntry(w), entry)
}

// Step records a step that writes nothing.
func (r *auditRecorder) Step(_ context.Context, w apply.Write, d apply.WriteResult) error {
	return r.log.Step(writeEntry(w), resultEntry(d))
}

func writeEntry(w apply.Write) audit.Write {
	return audit.Write{
		Project: w.Project, Rule: w.Rule, Action: string(w.Action), Step: string(w.Step), Before: string(w.Before), After: string(w.After),
		AuthRemoved: w.AuthRemoved,
	}
}

func resultEntry(d apply.WriteResult) audit.Result {
	out := audit.Result{
		HTTPStatus: d.HTTPStatus, Attempts: d.Attempts, Ref: d.Ref, Live: string(d.Live), Records: d.Records, Active: d.Active,
	}
	if d.Archive != nil {
		out.Archive = &audit.Archive{Location: d.Archive.Location, Records: d.Archive.Records, SHA256: d.Archive.SHA256, Manifest: d.Archive.Manifest}
	}
	if d.Left != nil {
		out.Left = &audit.Left{Enabled: d.Left.Enabled, AuthRemoved: d.Left.AuthRemoved, Uncertain: string(d.Left.Uncertain), Earlier: d.Left.Earlier}
	}
	if d.Error != nil {
		out.Error = &audit.Error{Kind: string(d.Error.Kind), Message: d.Error.Message}
	}
	return out
}

// runIdentity identifies the user, host, CI job and commit of a run.
type runIdentity struct{ actor, host, job, commit string }

// readIdentity reads the user, the job and the commit from the CI environment.
// Outside CI it takes the OS user, and leaves the commit to git.
func readIdentity(getenv func(string) string) runIdentity {
	var r runIdentity
	r.host, _ = os.Hostname()
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		r.actor, r.commit = getenv("GITHUB_ACTOR"), getenv("GITHUB_SHA")
		if server, repo, id := getenv("GITHUB_SERVER_URL"), getenv("GITHUB_REPOSITORY"), getenv("GITHUB_RUN_ID"); server != "" && repo != "" && id != "" {
			r.job = server + "/" + repo + "/actions/runs/" + id
		}
	case getenv("GITLAB_CI") == "true":
		r.actor, r.commit, r.job = cmp.Or(getenv("GITLAB_USER_LOGIN"), getenv("GITLAB_USER_NAME")), getenv("CI_COMMIT_SHA"), getenv("CI_JOB_URL")
	}
	if r.actor == "" {
		if u, err := user.Current(); err == nil {
			r.actor = u.Username
		}
	}
	return r
}
