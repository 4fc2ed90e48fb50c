package emulator

import (
	"net/http"
	"time"
)

// Capability is a permission of a token, with the name that the service uses.
type Capability string

// The capabilities that the webhook-rules API requires.
const (
	CanGet    Capability = "webhooks.config.get"    // list, get, events
	CanCreate Capability = "webhooks.config.create" // PUT of a new name
	CanUpdate Capability = "webhooks.config.update" // PUT of an existing rule
	CanDelete Capability = "webhooks.config.delete" // DELETE
)

// AllCapabilities returns the capabilities of a token with full access.
func AllCapabilities() []Capability {
	return []Capability{CanGet, CanCreate, CanUpdate, CanDelete}
}

// EmptyMaps is the form in which an empty map reads back.
type EmptyMaps string

// The forms in which an empty map reads back.
const (
	EmptyAbsent EmptyMaps = "absent" // the default: no key
	EmptyNull   EmptyMaps = "null"
	EmptyObject EmptyMaps = "empty" // {}
)

// EventOrder is the order in which the events of a spec read back.
type EventOrder string

// The orders in which the events of a spec read back.
const (
	EventsKept     EventOrder = "kept" // the default: as sent
	EventsSorted   EventOrder = "sorted"
	EventsReversed EventOrder = "reversed"
)

// HeaderCase is the letter case in which header names read back.
type HeaderCase string

// The letter cases in which header names read back.
const (
	CaseKept      HeaderCase = "kept" // the default: as sent
	CaseLower     HeaderCase = "lower"
	CaseCanonical HeaderCase = "canonical"
)

// RulesOrder is the order of the rules in a list without $orderby.
type RulesOrder string

// The orders of the list of rules.
const (
	RulesByName    RulesOrder = "name" // the default
	RulesByCreated RulesOrder = "created"
)

// RecordOrder is the order of a delivery history.
type RecordOrder string

// The orders of a delivery history.
const (
	NewestFirst RecordOrder = "newest" // the default
	OldestFirst RecordOrder = "oldest"
)

// SkipTokens is the kind of token that identifies the next page.
type SkipTokens string

// The kinds of tokens. An offset shifts if earlier records are added or
// deleted; a cursor keeps its position.
const (
	TokenOffset SkipTokens = "offset" // the default
	TokenCursor SkipTokens = "cursor"
)

// UnknownFields is the effect of a PUT with fields of a spec that the vendor's
// document does not name.
type UnknownFields string

// The effects of unknown fields.
const (
	UnknownKept    UnknownFields = "kept" // the default: as a newer API would
	UnknownDropped UnknownFields = "dropped"
	UnknownRefused UnknownFields = "refused" // 400
)

// RetryAfter is the form of the header Retry-After of a 429.
type RetryAfter string

// The forms of Retry-After.
const (
	RetryAbsent  RetryAfter = "absent" // the default: no such header
	RetrySeconds RetryAfter = "seconds"
	RetryDate    RetryAfter = "date"
)

// Limits is the number of requests that a project may make within one window.
// Zero means no limit.
type Limits struct {
	Get, Write int
	// Window is the length of the window; 0 means a minute.
	Window time.Duration
}

// PublishedLimits returns the limits of the service: 2,000 GETs and 1,000
// writes per minute.
func PublishedLimits() Limits { return Limits{Get: 2000, Write: 1000, Window: time.Minute} }

// Options configure the emulated service. The zero value of each field is the
// simplest behaviour. Each behaviour that the documentation leaves open is an
// option, because a client must work with all of them.
type Options struct {
	// Project is the name of the only project; "" means "demo".
	Project string
	// Tokens maps bearer tokens to their capabilities. A request with another
	// token gets a 401.
	Tokens map[string][]Capability
	// Expires maps tokens to their expiry, if they have an expiry. From then on
	// they get a 401.
	Expires map[string]time.Time
	// Now is the clock for expiry, rate limits and new records; nil means
	// [time.Now].
	Now func() time.Time
	// Latency is the delay before each request is handled.
	Latency time.Duration
	// OnRequest is called before each request is handled, also if the request
	// then fails. [Server.OnRequest] replaces it.
	OnRequest func(n int, r *http.Request)

	// RateLimit enables the published limits; Limits replaces them.
	RateLimit  bool
	Limits     *Limits
	RetryAfter RetryAfter

	// PageSize is the length of a page without $top; 0 means 100.
	PageSize int
	// MaxTop limits $top; 0 means 1000.
	MaxTop     int
	SkipTokens SkipTokens
	// ListPaging adds "supplemental" to the list of rules. Without it that list
	// still has a next link if there is another page.
	ListPaging bool
	// WholeList returns all rules in one response with only the key "value".
	WholeList   bool
	RulesOrder  RulesOrder
	RecordOrder RecordOrder
	// NoSupplemental omits "supplemental", and so the total, from histories.
	NoSupplemental bool
	// ReadableRecords is the number of newest records of a history that can be
	// listed; 0 means all. The total counts all records.
	ReadableRecords int

	EmptyMaps  EmptyMaps
	EventOrder EventOrder
	HeaderCase HeaderCase
	// Mask returns the mask of an authentication value for each response; nil
	// means [MaskFixed].
	Mask func(value string) string
	// ExtraFields are added to every spec that is read.
	ExtraFields map[string]any
	// NormaliseURL makes URLs read back in their normal form: scheme and host
	// in lower case, no default port, "/" as path.
	NormaliseURL bool
	// TrimMarker drops the header X-Mkhooks of every PUT.
	TrimMarker bool
	// RefuseHeaders are the names of headers that make a PUT fail with 400.
	RefuseHeaders []string
	UnknownFields UnknownFields
	// NoScheduledEvents refuses the event types of scheduled operations, which
	// not every organization has.
	NoScheduledEvents bool
	// Rewrite, if set, changes each spec that is read, after all other options.
	Rewrite func(name string, spec map[string]any)
	// DeleteMissing404 makes a DELETE of an absent rule return 404 instead of
	// 204.
	DeleteMissing404 bool

	// EchoErrors makes every error repeat the request's body and token in
	// several encodings. Tests use it to check that a client shows neither.
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
