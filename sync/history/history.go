// Package history sums up delivery histories: how many records of each status
// and type, how many deliveries failed in a row, and how they spread over time.
//
// It is pure: pages come in one by one and are not kept, so a history of any
// length takes the same memory. It reads nothing and prints nothing.
package history

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// FormatVersion is the version of the history document.
const FormatVersion = 1

// Document is what is known of the delivery histories of a project. It holds
// no secret; what looks like a credential in it is replaced.
type Document struct {
	FormatVersion int       `json:"formatVersion"`
	CreatedAt     time.Time `json:"createdAt"`
	Tool          Tool      `json:"tool"`
	Project       string    `json:"project"`
	BaseURL       string    `json:"baseURL"`
	// Since is the beginning of what was looked at; nil means all.
	Since *time.Time `json:"since,omitempty"`
	// FailOn is what the run was asked to alert on, if at all.
	FailOn FailOn `json:"failOn,omitempty"`
	// Records are there where they were asked for, in the service's order.
	Records []Record `json:"records,omitempty"`
	Rules   []Rule   `json:"rules"`
	Summary Summary  `json:"summary"`
}

// Tool is the program that made a document.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Summary counts over all rules of a document.
type Summary struct {
	Rules int `json:"rules"`
	// Errors are the rules whose history could not be read, or not stored.
	Errors  int `json:"errors"`
	Failing int `json:"failing"`
	// Alerts are the rules for which FailOn holds.
	Alerts int `json:"alerts"`
	// Undecided are the rules of which it is not known whether a record failed;
	// those with an error are not among them.
	Undecided int    `json:"undecided"`
	Records   int    `json:"records"`
	Status    Counts `json:"status"`
}

// Record is one record of a history.
type Record struct {
	Rule    string            `json:"rule"`
	Created time.Time         `json:"created"`
	Type    webhook.EventType `json:"type"`
	Status  webhook.Status    `json:"status"`
	Source  string            `json:"source"`
}

// RecordOf is a record as it may be shown.
func RecordOf(rule string, e webhook.Event) Record {
	return Record{Rule: rule, Created: e.Created, Type: e.Type, Status: e.Status, Source: webhook.RedactURL(webhook.RedactValue("", e.Source))}
}

// Rule is what is known of one rule's history. Counts are of the records that
// were looked at.
type Rule struct {
	Rule    string `json:"rule"`
	Enabled bool   `json:"enabled"`
	State   State  `json:"state"`
	// Error says why the history could not be read to its end, or not stored;
	// counts are of what was read.
	Error string `json:"error,omitempty"`
	// NotWhole says why records may be missing or counted twice.
	NotWhole string `json:"notWhole,omitempty"`
	// Undecided says why it is not known whether a record failed, although the
	// history was read: records may be missing, or have no status or time that
	// says so.
	Undecided string `json:"undecided,omitempty"`
	// Alert is true where FailOn holds for the rule.
	Alert   bool        `json:"alert"`
	Order   Order       `json:"order"`
	Records int         `json:"records"`
	Status  Counts      `json:"status"`
	Types   []TypeCount `json:"types"`
	First   *time.Time  `json:"first,omitempty"`
	Last    *time.Time  `json:"last,omitempty"`
	// LastStatus is that of the last record.
	LastStatus webhook.Status `json:"lastStatus,omitempty"`
	// SuccessRate is Sent / (Sent + Failed); nil where nothing has ended.
	SuccessRate *float64 `json:"successRate,omitempty"`
	// LongestFailure is the longest run of failures without a success between
	// them, and Failing the one that still goes on. Both need an order.
	LongestFailure *Run      `json:"longestFailure,omitempty"`
	Failing        *Run      `json:"failing,omitempty"`
	Timeline       *Timeline `json:"timeline,omitempty"`
	Archive        *Archive  `json:"archive,omitempty"`
}

// Archive is a stored copy of a rule's whole history.
type Archive struct {
	// Location is where the records are.
	Location string `json:"location"`
	Records  int    `json:"records"`
	SHA256   string `json:"sha256"`
	// Active are the records that were still on their way when they were stored.
	Active int `json:"active"`
}

