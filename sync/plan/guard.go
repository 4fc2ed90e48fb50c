package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// A guard blocks single changes and leaves the others to run. Several may
// fit one change: the first of the order here is shown, and it is the one that
// a reader would have to settle first. A guard that is lifted is passed over,
// so that the next one shows.

// guard sets Blocked on every change that a guard holds back.
func (b *builder) guard() {
	for i := range b.changes {
		c, f := &b.changes[i], b.facts[i]
		for _, check := range []func(*Change, facts) *Blocked{
			b.guardForeign, b.guardProtect, b.guardEmpty, b.guardAdopt, b.guardMissingAuth,
			b.guardDestination, b.guardUnknown, b.guardArchive,
		} {
			if c.Blocked = check(c, f); c.Blocked != nil {
				break
			}
		}
	}
	b.guardDeletes()
	b.guardDependence()
}

func blocked(g Guard, format string, args ...any) *Blocked {
	return &Blocked{Guard: g, Reason: fmt.Sprintf(format, args...)}
}

func (b *builder) guardForeign(c *Change, f facts) *Blocked {
	if !f.foreign || MatchRule(b.Options.TakeOver, b.Project, c.Rule) {
		return nil
	}
	who := "carries a marker that this version can't read, so it counts as another owner's"
	if f.marker.Owner != "" {
		who = fmt.Sprintf("belongs to owner %q", f.marker.Owner)
	}
	return blocked(GuardForeign, "the live rule %s; lift with %s", who, flagFor("take-over", c.Rule))
}

func (b *builder) guardProtect(c *Change, _ facts) *Blocked {
	if c.Action != Delete {
		return nil
	}
	if pattern := matching(b.Options.Protect, b.Project, c.Rule); pattern != "" {
		return blocked(GuardProtect, "protected by %q, never deleted while that stands", pattern)
	}
	return nil
}

func (b *builder) guardEmpty(*Change, facts) *Blocked {
	if len(b.Desired) > 0 || b.Options.AllowEmpty {
		return nil
	}
	return blocked(GuardEmpty, "the files hold no rule at all, which is more often a wrong path than meant; lift with --allow-empty")
}

func (b *builder) guardAdopt(c *Change, f facts) *Blocked {
	if c.Direction != DirAdopt || f.foreign || MatchRule(b.Options.Adopt, b.Project, c.Rule) {
		return nil
	}
	n := 0
	for _, x := range c.Fields {
		if !isUnknown(f.live.Spec, x) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return blocked(GuardAdopt, "the rule was made elsewhere, and adopting it would change %s; lift with %s",
		plural(n, "field", "fields"), flagFor("adopt", c.Rule))
}

func (b *builder) guardMissingAuth(c *Change, f facts) *Blocked {
	if c.Action != Update || f.lastSame || MatchRule(b.Options.DropAuth, b.Project, c.Rule) {
		return nil
	}
	var dropped []string
	for _, x := range c.Fields {
		if x.Op == OpRemove && isAuthPath(x.Path) && !isUnknown(f.live.Spec, x) {
			dropped = append(dropped, strings.TrimPrefix(x.Path, "spec."))
		}
	}
	if len(dropped) == 0 {
		return nil
	}
	return blocked(GuardMissingAuth, "would drop %s, which was not set by the last apply; lift with %s",
		strings.Join(dropped, ", "), flagFor("drop-auth", c.Rule))
}

func isAuthPath(path string) bool { return strings.HasPrefix(path, "spec.authentication.") }

// guardDestination keeps a secret from going to another receiver: url is open
// to hand edits, and ciphertext can be copied with its file.
func (b *builder) guardDestination(c *Change, f facts) *Blocked {
	if c.Action == Delete || f.desired.Spec.Auth.Len() == 0 {
		return nil
	}
	to := webhook.OriginOf(f.desired.Spec.URL)
	among := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return webhook.MatchDestination(p, to) })
	}
	if among(b.Options.AllowDestinations) {
		return nil
	}
	lift := flagFor("allow-destination", to.String())
	if len(b.Options.Destinations) > 0 {
		if among(b.Options.Destinations) {
			return nil
		}
		return blocked(GuardDestination, "would send a secret to %s, which is not among the destinations %s; lift with %s",
			to, strings.Join(b.Options.Destinations, ", "), lift)
	}
	if c.Action == Create {
		return b.guardCopiedSecret(f, to, lift)
	}
	from := webhook.OriginOf(f.live.Spec.URL)
	if from == to || f.backToApplied() {
		return nil
	}
	return blocked(GuardDestination, "would send the secret to %s://%s instead of %s://%s; lift with %s",
		to.Scheme, to, from.Scheme, from, lift)
}

// backToApplied reports whether an update brings back what was last applied.
func (f facts) backToApplied() bool {
	return f.ours && f.marker.Spec == webhook.SpecDigest(f.desired.Spec) && f.marker.Auth == f.desired.AuthDigest
}

