package report

import (
	"strings"

	"github.com/mkhooks/mkhooks/sync/apply"
)

// keepIt tells how to keep a rule that a delete left paused.
const keepIt = "the next apply deletes the rule; to keep it, bring its file back, then mkhooks apply restores it with its auth values"

// leftWords describes the state in which an unfinished delete left the live
// rule; show formats a name.
func leftWords(l *apply.Left, show func(string) string) string {
	state, has := "paused", "no longer has "
	if l.Enabled {
		state = "enabled"
	}
	if l.Uncertain == apply.StepPause {
		has = "may no longer have "
	}
	if len(l.AuthRemoved) > 0 {
		names := make([]string, 0, len(l.AuthRemoved))
		for _, path := range l.AuthRemoved {
			names = append(names, show(path))
		}
		state += ", and " + has + strings.Join(names, ", ")
	}
	switch {
	case l.Uncertain == apply.StepPause:
		return "the live rule may be " + state + ": the pause has no response"
	case l.Uncertain != "":
		return "if the live rule still exists, it is " + state
	case l.Earlier:
		return "the live rule is " + state + ", since an earlier run"
	case l.Enabled && len(l.AuthRemoved) == 0:
		return "the delete had paused the rule, and another client brought it back: the live rule is enabled"
	}
	return "the live rule is " + state
}
