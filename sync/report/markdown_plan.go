package report

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/fair"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// PlanMarkdown writes a plan for a pull request. It shows the totals, the
// lifted guards, a table of the changes, and the blocked changes with their
// guards. The fields of each change are folded.
func PlanMarkdown(w io.Writer, doc *plan.Plan, o MarkdownOptions) error {
	m := planMarkdown{printer: newPrinter(TextOptions{Drift: o.Drift, Advice: o.Advice}), several: len(doc.Projects) > 1}
	changes := 0
	for i := range doc.Projects {
		changes += len(doc.Projects[i].Changes)
	}
	m.open = changes <= maxOpen
	m.addPart(partHead, m.headline(doc, roomFor(o.Limit)))
	var still []string
	var shown []*plan.Project
	for i := range doc.Projects {
		if m.several && isQuiet(&doc.Projects[i]) {
			still = append(still, doc.Projects[i].Name)
			continue
		}
		shown = append(shown, &doc.Projects[i])
	}
	some := m.withRoom(shown, 2*roomFor(o.Limit))
	if n := len(shown) - len(some); n > 0 {
		m.addPart(partHead, "**There is no room here for "+countNoun(n, "more project", "more projects")+" with something to tell.**\n\n")
	}
	for _, p := range some {
		m.addProject(p)
	}
	if len(still) > 0 {
		m.addPart(partTitle, countNoun(len(still), "project", "projects")+" without a difference: "+codes(still, maxList)+"\n\n")
	}
	m.addPart(partHead, nextLines(m.Next)+madeBy(doc))
	return writeAll(w, m.fitParts(o.Limit, o.Show))
}

// withRoom returns the projects whose heads fit in the room. Projects with more
// important changes have priority. The result is in the order of the plan.
func (m *planMarkdown) withRoom(projects []*plan.Project, room int) []*plan.Project {
	order := make([]int, len(projects))
	best := make([]importance, len(projects))
	for i, p := range projects {
		order[i], best[i] = i, otherCreate+1
		if p.Unreadable != "" {
			best[i] = blockedChange
		}
		if all := arrangeChanges(p); len(all) > 0 {
			best[i] = min(best[i], all[0].class)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(best[a], best[b]) })
	for n, i := range order {
		if room -= len(m.projectHead(projects[i])); room < 0 && n > 0 {
			order = order[:n]
			break
		}
	}
	slices.Sort(order)
	out := make([]*plan.Project, 0, len(order))
	for _, i := range order {
		out = append(out, projects[i])
	}
	return out
}

// maxOpen is the largest number of changes whose details are initially open.
const maxOpen = 3

// planMarkdown writes a plan; the printer supplies its words.
type planMarkdown struct {
	*printer
	builder
	several, open bool
}

// headRoom divides a document's limit: the quotient is the room for each list
// in its head, which are the loosenings and the lists of hosts.
const headRoom = 6

func roomFor(limit int) int {
	if limit <= 0 {
		limit = MaxMarkdown
	}
	return limit / headRoom
}

// headline returns the totals, the digest, and facts that must not be
// overlooked. It is never omitted, so room limits each of its lists.
func (m *planMarkdown) headline(doc *plan.Plan, room int) string {
	var b strings.Builder
	b.WriteString("### " + m.planTitle(doc) + "\n\n")
	b.WriteString(loosenedAlert(doc.Base, room))
	b.WriteString(hostParagraphs(planReceivers(doc), m.hostWords(), room))
	b.WriteString("Digest " + code(string(doc.Digest)) + "\n\n")
	return b.String()
}

// hostParagraphs names the hosts that receive secrets, one paragraph a list.
func hostParagraphs(r receivers, words [3]string, room int) string {
	var b strings.Builder
	for i := range words {
		words[i] = "**" + words[i] + "**"
	}
	for _, line := range r.hostLines(words, room, code) {
		b.WriteString(line + "\n\n")
	}
	return b.String()
}

