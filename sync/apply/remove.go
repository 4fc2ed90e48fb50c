package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Deleting a rule: the seven steps of the contract.
//
// The service destroys the history with the rule, and has no compare-and-swap.
// So everything is looked at again directly before each attempt, and whatever
// moved leads back to reading the history, or ends the delete.
//
// A pause is a PUT, and a PUT drops what this version does not know. A rule
// with unknown fields is therefore not paused: if the run died, or if a guard
// held the delete back, they would be lost on a rule that is still there. Its
// history may then move while it is read, which is noticed.

// removal is one delete under way.
type removal struct {
	*run
	c   plan.Change
	out Change
	// seen is the rule before this run touched it, for the manifest; live is
	// the rule as it must be when it is deleted.
	seen, live webhook.Rule
	// at is when the rule was read first.
	at     time.Time
	paused bool
	// maybePaused is true where the answer to the pause was lost.
	maybePaused bool
	// lost is true once an attempt may have deleted the rule, and its answer
	// did not come.
	lost bool
}

// maxRounds is how often a history that moves behind its copy is stored anew.
const maxRounds = 5

// The ways in which the last look before a DELETE ends it.
var (
	errGone    = errors.New("the rule is gone")
	errAnother = errors.New("another rule has its name")
	errChanged = errors.New("the rule changed")
	errMoved   = errors.New("the history moved")
)

// remove deletes one rule.
func (r *run) remove(ctx context.Context, c plan.Change) Change {
	d := &removal{run: r, c: c, out: begin(r.project.Name, c)}
	d.do(ctx)
	if d.out.Status != StatusApplied && d.out.Status != StatusStale {
		switch {
		case d.paused && d.lost:
			d.note("; if the rule is still there, it is paused and stays so: the next run deletes it, or restores it if its file came back")
		case d.paused:
			d.note("; the rule is paused and stays so: the next run deletes it, or restores it if its file came back")
		case d.maybePaused:
			d.note("; the rule may be paused by now: the next run deletes it, or restores it if its file came back")
		}
	}
	return d.out
}

// note says that a rule which is still there delivers nothing.
func (d *removal) note(text string) {
	switch {
	case d.out.Blocked != nil:
		d.out.Blocked.Reason += text
	case d.out.Error != nil:
		d.out.Error.Message += text
	}
}

func (d *removal) do(ctx context.Context) {
	if d.deps.Archive == nil {
		d.out.block(plan.GuardArchive, "there is no place for the delivery history, which the delete destroys; pass --archive DIR")
		return
	}
	at := time.Now()
	live, err := d.client.Rule(ctx, d.c.Rule) // step 1
	switch {
	case err != nil:
		d.out.failRead(ctx, err)
	case live == nil: // gone is as desired
		d.out.Status = StatusDone
	case webhook.LiveDigest(live) != d.c.LiveDigest:
		d.out.stale(moved(d.c, live))
	}
	read := Written{Error: d.out.Error}
	if err == nil {
		read.Live = webhook.LiveDigest(live)
	}
	d.step(ctx, d.c, StepRead, d.c.LiveDigest, read)
	if d.out.Status != "" {
		return
	}
	d.seen, d.live, d.at = *live, *live, at
	// An earlier run may have paused it, and not come to the end.
	d.paused = webhook.LeftPaused(d.project.Name, *live)
	if err := archive.Probe(ctx, d.deps.Archive); err != nil {
		d.out.failArchive(ctx, err) // before the pause: the rule goes on delivering
		d.step(ctx, d.c, StepArchive, d.c.LiveDigest, Written{Error: d.why()})
		return
	}
	if live.Spec.Enabled && !d.deps.NoPause && len(live.Spec.Unknown) == 0 && !d.pause(ctx) {
		return
	}
	for range maxRounds {
		stored := d.store(ctx) // steps 3 to 5
		if stored == nil || d.delete(ctx, stored) {
			return
		}
	}
	d.out.block(plan.GuardArchive, fmt.Sprintf("the history moved each of %d times after it was stored; run it again when fewer events come, or pause the rule by hand first", maxRounds))
}

