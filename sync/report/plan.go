package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// PlanText writes a plan for people.
func PlanText(w io.Writer, p *plan.Plan, o TextOptions) error {
	out := newPrinter(o)
	for i := range p.Projects {
		out.blank()
		out.project(&p.Projects[i])
	}
	out.blank()
	out.planSum(p)
	return out.flush(w)
}

// project writes one project's part: which guards are in force first, because
// they decide how the rest is to be read.
func (p *printer) project(project *plan.Project) {
	head := []span{styled("project ", styleNone), styled(name(project.Name), styleBold), text(" at " + project.BaseURL)}
	if project.Owner != "" {
		head = append(head, text(", owner "+name(project.Owner)))
	} else {
		head = append(head, text(", no owner"))
	}
	head = append(head, text(", prune "+string(project.Guards.Prune)))
	p.line(0, 2, head...)
	p.line(0, 2, styled("guards in force: "+strings.Join(project.Guards.InForce, ", "), styleDim))
	if len(project.Guards.Lifted) > 0 {
		p.line(0, 2, styled("guards lifted: ", styleYellow), styled(strings.Join(project.Guards.Lifted, ", "), styleYellow))
	}
	p.changes(*project)
	notes := p.unmanaged(project.Unmanaged)
	notes = append(notes, unsettled(project.Unsettled)...)
	if len(notes)+len(project.Warnings) > 0 {
		p.blank()
	}
	for _, n := range notes {
		p.line(0, 2, styled(n, styleDim))
	}
	for _, warning := range project.Warnings {
		p.line(0, 2, styled("warning: ", styleYellow), text(warning))
	}
}

// reasons are the headings of rules that are left alone.
var reasons = []struct {
	reason plan.UnmanagedReason
	words  string
}{
	{plan.ReasonUnmanaged, "unmanaged, no file names them: "},
	{plan.ReasonForeign, "of other owners, left alone: "},
	{plan.ReasonCopied, "with a copied marker, left alone: "},
	{plan.ReasonKept, "ours without a file, kept because nothing is pruned: "},
}

// maxNames is how many names a list shows unless all was asked for.
const maxNames = 10

func (p *printer) unmanaged(rules []plan.Unmanaged) []string {
	var out []string
	for _, r := range reasons {
		var names []string
		for _, u := range rules {
			if u.Reason == r.reason {
				names = append(names, name(u.Rule))
			}
		}
		if n := len(names); n > maxNames && !p.Verbose {
			names = append(names[:maxNames], fmt.Sprintf("and %s more", count(n-maxNames)))
		}
		if len(names) > 0 {
			out = append(out, r.words+strings.Join(names, ", "))
		}
	}
	return out
}

func unsettled(rules []plan.Unsettled) []string {
	var auth, fields []string
	for _, u := range rules {
		if u.Auth {
			auth = append(auth, name(u.Rule))
		}
		if len(u.Unknown) > 0 {
			fields = append(fields, name(u.Rule)+" ("+strings.Join(u.Unknown, ", ")+")")
		}
	}
	var out []string
	if len(auth) > 0 {
		out = append(out, "no visible difference, authentication can't be verified: "+strings.Join(auth, ", "))
	}
	if len(fields) > 0 {
		out = append(out, "no difference, but fields that this version does not know: "+strings.Join(fields, ", "))
	}
	return out
}

// planSum is the last line: counts, and the digest that stands for the plan.
func (p *printer) planSum(doc *plan.Plan) {
	s := doc.Summary
	var rest list
	rest.add(s.InSync, "in sync")
	rest.add(s.Unmanaged, "unmanaged")
	unsettled := 0
	for _, project := range doc.Projects {
		unsettled += len(project.Unsettled)
	}
	rest.add(unsettled, "not verifiable")
	tail := ""
	if len(rest) > 0 {
		tail = "; " + rest.String()
	}
	if !doc.HasDifferences() {
		p.line(0, 2, styled("Nothing to do", styleBold), text(strings.Replace(tail, ";", ":", 1)+"."))
		return
	}
	var counts list
	if p.Drift {
		counts = driftCounts(doc)
	} else {
		counts.add(s.Create, "to create")
		counts.add(s.Update, "to update")
		counts.add(s.Delete, "to delete")
	}
	if s.Blocked > 0 {
		tail = fmt.Sprintf(", %s of them blocked", count(s.Blocked)) + tail
	}
	head := "Plan: "
	if p.Drift {
		head = "Differences: "
	}
	p.line(0, 2, styled(head, styleBold), text(counts.String()+tail+"."))
	p.line(0, 2, styled("digest "+string(doc.Digest), styleDim))
}

// driftCounts counts differences by the side that moved.
func driftCounts(doc *plan.Plan) list {
	n := map[plan.Direction]int{}
	for _, project := range doc.Projects {
		for _, c := range project.Changes {
			n[c.Direction]++
		}
	}
	var out list
	out.add(n[plan.DirDrift], "changed on the live side")
	out.add(n[plan.DirBoth], "changed on both sides")
	out.add(n[plan.DirPending], "pending in the files")
	out.add(n[plan.DirNew], "without a live rule")
	out.add(n[plan.DirGone], "without a file")
	out.add(n[plan.DirAdopt], "to adopt")
	out.add(n[plan.DirUnknown], "that differ")
	return out
}
