// Package webhook is the domain of mkhooks: webhook rules as the files define them
// and as MK.IO returns them. It also contains the marker that records a rule's
// owner, the canonical form that makes spellings of a rule equal, and its digests.
//
// It does no I/O and contains no secret: it knows only the names under
// authentication.
package webhook

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// EventType is a type of event that a rule subscribes to, in the API's spelling.
type EventType string

// EventTypes lists the event types of the Management API v0.19.25, in the order of
// the vendor's document.
func EventTypes() []EventType {
	return []EventType{
		"MediaKind.JobStarted",
		"MediaKind.JobFinished",
		"MediaKind.StreamingLocatorCreated",
		"MediaKind.ChannelInstanceStarted",
		"MediaKind.ChannelInstanceStopped",
		"MediaKind.ChannelInstanceError",
		"MediaKind.ScheduledOperationAccepted",
		"MediaKind.ScheduledOperationOngoing",
		"MediaKind.ScheduledOperationCompleted",
		"MediaKind.ScheduledOperationError",
	}
}

// Status is the progress of the delivery of one event.
type Status string

// The statuses that the API documents. Pending and Retrying are in flight; Failed
// and Sent are final.
const (
	Pending  Status = "Pending"
	Retrying Status = "Retrying"
	Failed   Status = "Failed"
	Sent     Status = "Sent"
)

// IsActive reports whether a record with this status may still change. An unknown
// status counts as active, because it may not be final.
func (s Status) IsActive() bool { return s != Failed && s != Sent }

// Event is one record of a rule's delivery history. Records have no id.
type Event struct {
	Created time.Time `json:"created"`
	Source  string    `json:"source"`
	Type    EventType `json:"type"`
	Status  Status    `json:"status"`
}

// Rule is a webhook rule as a file defines it or as the service returns it.
type Rule struct {
	// ID is metadata.id, assigned by the service. It is empty for a rule from a file.
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	Spec Spec   `json:"spec"`
}

// Spec is the part of a rule that a PUT replaces. It contains the names of the auth
// values and never a value, so [Spec.Redacted] makes it safe to print.
type Spec struct {
	URL         string            `json:"url"`
	Enabled     bool              `json:"enabled"`
	Events      []EventType       `json:"events"`
	Headers     map[string]string `json:"headers,omitempty"`
	QueryParams map[string]string `json:"queryParams,omitempty"`
	// Auth is written even if it is empty. A reader of the JSON need not distinguish "no
	// authentication" from "unknown".
	Auth AuthNames `json:"authentication"`
	// Unknown contains the fields of a live spec that this version does not know, by
	// their path below spec ("retryPolicy", "authentication.oauth").
	Unknown map[string]json.RawMessage `json:"unknown,omitempty"`
}

// AuthNames are the names of a rule's auth values, each list sorted.
type AuthNames struct {
	Headers     []string `json:"headers,omitempty"`
	QueryParams []string `json:"queryParams,omitempty"`
}

// Len returns the number of auth values.
func (a AuthNames) Len() int { return len(a.Headers) + len(a.QueryParams) }

// Desired is a rule that the files define, with its position.
type Desired struct {
	Rule
	// AuthDigest is the digest of the ciphertext of spec.authentication. It is
	// [AuthUnknown] for plaintext values, which no digest covers.
	AuthDigest Digest
	// Values are the encrypted values of spec.authentication. They are compared and
	// never printed.
	Values []SealedValue
	// File and Line are the position of the rule's name. Line counts from 1.
	File string
	Line int
	// Over are the files of earlier layers that File is merged over, in layer order. It
	// is nil if only File defines the rule.
	Over []string
	// Placeholders are the paths of missing values, if the options allow them
	// ("spec.authentication.headers.X-Secret").
	Placeholders []string
}

// Clone returns a copy that shares no map or slice with s.
func (s Spec) Clone() Spec {
	s.Events = slices.Clone(s.Events)
	s.Headers = maps.Clone(s.Headers)
	s.QueryParams = maps.Clone(s.QueryParams)
	s.Auth = AuthNames{Headers: slices.Clone(s.Auth.Headers), QueryParams: slices.Clone(s.Auth.QueryParams)}
	s.Unknown = maps.Clone(s.Unknown)
	return s
}

// HeaderKey returns the form in which header names are compared: ASCII letters in
// lower case, all other characters unchanged. Bytes that are not UTF-8 become
// U+FFFD, as in the canonical form.
func HeaderKey(name string) string {
	plain := true
	for i := 0; i < len(name) && plain; i++ {
		plain = name[i] < utf8.RuneSelf && (name[i] < 'A' || name[i] > 'Z')
	}
	if plain { // true for most names
		return name
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, name)
}

// HeaderValue returns a header's value without outer white space, which a transport
// may add or drop.
func HeaderValue(value string) string { return strings.Trim(value, " \t") }

// Without returns the names of a that b lacks. Header names are compared regardless
// of case.
func (a AuthNames) Without(b AuthNames) AuthNames {
	has := func(list []string, name string) bool {
		return slices.ContainsFunc(list, func(other string) bool { return HeaderKey(other) == HeaderKey(name) })
	}
	var out AuthNames
	for _, name := range a.Headers {
		if !has(b.Headers, name) {
			out.Headers = append(out.Headers, name)
		}
	}
	for _, name := range a.QueryParams {
		if !slices.Contains(b.QueryParams, name) {
			out.QueryParams = append(out.QueryParams, name)
		}
	}
	return out
}
