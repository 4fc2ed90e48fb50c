package apply

import (
	"context"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Deps are the dependencies of a run. A zero field means the default that its
// comment states.
type Deps struct {
	// Client talks to the project that is applied.
	Client *mkio.Client
	// Secrets decrypts sealed authentication. It may be nil if no change sends
	// authentication.
	Secrets Decrypter
	// Archive stores histories before a delete; nil blocks every delete.
	Archive archive.Store
	// Audit records every write, before and after it; nil disables it.
	Audit AuditLog
	// Now is the clock of manifests; nil means [time.Now].
	Now func() time.Time
	// Concurrency is the most changes in parallel; 0 means 16.
	Concurrency int
	// Drain limits how long a delete waits for records in flight, and how long for
	// a history that changes while it is read. 0: read once, do not wait.
	Drain time.Duration
	// After waits, as [time.After] does; nil means [time.After].
	After func(time.Duration) <-chan time.Time
	// NoPause leaves a rule enabled while its history is stored.
	NoPause bool
	// DeleteActive also deletes while records are in flight.
	DeleteActive bool
	// By, Host and Commit are the person, the machine and the commit of the files,
	// for manifests. They may be empty.
	By, Host, Commit string
	// Finished receives each change when it has ended, one call at a time in each
	// project; nil disables it.
	Finished func(Change)
}

const defaultConcurrency = 16

func (d Deps) withDefaults() Deps {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.After == nil {
		d.After = time.After
	}
	if d.Concurrency <= 0 {
		d.Concurrency = defaultConcurrency
	}
	return d
}

// Decrypter decrypts the complete authentication of one rule and checks it. Its
// errors hold no value.
type Decrypter interface {
	Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error)
}

// Rule is a desired rule of the files, with its sealed authentication.
type Rule struct {
	webhook.Desired
	Sealed secrets.Sealed
}

// AuditLog records every write.
type AuditLog interface {
	// Intent is called before a write leaves. An error stops that write.
	Intent(ctx context.Context, w Write) error
	// Result is called after the write, also if it failed.
	Result(ctx context.Context, w Write, d WriteResult) error
	// Step is called after a step of a delete that writes nothing.
	Step(ctx context.Context, w Write, d WriteResult) error
}

// Step is one of the steps of a change.
type Step string

// The steps that write; each has an intent and a result.
const (
	StepPut     Step = "put"     // the desired rule
	StepKept    Step = "kept"    // the rule again, with the digest of the service's spelling in the marker
	StepPause   Step = "pause"   // a rule that is to be deleted
	StepArchive Step = "archive" // its history, into the store
	StepDelete  Step = "delete"
)

// The steps of a delete that write nothing. [StepArchive] is also such a step if
// nothing can be stored.
const (
	StepRead    Step = "read"    // read the rule, before any other step
	StepWait    Step = "wait"    // wait for records in flight
	StepHistory Step = "history" // the history was read to its end, and read back from the store
	StepLook    Step = "look"    // read again, directly before an attempt to delete
	StepNote    Step = "note"    // the note of what a pause removes was stored in the archive
	StepLeft    Step = "left"    // the delete ended, and the rule may be paused
)

// Write is a write about to be made, or a step.
type Write struct {
	Project, Rule string
	Action        plan.Action
	Step          Step
	// Before is the live digest that is the precondition of the write. After is the
	// wanted digest: the desired digest, or [webhook.Absent].
	Before, After webhook.Digest
	// AuthRemoved are the auth values that a pause takes out of the rule, by path:
	// "headers.X-Webhook-Secret".
	AuthRemoved []string
}

// WriteResult is the result of a write or a step.
type WriteResult struct {
	HTTPStatus, Attempts int
	Ref                  string
	// Live is the digest of the rule in the service's response; empty if unknown.
	Live webhook.Digest
	// Records counts the records of the history, Active the records in flight. nil
	// means not counted.
	Records, Active *int
	Archive         *archive.Receipt
	// Left is the rule that an unfinished delete left behind.
	Left  *Left
	Error *Error
}
