// Package secrets holds values that must not be seen: a string type that
// prints as a mask, the decrypted authentication of a rule, the sealed
// (encrypted) form as a file holds it, the checks of a value before it is sent,
// and a search for leaked values in text.
//
// It neither encrypts nor decrypts: that is package secrets/sops.
package secrets

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
)

// Mask is what a [String] prints as.
const Mask = "********"

// String is a secret. However it is formatted, marshalled or logged, it shows
// as [Mask]; [String.Reveal] is the only way out, and its only callers are one
// file of the client, where a request is written, and one of secrets/sops,
// where a value is encrypted.
//
// The value stands behind a pointer, because fmt calls no method on what it
// finds in unexported fields of others, and would print a string there.
type String struct{ value *string }

var (
	_ fmt.Formatter          = String{}
	_ json.Marshaler         = String{}
	_ encoding.TextMarshaler = String{}
)

// NewString makes a secret of value.
func NewString(value string) String { return String{&value} }

// Reveal returns the value itself.
func (s String) Reveal() string { return s.text() }

func (s String) text() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is no value.
func (s String) Empty() bool { return s.text() == "" }

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
