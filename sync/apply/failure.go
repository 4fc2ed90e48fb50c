package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const (
	planAgain  = "run mkhooks plan again and look at what moved"
	applyAgain = "run mkhooks apply again: it goes on where this run stopped"
	// roomForRecord is the hint for an audit log that broke off.
	roomForRecord = "make the record writable, with room for more; then run mkhooks apply again"
)

func (c *Change) blockBy(g plan.Guard, reason string) {
	c.setBlocked(plan.Blocked{Guard: g, Reason: reason})
}

func (c *Change) setBlocked(b plan.Blocked) {
	c.Status = StatusBlocked
	c.Blocked = &b
}

func (c *Change) fail(s Status, k ErrorKind, message, hint string) {
	c.Status = s
	c.Error = &Error{Kind: k, Message: message, Hint: hint}
}

// failInternal ends a change in which mkhooks itself panicked.
func (c *Change) failInternal() {
	c.fail(StatusFailed, KindInternal, "broke down, which is a fault in mkhooks; whether the rule was written is not known", planAgain)
}

func (c *Change) markStale(message string) { c.fail(StatusStale, KindStale, message, planAgain) }

// markSkipped marks a change as not attempted, because the run was stopped.
func (c *Change) markSkipped(message string) {
	c.fail(StatusSkipped, KindInterrupted, message, applyAgain)
}

// errorOf describes an error for programs and for people.
func errorOf(ctx context.Context, err error) *Error {
	out := &Error{Kind: KindService, Message: err.Error(), Hint: hintOf(err)}
	var service *mkio.Error
	switch {
	case ctx.Err() != nil:
		out.Kind, out.Message, out.Hint = KindInterrupted, "the run was stopped", applyAgain
	case errors.As(err, &service) && service.IsNetwork():
		out.Kind = KindNetwork
	}
	return out
}

// hintOf returns the hint of an error, or "".
func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// refOf returns the service's reference in an error, or "".
func refOf(err error) string {
	var service *mkio.Error
	if errors.As(err, &service) {
		return service.Ref
	}
	return ""
}

// failRead ends a change whose rule could not be read. Nothing of it was written.
func (c *Change) failRead(ctx context.Context, err error) {
	c.Status, c.Error, c.Ref = StatusFailed, errorOf(ctx, err), refOf(err)
	if c.Error.Kind == KindInterrupted {
		c.Status = StatusSkipped
	}
}

// failWrite ends a change whose write failed or is uncertain.
func (c *Change) failWrite(ctx context.Context, err error, w mkio.Write) {
	c.failRead(ctx, err)
	interrupted := c.Error.Kind == KindInterrupted
	switch {
	case interrupted && w.Attempts == 0: // it did not leave
	case interrupted:
		c.Status = StatusFailed
		c.Error.Message = "the run was stopped while the request was under way: it may have taken effect"
	case w.Status/100 == 2:
		// The service did the write, but its response can't be read.
		c.Status, c.Error.Kind = StatusUnverified, KindUnverified
		c.Error.Hint = planAgain
	case w.Lost:
		c.Error.Message += "; an attempt may have taken effect although its answer did not come"
		if c.Error.Hint == "" {
			c.Error.Hint = planAgain
		}
	}
}

// failArchive ends a delete whose history could not be stored.
func (c *Change) failArchive(ctx context.Context, err error) {
	var notWhole *archive.IncompleteError
	var service *mkio.Error
	switch {
	case errors.As(err, &notWhole):
		c.blockBy(plan.GuardArchive, notWhole.Error())
	case ctx.Err() != nil || errors.As(err, &service):
		c.failRead(ctx, err)
	default:
		next := cmp.Or(hintOf(err), "make the archive writable, with room for the history")
		c.fail(StatusFailed, KindArchive, err.Error(), "the rule was not deleted: "+next+"; then run mkhooks apply again")
	}
}

// liveDifference describes how a live rule differs from the rule in the plan.
func liveDifference(c plan.Change, live *webhook.Rule) string {
	switch {
	case live == nil:
		return "the rule was deleted since the plan was made"
	case c.Before == nil:
		return "a rule of this name has come to exist since the plan was made"
	}
	var paths []string
	for _, f := range plan.Compare(*c.Before, webhook.MaskOf(&live.Spec, c.After).Spec(live.Spec)) {
		// A value that the plan does not show cannot be compared.
		if before, ok := f.Before.(string); !ok || !strings.Contains(before, webhook.Redacted) {
			paths = append(paths, f.Path)
		}
	}
	if paths = slices.Compact(paths); len(paths) > 0 {
		return "the live rule changed since the plan was made: " + strings.Join(paths, ", ")
	}
	return "the live rule changed since the plan was made: its id, its marker or a part that is not shown"
}

// differingFields names the visible fields in which two specs differ, in order.
func differingFields(from, to webhook.Spec) []string {
	var paths []string
	for _, f := range plan.Compare(from, to) {
		paths = append(paths, f.Path)
	}
	return slices.Compact(paths)
}

// changeName returns an action and a rule's name for a message.
func changeName(action plan.Action, rule string) string {
	return fmt.Sprintf("the %s of rule %q", action, rule)
}
