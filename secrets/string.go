// Package secrets holds values that must not be shown. It has a string type
// that prints as a mask, the decrypted authentication of a rule, and its sealed
// (encrypted) form in a file. It also checks values before they are sent, and
// searches text for leaked values.
//
// It neither encrypts nor decrypts: that is the task of package secrets/sops.
package secrets

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
)

// Mask is the printed form of a [String].
const Mask = "********"

// String is a secret. Formatted, marshalled or logged, it shows as [Mask]; only
// [String.Reveal] returns the value. Reveal has two callers: the file of the
// client that writes requests, and the file of secrets/sops that encrypts
// values.
//
// The value is behind a pointer. fmt calls no methods on unexported fields, and
// would print a plain string there.
type String struct{ value *string }

var (
	_ fmt.Formatter          = String{}
	_ json.Marshaler         = String{}
	_ encoding.TextMarshaler = String{}
)

// NewString returns value as a secret.
func NewString(value string) String { return String{&value} }

// Reveal returns the plaintext value.
func (s String) Reveal() string { return s.text() }

func (s String) text() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether the value is empty or absent.
func (s String) Empty() bool { return s.text() == "" }

// Len returns the length of the value in bytes.
func (s String) Len() int { return len(s.text()) }

// String returns [Mask], also for an empty value.
func (s String) String() string { return Mask }

// GoString returns [Mask].
func (s String) GoString() string { return Mask }

// Format writes [Mask] for every verb and flag, %x and %d included.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mask) }

// MarshalJSON writes [Mask].
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + Mask + `"`), nil }

// MarshalText writes [Mask].
func (s String) MarshalText() ([]byte, error) { return []byte(Mask), nil }