// guardCopiedSecret blocks a create whose ciphertext belongs, by another file
// or a live marker, to a rule with another host.
func (b *builder) guardCopiedSecret(f facts, to webhook.Origin, lift string) *Blocked {
	if f.desired.AuthDigest == webhook.AuthUnknown {
		return nil
	}
	block := func(rule string, other webhook.Origin) *Blocked {
		return blocked(GuardDestination, "holds the ciphertext of rule %q, which sends it to %s, and would send it to %s; lift with %s",
			rule, other, to, lift)
	}
	for i := range b.Desired {
		d := &b.Desired[i]
		if d.Name != f.desired.Name && d.AuthDigest == f.desired.AuthDigest {
			if other := webhook.OriginOf(d.Spec.URL); other != to {
				return block(d.Name, other)
			}
		}
	}
	for i := range b.Live {
		r := &b.Live[i]
		m, state := webhook.ReadMarker(b.Project, *r)
		if state == webhook.ValidMarker && m.Auth == f.desired.AuthDigest {
			if other := webhook.OriginOf(r.Spec.URL); other != to {
				return block(r.Name, other)
			}
		}
	}
	return nil
}

func (b *builder) guardUnknown(c *Change, f facts) *Blocked {
	if c.Action != Update || len(f.live.Spec.Unknown) == 0 || b.Options.DropUnknown {
		return nil
	}
	var paths []string
	for path := range f.live.Spec.Unknown {
		paths = append(paths, "spec."+path)
	}
	slices.Sort(paths)
	return blocked(GuardUnknown, "this version does not know %s, and a PUT would drop it; lift with --drop-unknown",
		strings.Join(paths, ", "))
}

func (b *builder) guardArchive(c *Change, _ facts) *Blocked {
	o := b.Options
	switch {
	case c.Action != Delete:
		return nil
	case !o.ArchiveSet:
		return blocked(GuardArchive, "there is no place for the delivery history, which the delete destroys; pass --archive DIR")
	case o.CI && o.ArchiveLocal && !o.ArchiveDurable:
		return blocked(GuardArchive, "the archive is a folder of a CI runner, whose disk is gone tomorrow; if it is kept, pass --archive-is-durable")
	}
	return nil
}

// guardDeletes blocks all deletes above the limit. Deletes that are held back
// anyway do not count.
func (b *builder) guardDeletes() {
	deletes := 0
	for _, c := range b.changes {
		if c.Action == Delete && c.Blocked == nil {
			deletes++
		}
	}
	whose, n := fmt.Sprintf("that %q owns", b.Owner), b.owned
	if b.Owner == "" {
		whose, n = "that nobody's marker claims", b.unmarked
	}
	limit := b.Options.MaxDeletes.of(n)
	if deletes <= limit {
		return
	}
	share := ""
	if b.Options.MaxDeletes.Percent > 0 {
		share = fmt.Sprintf(", %s of the %s %s", b.Options.MaxDeletes, plural(n, "rule", "rules"), whose)
	}
	for i := range b.changes {
		if c := &b.changes[i]; c.Action == Delete && c.Blocked == nil {
			c.Blocked = blocked(GuardDeletes, "%s would be deleted, the limit is %d%s; lift with --max-deletes %d",
				plural(deletes, "rule", "rules"), limit, share, deletes)
		}
	}
}

// guardDependence blocks deletes behind a create that will not be done.
func (b *builder) guardDependence() {
	i := slices.IndexFunc(b.changes, func(c Change) bool { return c.Action == Create && c.Blocked != nil })
	if i < 0 {
		return
	}
	for j := range b.changes {
		if c := &b.changes[j]; c.Action == Delete && c.Blocked == nil {
			c.Blocked = blocked(GuardDependence, "deletes wait until every create is done, and the create of %q is blocked", b.changes[i].Rule)
		}
	}
}

// flagFor is a flag with its value, fit to paste into a shell.
func flagFor(name, value string) string {
	if value == "" || strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:-") != "" {
		value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return "--" + name + " " + value
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// guards says which guards are in force and which are lifted.
func (o Options) guards() Guards {
	g := Guards{Prune: o.Prune, InForce: []string{}, Lifted: []string{}}
	if g.Prune == "" || o.Narrowed {
		g.Prune = PruneNone
	}
	force := func(s string) { g.InForce = append(g.InForce, s) }
	lift := func(s string) { g.Lifted = append(g.Lifted, s) }
	lifts := func(flag string, patterns []string) {
		for _, p := range slices.Sorted(slices.Values(patterns)) {
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
	for _, p := range slices.Sorted(slices.Values(o.Protect)) {
		force(fmt.Sprintf("%s %s", GuardProtect, p))
	}
	either(o.AllowEmpty, "allow-empty", GuardEmpty)
	force(string(GuardMissingAuth))
	lifts("drop-auth", o.DropAuth)
	force(string(GuardForeign))
	lifts("take-over", o.TakeOver)
	if len(o.Destinations) > 0 {
		force(fmt.Sprintf("%s (only %s)", GuardDestination, strings.Join(slices.Sorted(slices.Values(o.Destinations)), ", ")))
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

// SetHistory records what one page told of the history of a rule that would
// be deleted. Where the service gives no total, nothing can prove that a copy
// is whole, so the delete is blocked. The plan's digest stays as it is.
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
				c.Blocked = blocked(GuardArchive, "the service does not say how many records the history has, so no copy can be proved whole; "+
					"delete the rule by hand if its history may be lost")
			}
		}
	}
	p.Summary = summarize(p.Projects)
}
