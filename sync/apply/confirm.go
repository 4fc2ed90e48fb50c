package apply

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// A 404 can come from a part of the service that does not know the rule yet, or from
// something in front of it. So a delete believes that a rule is absent only if two
// different requests say so.

// errListed reports a rule that the service lists and does not find by its name.
var errListed = errors.New("the service answers 404 for the rule, and lists it among the rules of the project")

// existsError is a 404 for the history of a rule that exists.
type existsError struct{ error }

// Error returns the 404, and that the rule exists.
func (e existsError) Error() string { return e.error.Error() + "; the rule itself exists" }

// Hint returns the next step.
func (existsError) Hint() string { return applyAgain }

// Unwrap returns the 404.
func (e existsError) Unwrap() error { return e.error }

// confirmAbsent looks for a rule that a GET did not find in the list of rules. It
// returns nil if the rule is absent, and errListed with the rule if it is listed.
func (d *deletion) confirmAbsent(ctx context.Context) (*webhook.Rule, error) {
	rules, err := d.client.ListRules(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rules {
		if rules[i].Name == d.c.Rule {
			return &rules[i], errListed
		}
	}
	return nil, nil
}

// findRule reads the rule by its name and, if it is not found, looks for it in the
// list. It returns nil only if the rule is absent.
func (d *deletion) findRule(ctx context.Context) (*webhook.Rule, error) {
	live, err := d.client.ReadRule(ctx, d.c.Rule)
	if err != nil || live != nil {
		return live, err
	}
	live, err = d.confirmAbsent(ctx)
	if errors.Is(err, errListed) {
		err = nil
	}
	return live, err
}

// stillThere ends a delete after a 404 for the history of a rule that exists. It
// returns false if the rule is absent.
func (d *deletion) stillThere(ctx context.Context, notFound error) bool {
	live, err := d.findRule(ctx)
	switch {
	case err != nil:
		d.out.failRead(ctx, err)
	case live != nil:
		d.keepLeft(live)
		d.out.failRead(ctx, existsError{notFound})
	default:
		return false
	}
	return true
}

// keepLeft keeps the rule as it was read last, if the delete left it paused.
func (d *deletion) keepLeft(live *webhook.Rule) {
	if d.left != nil && live.ID == d.live.ID {
		d.left = live
	}
}

// The reads of a rule after a DELETE that succeeded, until it is absent. A service
// may delete later (202), or read from a copy that lags behind.
const (
	confirmReads     = 6
	firstConfirmWait = 250 * time.Millisecond
)

// confirmDeleted reads the rule after a DELETE without an error. It returns errGone
// or errAnother, nil if the rule is still there, or the error of the read.
func (d *deletion) confirmDeleted(ctx context.Context, w mkio.Write) error {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	read := d.client.ReadRule
	if w.Status == http.StatusNotFound || w.Status == http.StatusNoContent {
		read = func(ctx context.Context, _ string) (*webhook.Rule, error) { return d.findRule(ctx) }
	}
	for n, wait := 1, firstConfirmWait; ; n, wait = n+1, 2*wait {
		live, err := read(ctx, d.c.Rule)
		switch {
		case err != nil:
			return err
		case live == nil:
			return errGone
		case live.ID != d.live.ID:
			return errAnother
		}
		d.keepLeft(live)
		if n == confirmReads || !d.waitUnlessStopped(ctx, wait) {
			return nil
		}
	}
}

// confirm ends a delete whose DELETE the service answered without an error. before is
// true if an earlier DELETE of this run was sent.
func (d *deletion) confirm(ctx context.Context, result mkio.DeleteResult, before bool) {
	is := d.confirmDeleted(ctx, result.Write)
	found := result.Status != http.StatusNotFound && result.Status != http.StatusNoContent
	said := fmt.Sprintf("the service answered the DELETE with %d %s", result.Status, http.StatusText(result.Status))
	switch {
	case errors.Is(is, errAnother) && !found:
		d.endReplaced()
	case errors.Is(is, errGone), errors.Is(is, errAnother):
		if d.out.Status = StatusApplied; !result.Existed && !before && result.Attempts < 2 {
			d.left = nil
			d.out.markStale("someone else deleted the rule at this moment")
		}
	case is == nil:
		if d.out.fail(StatusUnverified, KindUnverified, said+", and the rule still exists", planAgain); !found {
			d.out.fail(StatusFailed, KindService, said+", and the rule still exists", planAgain)
		}
		if d.left != nil {
			d.out.Left = d.leftState(*d.left)
		}
	case result.Status == http.StatusOK: // the rule can't be read, and nothing contradicts the response
		d.out.Status = StatusApplied
	default:
		d.out.fail(StatusUnverified, KindUnverified, said+", and it is not known whether the rule still exists: "+is.Error(), planAgain)
		if d.left != nil {
			d.out.Left = d.leftState(*d.left)
			d.out.Left.Uncertain = StepDelete
		}
	}
}
