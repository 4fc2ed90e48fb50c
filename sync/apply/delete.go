package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Deleting a rule destroys its delivery history, so it goes in seven steps:
//
//  1. read the rule: it must be what the plan saw
//  2. pause it, so that no new record comes while the history is read
//  3. wait for records that are on their way
//  4. read the history to its end, whole
//  5. store it, durable and verified
//  6. look once more: same rule, same total, nothing new; otherwise from 4
//  7. DELETE; before each attempt again comes 6
//
// A run that dies after 2 leaves a paused rule without its authentication,
// which the next run deletes, or restores if its file came back.

// errMore says that records came after the history was stored.
var errMore = errors.New("records came after the history was stored")

// errGone and errOther say that the rule is not the one any more.
var (
	errGone  = errors.New("the rule was deleted by someone else")
	errOther = errors.New("the rule was made anew or changed by someone else")
)

// maxRounds bounds how often step 6 may lead back to step 4.
const maxRounds = 5

// deletion is one delete under way.
type deletion struct {
	*run
	c plan.Change
	// before is the rule as it was, expected as it must be now.
	before, expected webhook.Rule
	paused           bool
	out              Change
}

func (r *run) delete(c plan.Change) Change {
	if r.deps.Archive == nil {
		return r.blocked(c, plan.GuardArchive, "there is no place for the delivery history; pass --archive DIR")
	}
	live, err := r.deps.Client.Rule(r.ctx, c.Rule)
	switch {
	case err != nil:
		return r.failed(c, KindService, err)
	case live == nil:
		return r.change(c, StatusDone)
	case webhook.LiveDigest(live) != c.LiveDigest:
		return r.stale(c, "the live rule was changed since the plan")
	}
	d := &deletion{run: r, c: c, before: *live, expected: *live, out: r.change(c, StatusApplied)}
	if ended := d.pause(); ended != nil {
		return *ended
	}
	for range maxRounds {
		stored, ended := d.store()
		if ended != nil {
			return *ended
		}
		again, ended := d.remove(stored)
		if !again {
			return *ended
		}
	}
	return d.held(plan.GuardArchive, fmt.Sprintf("records came after the history was stored, %d times in a row", maxRounds))
}

// pause is step 2. A rule with fields that this version does not know is left
// as it is: a PUT would drop them, and should the delete be held back, they
// would be lost. Step 6 finds what comes in the meantime.
func (d *deletion) pause() *Change {
	if !d.before.Spec.Enabled || d.deps.NoPause || len(d.before.Spec.Unknown) > 0 {
		return nil
	}
	if err := d.record("pause", d.c); err != nil {
		return ptr(d.failed(d.c, KindService, err))
	}
	spec := d.before.Spec.Clone()
	spec.Enabled = false
	spec.Auth = webhook.AuthNames{}
	res, err := d.deps.Client.Put(d.ctx, d.c.Rule, spec, noAuth)
	d.out.Attempts += res.Attempts
	d.paused = err == nil || res.Lost || res.Status/100 == 2
	switch {
	case err != nil:
		out := d.failed(d.c, KindService, fmt.Errorf("pause the rule: %w", err))
		if d.paused {
			out.Error.Message += d.pausedNote()
		}
		return &out
	case res.Created || res.Rule.ID != d.before.ID:
		return ptr(d.stale(d.c, "the rule was deleted by someone else while it was being paused, and the pause has made it anew, paused; run apply again to delete that"))
	case res.Rule.Spec.Enabled:
		return ptr(d.held(plan.GuardArchive, "the service does not pause the rule; pass --no-pause to store the history of a rule that still delivers"))
	}
	d.expected = res.Rule
	if err := d.recordResult("pause", d.c, d.out); err != nil {
		return ptr(d.failed(d.c, KindService, err))
	}
	return nil
}

func ptr(c Change) *Change { return &c }

// pausedNote says in what state a delete that ends early leaves the rule.
func (d *deletion) pausedNote() string {
	if !d.paused {
		return ""
	}
	return "; the rule is paused and without its authentication: run apply again to delete it, or bring its file back to restore it"
}

// held ends a delete that a guard holds back.
func (d *deletion) held(guard plan.Guard, reason string) Change {
	out := d.blocked(d.c, guard, reason+d.pausedNote())
	out.Archive = d.out.Archive
	return out
}

// ended ends a delete with an error.
func (d *deletion) ended(kind ErrorKind, err error) *Change {
	out := d.failed(d.c, kind, err)
	out.Error.Message += d.pausedNote()
	out.Archive = d.out.Archive
	return &out
}

