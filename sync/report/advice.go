package report

import (
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// Advice is the text that a report adds to its document. It comes from the
// command, which knows its own flags. The zero value adds nothing.
type Advice struct {
	// Commands are shown in a drift report for rules that can be brought back or
	// taken over.
	Commands Commands
	// Exit explains the exit code of the command; may be empty.
	Exit string
	// Next contains command lines for the remaining work, best first.
	Next []string
}

// Commands make command lines for single rules, quoted for a shell. A nil
// function adds no command.
type Commands struct {
	// Apply makes the live rule match the file. Import makes the file match the
	// live rule. If several files define the rule, a person must choose the file
	// to change, and Origins shows the content of each.
	Apply, Import, Origins func(project, rule string) string
}

// remedy is a command line and its effect.
type remedy struct{ does, command string }

// driftRemedies returns the commands that end a difference, for a drift report. For
// a change on the live side it returns both directions, and for an absent live
// rule the create. An apply that a guard would block is not returned.
func (c Commands) driftRemedies(project string, change *plan.Change) []remedy {
	var out []remedy
	moved := hasLiveChanged(change) || change.Direction == plan.DirUnknown && change.Action == plan.Update
	switch {
	case c.Apply == nil || change.Blocked != nil:
	case moved:
		out = append(out, remedy{"bring it back", c.Apply(project, change.Rule)})
	case change.Action == plan.Create:
		out = append(out, remedy{"create it", c.Apply(project, change.Rule)})
	}
	if !moved || !canTakeOver(change) {
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

// canTakeOver reports whether a file can be changed to match the live rule. A
// difference only in the names of secrets can't, because that takes a value and
// a key.
func canTakeOver(c *plan.Change) bool {
	return slices.ContainsFunc(c.Fields, func(f plan.Field) bool { return !strings.HasPrefix(f.Path, "spec.authentication") })
}

// hasLiveChanged reports whether the live rule changed since the last apply.
func hasLiveChanged(c *plan.Change) bool {
	return c.Direction == plan.DirDrift || c.Direction == plan.DirBoth
}
