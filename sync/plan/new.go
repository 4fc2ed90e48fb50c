package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// New returns the plan of one project: what apply would do so that the live
// rules match the files.
func New(in Input) *Plan {
	b := &builder{Input: in}
	b.match()
	b.guard()
	project := Project{
		Name: in.Project, BaseURL: in.BaseURL, Owner: in.Owner,
		Paths:     nonNil(in.Paths),
		Guards:    in.Options.guards(),
		Changes:   nonNil(b.changes),
		Unmanaged: nonNil(b.unmanaged),
		Unsettled: nonNil(b.unsettled),
		Warnings:  nonNil(append(slices.Clone(in.Warnings), b.warnings...)),
		InSync:    b.inSync,
	}
	p := &Plan{
		FormatVersion: FormatVersion, CreatedAt: in.Now, Tool: in.Tool, Source: in.Source,
		Projects: []Project{project},
	}
	p.Summary = summarize(p.Projects)
	p.Digest = digest(p.Projects)
	return p
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// builder makes one project's part of a plan.
type builder struct {
	Input
	changes   []Change
	facts     []facts // beside changes, what the guards look at
	unmanaged []Unmanaged
	unsettled []Unsettled
	warnings  []string
	inSync    int
	owned     int // live rules with our marker
	unmarked  int // live rules with nobody's
}

// facts is what is known of one rule beyond what the document shows.
type facts struct {
	desired  *webhook.Desired
	live     *webhook.Rule
	marker   webhook.Marker
	state    webhook.MarkerState
	ours     bool // a valid marker of this owner
	foreign  bool // another owner's
	lastSame bool // the live spec is what this owner last applied
}

func (b *builder) warn(format string, args ...any) {
	b.warnings = append(b.warnings, fmt.Sprintf(format, args...))
}

// factsOf reads the marker of a live rule.
func (b *builder) factsOf(d *webhook.Desired, live *webhook.Rule) facts {
	f := facts{desired: d, live: live, state: webhook.NoMarker}
	if live == nil {
		return f
	}
	f.marker, f.state = webhook.ReadMarker(b.Project, *live)
	known := f.state == webhook.ValidMarker && b.Owner != "" &&
		(f.marker.Owner == b.Owner || slices.Contains(b.FormerOwners, f.marker.Owner))
	f.ours = known
	f.foreign = f.state == webhook.ForeignMarker || f.state == webhook.ValidMarker && !known
	if f.ours {
		f.lastSame, _ = f.marker.Applied(live.Spec)
	}
	return f
}

// keptSame reports whether the live rule is what the service made of the very
// spec that the files hold: its own spelling is no difference.
func (f facts) keptSame() bool {
	return f.ours && f.lastSame && f.marker.Spec == webhook.SpecDigest(f.desired.Spec) &&
		f.marker.Spec != webhook.SpecDigest(f.live.Spec)
}

// match pairs files and live rules by name and sorts every rule into change,
// in sync, unsettled or unmanaged.
func (b *builder) match() {
	live := make(map[string]*webhook.Rule, len(b.Live))
	for i := range b.Live {
		live[b.Live[i].Name] = &b.Live[i]
	}
	wanted := make(map[string]bool, len(b.Desired))
	for i := range b.Desired {
		d := &b.Desired[i]
		wanted[d.Name] = true
		b.consider(b.factsOf(d, live[d.Name]))
	}
	for i := range b.Live {
		if !wanted[b.Live[i].Name] {
			b.unnamed(b.factsOf(nil, &b.Live[i]))
		}
	}
	b.sort()
	b.renames()
}

// sort orders everything by rule, changes together with their facts.
func (b *builder) sort() {
	order := make([]int, len(b.changes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(b.changes[i].Rule, b.changes[j].Rule) })
	changes, all := make([]Change, len(order)), make([]facts, len(order))
	for to, from := range order {
		changes[to], all[to] = b.changes[from], b.facts[from]
	}
	b.changes, b.facts = changes, all
	slices.SortFunc(b.unmanaged, func(x, y Unmanaged) int { return cmp.Compare(x.Rule, y.Rule) })
	slices.SortFunc(b.unsettled, func(x, y Unsettled) int { return cmp.Compare(x.Rule, y.Rule) })
	slices.Sort(b.warnings)
}

// count adds a live rule to those of this owner, or of nobody.
func (b *builder) count(f facts) {
	switch {
	case f.ours:
		b.owned++
	case f.state == webhook.NoMarker:
		b.unmarked++
	}
}

// consider looks at a rule that a file names.
func (b *builder) consider(f facts) {
	if f.live == nil {
		b.add(f, b.create(f))
		return
	}
	b.count(f)
	if f.state == webhook.CopiedMarker {
		b.warn("rule %q carries a marker that was made for another rule or project; it counts as made elsewhere", f.live.Name)
	}
	fields := compare(f.live.Spec, f.desired.Spec)
	if f.keptSame() {
		fields = slices.DeleteFunc(fields, func(x Field) bool { return !isUnknown(f.live.Spec, x) })
	}
	visible := slices.ContainsFunc(fields, func(x Field) bool { return !isUnknown(f.live.Spec, x) })
	auth := b.authState(f)
	direction, changed := b.direction(f, visible, auth)
	if b.Options.ResendAuth && f.desired.Spec.Auth.Len() > 0 && !changed {
		direction, changed = DirUnknown, true
	}
	if f.keptSame() {
		b.warn("rule %q: the service keeps a spelling of its own of what was applied; it counts as the same", f.live.Name)
	}
	if !changed {
		b.settle(f, auth)
		return
	}
	b.add(f, b.update(f, fields, auth, direction))
}

// isUnknown reports whether a field is one that this version does not know:
// by itself that is no difference.
func isUnknown(live webhook.Spec, f Field) bool {
	_, ok := live.Unknown[strings.TrimPrefix(f.Path, "spec.")]
	return ok && f.Op == OpRemove
}

// direction is the table of the contract, section 4. changed is false where
// files and live rule agree and nothing is to be sent.
func (b *builder) direction(f facts, visible bool, auth AuthState) (d Direction, changed bool) {
	switch {
	case b.Owner == "":
		return DirUnknown, visible
	case !f.ours:
		return DirAdopt, true // the marker has to be put, even where nothing differs
	}
	authMoved := auth == AuthChanged || auth == AuthAdded || auth == AuthRemoved
	fileSame := webhook.SpecDigest(f.desired.Spec) == f.marker.Spec &&
		(f.desired.AuthDigest == f.marker.Auth || f.desired.AuthDigest == webhook.AuthUnknown)
	switch {
	case !visible && !authMoved:
		return "", false
	case fileSame && !f.lastSame:
		return DirDrift, true
	case f.lastSame, !visible:
		// Where only the ciphertext moved there is nothing on the live side
		// that this overwrites.
		return DirPending, true
	}
	return DirBoth, true
}

// authState says what is known of the authentication values of a rule that is
// both desired and live.
func (b *builder) authState(f facts) AuthState {
	want, have := f.desired.Spec.Auth.Len(), f.live.Spec.Auth.Len()
	switch {
	case want == 0 && have == 0:
		return AuthNone
	case want == 0:
		return AuthRemoved
	case have == 0:
		return AuthAdded
	case !f.ours, f.desired.AuthDigest == webhook.AuthUnknown:
		return AuthUnverifiable
	case f.desired.AuthDigest == f.marker.Auth && sameAuthNames(f.desired.Spec.Auth, f.live.Spec.Auth):
		return AuthUnchanged
	}
	return AuthChanged
}

func sameAuthNames(a, b webhook.AuthNames) bool {
	return webhook.SpecDigest(webhook.Spec{Auth: a}) == webhook.SpecDigest(webhook.Spec{Auth: b})
}

// settle records a rule without a visible difference.
func (b *builder) settle(f facts, auth AuthState) {
	u := Unsettled{Rule: f.desired.Name, Auth: auth == AuthUnverifiable}
	for path := range f.live.Spec.Unknown {
		u.Unknown = append(u.Unknown, "spec."+path)
	}
	slices.Sort(u.Unknown)
	if u.Auth || len(u.Unknown) > 0 {
		b.unsettled = append(b.unsettled, u)
		return
	}
	b.inSync++
}

func (b *builder) add(f facts, c Change) {
	b.changes = append(b.changes, c)
	b.facts = append(b.facts, f)
}

func (b *builder) create(f facts) Change {
	d := f.desired
	after := d.Spec.WithoutMarker().Redacted()
	auth := AuthNone
	if d.Spec.Auth.Len() > 0 {
		auth = AuthAdded
	}
	return Change{
		Rule: d.Name, Action: Create, Direction: DirNew, Auth: auth,
		Fields: compare(webhook.Spec{}, d.Spec), After: &after, File: d.File, SecretTo: secretTo(d.Spec),
		DesiredDigest: webhook.DesiredDigest(*d, b.Owner), LiveDigest: webhook.Absent,
	}
}

func (b *builder) update(f facts, fields []Field, auth AuthState, direction Direction) Change {
	d := f.desired
	before, after := f.live.Spec.WithoutMarker().Redacted(), d.Spec.WithoutMarker().Redacted()
	return Change{
		Rule: d.Name, Action: Update, Direction: direction, Auth: auth,
		Fields: fields, Before: &before, After: &after, File: d.File, SecretTo: secretTo(d.Spec),
		DesiredDigest: webhook.DesiredDigest(*d, b.Owner), LiveDigest: webhook.LiveDigest(f.live),
	}
}

// secretTo is the host that a PUT of s sends authentication values to.
func secretTo(s webhook.Spec) string {
	if s.Auth.Len() == 0 {
		return ""
	}
	return webhook.OriginOf(s.URL).String()
}

// unnamed looks at a live rule that no file names.
func (b *builder) unnamed(f facts) {
	b.count(f)
	rule := f.live.Name
	leave := func(reason UnmanagedReason) {
		b.unmanaged = append(b.unmanaged, Unmanaged{Rule: rule, Reason: reason})
	}
	prune := b.Options.Prune
	if b.Options.Narrowed || prune == "" {
		prune = PruneNone
	}
	takenOver := f.foreign && MatchRule(b.Options.TakeOver, b.Project, rule)
	switch {
	case f.state == webhook.CopiedMarker:
		b.warn("rule %q carries a marker that was made for another rule or project; it is left alone", rule)
		leave(ReasonCopied)
	case f.foreign && !(takenOver && prune == PruneAll):
		leave(ReasonForeign)
	case f.ours && prune == PruneNone:
		leave(ReasonKept)
	case !f.ours && prune != PruneAll:
		leave(ReasonUnmanaged)
	default:
		direction := DirGone
		if !f.ours {
			direction = DirUnknown
		}
		before := f.live.Spec.WithoutMarker().Redacted()
		auth := AuthNone
		if f.live.Spec.Auth.Len() > 0 {
			auth = AuthRemoved
		}
		b.add(f, Change{
			Rule: rule, Action: Delete, Direction: direction, Auth: auth, Fields: []Field{}, Before: &before,
			DesiredDigest: webhook.Absent, LiveDigest: webhook.LiveDigest(f.live),
		})
	}
}

// renames points out creates and deletes with equal specs.
func (b *builder) renames() {
	deletes := map[webhook.Digest]int{}
	for i, f := range b.facts {
		if b.changes[i].Action == Delete {
			deletes[webhook.SpecDigest(f.live.Spec)] = i
		}
	}
	for i, f := range b.facts {
		if b.changes[i].Action != Create {
			continue
		}
		j, ok := deletes[webhook.SpecDigest(f.desired.Spec)]
		if !ok || b.changes[j].RenameOf != "" {
			continue
		}
		b.changes[i].RenameOf, b.changes[j].RenameOf = b.changes[j].Rule, b.changes[i].Rule
		b.warn("rule %q looks like a rename of %q: a rename starts a new delivery history, the old one goes to the archive",
			b.changes[i].Rule, b.changes[j].Rule)
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

// HasDifferences reports whether anything differs; a blocked change does.
func (p *Plan) HasDifferences() bool {
	return p.Summary.Create+p.Summary.Update+p.Summary.Delete > 0
}
