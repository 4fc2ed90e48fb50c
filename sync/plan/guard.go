package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// A guard blocks single changes and lets the others run. If several guards
// match a change, the first in the order of guard is reported: the reader must
// handle it first. A lifted guard is skipped, so that the next guard shows.

// runGuards sets Blocked on every change that a guard blocks.
func (b *planner) runGuards() {
	b.blockWith(b.guardForeign, b.guardProtect, b.guardEmpty, b.guardSecret, b.guardAdopt, b.guardMissingAuth, b.guardDestination, b.guardUnknown)
	b.blockWith(b.guardDeletes())
	b.blockWith(b.guardArchive)
	b.blockWith(b.guardDependence())
}

// blockWith runs the guards on every change that is not blocked yet.
func (b *planner) blockWith(guards ...func(*plannedChange) *Blocked) {
	for i := range b.planned {
		x := &b.planned[i]
		for _, guard := range guards {
			if x.Blocked == nil {
				x.Blocked = guard(x)
			}
		}
	}
}

func newBlocked(g Guard, format string, args ...any) *Blocked {
	return &Blocked{Guard: g, Reason: fmt.Sprintf(format, args...)}
}

// liftedBy sets the flag that lifts a guard.
//
// Suggestions of a run may hold text that the author of a pull request chose:
// the name of a rule, of a file, of an owner, of a host. Therefore:
//
//   - A command that a run suggests ("Next:", a hint) never lifts a guard.
//   - A flag that lifts a guard is shown beside its change, with its value, and apart
//     from any command. A person puts the two together.
//   - The guard destination has no such flag, because its value would be a host
//     that a pull request chose, and the price of a paste would be a secret. The
//     reason names the host, and who has to decide.
func (b *Blocked) liftedBy(flag string) *Blocked {
	b.Lift = flag
	return b
}

func (b *planner) guardForeign(x *plannedChange) *Blocked {
	if !x.foreign || MatchRule(b.Options.TakeOver, b.Project, x.Rule) {
		return nil
	}
	who := "carries a marker that this version can't read, so it counts as another owner's"
	switch x.state {
	case webhook.ValidMarker:
		who = fmt.Sprintf("belongs to owner %q", x.marker.Owner)
	case webhook.CopiedMarker:
		who = fmt.Sprintf("carries a marker of owner %q that was made for another rule or project", x.marker.Owner)
	}
	return newBlocked(GuardForeign, "the live rule %s", who).liftedBy(b.flagForRule("take-over", x.Rule))
}

func (b *planner) guardProtect(x *plannedChange) *Blocked {
	if x.Action != Delete {
		return nil
	}
	if pattern := matchingPattern(b.Options.Protect, b.Project, x.Rule); pattern != "" {
		return newBlocked(GuardProtect, "protected by %q: it is never deleted while that stands", pattern)
	}
	return nil
}

func (b *planner) guardEmpty(*plannedChange) *Blocked {
	if len(b.Desired) > 0 || b.Options.AllowEmpty {
		return nil
	}
	return newBlocked(GuardEmpty, "the files hold no rule at all, which is more often a wrong path than meant").liftedBy("--allow-empty")
}

// guardSecret blocks a rule whose file has placeholders. Only commands that
// show a plan accept such files; commands that write never do.
func (b *planner) guardSecret(x *plannedChange) *Blocked {
	if x.Action == Delete || len(x.desired.Placeholders) == 0 {
		return nil
	}
	paths := x.desired.Placeholders
	is, it := "is", "it"
	if len(paths) > 1 {
		is, it = "are", "them"
	}
	how := "set " + it + " with mkhooks secret set " + shell.Path(x.File)
	if slices.ContainsFunc(paths, func(p string) bool { return !strings.HasPrefix(p, "spec.authentication.") }) {
		how = "write what belongs there"
	}
	return newBlocked(GuardSecret, "%s %s still to come; %s", strings.Join(paths, ", "), is, how)
}

func (b *planner) guardAdopt(x *plannedChange) *Blocked {
	if x.Direction != DirAdopt || x.foreign || x.sameSpec() || MatchRule(b.Options.Adopt, b.Project, x.Rule) {
		return nil
	}
	return newBlocked(GuardAdopt, "the live rule was made elsewhere, and adopting it would change %s",
		plural(len(x.Fields)-len(x.live.Spec.Unknown), "field", "fields")).liftedBy(b.flagForRule("adopt", x.Rule))
}

