package report

import "github.com/mkhooks/mkhooks/sync/plan"

// pausedWords describes a change that looks like a change by hand, and is not.
const pausedWords = "paused since the last apply, by hand or by a delete that broke off"

// directionText describes how a change came about.
func (p *printer) directionText(c *plan.Change) string {
	if p.Drift {
		return driftText(c)
	}
	switch c.Direction {
	case plan.DirNew:
		return "new, or its live rule was deleted by hand"
	case plan.DirGone:
		return "no file names it any more"
	case plan.DirPending:
		if isRotated(c) {
			return "secret rotated"
		}
		return "the files moved on"
	case plan.DirDrift:
		if c.Paused {
			return pausedWords
		}
		return "changed by hand since the last apply"
	case plan.DirBoth:
		return "changed by hand, and the files moved on, too"
	case plan.DirAdopt:
		switch {
		case hasVisibleField(c):
			return "adopt: exists, made elsewhere"
		case c.SecretTo != "":
			return "adopt: made elsewhere; the marker is added, its secret sent"
		}
		return "adopt: made elsewhere; only the marker is added"
	}
	switch {
	case c.Action == plan.Delete:
		return "no file names it, and prune is all"
	case c.Action == plan.Update && !hasVisibleField(c):
		return "no difference seen; its secret is sent again"
	}
	return "differs; without an owner nothing says which side moved"
}

func driftText(c *plan.Change) string {
	switch c.Direction {
	case plan.DirNew:
		return "pending: no live rule (not applied yet, or deleted by hand)"
	case plan.DirGone:
		return "pending: no file names it any more"
	case plan.DirPending:
		if isRotated(c) {
			return "pending: the secret was rotated in the files"
		}
		return "pending: the files moved since the last apply"
	case plan.DirDrift:
		if c.Paused {
			return "drift: " + pausedWords
		}
		return "drift: the live rule moved since the last apply"
	case plan.DirBoth:
		return "both: the live rule and the files moved since the last apply"
	case plan.DirAdopt:
		return "pending: a file names it, but it was made elsewhere"
	}
	if c.Action == plan.Delete {
		return "differs: no file names it, and prune is all"
	}
	return "differs: without an owner nothing says which side moved"
}
