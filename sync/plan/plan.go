// Package plan compares the rules that the files ask for with the live ones
// and says what apply would do: creates, updates and deletes with their
// reasons, what a guard holds back, and a digest by which a reviewed plan can
// be required later.
//
// It is pure: no clock, no context, no network, no file. Everything it rests
// on comes in as [Input]; everything it says is data, fit for JSON.
package plan

import (
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// FormatVersion is the version of the plan document.
const FormatVersion = 1

// Plan is what apply would do. It holds no secret and no ciphertext, and what
// looks like a credential in it is replaced, so that it may be printed, stored
// and shown in a pull request. Digests are computed before that.
type Plan struct {
	FormatVersion int            `json:"formatVersion"`
	Digest        webhook.Digest `json:"digest"`
	CreatedAt     time.Time      `json:"createdAt"`
	Tool          Tool           `json:"tool"`
	Source        Source         `json:"source"`
	Projects      []Project      `json:"projects"`
	Summary       Summary        `json:"summary"`
	// Base is what a plan loosens against a commit; nil in documents of commands
	// that compare with none.
	Base *Base `json:"base,omitempty"`
	// Checksum is [Plan.Sum], set where the document is written.
	Checksum string `json:"checksum,omitempty"`
}

// Tool is the program that made a document.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Source is the state of the repository that the files came from; Commit is
// empty outside one.
type Source struct {
	Commit string `json:"commit"`
	Dirty  bool   `json:"dirty"`
	// Problem is why commit, or dirty, could not be found out; dirty is true
	// then if the commit is known. Hint is a command that mends it; may be empty.
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// Base says what guards the rules less than in a commit: the config file, and
// the files that say who can read secrets.
type Base struct {
	// Compared is false if no comparison was made; then nothing is known, and
	// Reason says why.
	Compared bool   `json:"compared"`
	Reason   string `json:"reason,omitempty"`
	Commit   string `json:"commit,omitempty"`
	// Loosened is empty if nothing is guarded less, and nil if that is unknown.
	Loosened []Loosening `json:"loosened,omitzero"`
}

// Loosening is one thing that is guarded less than before.
type Loosening struct {
	// Project is empty where it concerns all of them.
	Project string `json:"project,omitempty"`
	What    string `json:"what"`
	Text    string `json:"text"`
}

// String is the loosening in one line.
func (l Loosening) String() string {
	if l.Project == "" {
		return l.What + ": " + l.Text
	}
	return "project " + l.Project + ", " + l.What + ": " + l.Text
}

// Project is the part of a plan that concerns one MK.IO project.
type Project struct {
	Name    string `json:"name"`
	BaseURL string `json:"baseURL"`
	// Owner is empty where ownership is off.
	Owner string   `json:"owner"`
	Paths []string `json:"paths"`
	// Only are the rules that the run looked at, where those are not all.
	Only   []string `json:"only,omitempty"`
	Guards Guards   `json:"guards"`
	// Unreadable is why the project could not be read whole; then nothing in it
	// is changed, and nothing is known of its rules. Empty where it was.
	Unreadable string `json:"unreadable,omitempty"`
	// Changes are sorted by rule name.
	Changes   []Change    `json:"changes"`
	Unmanaged []Unmanaged `json:"unmanaged"`
	// Uncertain are rules without a visible difference of which not all is
	// known; they are neither changes nor in sync.
	Uncertain []Uncertain `json:"unsettled"`
	// Failing are rules whose latest deliveries failed, where that was asked
	// for: no difference, but what a secret broken by hand looks like.
	Failing []Failing `json:"failing,omitempty"`
	// DeliveriesUnknown are the rules of which that was asked for and can't be told.
	DeliveriesUnknown []string `json:"deliveriesUnknown,omitempty"`
	Warnings          []string `json:"warnings"`
	InSync            int      `json:"inSync"`
	// InSyncRules are the desired rules that need no change, by name, for [Narrow];
	// a rule that the run did not look at is nil. It is no part of the document.
	InSyncRules map[string]*webhook.Desired `json:"-"`
}

// Failing is a rule whose latest deliveries failed, as far as one page of its
// history tells.
type Failing struct {
	Rule string `json:"rule"`
	// Records are the failures since the last success; where AtLeast is true,
	// the page held none, and there may be more.
	Records int       `json:"records"`
	AtLeast bool      `json:"atLeast"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
}

// Guards says which guards are in force and which are lifted.
type Guards struct {
	Prune Prune `json:"prune"`
	// InForce and Lifted are in the order of the contract; a lifted guard is
	// named with what lifted it ("take-over=legacy-*").
	InForce []string `json:"inForce"`
	Lifted  []string `json:"lifted"`
	// Settings are what the guards go by.
	Settings Settings `json:"settings"`
}

// Settings are the values that the guards go by. The plan's digest covers each
// of them. Lists are sorted and have each entry once.
type Settings struct {
	FormerOwners []string `json:"formerOwners"`
	// MaxDeletes is a count or a share, as --max-deletes takes it.
	MaxDeletes   string   `json:"maxDeletes"`
	Protect      []string `json:"protect"`
	Destinations []string `json:"destinations"`
	KeyServices  []string `json:"keyServices"`
	// Archive is the location as the config or the flag writes it, so that it is
	// the same on every machine; empty if there is none.
	Archive string `json:"archive"`
}

// Prune says which live rules that no file names are deleted.
type Prune string

// The values of --prune.
const (
	PruneNone  Prune = "none"  // delete nothing
	PruneOwned Prune = "owned" // delete what carries this owner's marker
	PruneAll   Prune = "all"   // delete whatever no other owner's marker protects
)

// Change is a create, update or delete of one rule, with its reasons.
type Change struct {
	Rule      string    `json:"rule"`
	Action    Action    `json:"action"`
	Direction Direction `json:"direction"`
	Auth      AuthState `json:"auth"`
	// Fields are the visible differences, sorted by path, removals first.
	Fields []Field `json:"fields"`
	// Before and After are redacted and without the marker; nil where there
	// is no such rule.
	Before *webhook.Spec `json:"before"`
	After  *webhook.Spec `json:"after"`
	// History is set for a delete once a page of the history was read.
	History *History `json:"history,omitempty"`
	// Blocked is set where a guard holds the change back.
	Blocked *Blocked `json:"blocked,omitempty"`
	// File is empty for a delete.
	File string `json:"file,omitempty"`
	// Over are the files of earlier layers that File is merged over; a saved
	// plan does not tell.
	Over []string `json:"-"`
	// Paused is true of an update of a rule that is as a delete leaves it which
	// did not come to its end; a saved plan does not tell.
	Paused bool `json:"-"`
	// SecretTo is the host (with a port that is not the scheme's own) that
	// receives authentication values by this change, the redacted URL up to its
	// path where no host can be told; empty where none are sent.
	SecretTo string `json:"secretTo,omitempty"`
	// RenameOf is, on a create, the rule whose delete has the same spec, and
	// on that delete the rule created: likely a rename, which loses history.
	RenameOf      string         `json:"renameOf,omitempty"`
	DesiredDigest webhook.Digest `json:"desiredDigest"`
	LiveDigest    webhook.Digest `json:"liveDigest"`
}

// Action is what is done to a rule.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Direction says which side moved since the last apply.
type Direction string

// The directions: contract, section 4.
const (
	DirNew     Direction = "new"     // a file, no live rule (or deleted by hand)
	DirGone    Direction = "gone"    // our marker, no file
	DirPending Direction = "pending" // the files moved on
	DirDrift   Direction = "drift"   // someone changed the live rule
	DirBoth    Direction = "both"    // both sides moved, to different ends
	DirAdopt   Direction = "adopt"   // made elsewhere, now named by a file
	DirUnknown Direction = "unknown" // no owner, so no marker to tell
)

// AuthState says what is known of a rule's authentication values.
type AuthState string

// The auth states.
const (
	AuthNone         AuthState = "none"         // neither side has any
	AuthUnchanged    AuthState = "unchanged"    // the ciphertext is what was last applied
	AuthChanged      AuthState = "changed"      // the ciphertext differs: a rotation
	AuthAdded        AuthState = "added"        // the live rule has none
	AuthRemoved      AuthState = "removed"      // the files have none
	AuthUnverifiable AuthState = "unverifiable" // nothing can be known of the values
)

// Op is how a field differs.
type Op string

// The operations.
const (
	OpAdd     Op = "add"
	OpRemove  Op = "remove"
	OpReplace Op = "replace"
)

// Field is one differing field. Path is dotted below spec
// ("spec.headers.X-Source"), a name with other characters than letters,
// digits, - and _ in brackets and quotes. Values below authentication are
// never there; a value that looks like a credential is [webhook.Redacted].
type Field struct {
	Path   string `json:"path"`
	Op     Op     `json:"op"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// History is what one page of a delivery history told: how many records would
// be archived, and how many of those seen are still on their way.
type History struct {
	Records int `json:"records"`
	Pending int `json:"pending"`
}

// Blocked says which guard holds a change back, why, and what would lift it.
type Blocked struct {
	Guard  Guard  `json:"guard"`
	Reason string `json:"reason"`
	// Lift is the flag that lifts the guard for this change, with its value in
	// the form of a shell word; empty if no flag does, and always empty for the
	// guard destination. See [Blocked.liftedBy].
	Lift string `json:"lift,omitempty"`
	// FromHistory is true if the delivery history gave rise to the block, and no
	// setting did. A history moves by itself, so the digest leaves it out.
	FromHistory bool `json:"fromHistory,omitempty"`
	// Since is true if the block came up in this run, after the review; a saved
	// plan does not tell.
	Since bool `json:"-"`
}

// Guard is the name of a guard: contract, section 6.
type Guard string

// The guards, in the contract's order.
const (
	GuardDeletes     Guard = "too many deletes"
	GuardProtect     Guard = "protect"
	GuardEmpty       Guard = "empty"
	GuardMissingAuth Guard = "missing auth"
	GuardForeign     Guard = "foreign owner"
	GuardDestination Guard = "destination"
	GuardAdopt       Guard = "adopt"
	GuardUnknown     Guard = "unknown field"
	GuardActive      Guard = "live deliveries"
	GuardArchive     Guard = "archive"
	GuardDependence  Guard = "dependence"
	GuardSecret      Guard = "secret missing" // of plan --allow-placeholders: a value is still to come
	GuardRelease     Guard = "release"        // of the release command: the rule is not as its file says
)

// Unmanaged is a live rule that no file names and that is not this owner's to
// prune.
type Unmanaged struct {
	Rule   string          `json:"rule"`
	Reason UnmanagedReason `json:"reason"`
}

// UnmanagedReason says why a rule is left alone.
type UnmanagedReason string

// The reasons.
const (
	ReasonUnmanaged UnmanagedReason = "unmanaged" // no marker
	ReasonForeign   UnmanagedReason = "foreign"   // another owner's marker
	ReasonCopied    UnmanagedReason = "copied"    // a marker made for another rule
	ReasonKept      UnmanagedReason = "kept"      // ours, but this run prunes nothing
)

// Uncertain is a rule without a visible difference of which not all is known.
type Uncertain struct {
	Rule string `json:"rule"`
	// Auth is true where the authentication values can't be verified.
	Auth bool `json:"auth"`
	// Unknown are the paths of fields that this version does not know.
	Unknown []string `json:"unknown,omitempty"`
}

// Summary counts; the actions count blocked changes, too.
type Summary struct {
	Create    int `json:"create"`
	Update    int `json:"update"`
	Delete    int `json:"delete"`
	Blocked   int `json:"blocked"`
	InSync    int `json:"inSync"`
	Unmanaged int `json:"unmanaged"`
}
