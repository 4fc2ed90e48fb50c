package plan

// Unread is the plan of a project that could not be read whole, and why:
// nothing in it is changed.
func Unread(in Input, why string) *Plan {
	return in.planOf(Project{
		Name: in.Project, BaseURL: in.BaseURL, Owner: in.Owner,
		Paths: nonNil(in.Paths), Only: in.Options.Only, Guards: in.guards(),
		Unreadable: why,
		Changes:    []Change{}, Unmanaged: []Unmanaged{}, Uncertain: []Uncertain{}, Warnings: nonNil(in.Warnings),
	})
}

// planOf is the plan of one project.
func (in Input) planOf(project Project) *Plan {
	p := &Plan{FormatVersion: FormatVersion, CreatedAt: in.Now, Tool: in.Tool, Source: in.Source, Projects: []Project{project}}
	p.tally()
	return p
}

// Join is the plan of several projects in the order of the parts, of which
// there is one at least. What concerns the run as a whole is the first's.
func Join(parts []*Plan) *Plan {
	out := *parts[0]
	out.Projects = make([]Project, 0, len(parts))
	for _, p := range parts {
		out.Projects = append(out.Projects, p.Projects...)
	}
	out.tally()
	return &out
}

// tally makes the summary and the digest anew.
func (p *Plan) tally() {
	p.Summary = summarize(p.Projects)
	p.Digest = digest(p.Projects)
}

// Unreadable are the projects that could not be read whole.
func (p *Plan) Unreadable() []Project {
	var out []Project
	for _, project := range p.Projects {
		if project.Unreadable != "" {
			out = append(out, project)
		}
	}
	return out
}

// Doable is how many changes no guard holds back.
func (p *Plan) Doable() int {
	n := 0
	for _, project := range p.Projects {
		for _, c := range project.Changes {
			if c.Blocked == nil {
				n++
			}
		}
	}
	return n
}

// DropInSync lets go of what only [Narrow] needs: all rules of the projects, where
// the plan itself holds changes.
func (p *Plan) DropInSync() {
	for i := range p.Projects {
		p.Projects[i].InSyncRules = nil
	}
}
