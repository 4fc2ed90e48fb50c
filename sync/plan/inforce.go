package plan

import (
	"fmt"
	"slices"
	"strings"
)

// guards says which guards are in force and which are lifted.
func (o Options) guards() Guards {
	g := Guards{Prune: o.prune(), InForce: []string{}, Lifted: []string{}}
	force := func(s string) { g.InForce = append(g.InForce, s) }
	lift := func(s string) { g.Lifted = append(g.Lifted, s) }
	lifts := func(flag string, patterns []string) {
		for _, p := range inOrder(patterns) {
			lift(flag + "=" + p)
		}
	}
	either := func(lifted bool, flag string, guard Guard) {
		if lifted {
			lift(flag)
		} else {
			force(string(guard))
		}
	}
	force(fmt.Sprintf("%s (limit %s)", GuardDeletes, o.MaxDeletes))
	if o.MaxDeletesLifted {
		lift("max-deletes=" + o.MaxDeletes.String())
	}
	for _, p := range inOrder(o.Protect) {
		force(fmt.Sprintf("%s %s", GuardProtect, p))
	}
	either(o.AllowEmpty, "allow-empty", GuardEmpty)
	force(string(GuardMissingAuth))
	lifts("drop-auth", o.DropAuth)
	force(string(GuardForeign))
	lifts("take-over", o.TakeOver)
	if len(o.Destinations) > 0 {
		force(fmt.Sprintf("%s (only %s)", GuardDestination, strings.Join(inOrder(o.Destinations), ", ")))
	} else {
		force(string(GuardDestination))
	}
	lifts("allow-destination", o.AllowDestinations)
	force(string(GuardAdopt))
	lifts("adopt", o.Adopt)
	either(o.DropUnknown, "drop-unknown", GuardUnknown)
	either(o.DeleteActive, "delete-active", GuardActive)
	force(string(GuardArchive))
	if o.ArchiveDurable {
		lift("archive-is-durable")
	}
	force(string(GuardDependence))
	return g
}

// inOrder is a list sorted, each entry once.
func inOrder(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
