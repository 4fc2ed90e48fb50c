package plan

import (
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Input contains everything that determines the plan of a project.
type Input struct {
	Project, BaseURL string
	// Owner enables markers; empty disables them.
	Owner string
	// FormerOwners are earlier names of the owner, whose rules count as ours.
	FormerOwners []string
	// Paths are the rule paths as given.
	Paths   []string
	Desired []webhook.Desired
	Live    []webhook.Rule
	Options Options
	// Held indexes the encrypted values of other projects and of files that
	// Desired does not cover; nil if there are none.
	Held *Holders
	// Warnings are the warnings from reading the input; they come first.
	Warnings []string

	Now    time.Time
	Tool   Tool
	Source Source
}

// Options are the settings and guards of a run. [MatchRule] defines RULE
// patterns. The zero Options delete nothing and lift no guard.
type Options struct {
	Prune Prune
	// MaxDeletes blocks all deletes of a project above this limit.
	MaxDeletes Limit
	// MaxDeletesLifted is true if --max-deletes set the limit. The limit is then
	// listed among the lifted guards.
	MaxDeletesLifted bool
	Protect          []string
	// Destinations are the hosts that may receive secrets; see
	// [webhook.MatchDestination]. Empty means not set.
	Destinations []string
	// Narrowed contains the names of the rules in the selected files; nil means
	// all. A run on a part of the files deletes nothing.
	Narrowed map[string]bool
	// Only contains names or patterns of the selected rules; empty means all.
	// Such a run also deletes nothing.
	Only []string
	// Several is true if other projects may have a rule of the same name. Flags
	// that lift a guard then contain the project.
	Several bool
	// ResendAuth sends every rule that has authentication.
	ResendAuth bool

	// KeyServices are the cloud key services that may decrypt files.
	KeyServices []string
	// Archive is the archive location as written, for display. ArchiveSet and
	// the following fields decide.
	Archive string

	// AllowPlaintextAuth and AllowPlainCredentials are relaxations that applied
	// when the files were read.
	AllowPlaintextAuth, AllowPlainCredentials bool

	AllowEmpty        bool
	DropAuth          []string
	TakeOver          []string
	AllowDestinations []string
	Adopt             []string
	DropUnknown       bool
	DeleteActive      bool

	// ArchiveSet is true if an archive location is given. ArchiveLocal: it is a
	// directory of this machine. ArchiveDurable: the user declares that it
	// outlives the machine. CI: this is a CI runner.
	ArchiveSet, ArchiveLocal, ArchiveDurable, CI bool
}

// pruneMode returns the mode in force: a narrowed run deletes nothing.
func (o Options) pruneMode() Prune {
	if o.isNarrowed() || o.Prune == "" {
		return PruneNone
	}
	return o.Prune
}

func (o Options) isNarrowed() bool { return o.Narrowed != nil || len(o.Only) > 0 }

// Limit is a number of rules, or a share of the rules of this owner. The zero
// Limit allows none.
type Limit struct {
	// Count applies if Percent is 0.
	Count int
	// Percent is 0 to 100; the share is rounded up.
	Percent float64
}
