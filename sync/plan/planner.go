package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// New returns the plan of one project: the changes with which the live rules
// match the files.
func New(in Input) *Plan {
	b := &planner{Input: in, inSyncRules: map[string]*webhook.Desired{}}
	b.classifyRules()
	b.runGuards()
	return b.buildPlan(in)
}

// buildPlan returns the plan as a document.
func (b *planner) buildPlan(in Input) *Plan {
	project := Project{
		Name: in.Project, BaseURL: in.BaseURL, Owner: in.Owner,
		Paths:       nonNil(in.Paths),
		Only:        in.Options.Only,
		Guards:      in.guardSummary(),
		Changes:     make([]Change, 0, len(b.planned)),
		Unmanaged:   nonNil(b.unmanaged),
		Uncertain:   nonNil(b.uncertain),
		Warnings:    nonNil(slices.Concat(in.Warnings, b.warnings)),
		InSync:      b.inSync,
		InSyncRules: b.inSyncRules,
	}
	for _, x := range b.planned {
		project.Changes = append(project.Changes, x.Change)
	}
	return in.planOf(project)
}

// nonNil returns a list that becomes [] in JSON if it is empty.
func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// planner makes the plan of one project.
type planner struct {
	Input
	planned     []plannedChange
	unmanaged   []Unmanaged
	uncertain   []Uncertain
	inSyncRules map[string]*webhook.Desired
	warnings    []string
	inSync      int
	owned       int // live rules with our marker
	unmarked    int // live rules without a marker

	ciphertexts *ciphertextIndex   // see heldElsewhere; nil until needed
	secretNames *webhook.AuthNames // names in all files; nil until needed
}

// plannedChange is a change with the input of the guards.
type plannedChange struct {
	Change
	comparison
}

func (b *planner) addWarning(format string, args ...any) {
	b.warnings = append(b.warnings, fmt.Sprintf(format, args...))
}

// classifyRules pairs files and live rules by name and classifies every rule: change,
// in sync, unsettled or unmanaged. Its output is sorted by rule name, whatever
// the order of the input.
func (b *planner) classifyRules() {
	if b.Options.isNarrowed() && b.Options.Prune != PruneNone && b.Options.Prune != "" {
		b.addWarning("this run looks at a part of the files only, so it deletes nothing")
	}
	live := make(map[string]*webhook.Rule, len(b.Live))
	for i := range b.Live {
		live[b.Live[i].Name] = &b.Live[i]
	}
	wanted := make(map[string]bool, len(b.Desired))
	for i := range b.Desired {
		d := &b.Desired[i]
		wanted[d.Name] = true
		if !b.isSelected(d.Name) {
			b.inSyncRules[d.Name] = nil
			continue
		}
		b.planListed(b.compareRule(d, live[d.Name]))
	}
	for i := range b.Live {
		switch name := b.Live[i].Name; {
		case wanted[name]:
		case b.isSelected(name):
			b.planUnlisted(b.compareRule(nil, &b.Live[i]))
		default:
			b.inSyncRules[name] = nil
		}
	}
	slices.SortFunc(b.planned, func(x, y plannedChange) int { return cmp.Compare(x.Rule, y.Rule) })
	slices.SortFunc(b.unmanaged, func(x, y Unmanaged) int { return cmp.Compare(x.Rule, y.Rule) })
	slices.SortFunc(b.uncertain, func(x, y Uncertain) int { return cmp.Compare(x.Rule, y.Rule) })
	slices.Sort(b.warnings)
	b.linkRenames()
}

// isSelected reports whether the run covers a rule.
func (b *planner) isSelected(rule string) bool {
	if b.Options.Narrowed != nil && !b.Options.Narrowed[rule] {
		return false
	}
	return len(b.Options.Only) == 0 || MatchRule(b.Options.Only, b.Project, rule)
}

// countOwner counts a live rule of this owner or without a marker.
func (b *planner) countOwner(f comparison) {
	switch {
	case f.ours:
		b.owned++
	case f.state == webhook.NoMarker:
		b.unmarked++
	}
}

// planListed plans a rule that a file defines.
func (b *planner) planListed(f comparison) {
	if f.live == nil {
		b.addChange(f, b.newCreate(f))
		return
	}
	b.countOwner(f)
	if f.state == webhook.CopiedMarker {
		b.addWarning("rule %q carries a marker that was made for another rule or project; it counts as made elsewhere", f.live.Name)
	}
	if f.isSpellingOfDesired() {
		b.warnKept(f)
	}
	auth := f.authState()
	direction, differs := b.directionOf(f, auth)
	if b.Options.ResendAuth && f.desired.Spec.Auth.Len() > 0 && !differs {
		direction, differs = DirUnknown, true
	}
	if !differs {
		b.markInSync(f, auth)
		return
	}
	b.addChange(f, b.newUpdate(f, auth, direction))
}

// warnKept warns about fields that the service keeps in its own spelling.
func (b *planner) warnKept(f comparison) {
	var paths []string
	for _, x := range Compare(f.live.Spec, f.desired.Spec) {
		paths = append(paths, x.Path)
	}
	b.addWarning("rule %q: the service keeps %s in a spelling of its own; it counts as the same",
		f.live.Name, strings.Join(slices.Compact(paths), ", "))
}

// markInSync records a rule without a visible difference.
func (b *planner) markInSync(f comparison, auth AuthState) {
	b.inSyncRules[f.desired.Name] = f.desired
	u := Uncertain{Rule: f.desired.Name, Auth: auth == AuthUnverifiable}
	for path := range f.live.Spec.Unknown {
		u.Unknown = append(u.Unknown, "spec."+path)
	}
	slices.Sort(u.Unknown)
	if u.Auth || len(u.Unknown) > 0 {
		b.uncertain = append(b.uncertain, u)
		return
	}
	b.inSync++
}