// loosenedAlert lists the guards that are weaker than in the base.
func loosenedAlert(base *plan.Base, room int) string {
	switch {
	case base == nil:
		return ""
	case !base.Compared:
		return prose(notCompared(base)) + ".\n\n"
	case len(base.Loosened) == 0:
		return "Against commit " + code(shortCommit(base.Commit)) + ", the config file and .sops.yaml loosen nothing.\n\n"
	}
	lines := []string{"**Against commit " + code(shortCommit(base.Commit)) + ", this loosens what protects the rules:**"}
	used := 0
	// The file or project in a line must not make it a separate kind. Otherwise
	// 100 new .sops.yaml files would push out the file that adds a reader.
	kind := func(l plan.Loosening) string { return fair.Shape(l.What) + "\x00" + fair.Shape(l.Text) }
	for i, l := range fair.Order(base.Loosened, kind) {
		line := "- " + prose(omitMiddle(l.String()))
		if used += len(line); i > 0 && used > room {
			lines = append(lines, "- and "+formatCount(len(base.Loosened)-i)+" more")
			break
		}
		lines = append(lines, line)
	}
	return alert("CAUTION", lines...)
}

func (m *planMarkdown) planTitle(doc *plan.Plan) string {
	what := "mkhooks plan: "
	if m.Drift {
		what = "mkhooks drift: "
	}
	var unread countList
	n := len(doc.UnreadableProjects())
	unread.addCount(n, pluralOf(n, "project", "projects")+" could not be read")
	if !doc.HasDifferences() {
		switch {
		case n > 0:
			return what + unread.String() + ", no difference in the others"
		case m.Drift:
			return what + "no difference"
		}
		return what + "nothing to do"
	}
	var l countList
	if m.Drift {
		l = driftCounts(doc)
	} else {
		l.addCount(doc.Summary.Create, "to create")
		l.addCount(doc.Summary.Update, "to update")
		l.addCount(doc.Summary.Delete, "to delete")
	}
	l.addCount(doc.Summary.Blocked, "blocked")
	return what + append(l, unread...).String()
}

// madeBy describes the origin of the document.
func madeBy(doc *plan.Plan) string {
	by := "Made by mkhooks " + code(doc.Tool.Version)
	if c := doc.Source.Commit; c != "" {
		by += " from commit " + code(c)
		if doc.Source.Dirty {
			by += " with uncommitted changes"
		}
	}
	if p := doc.Source.Problem; p != "" {
		by += " (commit not known for sure: " + prose(p) + hintBehind(doc.Source.Hint) + ")"
	}
	if !doc.CreatedAt.IsZero() {
		by += " at " + doc.CreatedAt.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	return by + ".\n"
}

// hintBehind returns text that suggests a command, or "" without a command.
func hintBehind(command string) string {
	if command == "" {
		return ""
	}
	return "; run " + code(command)
}

func (m *planMarkdown) addProject(p *plan.Project) {
	m.addPart(partTitle, m.projectHead(p))
	if p.Unreadable != "" {
		m.addPart(partTitle, unreadAlert(p.Name, p.Unreadable))
		return
	}
	if len(p.Changes) > 0 {
		changes := arrangeChanges(p)
		secrets := !m.Drift && slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.SecretTo != "" })
		head := []string{"What", "Rule", "Why", "File"}
		if secrets {
			head = slices.Insert(head, 3, "Secret to")
		}
		m.addPart(partTitle, tableHead(head...))
		for _, c := range changes {
			kind := partRowLess
			if c.class.matters() {
				kind = partRow
			}
			m.addTurn(kind, m.changeRow(c.change, secrets), c.turn)
		}
		m.addPart(partTitle, "\n")
		m.blockedList(p)
		for _, c := range changes {
			kind := partDetailLess
			if c.class.matters() {
				kind = partDetail
			}
			m.addTurn(kind, m.changeDetail(p, c.change), c.turn)
		}
	}
	m.failingList(p.Failing)
	m.warningList(p.Warnings)
	m.addPart(partNote, m.leftAlone(p))
	m.addPart(partTitle, m.unchangedCounts(p))
}

