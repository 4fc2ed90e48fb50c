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

// Deps is what a run needs. The zero value of a field is the default it names.
type Deps struct {
	// Client talks to the project that is applied.
	Client *mkio.Client
	// Secrets opens sealed authentication; not needed where none is sent.
	Secrets Decrypter
	// Archive is where histories go before a delete; nil blocks every delete.
	Archive archive.Store
	// Audit is told of every write, before and after it; nil means nobody is.
	Audit AuditLog
	// Now is the clock of manifests; nil means [time.Now].
	Now func() time.Time
	// Concurrency is the most changes side by side; 0 means 16.
	Concurrency int
	// Drain limits how long a delete waits for records in flight, and how long
	// for a history that moves while it is read. 0: read once, do not wait.
	Drain time.Duration
	// After waits, as [time.After] does; nil means [time.After].
	After func(time.Duration) <-chan time.Time
	// NoPause leaves a rule enabled while its history is stored.
	NoPause bool
	// DeleteActive deletes also while deliveries are on their way.
	DeleteActive bool
	// By, Host and Commit are who runs this, where, and the commit of the
	// files, for manifests; they may be empty.
	By, Host, Commit string
	// Finished is told of each change when it has ended, one at a time in each
	// project; nil means nobody is.
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

// Decrypter opens the authentication of one rule, whole and checked. Its
// errors hold no value.
type Decrypter interface {
	Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error)
}

// Rule is a rule that the files ask for, with its sealed authentication.
type Rule struct {
	webhook.Desired
	Sealed secrets.Sealed
}

// AuditLog keeps a record of every write.
type AuditLog interface {
	// Intent is called before a write leaves. An error stops that write.
	Intent(ctx context.Context, w Write) error
	// Result is called after it, also where it failed.
	Result(ctx context.Context, w Write, d WriteResult) error
	// Step is called after a step of a delete that writes nothing.
	Step(ctx context.Context, w Write, d WriteResult) error
}

// Step is one of the steps that a change consists of.
type Step string

// The steps that write; each has an intent and a result.
const (
	StepPut     Step = "put"     // the desired rule
	StepKept    Step = "kept"    // once more, with what the service made of it in the marker
	StepPause   Step = "pause"   // a rule that is to be deleted
	StepArchive Step = "archive" // its history, into the store
	StepDelete  Step = "delete"
)

// The steps of a delete that write nothing; [StepArchive] is one, too, where
// nothing can be stored.
const (
	StepRead    Step = "read"    // the rule, before anything is done to it
	StepWait    Step = "wait"    // deliveries are on their way
	StepHistory Step = "history" // was read to its end, and read back from the store
	StepLook    Step = "look"    // once more, directly before an attempt to delete
	StepNote    Step = "note"    // what a pause takes away was stored in the archive
	StepLeft    Step = "left"    // the delete ended, and the rule may be paused
)

// Write is a write about to be made, or a step.
type Write struct {
	Project, Rule string
	Action        plan.Action
	Step          Step
	// Before is the live digest that the write rests on, After that of what
	// is wanted: the desired digest, or [webhook.Absent].
	Before, After webhook.Digest
	// AuthRemoved are the auth values that a pause takes out of the rule, by
	// path: "headers.X-Webhook-Secret".
	AuthRemoved []string
}

// WriteResult is what came of a write or a step.
type WriteResult struct {
	HTTPStatus, Attempts int
	Ref                  string
	// Live is the digest of the rule as the service answered it; empty where
	// that is not known.
	Live webhook.Digest
	// Records counts those of the history, Active those on their way; nil
	// where nobody looked.
	Records, Active *int
	Archive         *archive.Receipt
	// Left is the rule that an unfinished delete left behind.
	Left  *Left
	Error *Error
}
