package plan

import (
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// guardSummary returns the guards in force, the lifted guards and their settings.
func (in Input) guardSummary() Guards {
	g := Guards{Prune: in.Options.pruneMode(), Lifted: in.Options.liftedFlags(), Settings: in.guardSettings()}
	g.InForce = g.inForceEntries()
	return g
}

// guardSettings returns the settings of the guards.
func (in Input) guardSettings() Settings {
	o := in.Options
	return Settings{
		FormerOwners: sortedUnique(in.FormerOwners), MaxDeletes: o.MaxDeletes.String(), Protect: sortedUnique(o.Protect),
		Destinations: sortedUnique(o.Destinations), KeyServices: sortedUnique(o.KeyServices), Archive: webhook.RedactURL(o.Archive),
	}
}

// liftedFlags returns the lifting flags without dashes, in the order of the
// contract.
func (o Options) liftedFlags() []string {
	out := []string{}
	flag := func(set bool, name string) {
		if set {
			out = append(out, name)
		}
	}
	patterns := func(name string, patterns []string) {
		for _, p := range sortedUnique(patterns) {
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

// The flags that lift a guard completely.
const (
	liftEmpty   = "allow-empty"
	liftUnknown = "drop-unknown"
	liftActive  = "delete-active"
)

// GuardInForce is a guard in force with its setting.
type GuardInForce struct {
	Guard Guard
	// Setting is empty if the guard has no setting or the setting is not set.
	Setting string
}

// String returns an entry of [Guards.InForce].
func (g GuardInForce) String() string {
	switch {
	case g.Setting == "":
		return string(g.Guard)
	case g.Guard == GuardProtect:
		return string(g.Guard) + " " + g.Setting
	}
	return string(g.Guard) + " (" + g.Setting + ")"
}

// GuardsInForce returns the guards in force with their settings, in the order
// of the contract. Each pattern of protect gets an entry. It only uses the
// document, so that a reader of a document can detect an edit.
func (g Guards) GuardsInForce() []GuardInForce {
	out := []GuardInForce{{GuardDeletes, "limit " + g.Settings.MaxDeletes}}
	unless := func(flag string, guard Guard) {
		if !slices.Contains(g.Lifted, flag) {
			out = append(out, GuardInForce{Guard: guard})
		}
	}
	for _, p := range g.Settings.Protect {
		out = append(out, GuardInForce{GuardProtect, p})
	}
	unless(liftEmpty, GuardEmpty)
	out = append(out, GuardInForce{Guard: GuardMissingAuth}, GuardInForce{Guard: GuardForeign})
	destination := GuardInForce{Guard: GuardDestination}
	if len(g.Settings.Destinations) > 0 {
		destination.Setting = "only " + strings.Join(g.Settings.Destinations, ", ")
	}
	out = append(out, destination, GuardInForce{Guard: GuardAdopt})
	unless(liftUnknown, GuardUnknown)
	unless(liftActive, GuardActive)
	return append(out, GuardInForce{Guard: GuardArchive}, GuardInForce{Guard: GuardDependence})
}

// inForceEntries returns the guards in force in the form of the document.
func (g Guards) inForceEntries() []string {
	out := []string{}
	for _, guard := range g.GuardsInForce() {
		out = append(out, guard.String())
	}
	return out
}

// sortedUnique returns a sorted list of unique entries; never nil.
func sortedUnique(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return slices.Compact(out)
}