// projectHead describes the location, the owner and the guards in force; lifted
// guards are highlighted.
func (m *planMarkdown) projectHead(p *plan.Project) string {
	var b strings.Builder
	if m.several {
		b.WriteString("#### Project " + shortCode(p.Name) + "\n\nAt ")
	} else {
		b.WriteString("Project " + shortCode(p.Name) + " at ")
	}
	owner := "no owner"
	if p.Owner != "" {
		owner = "owner " + shortCode(p.Owner)
	}
	b.WriteString(code(serviceHost(p.BaseURL)) + ", " + owner + ", prune " + code(string(p.Guards.Prune)))
	if len(p.Paths) > 0 {
		b.WriteString(", files " + codes(p.Paths, maxPaths))
	}
	if len(p.Only) > 0 {
		b.WriteString(", only " + codes(p.Only, maxNames))
	}
	b.WriteString("  \nGuards in force: " + prose(m.guardWords(p.Guards.GuardsInForce())) + "\n\n")
	if len(p.Guards.Lifted) > 0 {
		var lifted []string
		for _, l := range firstOf(p.Guards.Lifted, maxList) {
			lifted = append(lifted, code("--"+omitMiddle(l)))
		}
		b.WriteString(alert("WARNING", "**Guards lifted:** "+strings.Join(lifted, ", ")+moreCount(p.Guards.Lifted)))
	}
	return b.String()
}

// maxList is the largest number of items of a list on one line.
const maxList = 20

func firstOf[T any](all []T, n int) []T { return all[:min(n, len(all))] }

// moreCount counts the items of a list that are not shown.
func moreCount(all []string) string {
	if len(all) <= maxList {
		return ""
	}
	return " and " + formatCount(len(all)-maxList) + " more"
}

func signCode(c *plan.Change) string {
	if c.Blocked != nil {
		return code("!")
	}
	return code(strings.TrimSpace(signOf(c.Action).text))
}

// changeRow returns a change as a table row. secrets is true if the table has a
// column for the hosts that receive secrets.
func (m *planMarkdown) changeRow(c *plan.Change, secrets bool) string {
	why, to, file := m.directionText(c), "", ""
	if c.Action == plan.Delete && c.History != nil && c.History.Records > 0 {
		why += "; " + countNoun(c.History.Records, "record", "records") + " to archive"
	}
	if c.Blocked != nil {
		why += "; " + blockedBy(c)
	}
	if c.SecretTo != "" {
		to = code(omitMiddle(c.SecretTo))
	}
	if c.File != "" {
		file = describeFiles(c, shortCode)
	}
	cells := []string{signCode(c) + "&nbsp;" + prose(string(c.Action)), shortCode(c.Rule), why, file}
	if secrets {
		cells = slices.Insert(cells, 3, to)
	}
	return tableRow(cells...)
}

func blockedBy(c *plan.Change) string { return "**blocked** by " + prose(string(c.Blocked.Guard)) }

// blockedList lists the guards with their blocked changes, reasons and flags.
// Changes with the same reason are grouped, and the guards take turns.
func (b *builder) blockedList(p *plan.Project) {
	var order []plan.Blocked
	rules := map[plan.Blocked][]string{}
	for i := range p.Changes {
		if why := p.Changes[i].Blocked; why != nil {
			if rules[*why] == nil {
				order = append(order, *why)
			}
			rules[*why] = append(rules[*why], p.Changes[i].Rule)
		}
	}
	order = fair.Order(order, func(why plan.Blocked) string { return string(why.Guard) })
	addList(b, "**Blocked**", order, func(why plan.Blocked) string {
		item := codes(rules[why], maxNames) + ": **" + prose(string(why.Guard)) + "**, " + prose(why.Reason)
		if lift := liftOf(&why); lift != "" {
			item += "; lift with " + code(lift)
		}
		return item
	})
}

// changeDetail returns a change's fields, as a diff from live to file.
func (m *planMarkdown) changeDetail(p *plan.Project, c *plan.Change) string {
	sign, why := strings.TrimSpace(signOf(c.Action).text), m.directionText(c)
	if c.Blocked != nil {
		sign, why = "!", why+"; <b>blocked</b>"
	}
	summary := htmlCode(sign+" "+string(c.Action)) + " <b>" + htmlCode(quoteName(omitMiddle(c.Rule))) + "</b>: " + why
	body := codeBlock("diff", m.diffLines(c))
	var commands []string
	if m.Drift {
		for _, r := range m.Commands.driftRemedies(p.Name, c) {
			commands = append(commands, "# "+r.does, r.command)
		}
	}
	body += strings.TrimSuffix(commandLines("", commands...), "\n")
	return details(summary, body, m.open || m.Drift && hasLiveChanged(c))
}

