package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// guards returns which guards are in force, which are lifted, and what they go
// by.
func (in Input) guards() Guards {
	g := Guards{Prune: in.Options.prune(), Lifted: in.Options.lifted(), Settings: in.settings()}
	g.InForce = g.inForce()
	return g
}

// settings returns what the guards go by.
func (in Input) settings() Settings {
	o := in.Options
	return Settings{
		FormerOwners: inOrder(in.FormerOwners), MaxDeletes: o.MaxDeletes.String(), Protect: inOrder(o.Protect),
		Destinations: inOrder(o.Destinations), KeyServices: inOrder(o.KeyServices), Archive: webhook.RedactURL(o.Archive),
	}
}

// lifted names what lifts guards, as flags without the dashes, in the order of
// the contract.
func (o Options) lifted() []string {
	out := []string{}
	flag := func(set bool, name string) {
		if set {
			out = append(out, name)
		}
	}
	patterns := func(name string, patterns []string) {
		for _, p := range inOrder(patterns) {
			out = append(out, name+"="+p)
		}
	}
	flag(o.MaxDeletesLifted, "max-deletes="+o.MaxDeletes.String())
	flag(o.AllowEmpty, liftEmpty)
	patterns("drop-auth", o.DropAuth)
	patterns("take-over", o.TakeOver)
	patterns("allow-destination", o.AllowDestinations)
	patterns("adopt", o.Adopt)
	flag(o.DropUnknown, liftUnknown)
	flag(o.DeleteActive, liftActive)
	flag(o.ArchiveDurable, "archive-is-durable")
	flag(o.AllowPlaintextAuth, "allow-plaintext-auth")
	flag(o.AllowPlainCredentials, "allow-plain-credentials")
	return out
}

// The flags that lift a guard as a whole.
const (
	liftEmpty   = "allow-empty"
	liftUnknown = "drop-unknown"
	liftActive  = "delete-active"
)

// inForce names the guards in force, with their settings. It goes by the
// document alone, so that a reader of one can tell whether it was edited.
func (g Guards) inForce() []string {
	out := []string{}
	force := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	unless := func(flag string, guard Guard) {
		if !slices.Contains(g.Lifted, flag) {
			force("%s", guard)
		}
	}
	force("%s (limit %s)", GuardDeletes, g.Settings.MaxDeletes)
	for _, p := range g.Settings.Protect {
		force("%s %s", GuardProtect, p)
	}
	unless(liftEmpty, GuardEmpty)
	force("%s", GuardMissingAuth)
	force("%s", GuardForeign)
	if len(g.Settings.Destinations) > 0 {
		force("%s (only %s)", GuardDestination, strings.Join(g.Settings.Destinations, ", "))
	} else {
		force("%s", GuardDestination)
	}
	force("%s", GuardAdopt)
	unless(liftUnknown, GuardUnknown)
	unless(liftActive, GuardActive)
	force("%s", GuardArchive)
	force("%s", GuardDependence)
	return out
}

// inOrder is a list sorted, each entry once; never nil.
func inOrder(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return slices.Compact(out)
}
