package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MarkerHeader is the reserved header that records a rule's owner and its last
// applied state. It is part of the rule, so the PUT that it describes also writes
// it: it can't be lost, become stale, or need a lock.
const MarkerHeader = "X-Mkhooks"

// IsMarkerHeader reports whether name is the reserved header, in any case.
func IsMarkerHeader(name string) bool {
	return len(name) == len(MarkerHeader) && HeaderKey(name) == "x-mkhooks"
}

// Marker is the content of the reserved header, format v=1.
type Marker struct {
	Owner string
	// ID is the digest of project and rule name, [RuleID]. If it does not match its
	// rule, the marker was copied.
	ID string
	// Spec and Auth are the digests of the last applied state.
	Spec, Auth Digest
	// Kept is the digest of the spec that the service returned for Spec, if it changed
	// the spelling. Otherwise it is empty.
	Kept Digest
}

// CheckOwner returns an error that describes valid owner names if owner is invalid.
func CheckOwner(owner string) error {
	if !isOwner(owner) {
		return fmt.Errorf("owner %q: expected 1 to 64 characters of a-z 0-9 . _ / -, the first a letter or digit", owner)
	}
	return nil
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyz"
)

func isOwner(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, digits+letters+"._/-") == "" && strings.Trim(s[:1], digits+letters) == ""
}

func isHex(s string, n int) bool { return len(s) == n && strings.Trim(s, digits+"abcdef") == "" }

// RuleID returns the digest of project and rule name in a marker: 16 hex digits.
func RuleID(project, rule string) string {
	b := append([]byte("mkhooks id v1\n"), appendString(appendString(nil, project), rule)...)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:16]
}

// String returns the header's value.
func (m Marker) String() string {
	s := fmt.Sprintf("v=1;owner=%s;id=%s;spec=%s;auth=%s", m.Owner, m.ID, m.Spec, m.Auth)
	if m.Kept != "" {
		s += ";kept=" + string(m.Kept)
	}
	return s
}

// ParseMarker parses the header's value. Only the exact output of [Marker.String],
// with outer white space, is ok. Anything else counts as the marker of another
// owner.
func ParseMarker(value string) (m Marker, ok bool) {
	rest, v1 := strings.CutPrefix(HeaderValue(value), "v=1;")
	parts := strings.Split(rest, ";")
	keys := []string{"owner=", "id=", "spec=", "auth=", "kept="}
	if !v1 || len(parts) != 4 && len(parts) != 5 {
		return Marker{}, false
	}
	for i, part := range parts {
		if parts[i], ok = strings.CutPrefix(part, keys[i]); !ok {
			return Marker{}, false
		}
	}
	m = Marker{Owner: parts[0], ID: parts[1], Spec: Digest(parts[2]), Auth: Digest(parts[3])}
	if !isOwner(m.Owner) || !isHex(m.ID, 16) || !isHex(parts[2], 32) || !isHex(parts[3], 32) {
		return Marker{}, false
	}
	if len(parts) == 5 {
		if m.Kept = Digest(parts[4]); !isHex(parts[4], 32) {
			return Marker{}, false
		}
	}
	return m, true
}

// Applied reports whether spec equals the last applied spec, or the spec that the
// service returned for it. kept is true in the second case.
func (m Marker) Applied(spec Spec) (same, kept bool) {
	d := SpecDigest(spec)
	if d == m.Spec {
		return true, false
	}
	kept = m.Kept != "" && d == m.Kept
	return kept, kept
}

// LeftPaused reports whether a live rule looks like the remains of an interrupted
// delete. A pause disables the rule and removes its authentication, whose values
// can't be read back. The marker still describes the earlier rule. Someone may also
// have done the same by hand.
func LeftPaused(project string, live Rule) bool {
	if live.Spec.Enabled || live.Spec.Auth.Len() > 0 {
		return false
	}
	m, state := ReadMarker(project, live)
	if state != ValidMarker {
		return false
	}
	before := live.Spec.Clone()
	before.Enabled = true
	same, _ := m.Applied(before)
	return same || m.Auth != AuthDigest(nil)
}

// MarkerState is the state of the reserved header on a live rule.
type MarkerState string

// The states of a marker on a live rule.
const (
	NoMarker      MarkerState = "none"      // no such header
	ValidMarker   MarkerState = "valid"     // well-formed, and its id matches
	CopiedMarker  MarkerState = "copied"    // well-formed, but made for another rule or project
	ForeignMarker MarkerState = "malformed" // malformed, repeated, or of a later version: another owner's
)

// ReadMarker returns the marker of a live rule of project, and its state. The marker
// is zero unless the state is [ValidMarker] or [CopiedMarker].
func ReadMarker(project string, r Rule) (Marker, MarkerState) {
	value, n := "", 0
	for name, v := range r.Spec.Headers {
		if IsMarkerHeader(name) {
			value = v
			n++
		}
	}
	if n == 0 {
		return Marker{}, NoMarker
	}
	m, ok := ParseMarker(value)
	switch {
	case n > 1 || !ok:
		return Marker{}, ForeignMarker
	case m.ID != RuleID(project, r.Name):
		return m, CopiedMarker
	}
	return m, ValidMarker
}

// WithMarker returns a copy of s that carries m and no other marker.
func (s Spec) WithMarker(m Marker) Spec {
	s = s.WithoutMarker()
	if s.Headers == nil {
		s.Headers = map[string]string{}
	}
	s.Headers[MarkerHeader] = m.String()
	return s
}

// WithoutMarker returns a copy of s without the reserved header.
func (s Spec) WithoutMarker() Spec {
	s = s.Clone()
	for name := range s.Headers {
		if IsMarkerHeader(name) {
			delete(s.Headers, name)
		}
	}
	return s
}
