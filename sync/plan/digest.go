package plan

import (
	"slices"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// digest covers what a reviewer agrees to: where, whose, which guards are
// lifted, and per change rule, action, desired and live digest. Time, tool,
// commit, history and archive are not in it, so that the digest reviewed in a
// pull request can be required on the main branch.
func digest(projects []Project) webhook.Digest {
	var all []any
	for _, p := range projects {
		lifted := make([]any, 0, len(p.Guards.Lifted))
		for _, l := range slices.Sorted(slices.Values(p.Guards.Lifted)) {
			lifted = append(lifted, l)
		}
		changes := make([]any, 0, len(p.Changes))
		for _, c := range p.Changes {
			changes = append(changes, []any{c.Rule, string(c.Action), string(c.DesiredDigest), string(c.LiveDigest)})
		}
		part := []any{p.BaseURL, p.Name, p.Owner, string(p.Guards.Prune), lifted, changes}
		if p.Unreadable != "" {
			// It must not pass for a project in which nothing is to be done.
			part = append(part, "unreadable")
		}
		all = append(all, part)
	}
	return webhook.DigestOf("mkhooks plan v1", all)
}