// pause is step 2. It reports whether the delete goes on.
func (d *removal) pause(ctx context.Context) bool {
	spec := d.live.Spec.Clone()
	spec.Enabled = false
	// The values are not known, and a mask must never be sent.
	spec.Auth = webhook.AuthNames{}
	before := d.live
	answer := d.send(ctx, &d.out, d.c, sending{StepPause, webhook.LiveDigest(&before), d.at, spec, secrets.Auth{}})
	if answer == nil {
		d.out.Error.Message = "pausing it before the delete: " + d.out.Error.Message
		// An answer that can't be read, or none, leaves open what took effect.
		status := d.out.HTTPStatus / 100
		d.maybePaused = d.out.Attempts > 0 && (status == 0 || status == 2 || status == 5)
		return false
	}
	// Attempts and status of the change are those of the DELETE.
	d.out.Attempts, d.out.HTTPStatus, d.out.Ref, d.out.lost = 0, 0, "", false
	d.paused = !answer.Spec.Enabled
	d.live = *answer
	switch {
	case answer.Spec.Enabled:
		d.out.block(plan.GuardArchive, "the service does not pause the rule; pass --no-pause to store the history of a rule that still delivers")
		return false
	case answer.ID != before.ID:
		d.out.stale("someone deleted the rule at this moment, and pausing it made it anew")
		return false
	case !sameMarker(before, *answer):
		d.halt("the service does not keep the header " + webhook.MarkerHeader + ", by which a rule says who owns it")
		d.out.fail(StatusUnverified, KindUnverified, "the service lost the header "+webhook.MarkerHeader+" when the rule was paused; it was not deleted", planAgain)
		return false
	}
	return true
}

