package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// DefaultMaxDeletes is the limit of deletes where nothing else is said.
const DefaultMaxDeletes = "30%"

// Loosening is one thing that a config file guards less than another.
type Loosening struct {
	// Project is empty where it concerns all of them.
	Project string
	// What is the key of the config file, Text what became of it.
	What, Text string
}

// Loosened says what now guards less than before. Either may be nil: there is
// no config file. What is guarded more is not told.
func Loosened(before, now *File) []Loosening {
	switch {
	case before == nil && now == nil:
		return nil
	case now == nil:
		return []Loosening{{What: "config file", Text: "was removed, and with it all that it guards"}}
	case before == nil:
		// Without one there was nothing to loosen but what it newly allows.
		before = &File{Owner: now.Owner, Archive: now.Archive}
	}
	l := &loosened{}
	l.owners(before, now)
	l.hosts(before, now)
	for _, s := range now.KeyServices {
		if !slices.Contains(before.KeyServices, s) {
			l.add("", "keyServices", strconv.Quote(s)+" was added: rule files may have it called")
		}
	}
	if now.ArchiveIsDurable && !before.ArchiveIsDurable {
		l.add("", "archiveIsDurable", "became true: under CI, a delete may store its history on the runner's disk")
	}
	if before.Archive != "" && now.Archive != before.Archive {
		l.add("", "archive", changed(before.Archive, now.Archive)+": histories of deleted rules go elsewhere")
	}
	if before.Audit != "" && now.Audit != before.Audit {
		l.add("", "audit", changed(before.Audit, now.Audit)+": the record goes elsewhere")
	}
	for i := range now.Projects {
		l.project(before.Project(now.Projects[i].Name), &now.Projects[i])
	}
	return l.list
}

type loosened struct{ list []Loosening }

func (l *loosened) add(project, what, text string) {
	l.list = append(l.list, Loosening{Project: project, What: what, Text: text})
}

func changed(before, now string) string {
	if now == "" {
		return strconv.Quote(before) + " was removed"
	}
	return strconv.Quote(before) + " became " + strconv.Quote(now)
}

func (l *loosened) owners(before, now *File) {
	if before.Owner != "" && now.Owner != before.Owner {
		l.add("", "owner", changed(before.Owner, now.Owner))
	}
	for _, o := range now.FormerOwners {
		switch {
		case slices.Contains(before.FormerOwners, o):
		case o == before.Owner:
			l.add("", "formerOwners", strconv.Quote(o)+" was added, the owner until now")
		default:
			l.add("", "formerOwners", strconv.Quote(o)+" was added: rules of that owner count as ours")
		}
	}
}

func (l *loosened) hosts(before, now *File) {
	if len(before.Destinations) == 0 {
		return
	}
	if len(now.Destinations) == 0 {
		l.add("", "destinations", "was removed: secrets may go to any host")
		return
	}
	for _, d := range now.Destinations {
		if !slices.ContainsFunc(before.Destinations, func(b string) bool { return covers(b, d) }) {
			l.add("", "destinations", strconv.Quote(d)+" was added: it may receive secrets")
		}
	}
}

// covers reports whether all that a destination pattern matches is matched by
// another one.
func covers(pattern, other string) bool {
	a, b := webhook.HeaderKey(pattern), webhook.HeaderKey(other)
	if a == b {
		return true
	}
	suffix, ok := strings.CutPrefix(a, "*.")
	if !ok {
		return false
	}
	// A port stands behind the name in both, or in neither.
	return strings.HasSuffix(strings.TrimPrefix(b, "*"), "."+suffix) && b != "*."+suffix
}

// pruneRank orders the modes by how much they delete.
var pruneRank = map[string]int{"": 0, "none": 0, "owned": 1, "all": 2}

func (l *loosened) project(before, now *Project) {
	if before == nil {
		before = &Project{} // all that it deletes is new
	}
	if pruneRank[now.Prune] > pruneRank[before.Prune] {
		l.add(now.Name, "prune", cmp.Or(before.Prune, "none")+" became "+now.Prune)
	}
	a, b := cmp.Or(before.MaxDeletes, DefaultMaxDeletes), cmp.Or(now.MaxDeletes, DefaultMaxDeletes)
	if MayDeleteMore(a, b) {
		l.add(now.Name, "maxDeletes", a+" became "+b)
	}
	for _, p := range before.Protect {
		if !slices.Contains(now.Protect, p) {
			l.add(now.Name, "protect", strconv.Quote(p)+" was removed: these rules may be deleted")
		}
	}
	if before.TokenEnv != "" && now.TokenEnv != before.TokenEnv {
		l.add(now.Name, "tokenEnv", changed(before.TokenEnv, now.TokenEnv)+": another token is used")
	}
}

// MayDeleteMore reports whether a limit of deletes is, for some number of
// rules, above another. A count and a share can't be compared for all, so that
// either way is told.
func MayDeleteMore(before, now string) bool {
	a, shareA := strings.CutSuffix(before, "%")
	b, shareB := strings.CutSuffix(now, "%")
	if shareA != shareB {
		return b != "0"
	}
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	return errA != nil || errB != nil || y > x
}
