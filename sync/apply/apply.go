package apply

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Decrypter opens the sealed authentication of a rule file.
type Decrypter interface {
	Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error)
}

// Recorder keeps a record of each write: the intent is kept before its request
// leaves, the result after it. An error of Intent stops the write.
type Recorder interface {
	Intent(Step) error
	Result(Step, Change) error
}

// Step is one write of a change; a delete has several.
type Step struct {
	Project string
	Rule    string
	// What is done: "put", "pause", "archive" or "delete".
	What          string
	DesiredDigest webhook.Digest
	LiveDigest    webhook.Digest
}

// Rule is a desired rule with its sealed authentication.
type Rule struct {
	webhook.Desired
	Sealed secrets.Sealed
}

// Deps are what a run needs. Client and Secrets must be set.
type Deps struct {
	Client  *mkio.Client
	Secrets Decrypter
	// Archive is where histories go; nil blocks every delete.
	Archive archive.Store
	// Record may be nil.
	Record Recorder
	Now    func() time.Time
	// Concurrency is the most writes side by side; 0 means 16.
	Concurrency int
	// Drain is how long a delete waits for deliveries on their way.
	Drain time.Duration
	// NoPause leaves a rule enabled while its history is stored.
	NoPause bool
	// DeleteActive deletes though deliveries are on their way.
	DeleteActive bool
	// By, Host and Commit go into manifests; may be empty.
	By, Host, Commit string
	// Finished is told of each change when it has an end; may be nil. It is
	// called by one goroutine at a time.
	Finished func(Change)
}

// Prepared is a plan with every secret opened that it would send.
type Prepared struct {
	deps  Deps
	rules map[string]Rule
	auth  map[string]secrets.Auth
}

