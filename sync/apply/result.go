// Package apply makes the live rules match a plan. It decrypts everything that it
// will send before the first write, and reads each rule again before it writes. It
// sends creates and updates in parallel. It stores a rule's delivery history before
// it deletes the rule, and reports the result of each change.
package apply

import (
	"net/http"
	"slices"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// FormatVersion is the version of the result document.
const FormatVersion = 1

// Result is the result of a plan.
type Result struct {
	FormatVersion int            `json:"formatVersion"`
	Digest        webhook.Digest `json:"digest"`
	Outcome       Outcome        `json:"outcome"`
	// Unreadable are the projects that could not be read completely, so that
	// nothing in them was changed.
	Unreadable []Unreadable `json:"unreadable,omitempty"`
	// Changes are in the plan's order; each change of the plan occurs once.
	Changes []Change `json:"changes"`
	Summary Summary  `json:"summary"`
	// Warnings concern the run as a whole; each is one line.
	Warnings []string `json:"warnings"`
	// ProjectWarnings concern one project each; [JoinResults] makes lines of them. They
	// are not part of the document.
	ProjectWarnings []Warning `json:"-"`
	// Audit names the audit log of the run; nil if the run is not recorded.
	Audit *Audit `json:"audit,omitempty"`
	// Order are the projects of the plan, in its order; not part of the document.
	Order []string `json:"-"`
}

// Warning is one line about the run of one project.
type Warning struct{ Project, Text string }

// Unreadable is a project that could not be read completely, with the reason.
type Unreadable struct {
	Project string `json:"project"`
	Message string `json:"message"`
}

// Audit names the audit log of a run.
type Audit struct {
	File string `json:"file"`
	// Head is the SHA-256 of the log's last line. Kept elsewhere, it reveals a log
	// that was cut or rewritten.
	Head string `json:"head"`
}

// Outcome is the run in one word.
type Outcome string

// The outcomes.
const (
	Applied     Outcome = "applied"     // every requested change was done
	Nothing     Outcome = "nothing"     // nothing had to be done
	Partial     Outcome = "partial"     // some was applied, some failed or is unverified
	Refused     Outcome = "refused"     // nothing failed, but a change is blocked or stale, or the answer was no
	Failed      Outcome = "failed"      // something failed and nothing was applied
	Interrupted Outcome = "interrupted" // stopped by a signal
)

// Status is the result of one change in one word.
type Status string

// The statuses.
const (
	StatusApplied    Status = "applied"    // done, and the service kept the sent rule
	StatusDone       Status = "done"       // already as desired when it was read again
	StatusUnverified Status = "unverified" // written, but the service kept something else, or the result is unknown
	StatusFailed     Status = "failed"
	StatusBlocked    Status = "blocked" // by a guard
	StatusStale      Status = "stale"   // the live rule differs from the rule in the plan
	StatusSkipped    Status = "skipped" // not attempted: the run was stopped before it
)

// Change is the result of one planned change.
type Change struct {
	Project string      `json:"project"`
	Rule    string      `json:"rule"`
	Action  plan.Action `json:"action"`
	Status  Status      `json:"status"`
	// HTTPStatus is the status of the write's last response; 0 without a response.
	HTTPStatus int `json:"httpStatus,omitempty"`
	// Ref is the service's reference for its support.
	Ref string `json:"ref,omitempty"`
	// SecretTo is the host that the change sends authentication values to, as in
	// the plan; empty if it sends none.
	SecretTo string `json:"secretTo,omitempty"`
	// Attempts counts the requests of the write itself, retries included.
	Attempts int `json:"attempts"`
	// Archive is set for a delete whose history was stored, also if the delete then
	// did not happen.
	Archive *archive.Receipt `json:"archive,omitempty"`
	// Blocked is the guard of a blocked change.
	Blocked *plan.Blocked `json:"blocked,omitempty"`
	// Left is the live rule that a delete paused without reaching the DELETE; nil
	// otherwise.
	Left  *Left  `json:"left,omitempty"`
	Error *Error `json:"error,omitempty"`

	// lost is true if an attempt may have taken effect without a response.
	lost bool
	// wrote is true if a write took effect although the change is unfinished: the
	// pause of a delete.
	wrote bool
}

// Wrote reports whether a write of the run took effect. If so, it is never true
// that nothing was applied.
func (r *Result) Wrote() bool {
	return r.Outcome == Partial || r.Summary.Applied+r.Summary.Unverified > 0 || slices.ContainsFunc(r.Changes, func(c Change) bool {
		return c.wrote || c.Left != nil && !c.Left.Earlier && c.Left.Uncertain != StepPause
	})
}

// InDoubt reports whether the write may have taken effect although it counts as
// failed, stale or skipped: the response is missing or leaves that open.
func (c *Change) InDoubt() bool {
	if c.Left != nil && c.Left.Uncertain != "" {
		return true
	}
	if c.Status != StatusFailed || c.Attempts == 0 || c.Error == nil {
		return false
	}
	switch c.Error.Kind {
	case KindInterrupted, KindNetwork:
		return true
	}
	return c.lost || c.HTTPStatus >= 500 || c.Attempts > 1 && c.HTTPStatus != http.StatusTooManyRequests
}

// Error gives in one line the reason why a change is not applied.
type Error struct {
	Kind    ErrorKind `json:"kind"`
	Message string    `json:"message"`
	// Hint is the next step; may be empty.
	Hint string `json:"hint,omitempty"`
}

// ErrorKind groups errors for programs.
type ErrorKind string

// The kinds of errors.
const (
	KindService     ErrorKind = "service"     // the service refused, or its response can't be read
	KindNetwork     ErrorKind = "network"     // no response
	KindArchive     ErrorKind = "archive"     // the complete history could not be stored
	KindStale       ErrorKind = "stale"       // another client changed the rule
	KindUnverified  ErrorKind = "unverified"  // the service kept something else
	KindInterrupted ErrorKind = "interrupted" // stopped by a signal
	KindGuard       ErrorKind = "guard"       // blocked
	KindAudit       ErrorKind = "audit"       // the audit log could not be written, so the write was not made
	KindInternal    ErrorKind = "internal"    // a fault in mkhooks
)

// NamesResponse reports whether the message has the status and the reference of
// the response, if there was one: that of a request that failed does.
func (e *Error) NamesResponse() bool { return e.Kind == KindService || e.Kind == KindNetwork }

// Summary counts the changes by status.
type Summary struct {
	Applied    int `json:"applied"`
	Done       int `json:"done"`
	Unverified int `json:"unverified"`
	Failed     int `json:"failed"`
	Blocked    int `json:"blocked"`
	Stale      int `json:"stale"`
	Skipped    int `json:"skipped"`
}
