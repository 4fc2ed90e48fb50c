// Package history summarizes delivery histories: the number of records by
// status and type, the runs of failures, and the distribution over time.
//
// The package is pure: it reads and prints nothing. It does not keep the pages,
// so the memory does not grow with the length of a history.
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

// Document summarizes the delivery histories of a project. It holds no secret:
// a value that looks like a credential is replaced.
type Document struct {
	FormatVersion int       `json:"formatVersion"`
	CreatedAt     time.Time `json:"createdAt"`
	Tool          Tool      `json:"tool"`
	Project       string    `json:"project"`
	BaseURL       string    `json:"baseURL"`
	// Since is the beginning of the inspected time; nil means all time.
	Since *time.Time `json:"since,omitempty"`
	// FailOn selects the records that alert; empty means no alerts.
	FailOn FailOn `json:"failOn,omitempty"`
	// Records are in the service's order. They are empty unless requested.
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
	// Errors counts the rules whose history could not be read or stored.
	Errors  int `json:"errors"`
	Failing int `json:"failing"`
	// Alerts counts the rules for which FailOn holds.
	Alerts int `json:"alerts"`
	// Undecided counts the rules for which it is unknown whether a record
	// failed. Rules with an error do not count.
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

// RecordOf returns a record that may be shown: its source is redacted.
func RecordOf(rule string, e webhook.Event) Record {
	return Record{Rule: rule, Created: e.Created, Type: e.Type, Status: e.Status, Source: webhook.RedactURL(webhook.RedactValue("", e.Source))}
}

// Rule summarizes the history of a rule. Its counts cover the inspected
// records.
type Rule struct {
	Rule    string `json:"rule"`
	Enabled bool   `json:"enabled"`
	State   State  `json:"state"`
	// Error is why the history could not be read to its end or stored. The
	// counts cover the records that were read.
	Error string `json:"error,omitempty"`
	// NotWhole is why records may be missing or counted twice.
	NotWhole string `json:"notWhole,omitempty"`
	// Undecided is why it is unknown whether a record failed, although the
	// history was read. Records may be missing, or have no known status or no
	// time.
	Undecided string `json:"undecided,omitempty"`
	// Alert is true if FailOn holds for the rule.
	Alert   bool        `json:"alert"`
	Order   Order       `json:"order"`
	Records int         `json:"records"`
	Status  Counts      `json:"status"`
	Types   []TypeCount `json:"types"`
	First   *time.Time  `json:"first,omitempty"`
	Last    *time.Time  `json:"last,omitempty"`
	// LastStatus is the status of the last record.
	LastStatus webhook.Status `json:"lastStatus,omitempty"`
	// SuccessRate is Sent / (Sent + Failed); nil if no delivery has ended.
	SuccessRate *float64 `json:"successRate,omitempty"`
	// LongestFailure is the longest run of failures without a success in
	// between. Failing is the run of failures that has not ended. Both are
	// nil if the order is mixed.
	LongestFailure *Run      `json:"longestFailure,omitempty"`
	Failing        *Run      `json:"failing,omitempty"`
	Timeline       *Timeline `json:"timeline,omitempty"`
	Archive        *Archive  `json:"archive,omitempty"`
}

// Archive is a stored copy of a rule's complete history.
type Archive struct {
	// Location is the location of the records.
	Location string `json:"location"`
	Records  int    `json:"records"`
	SHA256   string `json:"sha256"`
	// Active counts the records that were in flight when they were stored.
	Active int `json:"active"`
}

// State classifies a rule's history.
type State string

// The states. All but the first three describe the last record.
const (
	StateUnreadable State = "unreadable"
	StateEmpty      State = "empty"   // no record in the inspected time
	StateFailing    State = "failing" // the delivery that ended last is Failed
	StateRetrying   State = "retrying"
	StatePending    State = "pending"
	StateOther      State = "other" // the status is unknown to this version
	StateSent       State = "sent"
)

// Order is the order in which the service listed the records.
type Order string

// The orders. UnknownOrder means that all records have the same time.
const (
	NewestFirst  Order = "newest"
	OldestFirst  Order = "oldest"
	MixedOrder   Order = "mixed"
	UnknownOrder Order = "unknown"
)

// Counts counts records by status.
type Counts struct {
	Sent     int `json:"sent"`
	Failed   int `json:"failed"`
	Retrying int `json:"retrying"`
	Pending  int `json:"pending"`
	// Other counts the records with a status unknown to this version.
	Other int `json:"other"`
}

// addStatus counts a record by its status.
func (c *Counts) addStatus(s webhook.Status) {
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

// Active returns the number of records that may still change.
func (c Counts) Active() int { return c.Retrying + c.Pending + c.Other }

// TypeCount counts the records of an event type.
type TypeCount struct {
	Type    webhook.EventType `json:"type"`
	Records int               `json:"records"`
	Failed  int               `json:"failed"`
}

// Run is a number of failures in a row, with their first and last time.
type Run struct {
	Records int       `json:"records"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
}

// FailOn selects the records that alert.
type FailOn string

// The values of --fail-on.
const (
	OnFailed   FailOn = "failed"   // a Failed record
	OnRetrying FailOn = "retrying" // a Failed or Retrying record
)

// isAlert reports whether the records alert.
func (f FailOn) isAlert(c Counts) bool {
	return f != "" && c.Failed > 0 || f == OnRetrying && c.Retrying > 0
}

// Summarize computes the alerts and the summary from the rules.
func (d *Document) Summarize() {
	d.Summary = Summary{Rules: len(d.Rules)}
	for i := range d.Rules {
		r := &d.Rules[i]
		r.Alert = d.FailOn.isAlert(r.Status)
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

// SortWorstFirst sorts rules by urgency. Rules with an error come first, then
// failing rules by the number of failures. The others follow by failure rate,
// then by the number of retried records, then by name.
func SortWorstFirst(rules []Rule) {
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(
			compareBool(a.Error != "", b.Error != ""),
			compareBool(a.State == StateFailing, b.State == StateFailing),
			cmp.Compare(b.failingRecords(), a.failingRecords()),
			cmp.Compare(a.successRate(), b.successRate()),
			cmp.Compare(b.Status.Retrying, a.Status.Retrying),
			strings.Compare(a.Rule, b.Rule),
		)
	})
}

// SortByName sorts rules by name.
func SortByName(rules []Rule) {
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.Rule, b.Rule) })
}

// compareBool orders true before false.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (r *Rule) failingRecords() int {
	if r.Failing == nil {
		return 0
	}
	return r.Failing.Records
}

// successRate returns the success rate, or 1 if no delivery has ended.
func (r *Rule) successRate() float64 {
	if r.SuccessRate == nil {
		return 1
	}
	return *r.SuccessRate
}
