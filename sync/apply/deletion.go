package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Deleting a rule: the seven steps of the contract.
//
// The service destroys the history with the rule, and has no compare-and-swap. So
// every precondition is checked again directly before each attempt. A change leads
// back to reading the history, or ends the delete.
//
// A pause is a PUT, and a PUT drops the fields that this version does not know. A
// rule with unknown fields is therefore not paused. If the run crashed, or if a
// guard blocked the delete, a rule that still exists would lack those fields. Its
// history may then change while it is read, which is detected.

// deletion is one delete in progress.
type deletion struct {
	*run
	c   plan.Change
	out Change
	// seen is the rule before any run paused it, for the manifest. live is the rule
	// as it must be when it is deleted.
	seen, live webhook.Rule
	// at is the time of the first read of the rule.
	at time.Time
	// wrote is true once the pause of this run took effect.
	wrote bool
	// unpaused is true if the service answered the pause with an enabled rule.
	unpaused bool
	// earlier is true if an earlier run paused the rule.
	earlier bool
	// authUnknown is true if the rule had authentication before, but its names are
	// unknown.
	authUnknown bool
	// left is the paused rule as it was last read. It is nil if the rule is not
	// paused, or is absent.
	left *webhook.Rule
	// attempted is true once a DELETE was sent; lost is true once a DELETE may have
	// taken effect without a response.
	attempted, lost bool
	// drained is how long the delete has waited for records in flight.
	drained  time.Duration
	patience *archive.Patience
	// shown is what earlier reads showed of the history: the plan's, one directly
	// before the pause, and an earlier run's.
	shown archive.Seen
}

// The reasons why the precheck of a DELETE ends it.
var (
	errGone    = errors.New("the rule is gone")
	errAnother = errors.New("another rule has its name")
	errChanged = errors.New("the rule changed")
	errMoved   = errors.New("the history moved")
)

// deleteRule deletes one rule.
func (r *run) deleteRule(ctx context.Context, c plan.Change) (out Change) {
	d := &deletion{run: r, c: c, out: newChange(r.project.Name, c), patience: archive.NewPatience(r.deps.Drain, r.waitUnlessStopped)}
	defer func() {
		if recover() != nil {
			d.out.failInternal()
		}
		out = d.addLeft(ctx)
	}()
	d.runSteps(ctx)
	return d.out
}

func (d *deletion) runSteps(ctx context.Context) {
	if d.deps.Archive == nil {
		d.out.blockBy(plan.GuardArchive, "there is no place for the delivery history, which the delete destroys; pass --archive DIR")
		return
	}
	at := time.Now()
	live, err := d.client.ReadRule(ctx, d.c.Rule) // step 1
	switch {
	case err != nil:
		d.out.failRead(ctx, err)
	case live == nil:
		if _, err := d.confirmAbsent(ctx); err != nil {
			d.out.failRead(ctx, err)
			break
		}
		d.out.Status = StatusDone // absent, as desired
	case webhook.LiveDigest(live) != d.c.LiveDigest:
		d.out.markStale(liveDifference(d.c, live))
	}
	read := WriteResult{Error: d.out.Error}
	if err == nil {
		read.Live = webhook.LiveDigest(live)
	}
	d.recordStep(ctx, d.c, StepRead, d.c.LiveDigest, read)
	if d.out.Status != "" {
		return
	}
	d.seen, d.live, d.at = *live, *live, at
	if h := d.c.History; h != nil {
		d.shown.Count(h.Records)
	}
	if !d.recallPause(ctx) {
		d.recordStep(ctx, d.c, StepArchive, d.c.LiveDigest, WriteResult{Error: d.stepError()})
		return
	}
	if err := archive.Probe(ctx, d.deps.Archive); err != nil {
		d.out.failArchive(ctx, err) // before the pause: the rule continues to deliver
		d.recordStep(ctx, d.c, StepArchive, d.c.LiveDigest, WriteResult{Error: d.stepError()})
		return
	}
	if live.Spec.Enabled && !d.deps.NoPause && len(live.Spec.Unknown) == 0 && !d.pauseRule(ctx) {
		return
	}
	for {
		stored := d.storeHistory(ctx) // steps 3 to 5
		if stored == nil || d.sendDelete(ctx, stored) {
			return
		}
		again, err := d.patience.WaitForRest(ctx, d.readHistory)
		switch {
		case err != nil:
			d.failStore(ctx, err)
		case again:
			continue
		case d.patience.WasStopped():
			d.out.markSkipped((&archive.StoppedError{}).Error() + "; nothing was deleted")
		default:
			d.out.blockBy(plan.GuardArchive, "the history moved again and again, in "+d.patience.Describe()+"; run it again when fewer events come, raise --drain, or pause the rule by hand first")
		}
		d.recordStep(ctx, d.c, StepArchive, webhook.LiveDigest(&d.live), WriteResult{Error: d.stepError()})
		return
	}
}

