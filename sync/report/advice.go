package report

import (
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// Advice is what a report says beside its document. It comes from the command,
// which knows its own flags; the zero value says nothing.
type Advice struct {
	// Commands are named in a drift report where a rule can be brought back or
	// taken over.
	Commands Commands
	// Exit explains the exit code of the command; may be empty.
	Exit string
	// Next are command lines that do what is left to do, best first.
	Next []string
}

// Commands make command lines for single rules, fit to be pasted into a shell.
// Where one is nil, none is named.
type Commands struct {
	// Apply makes the live rule as the file says; Import makes the file as the
	// live rule is. Where several files say the rule, people decide which of
	// them is to say so, and Origins names what each says.
	Apply, Import, Origins func(project, rule string) string
}

// remedy is a command line and what it does.
type remedy struct{ does, command string }

// remedies are the ways out of a difference that a drift report names: of what
// the live side did, both; where there is no live rule, to make it. An apply
// that a guard would block is none.
func (c Commands) remedies(project string, change *plan.Change) []remedy {
	var out []remedy
	moved := liveMoved(change) || change.Direction == plan.DirUnknown && change.Action == plan.Update
	switch {
	case c.Apply == nil || change.Blocked != nil:
	case moved:
		out = append(out, remedy{"bring it back", c.Apply(project, change.Rule)})
	case change.Action == plan.Create:
		out = append(out, remedy{"create it", c.Apply(project, change.Rule)})
	}
	if !moved || !takeable(change) {
		return out
	}
	switch {
	case change.Over != nil && c.Origins != nil:
		out = append(out, remedy{"see its files", c.Origins(project, change.Rule)})
	case change.Over == nil && c.Import != nil:
		out = append(out, remedy{"take it over", c.Import(project, change.Rule)})
	}
	return out
}

// takeable reports whether a file could be made as the live rule is: the names
// of secrets alone can't, because that takes a value and a key.
func takeable(c *plan.Change) bool {
	return slices.ContainsFunc(c.Fields, func(f plan.Field) bool { return !strings.HasPrefix(f.Path, "spec.authentication") })
}

// liveMoved reports whether someone changed the live rule since the last apply.
func liveMoved(c *plan.Change) bool {
	return c.Direction == plan.DirDrift || c.Direction == plan.DirBoth
}
