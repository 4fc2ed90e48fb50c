package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// DefaultMaxDeletes limits deletes if neither the config file nor a flag sets a
// limit.
const DefaultMaxDeletes = "30%"

// Loosening is a guard of a config file that became weaker.
type Loosening struct {
	// Project is empty if the change affects all projects.
	Project string
	// What names the config key. Text describes the change.
	What, Text string
}

// CompareConfigs lists the guards that are weaker now than before. Either file may be nil:
// it is absent. Guards that became stronger are omitted. [Compare] also compares the
// .sops.yaml files.
func CompareConfigs(before, now *File) []Loosening {
	l := &guardDiff{}
	switch {
	case before == nil && now == nil:
		return nil
	case now == nil:
		return []Loosening{{What: "config file", Text: "was removed, and with it all that it guards"}}
	case before == nil:
		l.addLoosening("", "config file", "is new: there was none to compare it with, so all of it is to be reviewed")
		// Only the keys that allow something are named.
		before = &File{Owner: now.Owner, Archive: now.Archive, Audit: now.Audit, Destinations: now.Destinations}
		for _, p := range now.Projects {
			before.Projects = append(before.Projects, Project{Name: p.Name, Rules: p.Rules, TokenEnv: p.TokenEnv})
		}
	}
	l.compareOwners(before, now)
	l.compareDestinations(before, now)
	for _, s := range now.KeyServices {
		if !slices.Contains(before.KeyServices, s) {
			l.addLoosening("", "keyServices", strconv.Quote(s)+" was added: rule files may have it called")
		}
	}
	if now.ArchiveIsDurable && !before.ArchiveIsDurable {
		l.addLoosening("", "archiveIsDurable", "became true: under CI, a delete may store its history on the runner's disk")
	}
	l.compareLocation("archive", before.Archive, now.Archive, "rules can be deleted, and their histories go there", "histories of deleted rules go elsewhere")
	l.compareLocation("audit", before.Audit, now.Audit, "the record begins anew there", "the record goes elsewhere")
	l.compareAllProjects(before, now)
	return l.list
}

type guardDiff struct{ list []Loosening }

func (l *guardDiff) addLoosening(project, what, text string) {
	l.list = append(l.list, Loosening{Project: project, What: what, Text: text})
}

func describeChange(before, now string) string {
	if now == "" {
		return strconv.Quote(before) + " was removed"
	}
	return strconv.Quote(before) + " became " + strconv.Quote(now)
}

// compareLocation compares a storage location. set describes the effect of setting it, and
// moved the effect of changing or removing it.
func (l *guardDiff) compareLocation(key, before, now, set, moved string) {
	switch {
	case before == now:
	case before == "":
		l.addLoosening("", key, strconv.Quote(now)+" was set: "+set)
	default:
		l.addLoosening("", key, describeChange(before, now)+": "+moved)
	}
}

// compareAllProjects compares each project with the project of the same name.
func (l *guardDiff) compareAllProjects(before, now *File) {
	for i := range before.Projects {
		if name := before.Projects[i].Name; now.Project(name) == nil {
			l.addLoosening("", "projects", strconv.Quote(name)+" was removed: its rules are not compared with their files any more")
		}
	}
	for i := range now.Projects {
		l.compareProject(before.Project(now.Projects[i].Name), &now.Projects[i])
	}
}

func (l *guardDiff) compareOwners(before, now *File) {
	switch {
	case now.Owner == before.Owner:
	case before.Owner == "":
		l.addLoosening("", "owner", strconv.Quote(now.Owner)+" was set: live rules of that owner count as ours")
	default:
		l.addLoosening("", "owner", describeChange(before.Owner, now.Owner))
	}
	for _, o := range now.FormerOwners {
		switch {
		case slices.Contains(before.FormerOwners, o):
		case o == before.Owner:
			l.addLoosening("", "formerOwners", strconv.Quote(o)+" was added, the owner until now")
		default:
			l.addLoosening("", "formerOwners", strconv.Quote(o)+" was added: rules of that owner count as ours")
		}
	}
}

func (l *guardDiff) compareDestinations(before, now *File) {
	if len(before.Destinations) == 0 {
		return
	}
	if len(now.Destinations) == 0 {
		l.addLoosening("", "destinations", "was removed: secrets may go to any host")
		return
	}
	for _, d := range now.Destinations {
		if !slices.ContainsFunc(before.Destinations, func(b string) bool { return coversPattern(b, d) }) {
			l.addLoosening("", "destinations", strconv.Quote(d)+" was added: it may receive secrets")
		}
	}
}

// coversPattern reports whether a destination pattern matches everything that another
// pattern matches.
func coversPattern(pattern, other string) bool {
	a, b := webhook.HeaderKey(pattern), webhook.HeaderKey(other)
	if a == b {
		return true
	}
	suffix, ok := strings.CutPrefix(a, "*.")
	if !ok {
		return false
	}
	// A port follows the name in both patterns or in neither.
	return strings.HasSuffix(strings.TrimPrefix(b, "*"), "."+suffix) && b != "*."+suffix
}

// pruneRank orders the modes by how much they delete.
var pruneRank = map[string]int{"": 0, "none": 0, "owned": 1, "all": 2}

func (l *guardDiff) compareProject(before, now *Project) {
	if before == nil {
		l.addLoosening(now.Name, "projects", "is new, with rules "+formatList(now.Rules))
		before = &Project{Rules: now.Rules} // all that it deletes is new
	}
	if !slices.Equal(before.Rules, now.Rules) {
		l.addLoosening(now.Name, "rules", formatList(before.Rules)+" became "+formatList(now.Rules)+": other files define its rules; later layers win")
	}
	if pruneRank[now.Prune] > pruneRank[before.Prune] {
		l.addLoosening(now.Name, "prune", cmp.Or(before.Prune, "none")+" became "+now.Prune)
	}
	a, b := cmp.Or(before.MaxDeletes, DefaultMaxDeletes), cmp.Or(now.MaxDeletes, DefaultMaxDeletes)
	if MayDeleteMore(a, b) {
		l.addLoosening(now.Name, "maxDeletes", a+" became "+b)
	}
	for _, p := range before.Protect {
		if !slices.Contains(now.Protect, p) {
			l.addLoosening(now.Name, "protect", strconv.Quote(p)+" was removed: these rules may be deleted")
		}
	}
	if was, is := cmp.Or(before.TokenEnv, defaultTokenEnv), cmp.Or(now.TokenEnv, defaultTokenEnv); was != is {
		l.addLoosening(now.Name, "tokenEnv", strconv.Quote(was)+" became "+strconv.Quote(is)+": another token is used")
	}
}

// defaultTokenEnv is the variable that contains the token if tokenEnv is absent.
const defaultTokenEnv = "MKIO_TOKEN"

// formatList formats a list of paths as the config file writes it.
func formatList(paths []string) string {
	var out []string
	for _, p := range paths {
		out = append(out, strconv.Quote(p))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// MayDeleteMore reports whether a limit of deletes exceeds another for some number
// of rules. A count and a share can't be compared for all numbers, so a change from
// either to the other is reported.
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