// State is a rule's history in a word.
type State string

// The states. All but the first three say what the last record is.
const (
	StateUnreadable State = "unreadable"
	StateEmpty      State = "empty"   // no record in the time that was looked at
	StateFailing    State = "failing" // what ended last is Failed
	StateRetrying   State = "retrying"
	StatePending    State = "pending"
	StateOther      State = "other" // a status that this version does not know
	StateSent       State = "sent"
)

// Order is in which order the service listed the records.
type Order string

// The orders. UnknownOrder is that of records of one time.
const (
	NewestFirst  Order = "newest"
	OldestFirst  Order = "oldest"
	MixedOrder   Order = "mixed"
	UnknownOrder Order = "unknown"
)

// Counts are records by their status.
type Counts struct {
	Sent     int `json:"sent"`
	Failed   int `json:"failed"`
	Retrying int `json:"retrying"`
	Pending  int `json:"pending"`
	// Other are those with a status that this version does not know.
	Other int `json:"other"`
}

// add counts n records of a status.
func (c *Counts) add(s webhook.Status) {
	switch s {
	case webhook.Sent:
		c.Sent++
	case webhook.Failed:
		c.Failed++
	case webhook.Retrying:
		c.Retrying++
	case webhook.Pending:
		c.Pending++
	default:
		c.Other++
	}
}

func (c *Counts) addAll(o Counts) {
	c.Sent += o.Sent
	c.Failed += o.Failed
	c.Retrying += o.Retrying
	c.Pending += o.Pending
	c.Other += o.Other
}

// Active are the records that may still change.
func (c Counts) Active() int { return c.Retrying + c.Pending + c.Other }

// TypeCount counts the records of one event type.
type TypeCount struct {
	Type    webhook.EventType `json:"type"`
	Records int               `json:"records"`
	Failed  int               `json:"failed"`
}

// Run is a number of failures in a row, and their time.
type Run struct {
	Records int       `json:"records"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
}

// FailOn says which records are an alert.
type FailOn string

// The values of --fail-on.
const (
	OnFailed   FailOn = "failed"   // a record that is Failed
	OnRetrying FailOn = "retrying" // one that is Failed or Retrying
)

// holds reports whether the records are an alert.
func (f FailOn) holds(c Counts) bool {
	return f != "" && c.Failed > 0 || f == OnRetrying && c.Retrying > 0
}

// Close fills in what follows from the rules: alerts and sums.
func (d *Document) Close() {
	d.Summary = Summary{Rules: len(d.Rules)}
	for i := range d.Rules {
		r := &d.Rules[i]
		r.Alert = d.FailOn.holds(r.Status)
		if r.Error != "" {
			d.Summary.Errors++
		}
		if r.Undecided != "" {
			d.Summary.Undecided++
		}
		if r.State == StateFailing {
			d.Summary.Failing++
		}
		if r.Alert {
			d.Summary.Alerts++
		}
		d.Summary.Records += r.Records
		d.Summary.Status.addAll(r.Status)
	}
}

// SortWorstFirst orders rules by what a reader must see first: what could not
// be read, then what fails now and for how long, then the share that failed,
// then what is retried.
func SortWorstFirst(rules []Rule) {
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(
			compareBool(a.Error != "", b.Error != ""),
			compareBool(a.State == StateFailing, b.State == StateFailing),
			cmp.Compare(b.failing(), a.failing()),
			cmp.Compare(a.rate(), b.rate()),
			cmp.Compare(b.Status.Retrying, a.Status.Retrying),
			strings.Compare(a.Rule, b.Rule),
		)
	})
}

// SortByName orders rules by name.
func SortByName(rules []Rule) {
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.Rule, b.Rule) })
}

// compareBool puts what is true first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (r *Rule) failing() int {
	if r.Failing == nil {
		return 0
	}
	return r.Failing.Records
}

// rate is the success rate; 1 where nothing has ended.
func (r *Rule) rate() float64 {
	if r.SuccessRate == nil {
		return 1
	}
	return *r.SuccessRate
}
