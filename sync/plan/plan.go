// Package plan compares the rules in the files with the live rules and returns
// the changes that apply would make. It covers creates, updates and deletes
// with their reasons, blocked changes, and a digest that can later require a
// reviewed plan.
//
// The package is pure: no clock, no context, no network, no file. All its input
// comes in as [Input]; all its output is data that JSON can hold.
package plan

import (
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// FormatVersion is the version of the plan document.
const FormatVersion = 1

// Plan contains the changes that apply would make. It holds no secret and no
// ciphertext, and values that look like credentials are replaced. So it may be
// printed, stored and shown in a pull request. Digests are computed before
// that.
type Plan struct {
	FormatVersion int            `json:"formatVersion"`
	Digest        webhook.Digest `json:"digest"`
	CreatedAt     time.Time      `json:"createdAt"`
	Tool          Tool           `json:"tool"`
	Source        Source         `json:"source"`
	Projects      []Project      `json:"projects"`
	Summary       Summary        `json:"summary"`
	// Base lists the guards that a plan loosens compared with a commit. It is
	// nil in documents of commands that do not compare.
	Base *Base `json:"base,omitempty"`
	// Checksum is [Plan.ComputeChecksum], set when the document is written.
	Checksum string `json:"checksum,omitempty"`
}

// Tool is the program that made a document.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Source is the state of the files' repository. Commit is empty outside a
// repository.
type Source struct {
	Commit string `json:"commit"`
	Dirty  bool   `json:"dirty"`
	// Problem is why the commit or dirty could not be determined. If only the
	// commit is known, dirty is true. Hint is a command that fixes the problem;
	// may be empty.
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// Base lists the files that guard the rules less than in a commit: the config
// file, and the files that define who can read secrets.
type Base struct {
	// Compared is false if no comparison was made. Nothing is known then, and
	// Reason is the cause.
	Compared bool   `json:"compared"`
	Reason   string `json:"reason,omitempty"`
	Commit   string `json:"commit,omitempty"`
	// Loosened is empty if nothing is guarded less, and nil if that is unknown.
	Loosened []Loosening `json:"loosened,omitzero"`
}

// Loosening is a single item that is guarded less than before.
type Loosening struct {
	// Project is empty if the loosening concerns all projects.
	Project string `json:"project,omitempty"`
	What    string `json:"what"`
	Text    string `json:"text"`
}

// String returns the loosening as a line.
func (l Loosening) String() string {
	if l.Project == "" {
		return l.What + ": " + l.Text
	}
	return "project " + l.Project + ", " + l.What + ": " + l.Text
}

// Project is the part of a plan for one MK.IO project.
type Project struct {
	Name    string `json:"name"`
	BaseURL string `json:"baseURL"`
	// Owner is empty if ownership is off.
	Owner string   `json:"owner"`
	Paths []string `json:"paths"`
	// Only contains the selected rules if the run does not cover all rules.
	Only   []string `json:"only,omitempty"`
	Guards Guards   `json:"guards"`
	// Unreadable is why the project could not be read completely; otherwise
	// empty. An unreadable project has no changes, and nothing is known about
	// its rules.
	Unreadable string `json:"unreadable,omitempty"`
	// Changes are sorted by rule name.
	Changes   []Change    `json:"changes"`
	Unmanaged []Unmanaged `json:"unmanaged"`
	// Uncertain contains rules without a visible difference that have unknown
	// values. They are neither changes nor in sync.
	Uncertain []Uncertain `json:"unsettled"`
	// Failing contains the rules whose latest deliveries failed, if requested.
	// This is not a difference, but a secret broken by hand looks like this.
	Failing []Failing `json:"failing,omitempty"`
	// DeliveriesUnknown are the rules for which Failing was requested but is
	// unknown.
	DeliveriesUnknown []string `json:"deliveriesUnknown,omitempty"`
	Warnings          []string `json:"warnings"`
	InSync            int      `json:"inSync"`
	// InSyncRules maps names to the desired rules that need no change, for
	// [Narrow]. A rule outside the run's selection is nil. It is not part of the
	// document.
	InSyncRules map[string]*webhook.Desired `json:"-"`
}

// Failing is a rule whose latest deliveries failed, according to one page of
// its history.
type Failing struct {
	Rule string `json:"rule"`
	// Records counts the failures since the last success. If AtLeast is true,
	// the page contained no success, and there may be more failures.
	Records int       `json:"records"`
	AtLeast bool      `json:"atLeast"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
}

// Guards lists the guards in force and the lifted guards.
type Guards struct {
	Prune Prune `json:"prune"`
	// InForce and Lifted are in the order of the contract. A lifted guard is
	// listed with its flag ("take-over=legacy-*").
	InForce []string `json:"inForce"`
	Lifted  []string `json:"lifted"`
	// Settings are the settings of the guards.
	Settings Settings `json:"settings"`
}

// Settings are the values on which the guards depend. The plan's digest covers
// all of them. Lists are sorted and have each entry once.
type Settings struct {
	FormerOwners []string `json:"formerOwners"`
	// MaxDeletes is a count or a share, in the form of --max-deletes.
	MaxDeletes   string   `json:"maxDeletes"`
	Protect      []string `json:"protect"`
	Destinations []string `json:"destinations"`
	KeyServices  []string `json:"keyServices"`
	// Archive is the location as the config or the flag writes it, so that it is
	// the same on every machine; empty if there is none.
	Archive string `json:"archive"`
}

// Prune selects which live rules without a file are deleted.
type Prune string

// The values of --prune.
const (
	PruneNone  Prune = "none"  // delete nothing
	PruneOwned Prune = "owned" // delete the rules with this owner's marker
	PruneAll   Prune = "all"   // delete all rules without another owner's marker
)

// Change is a create, update or delete of one rule, with its reasons.
type Change struct {
	Rule      string    `json:"rule"`
	Action    Action    `json:"action"`
	Direction Direction `json:"direction"`
	Auth      AuthState `json:"auth"`
	// Fields are the visible differences, sorted by path, removals first.
	Fields []Field `json:"fields"`
	// Before and After are redacted and have no marker; nil if the rule is
	// absent.
	Before *webhook.Spec `json:"before"`
	After  *webhook.Spec `json:"after"`
	// History is set for a delete after a page of the history was read.
	History *History `json:"history,omitempty"`
	// Blocked is set if a guard blocks the change.
	Blocked *Blocked `json:"blocked,omitempty"`
	// File is empty for a delete.
	File string `json:"file,omitempty"`
	// Over are the files of earlier layers under File in the merge. A saved plan
	// omits them.
	Over []string `json:"-"`
	// Paused is true if an update finds the rule in the state that an
	// interrupted delete leaves. A saved plan omits it.
	Paused bool `json:"-"`
	// SecretTo is the receiver of the authentication values that this change
	// sends: the host, with a port that is not the scheme's default. If the host
	// is ambiguous, it is the redacted URL up to its path. It is empty if the
	// change sends no values.
	SecretTo string `json:"secretTo,omitempty"`
	// RenameOf connects a create and a delete with the same spec: each contains
	// the name of the other rule. They are likely a rename, which loses history.
	RenameOf      string         `json:"renameOf,omitempty"`
	DesiredDigest webhook.Digest `json:"desiredDigest"`
	LiveDigest    webhook.Digest `json:"liveDigest"`
}

// Action is the kind of a change.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Direction is the side that changed since the last apply.
type Direction string

// The directions: contract, section 4.
const (
	DirNew     Direction = "new"     // a file, no live rule (or deleted by hand)
	DirGone    Direction = "gone"    // our marker, no file
	DirPending Direction = "pending" // changed in the files
	DirDrift   Direction = "drift"   // changed live
	DirBoth    Direction = "both"    // changed on both sides, differently
	DirAdopt   Direction = "adopt"   // made elsewhere, now defined by a file
	DirUnknown Direction = "unknown" // no owner, so no marker decides
)

// AuthState describes the authentication values of a rule.
type AuthState string

// The auth states.
const (
	AuthNone         AuthState = "none"         // neither side has values
	AuthUnchanged    AuthState = "unchanged"    // the ciphertext equals the last applied ciphertext
	AuthChanged      AuthState = "changed"      // the ciphertext differs: a rotation
	AuthAdded        AuthState = "added"        // the live rule has no values
	AuthRemoved      AuthState = "removed"      // the files have no values
	AuthUnverifiable AuthState = "unverifiable" // nothing can be known about the values
)

// Op is the kind of a field's difference.
type Op string

// The operations.
const (
	OpAdd     Op = "add"
	OpRemove  Op = "remove"
	OpReplace Op = "replace"
)

// Field is a differing field. Path is dotted below spec
// ("spec.headers.X-Source"). A name with other characters than letters, digits,
// - and _ is in brackets and quotes. Values below authentication never appear.
// A value that looks like a credential is [webhook.Redacted].
type Field struct {
	Path   string `json:"path"`
	Op     Op     `json:"op"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// History contains the facts from one page of a delivery history. Records would
// be archived. Pending counts the records of the page that are in flight.
type History struct {
	Records int `json:"records"`
	Pending int `json:"pending"`
}

// Blocked contains the guard that blocks a change, the reason, and the flag
// that lifts it.
type Blocked struct {
	Guard  Guard  `json:"guard"`
	Reason string `json:"reason"`
	// Lift is the flag that lifts the guard for this change, with its value as a
	// shell word. It is empty if no flag does, and always empty for the guard
	// destination. See [Blocked.liftedBy].
	Lift string `json:"lift,omitempty"`
	// FromHistory is true if the delivery history caused the block, and not a
	// setting. A history changes by itself, so the digest omits such a block.
	FromHistory bool `json:"fromHistory,omitempty"`
	// Since is true if the block arose in this run, after the review. A saved
	// plan omits it.
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
	GuardSecret      Guard = "secret missing" // for plan --allow-placeholders: a value is missing
	GuardRelease     Guard = "release"        // for the release command: the rule differs from its file
)

// Unmanaged is a live rule that no file defines and that this owner must not
// prune.
type Unmanaged struct {
	Rule   string          `json:"rule"`
	Reason UnmanagedReason `json:"reason"`
}

// UnmanagedReason is why a rule is left alone.
type UnmanagedReason string

// The reasons.
const (
	ReasonUnmanaged UnmanagedReason = "unmanaged" // no marker
	ReasonForeign   UnmanagedReason = "foreign"   // another owner's marker
	ReasonCopied    UnmanagedReason = "copied"    // a marker made for another rule
	ReasonKept      UnmanagedReason = "kept"      // ours, but this run prunes nothing
)

// Uncertain is a rule without a visible difference that has unknown values.
type Uncertain struct {
	Rule string `json:"rule"`
	// Auth is true if the authentication values can't be verified.
	Auth bool `json:"auth"`
	// Unknown are the paths of fields that this version does not know.
	Unknown []string `json:"unknown,omitempty"`
}

// Summary counts rules; the actions include blocked changes.
type Summary struct {
	Create    int `json:"create"`
	Update    int `json:"update"`
	Delete    int `json:"delete"`
	Blocked   int `json:"blocked"`
	InSync    int `json:"inSync"`
	Unmanaged int `json:"unmanaged"`
}