// Prepare opens and checks every secret that the plan would send, before the
// first write anywhere. The error joins all that went wrong, sorted.
func Prepare(ctx context.Context, p *plan.Plan, rules []Rule, deps Deps) (*Prepared, error) {
	if deps.Concurrency == 0 {
		deps.Concurrency = 16
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	out := &Prepared{deps: deps, rules: make(map[string]Rule, len(rules)), auth: map[string]secrets.Auth{}}
	for _, r := range rules {
		out.rules[r.Name] = r
	}
	var mu sync.Mutex
	var failures []error
	group, ctx := errgroup.WithContext(ctx)
	// Opening is work for the cores; key services have a limit of their own.
	group.SetLimit(max(runtime.GOMAXPROCS(0), 4))
	for _, c := range p.Projects[0].Changes {
		r, wanted := out.rules[c.Rule]
		if c.Blocked != nil || c.Action == plan.Delete || !wanted || r.Spec.Auth.Len() == 0 {
			continue
		}
		group.Go(func() error {
			auth, err := open(ctx, deps.Secrets, r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures = append(failures, err)
			}
			out.auth[r.Name] = auth
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil && len(failures) > 0 && errors.Is(failures[0], context.Canceled) {
		return nil, err
	}
	slices.SortFunc(failures, func(a, b error) int { return compareText(a.Error(), b.Error()) })
	return out, errors.Join(failures...)
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// open opens one rule's authentication and checks that it has just the names
// that were validated and planned.
func open(ctx context.Context, d Decrypter, r Rule) (auth secrets.Auth, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%s: a fault while its secrets were opened", r.File)
		}
	}()
	auth, err = d.Auth(ctx, r.Sealed)
	if err != nil {
		return secrets.Auth{}, err
	}
	names := webhook.AuthNames{}
	for name := range auth.Headers {
		names.Headers = append(names.Headers, name)
	}
	for name := range auth.QueryParams {
		names.QueryParams = append(names.QueryParams, name)
	}
	slices.Sort(names.Headers)
	slices.Sort(names.QueryParams)
	if !slices.Equal(names.Headers, r.Spec.Auth.Headers) || !slices.Equal(names.QueryParams, r.Spec.Auth.QueryParams) {
		return secrets.Auth{}, fmt.Errorf("%s: spec.authentication opens to other names than it shows", r.File)
	}
	return auth, nil
}

// run is one application of a plan.
type run struct {
	*Prepared
	project plan.Project
	digest  webhook.Digest
	tool    string
	ctx     context.Context
	stop    <-chan struct{}
	// halted is set once the service is seen not to keep the marker.
	halted atomic.Bool

	mu      sync.Mutex
	changes []Change
}

// Run does what p says, a plan that Prepare has seen or a part of it. When
// stop is closed it finishes what is under way and starts nothing more; when
// ctx ends, it gives up the requests under way, too.
func (p *Prepared) Run(ctx context.Context, stop <-chan struct{}, todo *plan.Plan) *Result {
	r := &run{
		Prepared: p, project: todo.Projects[0], digest: todo.Digest, ctx: ctx, stop: stop,
		tool: todo.Tool.Name + " " + todo.Tool.Version,
	}
	r.changes = make([]Change, len(r.project.Changes))
	r.phase(p.deps.Concurrency, func(c plan.Change) bool { return c.Action != plan.Delete }, r.write)
	dependence := r.dependence()
	r.phase(min(p.deps.Concurrency, deletesSideBySide), func(c plan.Change) bool { return c.Action == plan.Delete }, func(c plan.Change) Change {
		if dependence != "" {
			return r.blocked(c, plan.GuardDependence, dependence)
		}
		return r.delete(c)
	})
	result := &Result{FormatVersion: FormatVersion, Digest: todo.Digest, Changes: r.changes, Warnings: []string{}}
	if r.halted.Load() {
		result.Warnings = append(result.Warnings,
			"the service does not keep the header "+webhook.MarkerHeader+", so nothing more was written to this project: run without --owner")
	}
	result.finish(r.stopped())
	return result
}

// deletesSideBySide bounds deletes: each reads a history, and waits.
const deletesSideBySide = 4

// stopped reports whether a signal came.
func (r *run) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return r.ctx.Err() != nil
	}
}

// phase does the changes that want picks, side by side.
func (r *run) phase(limit int, want func(plan.Change) bool, do func(plan.Change) Change) {
	var group errgroup.Group
	group.SetLimit(limit)
	for i, c := range r.project.Changes {
		if !want(c) {
			continue
		}
		group.Go(func() error {
			r.finished(i, r.one(c, do))
			return nil
		})
	}
	_ = group.Wait() // changes report their errors themselves
}

// one does a change unless it is blocked or the run was stopped.
func (r *run) one(c plan.Change, do func(plan.Change) Change) (out Change) {
	defer func() {
		if recover() != nil {
			// The value could hold anything, so it is not shown.
			out = r.failed(c, KindService, errors.New("a fault in mkhooks itself; run plan to see what was applied"))
		}
	}()
	switch {
	case c.Blocked != nil:
		return r.blocked(c, c.Blocked.Guard, c.Blocked.Reason)
	case r.stopped():
		return r.with(c, StatusSkipped, KindInterrupted, "not started: the run was interrupted", "")
	case r.halted.Load():
		return r.with(c, StatusSkipped, KindUnverified, "not started: the service does not keep the header "+webhook.MarkerHeader, "")
	}
	return do(c)
}

func (r *run) finished(i int, c Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes[i] = c
	if r.deps.Finished != nil {
		r.deps.Finished(c)
	}
}

// dependence says why deletes must wait for the next run, or "": a rename must
// never leave a gap in delivery.
func (r *run) dependence() string {
	for _, c := range r.changes {
		switch {
		case c.Action == plan.Create && c.Status != StatusApplied && c.Status != StatusDone:
			return fmt.Sprintf("deletes wait until every create is done, and the create of %q is %s", c.Rule, c.Status)
		case c.Action == plan.Update && (c.Status == StatusFailed || c.Status == StatusUnverified):
			return fmt.Sprintf("deletes wait until no update fails, and the update of %q is %s", c.Rule, c.Status)
		}
	}
	return ""
}

// record keeps an intent before its request leaves.
func (r *run) record(what string, c plan.Change) error {
	if r.deps.Record == nil {
		return nil
	}
	return r.deps.Record.Intent(r.step(what, c))
}

// recordResult keeps what became of a step.
func (r *run) recordResult(what string, c plan.Change, out Change) error {
	if r.deps.Record == nil {
		return nil
	}
	return r.deps.Record.Result(r.step(what, c), out)
}

func (r *run) step(what string, c plan.Change) Step {
	return Step{Project: r.project.Name, Rule: c.Rule, What: what, DesiredDigest: c.DesiredDigest, LiveDigest: c.LiveDigest}
}

// change begins the report of a change.
func (r *run) change(c plan.Change, s Status) Change {
	return Change{Project: r.project.Name, Rule: c.Rule, Action: c.Action, Status: s}
}

func (r *run) with(c plan.Change, s Status, kind ErrorKind, message, hint string) Change {
	out := r.change(c, s)
	out.Error = &Error{Kind: kind, Message: message, Hint: hint}
	return out
}

func (r *run) blocked(c plan.Change, guard plan.Guard, reason string) Change {
	out := r.change(c, StatusBlocked)
	out.Blocked = &plan.Blocked{Guard: guard, Reason: reason}
	return out
}

func (r *run) stale(c plan.Change, message string) Change {
	return r.with(c, StatusStale, KindStale, message, "run plan again and look at what changed")
}

// failed reports an error; what the client knows of it comes along.
func (r *run) failed(c plan.Change, kind ErrorKind, err error) Change {
	out := r.with(c, StatusFailed, kind, err.Error(), "")
	var e *mkio.Error
	if errors.As(err, &e) {
		out.HTTPStatus, out.Ref, out.Attempts, out.Error.Hint = e.Status, e.Ref, e.Attempts, e.Hint()
		out.Error.Message = e.Error()
		if e.Network() {
			out.Error.Kind = KindNetwork
		}
	}
	if r.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		out.Error.Kind, out.Error.Message = KindInterrupted, "given up: the run was interrupted twice"
	}
	return out
}