// store is steps 3 to 5: it waits for records on their way, and stores a whole
// history.
func (d *deletion) store() (*archive.Copy, *Change) {
	deadline := d.deps.Now().Add(d.deps.Drain)
	for wait := time.Second; ; wait = min(2*wait, 8*time.Second) {
		if err := d.record("archive", d.c); err != nil {
			return nil, d.ended(KindService, err)
		}
		stored, err := archive.Save(d.ctx, d.deps.Archive, archive.Request{
			Project: d.project.Name, BaseURL: d.project.BaseURL, Rule: d.before, WasEnabled: d.before.Spec.Enabled,
			When: d.deps.Now(), By: d.deps.By, Host: d.deps.Host, Commit: d.deps.Commit,
			PlanDigest: d.digest, Tool: d.tool, AllowActive: d.deps.DeleteActive,
		}, d.source())
		if err == nil {
			d.out.Archive = &stored.Receipt
			if err := d.recordResult("archive", d.c, d.out); err != nil {
				return nil, d.ended(KindService, err)
			}
			return stored, nil
		}
		var active *archive.ActiveError
		var notWhole *archive.NotWholeError
		switch {
		case errors.As(err, &notWhole):
			return nil, ptr(d.held(plan.GuardArchive, notWhole.Error()))
		case !errors.As(err, &active):
			return nil, d.storeFailed(err)
		case d.stopped():
			return nil, ptr(d.with(d.c, StatusSkipped, KindInterrupted, "interrupted while waiting for deliveries on their way"+d.pausedNote(), ""))
		}
		left := deadline.Sub(d.deps.Now())
		if left <= 0 {
			return nil, ptr(d.held(plan.GuardActive,
				fmt.Sprintf("%s after %s; wait longer with --drain, or lift with --delete-active", active, d.deps.Drain)))
		}
		d.wait(min(wait, left))
	}
}

// storeFailed tells trouble with the archive from trouble with the service.
func (d *deletion) storeFailed(err error) *Change {
	var service *mkio.Error
	if errors.As(err, &service) || d.ctx.Err() != nil {
		return d.ended(KindService, err)
	}
	out := d.held(plan.GuardArchive, err.Error())
	out.Status = StatusFailed
	out.Error = &Error{Kind: KindArchive, Message: err.Error() + d.pausedNote(), Hint: "check the archive folder, then run apply again"}
	out.Blocked = nil
	return &out
}

// wait sleeps, or ends with a signal.
func (d *deletion) wait(t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.stop:
	case <-d.ctx.Done():
	}
}

// source reads the rule's history for the archive.
func (d *deletion) source() archive.Source {
	return func(ctx context.Context, each func(archive.Page) error) error {
		return d.deps.Client.Events(ctx, d.c.Rule, func(p mkio.EventPage) error {
			return each(archive.Page{Events: p.Events, Raw: []json.RawMessage(p.Raw), Total: p.Total, HasTotal: p.HasTotal, More: p.More})
		})
	}
}

// look is step 6, before each attempt of the DELETE.
func (d *deletion) look(ctx context.Context, first bool, stored *archive.Copy) error {
	live, err := d.deps.Client.Rule(ctx, d.c.Rule)
	switch {
	case err != nil:
		return err
	case live == nil && first:
		return errGone
	case live == nil:
		return nil // an earlier attempt took effect; the DELETE will find nothing
	case webhook.LiveDigest(live) != webhook.LiveDigest(&d.expected):
		return errOther
	}
	same, err := stored.Unchanged(ctx, d.source())
	if err == nil && !same {
		err = errMore
	}
	return err
}

// remove is steps 6 and 7. again is true where the history has to be stored
// anew.
func (d *deletion) remove(stored *archive.Copy) (again bool, ended *Change) {
	if err := d.record("delete", d.c); err != nil {
		return false, d.ended(KindService, err)
	}
	first := true
	res, err := d.deps.Client.Delete(d.ctx, d.c.Rule, func(ctx context.Context) error {
		defer func() { first = false }()
		return d.look(ctx, first, stored)
	})
	d.out.HTTPStatus, d.out.Ref = res.Status, res.Ref
	d.out.Attempts += res.Attempts
	switch {
	case errors.Is(err, errMore):
		return true, nil
	case errors.Is(err, errGone), errors.Is(err, errOther):
		out := d.stale(d.c, err.Error())
		out.Archive = d.out.Archive
		return false, &out
	case err != nil:
		out := d.ended(KindService, err)
		if res.Lost {
			out.Error.Message += "; it may have been deleted all the same, its history is stored"
		}
		return false, out
	case !res.Existed:
		out := d.stale(d.c, errGone.Error())
		out.Archive = d.out.Archive
		return false, &out
	}
	out := d.out
	if err := d.recordResult("delete", d.c, out); err != nil {
		out.Status = StatusUnverified
		out.Error = &Error{Kind: KindUnverified, Message: "deleted, but " + err.Error()}
	}
	return false, &out
}
