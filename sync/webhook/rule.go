// Package webhook holds the domain of mkhooks: webhook rules as the files ask
// for them and as MK.IO returns them, the marker by which a rule says who owns
// it, the canonical form that makes two spellings of one rule equal, and the
// digests that are built on it.
//
// It does no I/O and holds no secret: of authentication it knows names only.
package webhook

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// EventType is what a rule subscribes to, as the API spells it.
type EventType string

// EventTypes lists the event types of the Management API v0.19.25, in the
// order of the vendor's document.
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

// Status says how far the delivery of one event has come.
type Status string

// The statuses that the API documents. Pending and Retrying are on their way;
// Failed and Sent are final.
const (
	Pending  Status = "Pending"
	Retrying Status = "Retrying"
	Failed   Status = "Failed"
	Sent     Status = "Sent"
)

// Active reports whether a record with this status may still change. A status
// that this version does not know counts as active, because nothing says that
// it is final.
func (s Status) Active() bool { return s != Failed && s != Sent }

// Event is one record of a rule's delivery history. Records have no id.
type Event struct {
	Created time.Time `json:"created"`
	Source  string    `json:"source"`
	Type    EventType `json:"type"`
	Status  Status    `json:"status"`
}

// Rule is a webhook rule as a file asks for it or as the service returns it.
type Rule struct {
	// ID is metadata.id, given by the service; empty for a rule from a file.
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	Spec Spec   `json:"spec"`
}

// Spec is what a PUT replaces. It holds the names of the authentication
// values and never a value, so it is safe to print once [Spec.Redacted].
type Spec struct {
	URL         string            `json:"url"`
	Enabled     bool              `json:"enabled"`
	Events      []EventType       `json:"events"`
	Headers     map[string]string `json:"headers,omitempty"`
	QueryParams map[string]string `json:"queryParams,omitempty"`
	// Auth is written even when it is empty, so that a reader of the JSON
	// need not tell "no authentication" from "not said".
	Auth AuthNames `json:"authentication"`
	// Unknown holds the fields of a live spec that this version does not
	// know, by their path below spec ("retryPolicy", "authentication.oauth").
	Unknown map[string]json.RawMessage `json:"unknown,omitempty"`
}

// AuthNames are the names of a rule's authentication values, each list sorted.
type AuthNames struct {
	Headers     []string `json:"headers,omitempty"`
	QueryParams []string `json:"queryParams,omitempty"`
}

// Len is the number of authentication values.
func (a AuthNames) Len() int { return len(a.Headers) + len(a.QueryParams) }

// Desired is a rule that the files ask for, and where they do.
type Desired struct {
	Rule
	// AuthDigest is the digest of the ciphertext of spec.authentication.
	// [AuthUnknown] stands for values in clear text, which enter no digest.
	AuthDigest Digest
	// Values are the encrypted values of spec.authentication. They are compared
	// and never printed.
	Values []SealedValue
	// File and Line are where the rule's name stands; Line counts from 1.
	File string
	Line int
	// Over are the files of earlier layers over which File is merged, in the
	// order of the layers; nil where it says the rule alone.
	Over []string
	// Placeholders are the paths of values that are still to come, where the
	// file may wait for them ("spec.authentication.headers.X-Secret").
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

// HeaderKey is the form under which two spellings of a header's name are one:
// ASCII lower case, and nothing else is folded. Bytes that are not UTF-8 become
// U+FFFD, as in the canonical form.
func HeaderKey(name string) string {
	plain := true
	for i := 0; i < len(name) && plain; i++ {
		plain = name[i] < utf8.RuneSelf && (name[i] < 'A' || name[i] > 'Z')
	}
	if plain { // as most are
		return name
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, name)
}

// HeaderValue is a header's value without the outer white space that a
// transport may add or drop.
func HeaderValue(value string) string { return strings.Trim(value, " \t") }

// Without returns the names of a that b does not have, header names compared
// without regard to case.
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
