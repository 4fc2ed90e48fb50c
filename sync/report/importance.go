package report

import (
	"cmp"
	"slices"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// importance is how much a reader needs to see a change. Changes are shown in
// this order. If there is no room for all, the least important are omitted
// first.
type importance int

// The classes, the most important first.
const (
	movesSecret    importance      = iota // a secret to a host outside destinations, or other than the live rule's host
	sendsNew                              // a secret to a host that no changed rule currently has
	sendsSecret                           // any other change that sends a secret
	deletesRule                           // a rule and, from the service, its history
	blockedChange                         // a change that a guard blocks
	otherUpdate                           // sends no secret
	otherCreate                           // sends no secret
	lastImportance = blockedChange        // the last class that matters: see [importance.matters]
)

// matters reports whether a change must not be hidden behind changes that do
// not matter.
func (i importance) matters() bool { return i <= lastImportance }

// arranged is a change with its position in a document.
type arranged[T any] struct {
	change *T
	class  importance
	// turn is the order in which changes keep their room. The classes take
	// turns, and within a class the groups, which are hosts. So a flood of one
	// kind of change only displaces itself.
	turn int
}

// arrange sorts changes by importance and keeps the order within a class.
func arrange[T any](changes []T, class func(*T) importance, group func(*T) string) []arranged[T] {
	out := make([]arranged[T], 0, len(changes))
	seen := map[importance]map[string]int{}
	for i := range changes {
		p := arranged[T]{change: &changes[i], class: class(&changes[i])}
		if seen[p.class] == nil {
			seen[p.class] = map[string]int{}
		}
		g := group(p.change)
		p.turn = seen[p.class][g]
		seen[p.class][g]++
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b arranged[T]) int { return cmp.Compare(a.class, b.class) })
	// Within a class, the first change of each group comes before the second of
	// any group.
	byTurn := make([]int, len(out))
	for i := range out {
		byTurn[i] = i
	}
	slices.SortStableFunc(byTurn, func(x, y int) int {
		return cmp.Or(cmp.Compare(out[x].class, out[y].class), cmp.Compare(out[x].turn, out[y].turn))
	})
	turns := map[importance]int{}
	for _, i := range byTurn {
		out[i].turn = turns[out[i].class]
		turns[out[i].class]++
	}
	return out
}

// arrangeChanges sorts the changes of a project.
func arrangeChanges(p *plan.Project) []arranged[plan.Change] {
	live := liveHosts(p)
	return arrange(p.Changes, func(c *plan.Change) importance { return importanceOf(p, c, live) }, func(c *plan.Change) string {
		if c.Blocked != nil {
			return string(c.Blocked.Guard) // the guards take turns
		}
		return c.SecretTo
	})
}

// liveHosts returns the current hosts of the changed rules.
func liveHosts(p *plan.Project) map[webhook.Origin]bool {
	live := map[webhook.Origin]bool{}
	for i := range p.Changes {
		if b := p.Changes[i].Before; b != nil {
			live[webhook.OriginOf(b.URL)] = true
		}
	}
	return live
}

func importanceOf(p *plan.Project, c *plan.Change, live map[webhook.Origin]bool) importance {
	switch {
	case c.Blocked != nil:
		return blockedChange
	case c.Action == plan.Delete:
		return deletesRule
	case c.SecretTo != "":
		return secretImportance(p, c, live)
	case c.Action == plan.Create:
		return otherCreate
	}
	return otherUpdate
}

// secretImportance returns the class of a change that sends a secret, whether
// or not a guard blocks it.
func secretImportance(p *plan.Project, c *plan.Change, live map[webhook.Origin]bool) importance {
	to := originTo(c)
	switch {
	case !to.IsKnown(), isUnlisted(p, to), hasMoved(c):
		return movesSecret
	case len(p.Guards.Settings.Destinations) == 0 && !live[to]:
		return sendsNew
	}
	return sendsSecret
}

// originTo returns the receiver of a change's secret.
func originTo(c *plan.Change) webhook.Origin {
	if c.After != nil {
		return webhook.OriginOf(c.After.URL)
	}
	return webhook.OriginOf("https://" + c.SecretTo)
}

// isUnlisted reports whether destinations are set and do not contain a host.
func isUnlisted(p *plan.Project, to webhook.Origin) bool {
	d := p.Guards.Settings.Destinations
	return len(d) > 0 && !slices.ContainsFunc(d, func(pattern string) bool { return webhook.MatchDestination(pattern, to) })
}

// hasMoved reports whether the live rule has another host.
func hasMoved(c *plan.Change) bool {
	return c.Before != nil && webhook.OriginOf(c.Before.URL) != originTo(c)
}

// arrangeResults sorts the results of changes by project. Within a project,
// problems come first, then changes that sent a secret, then deletes.
func arrangeResults(r *apply.Result) []arranged[apply.Change] {
	group := func(c *apply.Change) string {
		if c.Blocked != nil {
			return string(c.Blocked.Guard)
		}
		return string(c.Status) + c.SecretTo
	}
	out := arrange(r.Changes, resultImportance, group)
	at := map[string]int{}
	for i := range r.Changes {
		if _, known := at[r.Changes[i].Project]; !known {
			at[r.Changes[i].Project] = len(at)
		}
	}
	slices.SortStableFunc(out, func(a, b arranged[apply.Change]) int {
		return cmp.Compare(at[a.change.Project], at[b.change.Project])
	})
	return out
}

func resultImportance(c *apply.Change) importance {
	switch c.Status {
	case apply.StatusApplied, apply.StatusDone, apply.StatusSkipped:
	case apply.StatusBlocked:
		return blockedChange
	default: // went wrong, or is of a later version
		return movesSecret
	}
	switch {
	case c.Status == apply.StatusApplied && c.SecretTo != "":
		return sendsSecret
	case c.Action == plan.Delete:
		return deletesRule
	case c.Action == plan.Create:
		return otherCreate
	}
	return otherUpdate
}
