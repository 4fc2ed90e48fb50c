package plan

import (
	"maps"
	"slices"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// comparison holds facts about a rule that the document does not show. desired
// is nil if no file defines the rule. live is nil if no live rule exists.
type comparison struct {
	desired *webhook.Desired
	live    *webhook.Rule

	marker webhook.Marker
	state  webhook.MarkerState
	// ours: a valid marker of this owner or a former owner name. foreign: a
	// marker that counts as another owner's marker.
	ours, foreign bool
	// liveUnchanged is true if the live spec is the spec that this owner last
	// applied, or the service's spelling of it.
	liveUnchanged bool

	// wantSpec and haveSpec are the digests of both specs, computed once.
	wantSpec, haveSpec webhook.Digest
}

// compareRule compares a rule of the files with its live rule and reads the
// marker.
func (b *planner) compareRule(d *webhook.Desired, live *webhook.Rule) comparison {
	f := comparison{desired: d, live: live, state: webhook.NoMarker}
	if d != nil {
		f.wantSpec = webhook.SpecDigest(d.Spec)
	}
	if live == nil {
		return f
	}
	if d != nil && identicalSpecs(d.Spec, live.Spec) {
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
		// Without an owner, every marker counts as another owner's marker.
		f.foreign = b.Owner == ""
	}
	f.liveUnchanged = f.ours && (f.haveSpec == f.marker.Spec || f.isSpellingOfApplied())
	return f
}

// identicalSpecs reports whether two specs are equal byte for byte, without the
// marker. Most rules are, and a digest takes ten times as long.
func identicalSpecs(a, b webhook.Spec) bool {
	return a.URL == b.URL && a.Enabled == b.Enabled && slices.Equal(a.Events, b.Events) && maps.Equal(a.QueryParams, b.QueryParams) &&
		slices.Equal(a.Auth.Headers, b.Auth.Headers) && slices.Equal(a.Auth.QueryParams, b.Auth.QueryParams) &&
		headersWithin(a.Headers, b.Headers) && headersWithin(b.Headers, a.Headers)
}

// headersWithin reports whether b has all headers of a except the marker.
func headersWithin(a, b map[string]string) bool {
	for name, value := range a {
		if other, ok := b[name]; (!ok || other != value) && !webhook.IsMarkerHeader(name) {
			return false
		}
	}
	return true
}

// isSpellingOfApplied reports whether the live spec is the service's spelling of the applied
// spec, according to the marker. Another client can forge a marker. So if the
// files still hold the applied spec, a different receiver or a paused rule is a
// difference.
func (f comparison) isSpellingOfApplied() bool {
	if f.marker.Kept == "" || f.haveSpec != f.marker.Kept {
		return false
	}
	return f.desired == nil || f.wantSpec != f.marker.Spec || MayBeSpelling(f.live.Spec, f.desired.Spec)
}

// MayBeSpelling reports whether a live spec that differs from the applied spec may
// count as the service's own spelling of it. Another receiver or another state of
// enabled never counts.
func MayBeSpelling(live, applied webhook.Spec) bool {
	return live.Enabled == applied.Enabled && sameReceiver(live.URL, applied.URL)
}

// isSpellingOfDesired reports whether the live spec is the service's spelling of the spec in
// the files, which is not a difference.
func (f comparison) isSpellingOfDesired() bool {
	return f.liveUnchanged && f.wantSpec == f.marker.Spec && f.haveSpec != f.marker.Spec
}

// sameSpec reports whether files and live rule agree in all visible parts.
func (f comparison) sameSpec() bool { return f.wantSpec == f.haveSpec || f.isSpellingOfDesired() }

// hasPlaintext reports whether the files hold plaintext values. A digest says
// nothing about those. After a plaintext apply, a file that is now encrypted
// differs from the applied file: its ciphertext is then sent once.
func (f comparison) hasPlaintext() bool { return f.desired.AuthDigest == webhook.AuthUnknown }

// isFileUnchanged reports whether the files hold the state that was last applied, as
// far as that can be known.
func (f comparison) isFileUnchanged() bool {
	return f.wantSpec == f.marker.Spec &&
		(f.desired.AuthDigest == f.marker.Auth || f.desired.Spec.Auth.Len() == 0 || f.hasPlaintext())
}

// authState returns the state of the authentication values of a rule that is
// both desired and live.
func (f comparison) authState() AuthState {
	want, have := f.desired.Spec.Auth, f.live.Spec.Auth
	switch {
	case want.Len() == 0 && (have.Len() == 0 || f.isSpellingOfDesired()):
		return AuthNone
	case f.isSpellingOfDesired(): // the names are in the service's spelling: the digests decide
	case want.Len() == 0:
		return AuthRemoved
	case have.Len() == 0:
		return AuthAdded
	}
	switch {
	case !f.ours || f.hasPlaintext():
		return AuthUnverifiable
	case f.desired.AuthDigest == f.marker.Auth && (f.isSpellingOfDesired() || sameNames(want, have)):
		return AuthUnchanged
	}
	return AuthChanged
}

func sameNames(a, b webhook.AuthNames) bool {
	return a.Without(b).Len() == 0 && b.Without(a).Len() == 0
}

// directionOf implements the table of the contract, section 4. The rule must be
// both desired and live. differs is false if nothing must be sent.
func (b *planner) directionOf(f comparison, auth AuthState) (d Direction, differs bool) {
	if b.Owner == "" {
		return DirUnknown, !f.sameSpec()
	}
	if !f.ours {
		return DirAdopt, true // the marker must be written even without a difference
	}
	switch {
	case f.sameSpec() && auth != AuthChanged: // added or removed names are part of the spec
		return "", false
	case f.isFileUnchanged() && !f.liveUnchanged:
		return DirDrift, true
	case f.liveUnchanged || f.sameSpec():
		// If only the ciphertext changed, the write overwrites no live change.
		return DirPending, true
	}
	return DirBoth, true
}
