package emulator

import (
	"net/http"
	"time"
)

// Capability is what a token may do, as the service names it.
type Capability string

// The capabilities that the webhook-rules API asks for.
const (
	CanGet    Capability = "webhooks.config.get"    // list, get, events
	CanCreate Capability = "webhooks.config.create" // PUT of a name that is free
	CanUpdate Capability = "webhooks.config.update" // PUT of a rule that exists
	CanDelete Capability = "webhooks.config.delete" // DELETE
)

// AllCapabilities returns what a token with full access may do here.
func AllCapabilities() []Capability {
	return []Capability{CanGet, CanCreate, CanUpdate, CanDelete}
}

// EmptyMaps says how a map without entries reads back.
type EmptyMaps string

// The ways in which an empty map reads back.
const (
	EmptyAbsent EmptyMaps = "absent" // the default: not at all
	EmptyNull   EmptyMaps = "null"
	EmptyObject EmptyMaps = "empty" // {}
)

// EventOrder says in which order the events of a spec read back.
type EventOrder string

// The orders in which the events of a spec read back.
const (
	EventsKept     EventOrder = "kept" // the default: as they were sent
	EventsSorted   EventOrder = "sorted"
	EventsReversed EventOrder = "reversed"
)

// HeaderCase says how header names read back.
type HeaderCase string

// The spellings in which header names read back.
const (
	CaseKept      HeaderCase = "kept" // the default: as they were sent
	CaseLower     HeaderCase = "lower"
	CaseCanonical HeaderCase = "canonical"
)

// RulesOrder says in which order the rules are listed without $orderby.
type RulesOrder string

// The orders of the list of rules.
const (
	RulesByName    RulesOrder = "name" // the default
	RulesByCreated RulesOrder = "created"
)

// RecordOrder says in which order a delivery history is listed.
type RecordOrder string

// The orders of a delivery history.
const (
	NewestFirst RecordOrder = "newest" // the default
	OldestFirst RecordOrder = "oldest"
)

// SkipTokens says what the token of a next page stands for.
type SkipTokens string

// The kinds of tokens. An offset moves when records come or go in front of it;
// a cursor stays where it was.
const (
	TokenOffset SkipTokens = "offset" // the default
	TokenCursor SkipTokens = "cursor"
)

// UnknownFields says what a PUT does with fields of a spec that the document
// does not name.
type UnknownFields string

// What becomes of unknown fields.
const (
	UnknownKept    UnknownFields = "kept" // the default: as a newer API would
	UnknownDropped UnknownFields = "dropped"
	UnknownRefused UnknownFields = "refused" // 400
)

// RetryAfter says which form the header Retry-After of a 429 has.
type RetryAfter string

// The forms of Retry-After.
const (
	RetryAbsent  RetryAfter = "absent" // the default: no such header
	RetrySeconds RetryAfter = "seconds"
	RetryDate    RetryAfter = "date"
)

// Limits are the requests that a project may make within one window. Zero
// means no limit.
type Limits struct {
	Get, Write int
	// Window is the time they count in; 0 is a minute.
	Window time.Duration
}

// PublishedLimits are those of the service: 2,000 GETs and 1,000 writes in a
// minute.
func PublishedLimits() Limits { return Limits{Get: 2000, Write: 1000, Window: time.Minute} }

// Options say what the emulated service is like. The zero value of each field
// is the plainest behaviour; what the documentation leaves open is an option,
// because a client must work with every answer to it.
type Options struct {
	// Project is the one project that exists; "" is "demo".
	Project string
	// Tokens holds the bearer tokens and what each may do. Any other is 401.
	Tokens map[string][]Capability
	// Expires holds the end of life of tokens that have one; from then on
	// they are 401.
	Expires map[string]time.Time
	// Now is the clock of expiry, rate limits and new records; nil is
	// [time.Now].
	Now func() time.Time
	// Latency is waited before each request is handled.
	Latency time.Duration
	// OnRequest is called before each request is handled, whatever comes of
	// it; see [Server.OnRequest], which replaces it.
	OnRequest func(n int, r *http.Request)

	// RateLimit turns the published limits on; Limits puts others in their
	// place.
	RateLimit  bool
	Limits     *Limits
	RetryAfter RetryAfter

	// PageSize is the length of a page without $top; 0 is 100.
	PageSize int
	// MaxTop caps $top; 0 is 1000.
	MaxTop     int
	SkipTokens SkipTokens
	// ListPaging puts "supplemental" on the list of rules. Without it that
	// list still has a next link where there is another page.
	ListPaging bool
	// WholeList returns all rules at once, as "value" and nothing else.
	WholeList   bool
	RulesOrder  RulesOrder
	RecordOrder RecordOrder
	// NoSupplemental leaves "supplemental", and so the total, off histories.
	NoSupplemental bool
	// ReadableRecords is how many of the newest records of a history can be
	// listed, while its total counts all; 0 is all.
	ReadableRecords int

	EmptyMaps  EmptyMaps
	EventOrder EventOrder
	HeaderCase HeaderCase
	// Mask stands for an authentication value in each answer; nil is
	// [MaskFixed].
	Mask func(value string) string
	// ExtraFields are added to every spec that is read.
	ExtraFields map[string]any
	// NormaliseURL reads URLs back in their normal form: scheme and host in
	// lower case, no default port, "/" as path.
	NormaliseURL bool
	// TrimMarker loses the header X-Mkhooks of every PUT.
	TrimMarker bool
	// RefuseHeaders are the names of headers with which a PUT is 400.
	RefuseHeaders []string
	UnknownFields UnknownFields
	// NoScheduledEvents refuses the event types of scheduled operations,
	// which not every organization has.
	NoScheduledEvents bool
	// Rewrite, where set, changes each spec that is read, last of all.
	Rewrite func(name string, spec map[string]any)
	// DeleteMissing404 answers 404 instead of 204 to a DELETE that finds
	// nothing.
	DeleteMissing404 bool

	// EchoErrors has every error repeat the request's body and the token in
	// several encodings, so that a test can see whether a client lets them
	// through.
	EchoErrors bool
}

func (o Options) withDefaults() Options {
	if o.Project == "" {
		o.Project = "demo"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PageSize <= 0 {
		o.PageSize = 100
	}
	if o.MaxTop <= 0 {
		o.MaxTop = 1000
	}
	if o.Mask == nil {
		o.Mask = MaskFixed
	}
	if o.Limits == nil && o.RateLimit {
		l := PublishedLimits()
		o.Limits = &l
	}
	return o
}
