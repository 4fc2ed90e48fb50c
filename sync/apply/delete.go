package apply

import (
	"cmp"
	"context"
	"errors"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// sendDelete does steps 6 and 7. It returns false if the history must be stored anew.
func (d *deletion) sendDelete(ctx context.Context, stored *archive.StoredHistory) (over bool) {
	w, err := d.recordIntent(ctx, d.c, StepDelete, webhook.LiveDigest(&d.live), webhook.Absent)
	if err != nil {
		d.out.fail(StatusFailed, KindAudit, "the record could not be written, so nothing was deleted: "+err.Error(), roomForRecord)
		return true
	}
	before := d.attempted
	result, err := d.client.Delete(ctx, d.c.Rule, mkio.Precheck{Run: func(ctx context.Context) error {
		err := d.recheck(ctx, stored)
		d.recordStep(ctx, d.c, StepLook, w.Before, precheckResult(err))
		return err
	}})
	d.out.addAttempts(result.Write)
	d.lost = d.lost || result.Lost
	d.attempted = d.attempted || result.Attempts > 0
	refused := err
	if d.attempted {
		if is := d.readAfterError(ctx, err); is != nil {
			err = is
			d.recordStep(ctx, d.c, StepLook, w.Before, precheckResult(err))
		}
	}
	over = true
	var unsent *Error
	switch {
	case ctx.Err() != nil && err != nil:
		d.lost = d.lost || result.Attempts > 0
		d.out.failWrite(ctx, err, result.Write)
	case errors.Is(err, errMoved):
		over, unsent = false, precheckResult(err).Error
	case errors.Is(err, errGone) && before:
		d.failLateDelete()
	case errors.Is(err, errGone):
		d.endAbsent(refused)
	case errors.Is(err, errAnother):
		d.endReplaced()
	case errors.Is(err, errChanged):
		d.out.markStale("someone changed the rule while its history was stored")
	case err != nil:
		d.out.failWrite(ctx, err, result.Write)
	default:
		d.confirm(ctx, result, before)
	}
	d.recordResult(ctx, w, WriteResult{HTTPStatus: result.Status, Attempts: result.Attempts, Ref: result.Ref, Archive: &stored.Receipt, Error: cmp.Or(unsent, d.out.Error)})
	return over
}

// failLateDelete ends a delete whose lost attempt took effect only after newer
// records had come.
func (d *deletion) failLateDelete() {
	d.left = nil
	d.out.fail(StatusUnverified, KindArchive, "deleted by an attempt whose answer was lost, after the copy was found to lack newer records", "look at the archive: the last records may be missing")
}

// precheckResult returns the result of a precheck, for the audit log.
func precheckResult(err error) WriteResult {
	switch {
	case err == nil:
		return WriteResult{}
	case errors.Is(err, errGone), errors.Is(err, errAnother), errors.Is(err, errChanged), errors.Is(err, errMoved):
		return WriteResult{Error: &Error{Kind: KindStale, Message: err.Error()}}
	}
	return WriteResult{Error: &Error{Kind: KindService, Message: err.Error()}}
}

// readAfterError reads the rule after a DELETE with an error response, which may have
// taken effect. It returns errGone or errAnother, or nil if the rule exists or its
// state is unknown.
func (d *deletion) readAfterError(ctx context.Context, err error) error {
	var service *mkio.Error
	if !errors.As(err, &service) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	live, err := d.findRule(ctx)
	switch {
	case err != nil:
		return nil
	case live == nil:
		return errGone
	case live.ID != d.live.ID:
		return errAnother
	}
	return nil
}

// endAbsent ends the delete of an absent rule. If this run sent a DELETE before, that
// DELETE counts as the cause, unless the service refused it with the error refused.
func (d *deletion) endAbsent(refused error) {
	d.left = nil
	var service *mkio.Error
	switch {
	case !d.attempted:
		d.out.markStale("someone else deleted the rule since the plan was made")
	case !d.lost && errors.As(refused, &service):
		d.out.fail(StatusUnverified, KindUnverified, refused.Error()+"; the rule is deleted all the same, by this attempt or by another client", planAgain)
	default:
		d.out.Status = StatusApplied
	}
}

// endReplaced ends the delete of a rule whose name now belongs to another rule.
func (d *deletion) endReplaced() {
	d.left = nil
	if !d.attempted {
		d.out.markStale("the rule was deleted and made anew by someone else")
		return
	}
	d.out.fail(StatusUnverified, KindUnverified,
		"the rule is deleted, by this run or by another client; another client has created a rule with its name since, which was left alone", planAgain)
}

// recheck is the precheck of step 6. It returns nil if the rule may be deleted now.
func (d *deletion) recheck(ctx context.Context, stored *archive.StoredHistory) error {
	live, err := d.client.ReadRule(ctx, d.c.Rule)
	switch {
	case err != nil:
		return err
	case live == nil:
		if _, err := d.confirmAbsent(ctx); err != nil {
			return err
		}
		return errGone
	case live.ID != d.live.ID:
		return errAnother
	case webhook.LiveDigest(live) != webhook.LiveDigest(&d.live):
		if d.left != nil {
			d.left = live
		}
		return errChanged
	}
	same, err := stored.IsUnchanged(ctx, d.readHistory)
	switch {
	case mkio.IsNotFound(err):
		live, failed := d.findRule(ctx)
		switch {
		case failed != nil:
			return failed
		case live != nil:
			d.keepLeft(live)
			return existsError{err}
		}
		return errGone
	case err != nil:
		return err
	case !same:
		return errMoved
	}
	return nil
}
