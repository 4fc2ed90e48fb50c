package plan

import (
	"cmp"
	"slices"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Release returns the plan that removes this owner's marker from the rules in
// in.Options.Only and leaves them unchanged otherwise. A PUT replaces
// everything, so the complete rule must be known, including its secret. A rule
// is blocked if it differs from its file, or has a secret and no file.
//
// desired contains the rules to send: the rules of the files, and live rules
// without a file that are fully known.
func Release(in Input) (p *Plan, desired []webhook.Desired) {
	b := &planner{Input: in, inSyncRules: map[string]*webhook.Desired{}}
	files := make(map[string]*webhook.Desired, len(in.Desired))
	for i := range in.Desired {
		files[in.Desired[i].Name] = &in.Desired[i]
	}
	for i := range in.Live {
		live := &in.Live[i]
		if len(in.Options.Only) == 0 || !b.isSelected(live.Name) {
			continue
		}
		f := b.compareRule(files[live.Name], live)
		d := desiredFromLive(live)
		if f.desired != nil {
			d = *f.desired
		}
		desired = append(desired, d)
		b.addChange(f, releaseChange(d, live))
		b.planned[len(b.planned)-1].Blocked = b.releaseBlock(f)
	}
	b.blockWith(func(x *plannedChange) *Blocked {
		if x.desired == nil {
			return nil // it has no secret that could be misdirected
		}
		return b.guardDestination(x)
	}, b.guardUnknown)
	slices.SortFunc(b.planned, func(x, y plannedChange) int { return cmp.Compare(x.Rule, y.Rule) })
	// Without an owner in the plan, the sent rules carry no marker.
	in.Owner = ""
	p = b.buildPlan(in)
	return p, desired
}

// desiredFromLive returns a desired rule that equals a live rule without a secret.
func desiredFromLive(live *webhook.Rule) webhook.Desired {
	spec := live.Spec.WithoutMarker()
	spec.Unknown = nil // guardUnknown handles unknown fields
	return webhook.Desired{Rule: webhook.Rule{Name: live.Name, Spec: spec}, AuthDigest: webhook.AuthDigest(nil)}
}

// releaseChange returns the change that writes a rule without its marker.
func releaseChange(d webhook.Desired, live *webhook.Rule) Change {
	auth := AuthNone
	if d.Spec.Auth.Len() > 0 {
		auth = AuthUnchanged
	}
	mask := webhook.MaskOf(&live.Spec, &d.Spec)
	return Change{
		Rule: live.Name, Action: Update, Direction: DirUnknown, Auth: auth, Fields: []Field{},
		Before: redactSpec(live.Spec, mask), After: redactSpec(d.Spec, mask), File: d.File, SecretTo: secretTo(d.Spec),
		DesiredDigest: webhook.DesiredDigest(d, ""), LiveDigest: webhook.LiveDigest(live),
	}
}

// releaseBlock returns why a rule can't be released, or nil.
func (b *planner) releaseBlock(f comparison) *Blocked {
	switch {
	case !f.ours:
		return newBlocked(GuardForeign, "carries no marker of owner %q, so there is nothing to release", b.Owner)
	case f.desired == nil && f.live.Spec.Auth.Len() > 0:
		return newBlocked(GuardMissingAuth, "has a secret and no file: a PUT would lose the secret; put the rule's file back, or write one with mkhooks import")
	case f.desired == nil:
		return nil
	}
	if direction, differs := b.directionOf(f, f.authState()); differs {
		return newBlocked(GuardRelease, "differs from its file (%s): release leaves a rule as it is, so apply the file first, or take the live rule over with mkhooks import", direction)
	}
	return nil
}
