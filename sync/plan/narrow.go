package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Unmatched is a reviewed change that the fresh plan does not contain
// unchanged.
type Unmatched struct {
	Project string
	Change  Change
	// Now is the change of the rule in the fresh plan; nil if there is none.
	Now *Change
	// Done is true if the rule already is as the change wanted it. Otherwise the
	// change is stale.
	Done bool
	// Why is the reason why the change is stale.
	Why string
}

// Narrow returns the fresh plan with only the reviewed changes. A fresh change
// must equal the reviewed change in every visible member, see [unlike].
//
// A reviewed plan only removes changes from the fresh plan, and no reader can
// have seen a change that differs from the one carried out. A change is stale
// if a guard blocked it during the review and no longer does. Deletes are
// blocked if a create is not carried out now.
//
// moved contains the reviewed changes that the fresh plan's projects no longer
// contain unchanged. unreviewed counts the changes since the review.
// [UnmatchedElsewhere] returns the reviewed changes of other projects.
//
// mask hides the secrets that this run knows in a change and returns their number;
// nil hides nothing. A reviewed change may be masked in this way.
func Narrow(reviewed, fresh *Plan, mask func(*Change) int) (narrowed *Plan, moved []Unmatched, unreviewed int) {
	out := *fresh
	out.Projects = make([]Project, 0, len(fresh.Projects))
	for _, project := range fresh.Projects {
		var seen []Change
		for _, p := range reviewed.Projects {
			if project.isSameProject(p) {
				seen = p.Changes
			}
		}
		n := newNarrowing(project, mask)
		kept := n.keepReviewed(seen)
		for _, c := range project.Changes {
			if !n.reviewed[c.Rule] {
				unreviewed++
			}
			if !n.kept[c.Rule] {
				n.addWaiting(c, "came up since the review")
			}
		}
		n.blockDeletes(kept)
		moved = append(moved, n.unmatched...)
		project.Changes = kept
		out.Projects = append(out.Projects, project)
	}
	out.updateTotals()
	return &out, moved, unreviewed
}

// UnmatchedElsewhere returns the reviewed changes of projects that the fresh plan does
// not cover.
func UnmatchedElsewhere(reviewed, fresh *Plan) []Unmatched {
	var moved []Unmatched
	for _, p := range reviewed.Projects {
		if !slices.ContainsFunc(fresh.Projects, p.isSameProject) {
			for _, c := range p.Changes {
				moved = append(moved, Unmatched{Project: p.Name, Change: c, Why: "this run is not for project " + p.Name + " at " + p.BaseURL})
			}
		}
	}
	return moved
}

// isSameProject reports whether two plans mean the same project of the same service.
func (p Project) isSameProject(other Project) bool {
	return p.Name == other.Name && p.BaseURL == other.BaseURL
}

// narrowing narrows one project of a fresh plan.
type narrowing struct {
	fresh     Project
	mask      func(*Change) int // see [Narrow]
	old       map[string]Change // as reviewed
	changes   map[string]*Change
	live      map[string]bool // live rules without a change
	reviewed  map[string]bool
	kept      map[string]bool // reviewed changes that still match
	unmatched []Unmatched
	waiting   *Blocked // the reason that blocks deletes
}

func newNarrowing(fresh Project, mask func(*Change) int) *narrowing {
	n := &narrowing{fresh: fresh, mask: mask, old: map[string]Change{}, changes: map[string]*Change{}, live: map[string]bool{}, reviewed: map[string]bool{}, kept: map[string]bool{}}
	for i := range fresh.Changes {
		n.changes[fresh.Changes[i].Rule] = &fresh.Changes[i]
	}
	for _, u := range fresh.Unmanaged {
		n.live[u.Rule] = true
	}
	for rule := range fresh.InSyncRules {
		n.live[rule] = true
	}
	return n
}

// keepReviewed returns the fresh form of the reviewed changes that still match. It adds
// the others to moved.
func (n *narrowing) keepReviewed(reviewed []Change) []Change {
	kept := make([]Change, 0, len(reviewed))
	for _, old := range reviewed {
		n.old[old.Rule] = old
	}
	for _, old := range reviewed {
		if n.reviewed[old.Rule] {
			continue // a rule has one change; a second change was edited in
		}
		n.reviewed[old.Rule] = true
		if now := n.changes[old.Rule]; now != nil && len(n.differingMembers(old, *now)) == 0 && !wasUnblocked(old, *now) {
			c := *now
			if c.Blocked == nil {
				c.Blocked = old.Blocked
			}
			if c.Blocked != nil {
				n.addWaiting(c, "is blocked")
			}
			kept = append(kept, c)
			n.kept[c.Rule] = true
			continue
		}
		m := Unmatched{Project: n.fresh.Name, Change: old, Now: n.changes[old.Rule], Done: n.isDone(old)}
		if !m.Done {
			m.Why = n.staleReason(m)
		}
		if !m.Done {
			n.addWaiting(old, "is stale")
		}
		n.unmatched = append(n.unmatched, m)
	}
	return kept
}

