package report

import (
	"io"
	"strings"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// PlanText writes a plan for reading. It shows the head and the changes of each
// project, then the other rules, and the totals. o.Drift selects words for
// readers who ask which side changed.
func PlanText(w io.Writer, doc *plan.Plan, o TextOptions) error {
	p := newPrinter(o)
	p.printLoosened(doc.Base)
	p.printSource(doc.Source)
	p.printHosts(planReceivers(doc), p.hostWords())
	var still []string
	for i := range doc.Projects {
		if len(doc.Projects) > 1 && !p.Verbose && isQuiet(&doc.Projects[i]) {
			still = append(still, quoteName(doc.Projects[i].Name))
			continue
		}
		p.printBlank()
		p.printProject(&doc.Projects[i])
	}
	if len(still) > 0 {
		p.printBlank()
		p.printLine(0, 2, textSpan(countNoun(len(still), "project", "projects")+" without a difference: "+p.joinSome(still, maxNames)))
	}
	p.printBlank()
	p.printPlanSum(doc)
	p.printNext(o.Next)
	return p.flush(w)
}

// printProject prints the part of a project.
func (p *printer) printProject(project *plan.Project) {
	p.printHead(project)
	if project.Unreadable != "" {
		p.printLine(2, 4, blockedSign, styledSpan("could not be read, so nothing in it is known or changed", styleRed))
		p.printMessage(project.Unreadable)
		return
	}
	p.printChanges(project)
	p.printUnmanaged(project.Unmanaged)
	p.printUnsettled(project.Uncertain)
	p.printFailing(project.Failing)
	if len(project.Warnings) > 0 {
		p.printBlank()
		p.printWarnings(project.Warnings)
	}
}

// isQuiet reports whether a project, among several, has nothing to report.
func isQuiet(p *plan.Project) bool {
	return p.Unreadable == "" && len(p.Changes)+len(p.Unmanaged)+len(p.Uncertain)+len(p.Failing)+len(p.Warnings)+len(p.Guards.Lifted) == 0
}

// printNext prints the next command lines, each on a line to be pasted.
func (p *printer) printNext(commands []string) {
	for _, c := range commands {
		p.printUnwrapped(0, styledSpan("Next: ", styleBold), textSpan(c))
	}
}

// printLoosened lists the guards that are weaker than in the base. It comes first
// because it changes the value of the rest.
func (p *printer) printLoosened(base *plan.Base) {
	switch {
	case base == nil:
		return
	case !base.Compared:
		p.printLine(0, 2, textSpan(notCompared(base)+"."))
		return
	case len(base.Loosened) == 0:
		p.printLine(0, 2, textSpan("Against commit "+shortCommit(base.Commit)+", the config file and .sops.yaml loosen nothing."))
		return
	}
	p.printLine(0, 2, styledSpan("Against commit "+shortCommit(base.Commit)+", this loosens what protects the rules:", styleBlock))
	for _, l := range base.Loosened {
		p.printLine(2, 4, solidSpan("- ", styleNone), textSpan(l.String()))
	}
}

// notCompared returns the message that the loosenings are unknown.
func notCompared(base *plan.Base) string {
	return "Config file and .sops.yaml: not compared with another commit, because " + base.Reason
}

// printSource prints why the commit of the files is unknown.
func (p *printer) printSource(s plan.Source) {
	if s.Problem == "" {
		return
	}
	line := "Commit not known for sure: " + s.Problem
	if s.Hint != "" {
		line += "; run " + s.Hint // a saved plan may be from anyone, so the hint is not offered for pasting
	}
	p.printLine(0, 2, styledSpan(line, styleYellow))
}

// printHosts names the receivers of secrets, before text that could push them out of
// sight.
func (p *printer) printHosts(r receivers, words [3]string) {
	for _, line := range r.hostLines(words, 0, Escape) {
		p.printLine(0, 2, textSpan(line))
	}
}

// shortCommit returns the part of a commit that people read.
func shortCommit(commit string) string { return commit[:min(len(commit), 12)] }

// printHead prints the location, the owner, the guards in force and the lifted
// guards: the rest depends on them.
func (p *printer) printHead(project *plan.Project) {
	owner := "no owner"
	if project.Owner != "" {
		owner = "owner " + quoteName(project.Owner)
	}
	about := ", " + owner + ", prune " + string(project.Guards.Prune)
	if len(project.Paths) > 0 {
		about += ", files " + p.joinNames(project.Paths, maxPaths)
	}
	if len(project.Only) > 0 {
		about += ", only " + p.joinNames(project.Only, maxNames)
	}
	p.printLine(0, 2, textSpan("Project "), styledSpan(quoteName(project.Name), styleBold), textSpan(" at "+serviceHost(project.BaseURL)+about))
	p.printLine(0, 2, textSpan("Guards in force: "+p.guardWords(project.Guards.GuardsInForce())))
	if len(project.Guards.Lifted) > 0 {
		p.printLine(0, 2, styledSpan("Guards lifted: --"+strings.Join(project.Guards.Lifted, ", --"), styleYellow))
	}
	if p.Drift && len(project.Changes) > 0 {
		p.printLine(0, 2, textSpan("Signs and values go from live to file: what apply would do."))
	}
}

// serviceHost returns the part of a base URL that identifies a service, without https.
func serviceHost(baseURL string) string {
	return strings.TrimSuffix(strings.TrimPrefix(baseURL, "https://"), "/")
}

// guards are in force unless lifted, in the contract's order. protect is only
// in force for given names.
var guards = []plan.Guard{
	plan.GuardDeletes, plan.GuardEmpty, plan.GuardMissingAuth, plan.GuardForeign, plan.GuardDestination,
	plan.GuardAdopt, plan.GuardUnknown, plan.GuardActive, plan.GuardArchive, plan.GuardDependence,
}

// guardWords describes the guards: as "all", or all but a few, with the settings
// that some have. Verbose lists each guard.
func (p *printer) guardWords(inForce []plan.GuardInForce) string {
	there := map[plan.Guard]bool{}
	var all, settings, missing []string
	for _, g := range inForce {
		there[g.Guard] = true
		all = append(all, g.String())
		if g.Setting != "" {
			settings = append(settings, g.String())
		}
	}
	for _, g := range guards {
		if !there[g] {
			missing = append(missing, string(g))
		}
	}
	if p.Verbose {
		return strings.Join(all, ", ")
	}
	out := "all"
	if len(missing) > 0 {
		out += " but " + strings.Join(missing, ", ")
	}
	if len(settings) > 0 {
		out += ", among them " + strings.Join(settings, ", ")
	}
	return out
}

// orWords returns s, or words if s is empty.
func orWords(s, words string) string {
	if s == "" {
		return words
	}
	return s
}

// The largest numbers of names in a list unless all are requested.
const (
	maxNames = 5
	maxPaths = 3
)

// joinNames lists names, at most limit of them, and counts the rest.
func (p *printer) joinNames(all []string, limit int) string {
	shown := make([]string, 0, len(all))
	for _, n := range all {
		shown = append(shown, quoteName(n))
	}
	return p.joinSome(shown, limit)
}

func (p *printer) joinSome(all []string, limit int) string {
	if p.Verbose || len(all) <= limit+1 { // "and 1 more" is no shorter than a name
		return strings.Join(all, ", ")
	}
	return strings.Join(all[:limit], ", ") + " and " + formatCount(len(all)-limit) + " more"
}

// group is a line of rules with the same reason.
type group struct {
	why   string
	rules []string
}

func (g group) label() string { return formatCount(len(g.rules)) + " " + g.why }

// printGroups prints the groups that have rules, aligned, below a title.
func (p *printer) printGroups(title string, groups []group) {
	wide := 0
	for _, g := range groups {
		if len(g.rules) > 0 {
			wide = max(wide, countColumns(g.label()))
		}
	}
	if wide == 0 {
		return
	}
	p.printBlank()
	p.printLine(0, 2, textSpan(title))
	for _, g := range groups {
		if len(g.rules) > 0 {
			p.printLine(2, 2+wide+2, solidSpan(pad(g.label(), wide)+"  ", styleNone), textSpan(p.joinSome(g.rules, maxNames)))
		}
	}
}

// reasons describes why a rule is left alone.
var reasons = []struct {
	reason plan.UnmanagedReason
	words  string
}{
	{plan.ReasonUnmanaged, "without a marker"},
	{plan.ReasonForeign, "of other owners"},
	{plan.ReasonCopied, "with a copied marker"},
	{plan.ReasonKept, "ours, but nothing is pruned"},
}

func (p *printer) printUnmanaged(rules []plan.Unmanaged) {
	var groups []group
	for _, r := range reasons {
		g := group{why: r.words}
		for _, u := range rules {
			if u.Reason == r.reason {
				g.rules = append(g.rules, quoteName(u.Rule))
			}
		}
		groups = append(groups, g)
	}
	p.printGroups("Unmanaged: live rules that no file names, left alone", groups)
}

func (p *printer) printUnsettled(rules []plan.Uncertain) {
	auth, unknown := group{why: "whose secret can't be verified"}, group{why: "with unknown fields"}
	for _, u := range rules {
		if u.Auth {
			auth.rules = append(auth.rules, quoteName(u.Rule))
		}
		if len(u.Unknown) > 0 {
			unknown.rules = append(unknown.rules, quoteName(u.Rule)+" ("+strings.Join(u.Unknown, ", ")+")")
		}
	}
	p.printGroups("Unsettled: no difference seen, but not all is known", []group{auth, unknown})
}

func (p *printer) printWarnings(warnings []string) {
	for _, w := range warnings {
		p.printLine(0, 2, solidSpan("warning: ", styleYellow), textSpan(w))
	}
}

// printPlanSum prints the totals and the digest of the plan.
func (p *printer) printPlanSum(doc *plan.Plan) {
	unsettled := 0
	blocked := map[plan.Action]int{}
	for _, project := range doc.Projects {
		unsettled += len(project.Uncertain)
		for _, c := range project.Changes {
			if c.Blocked != nil {
				blocked[c.Action]++
			}
		}
	}
	var rest countList
	rest.addCount(doc.Summary.InSync, "in sync")
	rest.addCount(unsettled, "unsettled")
	rest.addCount(doc.Summary.Unmanaged, "unmanaged")
	unread := len(doc.UnreadableProjects())
	rest.addCount(unread, pluralOf(unread, "project", "projects")+" could not be read")
	if !doc.HasDifferences() {
		nothing := styledSpan("Nothing to do", styleGreen)
		if p.Drift {
			nothing = styledSpan("No difference", styleGreen)
		}
		if unread > 0 {
			nothing = styledSpan("No difference where it could be looked", styleYellow)
		}
		p.printLine(0, 2, nothing, textSpan(": "+orWords(rest.String(), "no rule in the files, and no live one")+"."))
		return
	}
	if p.Drift {
		p.printLine(0, 2, styledSpan("Drift: ", styleBold), textSpan(append(driftCounts(doc), rest...).String()+"."))
		if p.Exit != "" {
			p.printLine(0, 2, textSpan(p.Exit))
		}
		return
	}
	var todo countList
	for _, a := range []struct {
		action plan.Action
		n      int
	}{{plan.Create, doc.Summary.Create}, {plan.Update, doc.Summary.Update}, {plan.Delete, doc.Summary.Delete}} {
		what := "to " + string(a.action)
		if n := blocked[a.action]; n > 0 {
			what += " (" + formatCount(n) + " blocked)"
		}
		todo.addCount(a.n, what)
	}
	p.printLine(0, 2, styledSpan("Plan: ", styleBold), textSpan(append(todo, rest...).String()+"."))
	p.printLine(0, 2, styledSpan("Digest "+string(doc.Digest), styleDim))
}

// driftCounts counts differences by the side that changed.
func driftCounts(doc *plan.Plan) countList {
	by := map[plan.Direction]int{}
	for _, project := range doc.Projects {
		for _, c := range project.Changes {
			by[c.Direction]++
		}
	}
	var out countList
	out.addCount(by[plan.DirDrift], "drifted")
	out.addCount(by[plan.DirPending]+by[plan.DirNew]+by[plan.DirGone]+by[plan.DirAdopt], "pending")
	out.addCount(by[plan.DirBoth], "on both sides")
	out.addCount(by[plan.DirUnknown], "of unknown direction")
	return out
}