func (b *planner) guardMissingAuth(x *plannedChange) *Blocked {
	if x.Action != Update || x.liveUnchanged || MatchRule(b.Options.DropAuth, b.Project, x.Rule) {
		return nil
	}
	dropped := x.live.Spec.Auth.Without(x.desired.Spec.Auth)
	if dropped.Len() == 0 {
		return nil
	}
	var paths []string
	for _, name := range dropped.Headers {
		paths = append(paths, partAuthHeaders+pathPart(name))
	}
	for _, name := range dropped.QueryParams {
		paths = append(paths, partAuthParams+pathPart(name))
	}
	return newBlocked(GuardMissingAuth, "would drop %s from a live rule that is not as %s",
		strings.Join(paths, ", "), b.lastApplier()).liftedBy(b.flagForRule("drop-auth", x.Rule))
}

func (b *planner) lastApplier() string {
	if b.Owner == "" {
		return "anything known was applied, because there is no owner"
	}
	return fmt.Sprintf("%q last applied it", b.Owner)
}

func (b *planner) guardUnknown(x *plannedChange) *Blocked {
	if x.Action != Update || len(x.live.Spec.Unknown) == 0 || b.Options.DropUnknown {
		return nil
	}
	var paths []string
	for _, f := range droppedFields(x.live.Spec, webhook.Mask{}) {
		paths = append(paths, f.Path)
	}
	return newBlocked(GuardUnknown, "would drop %s, which this version does not know",
		strings.Join(paths, ", ")).liftedBy("--drop-unknown")
}

// guardDeletes blocks all deletes if their number exceeds the limit. Deletes
// that are already blocked do not count.
func (b *planner) guardDeletes() func(*plannedChange) *Blocked {
	deletes := 0
	for _, x := range b.planned {
		if x.Action == Delete && x.Blocked == nil {
			deletes++
		}
	}
	whose, n := fmt.Sprintf("that %q owns", b.Owner), b.owned
	if b.Owner == "" {
		whose, n = "without a marker", b.unmarked
	}
	limit := b.Options.MaxDeletes.countOf(n)
	share := ""
	if b.Options.MaxDeletes.Percent > 0 {
		share = fmt.Sprintf(" (%s of the %s %s)", b.Options.MaxDeletes, plural(n, "rule", "rules"), whose)
	}
	return func(x *plannedChange) *Blocked {
		if x.Action != Delete || deletes <= limit {
			return nil
		}
		return newBlocked(GuardDeletes, "%s would be deleted, the limit is %d%s",
			plural(deletes, "rule", "rules"), limit, share).liftedBy(fmt.Sprintf("--max-deletes %d", deletes))
	}
}

func (b *planner) guardArchive(x *plannedChange) *Blocked {
	o := b.Options
	switch {
	case x.Action != Delete:
		return nil
	case !o.ArchiveSet:
		return newBlocked(GuardArchive, "there is no place for the delivery history, which a delete destroys; give one with --archive DIR")
	case o.CI && o.ArchiveLocal && !o.ArchiveDurable:
		return newBlocked(GuardArchive, "the archive is a folder of a CI runner, whose disk is gone tomorrow").liftedBy("--archive-is-durable")
	}
	return nil
}

// guardDependence blocks deletes if a create is blocked: the create may replace
// the deleted rule.
func (b *planner) guardDependence() func(*plannedChange) *Blocked {
	i := slices.IndexFunc(b.planned, func(x plannedChange) bool { return x.Action == Create && x.Blocked != nil })
	return func(x *plannedChange) *Blocked {
		if i < 0 || x.Action != Delete {
			return nil
		}
		return newDependence(b.planned[i].Rule, "is blocked")
	}
}

func newDependence(create, what string) *Blocked {
	return newBlocked(GuardDependence, "deletes wait until every create is done, and the create of rule %q %s; settle that and run again", create, what)
}

// flagForRule returns the flag that lifts a guard for this rule alone.
func (b *planner) flagForRule(flag, rule string) string {
	return flagFor(flag, PatternIn(b.Project, rule, b.Options.Several))
}

// flagFor returns a flag with its value, quoted for a shell.
func flagFor(name, value string) string {
	if strings.HasPrefix(value, "-") {
		return "--" + name + "=" + shell.Word(value)
	}
	return "--" + name + " " + shell.Word(value)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// SetHistory stores the facts from one history page of a rule to be deleted. If
// the service reports no total, a complete copy can't be proven, so it blocks
// the delete. The plan's digest does not change, even if it is computed again.
func (p *Plan) SetHistory(project, rule string, h History, totalKnown bool) {
	for i := range p.Projects {
		if p.Projects[i].Name != project {
			continue
		}
		for j := range p.Projects[i].Changes {
			c := &p.Projects[i].Changes[j]
			if c.Rule != rule || c.Action != Delete {
				continue
			}
			c.History = &h
			if !totalKnown && c.Blocked == nil {
				c.Blocked = newBlocked(GuardArchive, "the service does not say how many records the history has, so no copy can be proved whole; "+
					"delete the rule by hand if its history may be lost")
				c.Blocked.FromHistory = true
			}
		}
	}
	p.Summary = summarize(p.Projects)
}