// maxDetail is roughly the largest size of a change's details, in bytes. With
// it, even a rule with very many fields can be shown.
const maxDetail = 4000

// diffLines returns the lines of a change's details. A replaced field has a line for
// each value. A row without a sign of a diff gets a "!".
func (m *planMarkdown) diffLines(c *plan.Change) []string {
	var rows []row
	if c.Action == plan.Delete {
		rows = m.deleteRows(c)
		for i := range rows {
			if rows[i].label != "history" && rows[i].label != "pause" {
				rows[i].sign = signs[plan.Delete]
			}
		}
	} else {
		rows = m.fieldRows(c)
	}
	if r, ok := authRow(c); ok {
		rows = append(rows, r)
	}
	if c.RenameOf != "" {
		rows = append(rows, renameRow(c))
	}
	rows = receiverFirst(rows)
	if len(rows) == 0 {
		rows = append(rows, factRow("marker", "added; nothing else differs"))
	}
	wide := 0
	for _, r := range rows {
		if n := countColumns(r.label); n <= maxColumn {
			wide = max(wide, n)
		}
	}
	var out []string
	if m.Drift && c.Action == plan.Update {
		out = append(out, "--- live", "+++ file")
	}
	size := 0
	for i, r := range rows {
		sign, label := r.sign.text, pad(r.label, wide)+"  "
		if size > maxDetail {
			return append(out, "! and "+countNoun(len(rows)-i, "more field", "more fields"))
		}
		size += len(label) + len(r.value) + len(r.more)
		switch {
		case r.more != "":
			out = append(out, "- "+label+r.value, "+ "+label+r.more)
		case sign == "~ ":
			out = append(out, "! "+label+r.value)
		default:
			out = append(out, sign+label+r.value)
		}
	}
	return out
}

// warningList lists warnings; the kinds take turns.
func (b *builder) warningList(warnings []string) {
	addList(b, "**Warnings**", fair.Order(warnings, fair.Shape), prose)
}

// leftAlone lists, folded, the live rules without a file and the rules with
// unknown values.
func (m *planMarkdown) leftAlone(p *plan.Project) string {
	var items []string
	for _, r := range reasons {
		var rules []string
		for _, u := range p.Unmanaged {
			if u.Reason == r.reason {
				rules = append(rules, u.Rule)
			}
		}
		if len(rules) > 0 {
			items = append(items, formatCount(len(rules))+" "+r.words+": "+codes(rules, maxList))
		}
	}
	var out string
	if len(items) > 0 {
		out = details(countNoun(len(p.Unmanaged), "unmanaged rule, left alone", "unmanaged rules, left alone"), strings.TrimSuffix(bullets(items), "\n"), false)
	}
	items = nil
	for _, u := range p.Uncertain {
		if len(items) == maxList {
			items = append(items, "and "+formatCount(len(p.Uncertain)-maxList)+" more")
			break
		}
		var why countList
		if u.Auth {
			why = append(why, "its secret can't be verified")
		}
		if len(u.Unknown) > 0 {
			why = append(why, "unknown fields "+codes(u.Unknown, maxNames))
		}
		items = append(items, code(quoteName(u.Rule))+": "+why.String())
	}
	if len(items) > 0 {
		out += details(countNoun(len(p.Uncertain), "unsettled rule", "unsettled rules")+": no difference seen, but not all is known", strings.TrimSuffix(bullets(items), "\n"), false)
	}
	return out
}

// unchangedCounts counts the rules without a change.
func (m *planMarkdown) unchangedCounts(p *plan.Project) string {
	var l countList
	l.addCount(p.InSync, "in sync")
	l.addCount(len(p.Uncertain), "unsettled")
	l.addCount(len(p.Unmanaged), "unmanaged")
	if len(l) == 0 {
		return ""
	}
	return "Rules without a change: " + l.String() + ".\n\n"
}