// sameMarker reports whether a PUT kept whatever marker the rule had.
func sameMarker(before, after webhook.Rule) bool {
	value := func(r webhook.Rule) []string {
		var out []string
		for name, v := range r.Spec.Headers {
			if webhook.IsMarkerHeader(name) {
				out = append(out, webhook.HeaderValue(v))
			}
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(value(before), value(after))
}

// The waits between two looks at deliveries on their way.
const (
	firstDrainWait = 250 * time.Millisecond
	longDrainWait  = 5 * time.Second
)

// store is steps 3 to 5: it stores the history whole once no record is on its
// way any more. nil means that out says why not.
func (d *removal) store(ctx context.Context) *archive.Copy {
	w, err := d.intend(ctx, d.c, StepArchive, webhook.LiveDigest(&d.live), d.c.DesiredDigest)
	if err != nil {
		d.out.fail(StatusFailed, KindAudit, "the record could not be written, so nothing was stored or deleted: "+err.Error(), roomForRecord)
		return nil
	}
	began := time.Now()
	for wait := firstDrainWait; ; wait = min(2*wait, longDrainWait) {
		stored, err := archive.Save(ctx, d.deps.Archive, d.request(), d.history)
		var active *archive.ActiveError
		left := d.deps.Drain - time.Since(began)
		switch {
		case err == nil:
			d.out.Archive = &stored.Receipt
			d.step(ctx, d.c, StepHistory, w.Before, Written{Records: &stored.Receipt.Records})
			d.record(ctx, w, Written{Archive: &stored.Receipt})
			return stored
		case !errors.As(err, &active):
			d.failStore(ctx, err)
		case left <= 0:
			d.out.blockedAs(plan.Blocked{Guard: plan.GuardActive, Reason: fmt.Sprintf("%s after %s; run it again later", active, d.deps.Drain), Lift: "--delete-active"})
		default:
			d.step(ctx, d.c, StepWait, w.Before, Written{Records: &active.Records, Active: &active.Active})
			if d.sleep(ctx, min(wait, left)) {
				continue
			}
			d.out.skip("stopped while it waited for deliveries on their way; nothing was deleted")
		}
		d.record(ctx, w, Written{Error: d.why()})
		return nil
	}
}

// why is what the record says of a step that did not come to its end.
func (d *removal) why() *Error {
	if b := d.out.Blocked; b != nil {
		return &Error{Kind: KindGuard, Message: "blocked by " + string(b.Guard) + ": " + b.Reason}
	}
	return d.out.Error
}

// failStore ends a delete whose history could not be stored.
func (d *removal) failStore(ctx context.Context, err error) {
	switch {
	case !mkio.NotFound(err) || ctx.Err() != nil:
		d.out.failArchive(ctx, err)
	case d.lost: // it is stored anew because the copy lacked records
		d.tooLate()
	default:
		d.gone()
	}
}

func (d *removal) request() archive.Request {
	return archive.Request{
		Project: d.project.Name, BaseURL: d.project.BaseURL, Rule: d.seen, WasEnabled: d.seen.Spec.Enabled || webhook.LeftPaused(d.project.Name, d.seen),
		When: d.deps.Now(), By: d.deps.By, Host: d.deps.Host, Commit: d.deps.Commit,
		PlanDigest: d.plan.Digest, Tool: d.plan.Tool.Name + " " + d.plan.Tool.Version, AllowActive: d.deps.DeleteActive,
	}
}

// history is where the archive reads from.
func (d *removal) history(ctx context.Context, each func(archive.Page) error) error {
	return d.client.Events(ctx, d.c.Rule, func(p mkio.EventPage) error { return each(archive.Page(p)) })
}

// delete is steps 6 and 7. It reports false where the history has to be
// stored anew.
func (d *removal) delete(ctx context.Context, stored *archive.Copy) (over bool) {
	w, err := d.intend(ctx, d.c, StepDelete, webhook.LiveDigest(&d.live), webhook.Absent)
	if err != nil {
		d.out.fail(StatusFailed, KindAudit, "the record could not be written, so nothing was deleted: "+err.Error(), roomForRecord)
		return true
	}
	lostBefore := d.lost
	result, err := d.client.Delete(ctx, d.c.Rule, mkio.Look{Again: func(ctx context.Context) error {
		err := d.look(ctx, stored)
		d.step(ctx, d.c, StepLook, w.Before, looked(err))
		return err
	}})
	d.out.took(result.Write)
	d.lost = d.lost || result.Lost
	if d.lost && d.isGone(ctx, err) {
		err = errGone
		d.step(ctx, d.c, StepLook, w.Before, looked(err))
	}
	over = true
	var unsent *Error
	switch {
	case ctx.Err() != nil && err != nil:
		d.lost = d.lost || result.Attempts > 0
		d.out.failWrite(ctx, err, result.Write)
	case errors.Is(err, errMoved):
		over, unsent = false, looked(err).Error
	case errors.Is(err, errGone) && lostBefore:
		d.tooLate()
	case errors.Is(err, errGone):
		d.gone()
	case errors.Is(err, errAnother):
		d.out.stale("the rule was deleted and made anew by someone else")
	case errors.Is(err, errChanged):
		d.out.stale("someone changed the rule while its history was stored")
	case err != nil:
		d.out.failWrite(ctx, err, result.Write)
	case !result.Existed && !d.lost:
		d.out.stale("someone else deleted the rule at this moment")
	default:
		d.out.Status = StatusApplied
	}
	d.record(ctx, w, Written{HTTPStatus: result.Status, Attempts: result.Attempts, Ref: result.Ref, Archive: &stored.Receipt, Error: cmp.Or(unsent, d.out.Error)})
	return over
}

// tooLate ends a delete whose lost attempt took effect only after newer records
// had come.
func (d *removal) tooLate() {
	d.out.fail(StatusUnverified, KindArchive, "deleted by an attempt whose answer was lost, after the copy was found to lack newer records", "look at the archive: the last records may be missing")
}

// looked is what a look found, for the record.
func looked(err error) Written {
	switch {
	case err == nil:
		return Written{}
	case errors.Is(err, errGone), errors.Is(err, errAnother), errors.Is(err, errChanged), errors.Is(err, errMoved):
		return Written{Error: &Error{Kind: KindStale, Message: err.Error()}}
	}
	return Written{Error: &Error{Kind: KindService, Message: err.Error()}}
}

// isGone looks once more where time ran out after an attempt whose answer was
// lost: it may have taken effect.
func (d *removal) isGone(ctx context.Context, err error) bool {
	var service *mkio.Error
	if !errors.As(err, &service) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, secondLook)
	defer cancel()
	live, err := d.client.Rule(ctx, d.c.Rule)
	return err == nil && live == nil
}

// gone ends the delete of a rule that is not there any more: our own attempt
// may have done it, without an answer.
func (d *removal) gone() {
	if d.lost {
		d.out.Status = StatusApplied
		return
	}
	d.out.stale("someone else deleted the rule since the plan was made")
}

// look is step 6: it says whether the rule may be deleted now.
func (d *removal) look(ctx context.Context, stored *archive.Copy) error {
	live, err := d.client.Rule(ctx, d.c.Rule)
	switch {
	case err != nil:
		return err
	case live == nil:
		return errGone
	case live.ID != d.live.ID:
		return errAnother
	case webhook.LiveDigest(live) != webhook.LiveDigest(&d.live):
		return errChanged
	}
	same, err := stored.Unchanged(ctx, d.history)
	switch {
	case mkio.NotFound(err):
		return errGone
	case err != nil:
		return err
	case !same:
		return errMoved
	}
	return nil
}
