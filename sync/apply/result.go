// Package apply makes the live rules match a plan: it reads each rule again
// before it writes, decrypts everything that it will send before the first
// write, sends creates and updates side by side, stores a rule's delivery
// history before it deletes the rule, and says of each change what became of
// it.
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

// Result is what became of a plan.
type Result struct {
	FormatVersion int            `json:"formatVersion"`
	Digest        webhook.Digest `json:"digest"`
	Outcome       Outcome        `json:"outcome"`
	// Unreadable are the projects that could not be read whole, so that nothing
	// in them was changed.
	Unreadable []Unreadable `json:"unreadable,omitempty"`
	// Changes are in the plan's order, every change of it once.
	Changes []Change `json:"changes"`
	Summary Summary  `json:"summary"`
	// Warnings concern the run as a whole; each is one line.
	Warnings []string `json:"warnings"`
	// Audit is where the run is recorded; nil where it is not.
	Audit *Audit `json:"audit,omitempty"`
	// Order are the projects of the plan, in its order; no part of the document.
	Order []string `json:"-"`
}

// Unreadable is a project that could not be read whole, and why.
type Unreadable struct {
	Project string `json:"project"`
	Message string `json:"message"`
}

// Audit is where a run is recorded.
type Audit struct {
	File string `json:"file"`
	// Head is the SHA-256 of the record's last line: kept elsewhere, it shows
	// when the record is cut or rewritten.
	Head string `json:"head"`
}

// Outcome is the run in one word.
type Outcome string

// The outcomes.
const (
	Applied     Outcome = "applied"     // everything asked for was done
	Nothing     Outcome = "nothing"     // there was nothing to do
	Partial     Outcome = "partial"     // some was applied, some failed or is unverified
	Refused     Outcome = "refused"     // nothing failed, but a change is blocked or stale, or the answer was no
	Failed      Outcome = "failed"      // something failed and nothing was applied
	Interrupted Outcome = "interrupted" // stopped by a signal
)

// Status is what became of one change.
type Status string

// The statuses.
const (
	StatusApplied    Status = "applied"    // done, and the service kept what was sent
	StatusDone       Status = "done"       // already as desired when it was looked at again
	StatusUnverified Status = "unverified" // written, but the service kept something else, or nothing is known of it
	StatusFailed     Status = "failed"
	StatusBlocked    Status = "blocked" // held back by a guard
	StatusStale      Status = "stale"   // the live rule is no longer what the plan saw
	StatusSkipped    Status = "skipped" // not tried: the run was stopped before it
)

// Change is what became of one planned change.
type Change struct {
	Project string      `json:"project"`
	Rule    string      `json:"rule"`
	Action  plan.Action `json:"action"`
	Status  Status      `json:"status"`
	// HTTPStatus is that of the write's last answer; 0 where there was none.
	HTTPStatus int `json:"httpStatus,omitempty"`
	// Ref is the service's reference for its support.
	Ref string `json:"ref,omitempty"`
	// SecretTo is the host that the change sends authentication values to, as in
	// the plan; empty if it sends none.
	SecretTo string `json:"secretTo,omitempty"`
	// Attempts counts the requests of the write itself, retries included.
	Attempts int `json:"attempts"`
	// Archive is set for a delete whose history was stored, also where the
	// delete then did not happen.
	Archive *archive.Receipt `json:"archive,omitempty"`
	// Blocked is the guard of a blocked change.
	Blocked *plan.Blocked `json:"blocked,omitempty"`
	// Left is the live rule that a delete left behind which paused it and did
	// not come to the DELETE; nil if none did.
	Left  *Left  `json:"left,omitempty"`
	Error *Error `json:"error,omitempty"`

	// lost is true where an attempt may have taken effect without an answer.
	lost bool
	// wrote is true if a write of the change took effect although it did not
	// come to its end: the pause of a delete.
	wrote bool
}

// Wrote reports whether a write of the run took effect. It is then never true
// that nothing was applied.
func (r *Result) Wrote() bool {
	return r.Outcome == Partial || r.Summary.Applied+r.Summary.Unverified > 0 || slices.ContainsFunc(r.Changes, func(c Change) bool {
		return c.wrote || c.Left != nil && !c.Left.Earlier && c.Left.Uncertain != StepPause
	})
}

// InDoubt reports whether the write may have taken effect although it counts as
// failed, stale or skipped: no answer came, or one that does not tell.
func (c *Change) InDoubt() bool {
	if c.Left != nil && c.Left.Uncertain == StepPause {
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

// Error says in one line why a change is not simply applied.
type Error struct {
	Kind    ErrorKind `json:"kind"`
	Message string    `json:"message"`
	// Hint is what to do next; may be empty.
	Hint string `json:"hint,omitempty"`
}

// ErrorKind groups errors for programs.
type ErrorKind string

// The kinds of errors.
const (
	KindService     ErrorKind = "service"     // the service refused, or its answer can't be read
	KindNetwork     ErrorKind = "network"     // no answer
	KindArchive     ErrorKind = "archive"     // the history could not be stored whole
	KindStale       ErrorKind = "stale"       // someone else changed the rule
	KindUnverified  ErrorKind = "unverified"  // the service kept something else
	KindInterrupted ErrorKind = "interrupted" // stopped by a signal
	KindGuard       ErrorKind = "guard"       // held back
	KindAudit       ErrorKind = "audit"       // the record could not be written, so the write was not made
	KindInternal    ErrorKind = "internal"    // a fault in mkhooks
)

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
