package plan

import (
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Input is everything that a plan of one project rests on.
type Input struct {
	Project, BaseURL string
	// Owner turns markers on; empty leaves them off.
	Owner string
	// FormerOwners are earlier names of the owner: their rules are ours.
	FormerOwners []string
	// Paths are the rule paths as given.
	Paths   []string
	Desired []webhook.Desired
	Live    []webhook.Rule
	Options Options
	// Held are the encrypted values of other projects and of files that Desired
	// does not tell of; nil if there are none.
	Held *Holders
	// Warnings that reading the input gave rise to; they come first.
	Warnings []string

	Now    time.Time
	Tool   Tool
	Source Source
}

// Options are the settings and guards of a run. RULE patterns are as
// [MatchRule] reads them. The zero Options delete nothing and lift no guard.
type Options struct {
	Prune Prune
	// MaxDeletes holds back all deletes of a project above this limit.
	MaxDeletes Limit
	// MaxDeletesLifted is true where --max-deletes set the limit, which then
	// is named among the lifted guards.
	MaxDeletesLifted bool
	Protect          []string
	// Destinations are the hosts that may receive secrets; see
	// [webhook.MatchDestination]. Empty means not set.
	Destinations []string
	// Narrowed are the rules of those files that the run is about, by name; nil
	// means all. A run that looks at a part of the files deletes nothing.
	Narrowed map[string]bool
	// Only are the rules that the run looks at, by name or pattern; empty means
	// all. A run that looks at some deletes nothing, as where it is Narrowed.
	Only []string
	// Several is true where a rule's name could be that of rules in other
	// projects, too: what lifts a guard is then told with the project.
	Several bool
	// ResendAuth sends every rule that has authentication.
	ResendAuth bool

	// KeyServices are the cloud key services that may open files.
	KeyServices []string
	// Archive is the place for archives as it was written; it is shown, and
	// ArchiveSet and the like decide.
	Archive string

	// AllowPlaintextAuth and AllowPlainCredentials say what else was accepted
	// when the files were read.
	AllowPlaintextAuth, AllowPlainCredentials bool

	AllowEmpty        bool
	DropAuth          []string
	TakeOver          []string
	AllowDestinations []string
	Adopt             []string
	DropUnknown       bool
	DeleteActive      bool

	// ArchiveSet is true where a place for archives is given, ArchiveLocal
	// where that is a folder of this machine, ArchiveDurable where the user
	// says that it outlives the machine. CI is true on a CI runner.
	ArchiveSet, ArchiveLocal, ArchiveDurable, CI bool
}

// prune is the mode in force: a narrowed run deletes nothing.
func (o Options) prune() Prune {
	if o.narrowed() || o.Prune == "" {
		return PruneNone
	}
	return o.Prune
}

func (o Options) narrowed() bool { return o.Narrowed != nil || len(o.Only) > 0 }

// Limit is a number of rules, or a share of those this owner owns. The zero
// Limit is none at all.
type Limit struct {
	// Count applies where Percent is 0.
	Count int
	// Percent is 0 to 100; the share is rounded up.
	Percent float64
}
