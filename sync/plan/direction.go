package plan

import (
	"maps"
	"slices"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// comparison is what is known of one rule beyond what the document shows. desired
// is nil where no file names the rule, live where there is no such rule.
type comparison struct {
	desired *webhook.Desired
	live    *webhook.Rule

	marker webhook.Marker
	state  webhook.MarkerState
	// ours is a valid marker of this owner or a former one, foreign a marker
	// that counts as another owner's.
	ours, foreign bool
	// liveSame is true where the live spec is what this owner last applied, or
	// what the service made of it.
	liveSame bool

	// wantSpec and haveSpec are the digests of both specs, computed once.
	wantSpec, haveSpec webhook.Digest
}

// compareRule reads the marker of a live rule.
func (b *planner) compareRule(d *webhook.Desired, live *webhook.Rule) comparison {
	f := comparison{desired: d, live: live, state: webhook.NoMarker}
	if d != nil {
		f.wantSpec = webhook.SpecDigest(d.Spec)
	}
	if live == nil {
		return f
	}
	if d != nil && identical(d.Spec, live.Spec) {
		f.haveSpec = f.wantSpec
	} else {
		f.haveSpec = webhook.SpecDigest(live.Spec)
	}
	f.marker, f.state = webhook.ReadMarker(b.Project, *live)
	switch f.state {
	case webhook.ValidMarker:
		f.ours = b.Owner != "" && (f.marker.Owner == b.Owner || slices.Contains(b.FormerOwners, f.marker.Owner))
		f.foreign = !f.ours
	case webhook.ForeignMarker:
		f.foreign = true
	case webhook.CopiedMarker:
		// Without an owner, anyone's marker counts as another owner's.
		f.foreign = b.Owner == ""
	}
	f.liveSame = f.ours && (f.haveSpec == f.marker.Spec || f.isKept())
	return f
}

// identical reports whether two specs are the same to the letter, the marker
// aside: most rules are, and a digest takes ten times as long.
func identical(a, b webhook.Spec) bool {
	return a.URL == b.URL && a.Enabled == b.Enabled && slices.Equal(a.Events, b.Events) && maps.Equal(a.QueryParams, b.QueryParams) &&
		slices.Equal(a.Auth.Headers, b.Auth.Headers) && slices.Equal(a.Auth.QueryParams, b.Auth.QueryParams) &&
		within(a.Headers, b.Headers) && within(b.Headers, a.Headers)
}

// within reports whether b has all headers of a, the marker aside.
func within(a, b map[string]string) bool {
	for name, value := range a {
		if other, ok := b[name]; (!ok || other != value) && !webhook.IsMarkerHeader(name) {
			return false
		}
	}
	return true
}

// isKept reports whether the marker says that the live spec is what the service
// made of the spec that was applied. Others can write a marker, too: if the
// files still hold that spec, another receiver, or a rule that is paused, is no
// matter of spelling.
func (f comparison) isKept() bool {
	if f.marker.Kept == "" || f.haveSpec != f.marker.Kept {
		return false
	}
	return f.desired == nil || f.wantSpec != f.marker.Spec ||
		f.live.Spec.Enabled == f.desired.Spec.Enabled && f.sameReceiver()
}

// kept reports whether the live spec is the service's own spelling of the very
// spec that the files hold: that is no difference.
func (f comparison) kept() bool {
	return f.liveSame && f.wantSpec == f.marker.Spec && f.haveSpec != f.marker.Spec
}

// sameSpec reports whether files and live rule agree in all that is visible.
func (f comparison) sameSpec() bool { return f.wantSpec == f.haveSpec || f.kept() }

// plaintext reports whether the files hold values in clear text, of which no
// digest says anything. A file that is encrypted now, where clear text was
// applied last, is another one than was applied: then the ciphertext is sent,
// once.
func (f comparison) plaintext() bool { return f.desired.AuthDigest == webhook.AuthUnknown }

// fileSame reports whether the files hold what was last applied, as far as
// that can be known.
func (f comparison) fileSame() bool {
	return f.wantSpec == f.marker.Spec &&
		(f.desired.AuthDigest == f.marker.Auth || f.desired.Spec.Auth.Len() == 0 || f.plaintext())
}

// authState says what is known of the authentication values of a rule that is
// both desired and live.
func (f comparison) authState() AuthState {
	want, have := f.desired.Spec.Auth, f.live.Spec.Auth
	switch {
	case want.Len() == 0 && (have.Len() == 0 || f.kept()):
		return AuthNone
	case f.kept(): // its names are the service's spelling: digests tell
	case want.Len() == 0:
		return AuthRemoved
	case have.Len() == 0:
		return AuthAdded
	}
	switch {
	case !f.ours || f.plaintext():
		return AuthUnverifiable
	case f.desired.AuthDigest == f.marker.Auth && (f.kept() || sameNames(want, have)):
		return AuthUnchanged
	}
	return AuthChanged
}

func sameNames(a, b webhook.AuthNames) bool {
	return a.Without(b).Len() == 0 && b.Without(a).Len() == 0
}

// direction is the table of the contract, section 4, for a rule that is both
// desired and live. differs is false where nothing is to be sent.
func (b *planner) direction(f comparison, auth AuthState) (d Direction, differs bool) {
	if b.Owner == "" {
		return DirUnknown, !f.sameSpec()
	}
	if !f.ours {
		return DirAdopt, true // the marker has to be put, even where nothing differs
	}
	switch {
	case f.sameSpec() && auth != AuthChanged: // names that came or went are the spec's
		return "", false
	case f.fileSame() && !f.liveSame:
		return DirDrift, true
	case f.liveSame || f.sameSpec():
		// Where only the ciphertext moved there is nothing on the live side
		// that this overwrites.
		return DirPending, true
	}
	return DirBoth, true
}
