package apply

import (
	"context"
	"slices"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Left is the live rule as an unfinished delete left it: a delete pauses the rule
// and takes its auth values out before anything else. If its file exists again, the
// next apply restores both; otherwise it deletes the rule.
type Left struct {
	// Enabled is false for a paused rule.
	Enabled bool `json:"enabled"`
	// AuthRemoved are the auth values that the rule no longer has, by path:
	// "headers.X-Webhook-Secret". Their names are not known if an earlier run
	// paused the rule and left no note.
	AuthRemoved []string `json:"authRemoved"`
	// Uncertain names the step that may or may not have taken effect. After a pause
	// without a response the rule may be unchanged; after a DELETE without a
	// response it may be deleted. Empty: the rule was read in this state.
	Uncertain Step `json:"uncertain,omitempty"`
	// Earlier is true if an earlier run paused the rule.
	Earlier bool `json:"earlier,omitempty"`
}

// authPaths returns the paths of auth values below authentication, sorted.
func authPaths(a webhook.AuthNames) []string {
	out := make([]string, 0, a.Len())
	for _, name := range a.Headers {
		out = append(out, "headers."+name)
	}
	for _, name := range a.QueryParams {
		out = append(out, "queryParams."+name)
	}
	slices.Sort(out)
	return out
}

// leftState returns the auth values that the live rule lacks, compared with the rule
// before the pause.
func (d *deletion) leftState(live webhook.Rule) *Left {
	return &Left{Enabled: live.Spec.Enabled, AuthRemoved: authPaths(d.seen.Spec.Auth.Without(live.Spec.Auth)), Earlier: d.earlier}
}

// addLeft adds the state that the delete left behind, to the change and to the audit
// log.
func (d *deletion) addLeft(ctx context.Context) Change {
	d.out.wrote = d.wrote
	if d.out.Status == StatusApplied || d.out.Status == StatusDone {
		return d.out
	}
	if d.out.Left == nil && d.left != nil {
		left := d.leftState(*d.left)
		switch {
		case d.out.InDoubt():
			left.Uncertain = StepDelete
		case (d.earlier || d.unpaused) && left.Enabled && len(left.AuthRemoved) == 0:
			return d.out // another client restored the rule, or the service never paused it
		}
		d.out.Left = left
	}
	if d.out.Left != nil {
		before := d.c.LiveDigest
		if d.left != nil {
			before = webhook.LiveDigest(d.left)
		}
		d.recordStep(ctx, d.c, StepLeft, before, WriteResult{Left: d.out.Left})
	}
	return d.out
}