// isDone reports whether the live side is already as a reviewed change wanted it.
func (n *narrowing) isDone(old Change) bool {
	if n.changes[old.Rule] != nil || n.fresh.Unreadable != "" {
		return false
	}
	if old.Action == Delete {
		return !n.live[old.Rule]
	}
	d := n.fresh.InSyncRules[old.Rule]
	return d != nil && webhook.DesiredDigest(*d, n.fresh.Owner) == old.DesiredDigest && showsSpec(old.After, d.Spec)
}

// staleReason returns what changed since the review of a change.
func (n *narrowing) staleReason(m Unmatched) string {
	old, now := m.Change, m.Now
	settled, known := n.fresh.InSyncRules[old.Rule]
	if now != nil && now.LiveDigest == old.LiveDigest && now.DesiredDigest == old.DesiredDigest {
		if parts := n.differingMembers(old, *now); len(parts) > 0 {
			return "the reviewed plan does not show the change as it is: " + strings.Join(parts, ", ")
		}
		return fmt.Sprintf("the guard %q blocked the change when it was reviewed, and does not now", old.Blocked.Guard)
	}
	switch {
	case n.fresh.Unreadable != "":
		return "the project could not be read"
	case known && settled == nil:
		return "this run does not look at the rule"
	case now == nil && old.Action == Delete && settled != nil:
		return "a file names the rule again"
	case now == nil && settled != nil && webhook.DesiredDigest(*settled, n.fresh.Owner) == old.DesiredDigest:
		return "the reviewed plan does not show the rule as the file and the live rule have it"
	case now == nil && settled != nil:
		return "the file changed, and the live rule is as it says now"
	case now == nil && n.live[old.Rule] && old.Action == Delete:
		return "this run does not delete the rule"
	case now == nil && n.live[old.Rule]:
		return "no file names the rule any more"
	case now == nil:
		return "neither a file nor a live rule has this name any more"
	case now.LiveDigest != old.LiveDigest && old.LiveDigest == webhook.Absent:
		return "the rule exists by now"
	case now.LiveDigest != old.LiveDigest && now.LiveDigest == webhook.Absent:
		return "the live rule was deleted"
	case now.LiveDigest != old.LiveDigest:
		return "the live rule changed" + changedFields(old.Before, now.Before, "; what can be seen of it did not", old, *now)
	case now.DesiredDigest == webhook.Absent:
		return "no file names the rule any more"
	case old.DesiredDigest == webhook.Absent:
		return "a file names the rule again"
	}
	return "the file changed" + changedFields(old.After, now.After, ": another secret, or another owner", old, *now)
}

// changedFields describes the fields in which two specs differ, with short
// values. It returns nothing (the parameter) if no field differs. A value that
// is secret in any of the changes stays hidden.
func changedFields(from, to *webhook.Spec, nothing string, changes ...Change) string {
	var secret []webhook.AuthNames
	for _, c := range changes {
		for _, s := range []*webhook.Spec{c.Before, c.After} {
			if s != nil {
				secret = append(secret, s.Auth)
			}
		}
	}
	var out []string
	for _, f := range compare(from, to, webhook.MaskOf(from, to, secret...)) {
		text := f.Path
		if before, after := fmt.Sprint(f.Before), fmt.Sprint(f.After); f.Op == OpReplace && len(before)+len(after) < 80 {
			text += " (" + before + " → " + after + ")"
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return nothing
	}
	return ": " + strings.Join(out, ", ")
}

// addWaiting records a create that this run does not carry out: deletes wait for it.
func (n *narrowing) addWaiting(c Change, why string) {
	if c.Action == Create && n.waiting == nil {
		n.waiting = newDependence(c.Rule, why)
		n.waiting.Since = true
	}
}

func (n *narrowing) blockDeletes(changes []Change) {
	for i := range changes {
		if c := &changes[i]; c.Action == Delete && c.Blocked == nil {
			c.Blocked = n.waiting
		}
	}
}