func (b *planner) addChange(f comparison, c Change) {
	b.planned = append(b.planned, plannedChange{c, f})
}

func (b *planner) newCreate(f comparison) Change {
	d, mask := f.desired, b.ruleMask(f)
	auth := AuthNone
	if d.Spec.Auth.Len() > 0 {
		auth = AuthAdded
	}
	return Change{
		Rule: d.Name, Action: Create, Direction: DirNew, Auth: auth,
		Fields: compare(nil, &d.Spec, mask), After: redactSpec(d.Spec, mask), File: d.File, Over: d.Over, SecretTo: secretTo(d.Spec),
		DesiredDigest: webhook.DesiredDigest(*d, b.Owner), LiveDigest: webhook.Absent,
	}
}

func (b *planner) newUpdate(f comparison, auth AuthState, direction Direction) Change {
	d, mask := f.desired, b.ruleMask(f)
	fields := []Field{}
	if !f.sameSpec() {
		fields = compare(&f.live.Spec, &d.Spec, mask)
	}
	fields = append(fields, droppedFields(f.live.Spec, mask)...)
	sortFields(fields)
	return Change{
		Rule: d.Name, Action: Update, Direction: direction, Auth: auth,
		Fields: fields, Before: redactSpec(f.live.Spec, mask), After: redactSpec(d.Spec, mask), File: d.File, Over: d.Over, SecretTo: secretTo(d.Spec),
		Paused:        webhook.LeftPaused(b.Project, *f.live),
		DesiredDigest: webhook.DesiredDigest(*d, b.Owner), LiveDigest: webhook.LiveDigest(f.live),
	}
}

// secretTo returns the host that receives the authentication values of a PUT of
// s, or "" if s has none.
func secretTo(s webhook.Spec) string {
	if s.Auth.Len() == 0 {
		return ""
	}
	return receiverOf(s.URL)
}

// receiverOf names the receiver of url, even if its host is ambiguous.
func receiverOf(url string) string {
	if o := webhook.OriginOf(url); o.IsKnown() {
		return o.String()
	}
	return beforePath(url)
}

// planUnlisted plans a live rule that no file defines.
func (b *planner) planUnlisted(f comparison) {
	b.countOwner(f)
	rule := f.live.Name
	leave := func(reason UnmanagedReason) {
		b.unmanaged = append(b.unmanaged, Unmanaged{Rule: rule, Reason: reason})
	}
	if f.ours && webhook.LeftPaused(b.Project, *f.live) {
		b.addWarning("rule %q is paused and has no auth values: a delete that broke off leaves a rule so, or someone did it by hand; to keep the rule, bring its file back: mkhooks apply then restores it with its auth values", rule)
	}
	prune := b.Options.pruneMode()
	takenOver := f.foreign && MatchRule(b.Options.TakeOver, b.Project, rule)
	switch {
	case f.state == webhook.CopiedMarker:
		b.addWarning("rule %q carries a marker that was made for another rule or project; it is left alone", rule)
		leave(ReasonCopied)
	case f.foreign && !(takenOver && prune == PruneAll):
		leave(ReasonForeign)
	case f.ours && prune == PruneNone:
		leave(ReasonKept)
	case !f.ours && prune != PruneAll:
		leave(ReasonUnmanaged)
	default:
		b.addChange(f, b.newDelete(f))
	}
}

func (b *planner) newDelete(f comparison) Change {
	direction := DirUnknown
	if f.ours || f.foreign && b.Owner != "" {
		direction = DirGone
	}
	auth := AuthNone
	if f.live.Spec.Auth.Len() > 0 {
		auth = AuthRemoved
	}
	return Change{
		Rule: f.live.Name, Action: Delete, Direction: direction, Auth: auth, Fields: []Field{}, Before: redactSpec(f.live.Spec, b.ruleMask(f)),
		DesiredDigest: webhook.Absent, LiveDigest: webhook.LiveDigest(f.live),
	}
}

// linkRenames links creates and deletes with equal specs. Changes are in name
// order, so the same candidate always wins.
func (b *planner) linkRenames() {
	deletes := map[webhook.Digest][]*plannedChange{}
	for i := range b.planned {
		if x := &b.planned[i]; x.Action == Delete {
			spec := x.haveSpec
			if x.liveUnchanged {
				spec = x.marker.Spec // not the service's spelling of it
			}
			deletes[spec] = append(deletes[spec], x)
		}
	}
	for i := range b.planned {
		x := &b.planned[i]
		if x.Action != Create || len(deletes[x.wantSpec]) == 0 {
			continue
		}
		old := deletes[x.wantSpec][0]
		deletes[x.wantSpec] = deletes[x.wantSpec][1:]
		x.RenameOf, old.RenameOf = old.Rule, x.Rule
		b.addWarning("rule %q looks like a rename of %q: a rename starts a new delivery history, the old one goes to the archive",
			x.Rule, old.Rule)
	}
}

func summarize(projects []Project) Summary {
	var s Summary
	for _, p := range projects {
		for _, c := range p.Changes {
			switch c.Action {
			case Create:
				s.Create++
			case Update:
				s.Update++
			case Delete:
				s.Delete++
			}
			if c.Blocked != nil {
				s.Blocked++
			}
		}
		s.InSync += p.InSync
		s.Unmanaged += len(p.Unmanaged)
	}
	return s
}

// HasDifferences reports whether there is any change, blocked or not.
func (p *Plan) HasDifferences() bool {
	return p.Summary.Create+p.Summary.Update+p.Summary.Delete > 0
}