// The waits between two checks for records in flight.
const (
	firstDrainWait = 250 * time.Millisecond
	longDrainWait  = 5 * time.Second
)

// storeHistory does steps 3 to 5: it stores the complete history when no record is in
// flight. It returns nil if out holds the reason why not.
func (d *deletion) storeHistory(ctx context.Context) *archive.StoredHistory {
	w, err := d.recordIntent(ctx, d.c, StepArchive, webhook.LiveDigest(&d.live), d.c.DesiredDigest)
	if err != nil {
		d.out.fail(StatusFailed, KindAudit, "the record could not be written, so nothing was stored or deleted: "+err.Error(), roomForRecord)
		return nil
	}
	for wait := firstDrainWait; ; wait = min(2*wait, longDrainWait) {
		stored, err := archive.Save(ctx, d.deps.Archive, d.archiveRequest(), d.readHistory, d.patience)
		var active *archive.ActiveError
		var stopped *archive.StoppedError
		left := d.deps.Drain - d.drained
		switch {
		case err == nil:
			d.out.Archive = &stored.Receipt
			d.recordStep(ctx, d.c, StepHistory, w.Before, WriteResult{Records: &stored.Receipt.Records})
			d.recordResult(ctx, w, WriteResult{Archive: &stored.Receipt})
			return stored
		case errors.As(err, &stopped):
			d.out.markSkipped(err.Error() + "; nothing was deleted")
		case !errors.As(err, &active):
			d.failStore(ctx, err)
		case left <= 0:
			d.out.setBlocked(plan.Blocked{Guard: plan.GuardActive, Reason: fmt.Sprintf("%s after %s; run it again later", active, d.deps.Drain), Lift: "--delete-active"})
		default:
			d.recordStep(ctx, d.c, StepWait, w.Before, WriteResult{Records: &active.Records, Active: &active.Active})
			wait = min(wait, left)
			d.drained += wait
			if d.waitUnlessStopped(ctx, wait) {
				continue
			}
			d.out.markSkipped("stopped while it waited for deliveries on their way; nothing was deleted")
		}
		d.recordResult(ctx, w, WriteResult{Error: d.stepError()})
		return nil
	}
}

// stepError returns the error of an unfinished step for the audit log.
func (d *deletion) stepError() *Error {
	if b := d.out.Blocked; b != nil {
		return &Error{Kind: KindGuard, Message: "blocked by " + string(b.Guard) + ": " + b.Reason}
	}
	return d.out.Error
}

// failStore ends a delete whose history could not be stored.
func (d *deletion) failStore(ctx context.Context, err error) {
	switch {
	case !mkio.IsNotFound(err) || ctx.Err() != nil:
		d.out.failArchive(ctx, err)
		d.noteFewer(ctx, err)
	case d.stillThere(ctx, err):
	case d.attempted: // it is stored anew because the archive lacked records
		d.failLateDelete()
	default:
		d.endAbsent(nil)
	}
}

func (d *deletion) archiveRequest() archive.Request {
	return archive.Request{
		Project: d.project.Name, BaseURL: d.project.BaseURL, Rule: d.seen, WasEnabled: d.seen.Spec.Enabled, AuthUnknown: d.authUnknown,
		When: d.deps.Now(), By: d.deps.By, Host: d.deps.Host, Commit: d.deps.Commit,
		PlanDigest: d.plan.Digest, Tool: d.plan.Tool.Name + " " + d.plan.Tool.Version, AllowActive: d.deps.DeleteActive,
		Seen: &d.shown, Mask: d.client.MaskWhole,
	}
}

// readHistory reads the delivery history for the archive.
func (d *deletion) readHistory(ctx context.Context, each func(archive.Page) error) error {
	return d.client.ReadEvents(ctx, d.c.Rule, func(p mkio.EventPage) error { return each(archive.Page(p)) })
}
