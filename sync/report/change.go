package report

import (
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// signs and colours of the actions; a blocked change has its own sign.
var signs = map[plan.Action]span{
	plan.Create: solidSpan("+ ", styleGreen),
	plan.Update: solidSpan("~ ", styleYellow),
	plan.Delete: solidSpan("- ", styleRed),
}

var blockedSign = solidSpan("! ", styleBlock)

func signOf(a plan.Action) span {
	if s, ok := signs[a]; ok {
		return s
	}
	return solidSpan("? ", styleNone) // a document of a later version
}

// row is a line below a rule: a sign, a label and a value. more goes on a
// separate line if both don't fit.
type row struct {
	sign        span
	label       string
	value, more string
}

func factRow(label, value string) row {
	return row{sign: solidSpan("  ", styleNone), label: label, value: value}
}

// The columns at which rules and their rows begin.
const (
	ruleIndent = 2
	rowIndent  = 4
)

// remedyWidth is the width of the words before a command line.
const remedyWidth = len("bring it back:") + 1

func (p *printer) printChanges(project *plan.Project) {
	var last *plan.Blocked
	for _, arranged := range arrangeChanges(project) {
		c := arranged.change
		p.printBlank()
		sign, verb := signOf(c.Action), ""
		if c.Blocked != nil {
			sign, verb = blockedSign, string(c.Action)+" "
		}
		p.printLine(ruleIndent, rowIndent, sign, textSpan(verb), styledSpan(quoteName(c.Rule), styleBold), textSpan(": "+p.directionText(c)))
		p.printBlocked(c.Blocked, last)
		p.printRows(p.changeRows(c))
		if p.Drift {
			for _, r := range p.Commands.driftRemedies(project.Name, c) {
				p.printUnwrapped(rowIndent, styledSpan(pad(r.does+":", remedyWidth), styleDim), textSpan(r.command))
			}
		}
		last = c.Blocked
	}
}

// printBlocked prints the guard that blocks a change and its flag. If a limit blocks
// several changes in a row, only the first shows the reason.
func (p *printer) printBlocked(b, last *plan.Blocked) {
	if b == nil {
		return
	}
	by := styledSpan("blocked by "+string(b.Guard), styleBlock)
	if last != nil && *last == *b {
		p.printLine(rowIndent, rowIndent, by, textSpan(", as above"))
		return
	}
	p.printLine(rowIndent, rowIndent, by, textSpan(": "+b.Reason))
	if lift := liftOf(b); lift != "" {
		p.printUnwrapped(rowIndent, textSpan("lift with "+lift))
	}
}

// liftOf returns the flag that lifts a guard. A saved plan may contain any
// text, so it only returns text in the form of a flag. It returns nothing for
// the guard destination, whose host people must decide about.
func liftOf(b *plan.Blocked) string {
	if b.Guard == plan.GuardDestination || !strings.HasPrefix(b.Lift, "--") {
		return ""
	}
	return b.Lift
}

// isRotated reports whether only a secret's value differs.
func isRotated(c *plan.Change) bool { return c.Auth == plan.AuthChanged && !hasVisibleField(c) }

// hasVisibleField reports whether a field differs that this version knows.
func hasVisibleField(c *plan.Change) bool {
	for _, f := range c.Fields {
		if !isUnknownField(c, f) {
			return true
		}
	}
	return false
}

// isUnknownField reports whether this version does not know a field, so that a
// PUT would lose it.
func isUnknownField(c *plan.Change, f plan.Field) bool {
	if f.Op != plan.OpRemove || c.Before == nil {
		return false
	}
	_, ok := c.Before.Unknown[strings.TrimPrefix(f.Path, "spec.")]
	return ok
}

// changeRows returns the rows of a change, field by field.
func (p *printer) changeRows(c *plan.Change) []row {
	var rows []row
	switch c.Action {
	case plan.Delete:
		rows = p.deleteRows(c)
	case plan.Create:
		rows = p.createRows(c)
	default:
		rows = p.fieldRows(c)
	}
	if r, ok := authRow(c); ok {
		rows = append(rows, r)
	}
	if c.RenameOf != "" {
		rows = append(rows, renameRow(c))
	}
	if c.File != "" {
		rows = append(rows, factRow("file", describeFiles(c, quoteName)))
	}
	return receiverFirst(rows)
}

// manyRows is a number of rows that readers do not read to the end.
const manyRows = 20

// receiverFirst moves the fields that decide where and whether a rule delivers
// before its other fields. It does so if there are more than manyRows rows.
func receiverFirst(rows []row) []row {
	if len(rows) <= manyRows {
		return rows
	}
	first := func(r row) bool {
		return slices.Contains([]string{"url", "authentication", "enabled", "events", "history"}, r.label)
	}
	out := make([]row, 0, len(rows))
	for _, r := range rows {
		if first(r) {
			out = append(out, r)
		}
	}
	for _, r := range rows {
		if !first(r) {
			out = append(out, r)
		}
	}
	return out
}

// describeFiles describes the file of a rule and the files of earlier layers
// below it; show formats a name.
func describeFiles(c *plan.Change, show func(string) string) string {
	if len(c.Over) == 0 {
		return show(c.File)
	}
	over := make([]string, 0, len(c.Over))
	for _, f := range c.Over {
		over = append(over, show(f))
	}
	return show(c.File) + " over " + strings.Join(over, ", ")
}

// renameRow returns a row about a likely rename.
func renameRow(c *plan.Change) row {
	what := "which this plan deletes"
	if c.Action == plan.Delete {
		what = "which this plan creates"
	}
	return factRow("rename?", "same spec as "+quoteName(c.RenameOf)+", "+what)
}

func (p *printer) deleteRows(c *plan.Change) []row {
	var rows []row
	if c.Before != nil {
		rows = append(rows, factRow("url", truncateValue(c.Before.URL, p.valueLimit())))
		if !c.Before.Enabled {
			rows = append(rows, factRow("enabled", "false"))
		}
	}
	if words := p.pauseWords(c); words != "" {
		rows = append(rows, factRow("pause", words))
	}
	return append(rows, factRow("history", historyWords(c.History)))
}

// pauseWords describes the changes that a delete makes to the live rule before
// it reads the history, or returns "".
func (p *printer) pauseWords(c *plan.Change) string {
	if c.Blocked != nil || c.Before == nil || !c.Before.Enabled || len(c.Before.Unknown) > 0 || p.Drift || p.NoPause {
		return ""
	}
	var names []string
	for _, n := range c.Before.Auth.Headers {
		names = append(names, truncateLabel("headers."+n))
	}
	for _, n := range c.Before.Auth.QueryParams {
		names = append(names, truncateLabel("queryParams."+n))
	}
	if len(names) == 0 {
		return "the rule is paused first"
	}
	return "the rule is paused first, which takes out " + p.joinSome(names, maxNames)
}

func historyWords(h *plan.History) string {
	switch {
	case h == nil:
		return "not read yet; it is archived before the delete"
	case h.Records == 0:
		return "no records; the archive will say so"
	}
	out := countNoun(h.Records, "record", "records") + " to archive before the delete"
	if h.Pending > 0 {
		out += ", " + formatCount(h.Pending) + " still on their way"
	}
	return out
}

// createRows returns the fields of a new rule. All are additions, so fields of
// the API have no sign. All events share a row.
func (p *printer) createRows(c *plan.Change) []row {
	var rows []row
	events := -1
	for _, f := range c.Fields {
		switch {
		case isAuthPath(f.Path):
		case f.Path == "spec.events" && events >= 0:
			rows[events].value += ", " + truncateValue(f.After, p.valueLimit())
		default:
			if f.Path == "spec.events" {
				events = len(rows)
			}
			r := factRow(fieldLabel(f.Path), truncateValue(f.After, p.valueLimit()))
			if !apiField(r.label) {
				r.sign = signs[plan.Create] // a line must not begin with foreign text
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// apiField reports whether a label begins with the name of an API field that
// this version knows.
func apiField(label string) bool {
	top := label
	if i := strings.IndexAny(label, ".["); i >= 0 {
		top = label[:i]
	}
	return slices.Contains([]string{"url", "enabled", "events", "headers", "queryParams"}, top)
}

func (p *printer) fieldRows(c *plan.Change) []row {
	var rows []row
	for _, f := range c.Fields {
		r := row{label: fieldLabel(f.Path)}
		switch f.Op {
		case plan.OpAdd:
			r.sign, r.value = signs[plan.Create], truncateValue(f.After, p.valueLimit())
		case plan.OpRemove:
			r.sign, r.value = signs[plan.Delete], truncateValue(f.Before, p.valueLimit())
		default:
			r.sign = signs[plan.Update]
			r.value, r.more = cutPair(f.Before, f.After, p.valueLimit())
			if f.Before == webhook.Redacted && f.After == webhook.Redacted {
				r.value, r.more = "changed "+webhook.Redacted, ""
			}
		}
		switch unknown := isUnknownField(c, f); {
		case isAuthPath(f.Path) && !unknown:
			continue // authRow covers it
		case isAuthPath(f.Path):
			r.value, r.more = "not shown (unknown to this version, a PUT drops it)", ""
		case unknown:
			r.value += " (unknown to this version, a PUT drops it)"
		}
		rows = append(rows, r)
	}
	return rows
}

// authRow describes the authentication: names and words, never values.
func authRow(c *plan.Change) (row, bool) {
	if c.Action == plan.Delete {
		return row{}, false
	}
	var added, dropped []string
	for _, f := range c.Fields {
		if !isAuthPath(f.Path) || isUnknownField(c, f) {
			continue
		}
		n := strings.TrimPrefix(f.Path, "spec.authentication.")
		if f.Op == plan.OpRemove {
			dropped = append(dropped, truncateLabel(n))
		} else {
			added = append(added, truncateLabel(n))
		}
	}
	r := row{label: "authentication", sign: signs[plan.Update]}
	var words []string
	switch c.Auth {
	case plan.AuthChanged:
		if len(added)+len(dropped) == 0 {
			words = append(words, "rotated (ciphertext changed)")
		}
	case plan.AuthUnverifiable:
		words = append(words, "can't be verified")
	case plan.AuthUnchanged:
		r.sign = solidSpan("  ", styleNone)
		words = append(words, "unchanged")
	case plan.AuthAdded:
		r.sign = signs[plan.Create]
	case plan.AuthRemoved:
		r.sign = signs[plan.Delete]
	}
	if c.Action == plan.Create {
		r.sign = solidSpan("  ", styleNone)
	}
	if len(added) > 0 {
		words = append(words, "added "+authNames(added))
	}
	if len(dropped) > 0 {
		words = append(words, "removed "+authNames(dropped))
	}
	if c.SecretTo != "" {
		words = append(words, "sent to "+Escape(omitMiddle(c.SecretTo)))
	}
	r.value = strings.Join(words, "; ")
	return r, len(words) > 0
}

// authNames lists names of authentication; of very many only the first.
func authNames(all []string) string {
	if n := len(all) - manyRows; n > 1 {
		return strings.Join(all[:manyRows], ", ") + " and " + formatCount(n) + " more"
	}
	return strings.Join(all, ", ")
}

// fieldLabel returns a field's path below spec.
func fieldLabel(path string) string { return truncateLabel(strings.TrimPrefix(path, "spec.")) }

// truncateLabel shortens a path that is too long for a label, and appends the
// number of omitted characters.
func truncateLabel(s string) string {
	if runes := []rune(s); len(runes) > maxLabel {
		return Escape(string(runes[:maxLabel])) + "… (" + formatCount(len(runes)-maxLabel) + " more)"
	}
	return Escape(s)
}

// maxColumn is the widest label to which other labels are aligned.
const maxColumn = 32

func (p *printer) printRows(rows []row) {
	wide := 0
	for _, r := range rows {
		if n := countColumns(r.label); n <= maxColumn {
			wide = max(wide, n)
		}
	}
	start := rowIndent + 2 + wide + 2
	for _, r := range rows {
		head := []span{r.sign, solidSpan(pad(r.label, wide)+"  ", styleNone)}
		if r.more == "" {
			p.printLine(rowIndent, start, append(head, textSpan(r.value))...)
			continue
		}
		if p.Width == 0 || start+countColumns(r.value)+countColumns(r.more)+3 <= p.Width {
			p.printLine(rowIndent, start, append(head, textSpan(r.value), styledSpan(" → ", styleDim), textSpan(r.more))...)
			continue
		}
		p.printLine(rowIndent, start, append(head, textSpan(r.value))...)
		p.printLine(min(start, p.Width/2), start+2, solidSpan("→ ", styleDim), textSpan(r.more))
	}
}
