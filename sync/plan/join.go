package plan

// NewUnreadable returns the plan of a project that could not be read completely, with
// the reason. It changes nothing.
func NewUnreadable(in Input, why string) *Plan {
	return in.planOf(Project{
		Name: in.Project, BaseURL: in.BaseURL, Owner: in.Owner,
		Paths: nonNil(in.Paths), Only: in.Options.Only, Guards: in.guardSummary(),
		Unreadable: why,
		Changes:    []Change{}, Unmanaged: []Unmanaged{}, Uncertain: []Uncertain{}, Warnings: nonNil(in.Warnings),
	})
}

// planOf returns a plan with one project.
func (in Input) planOf(project Project) *Plan {
	p := &Plan{FormatVersion: FormatVersion, CreatedAt: in.Now, Tool: in.Tool, Source: in.Source, Projects: []Project{project}}
	p.updateTotals()
	return p
}

// Join merges the plans of several projects in their order. There must be at
// least one part. The first part supplies all values that concern the complete
// run.
func Join(parts []*Plan) *Plan {
	out := *parts[0]
	out.Projects = make([]Project, 0, len(parts))
	for _, p := range parts {
		out.Projects = append(out.Projects, p.Projects...)
	}
	out.updateTotals()
	return &out
}

// updateTotals recomputes the summary and the digest.
func (p *Plan) updateTotals() {
	p.Summary = summarize(p.Projects)
	p.Digest = planDigest(p.Projects)
}

// UnreadableProjects returns the projects that could not be read completely.
func (p *Plan) UnreadableProjects() []Project {
	var out []Project
	for _, project := range p.Projects {
		if project.Unreadable != "" {
			out = append(out, project)
		}
	}
	return out
}

// CountUnblocked counts the changes that no guard blocks.
func (p *Plan) CountUnblocked() int {
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

// DropInSync releases the data that only [Narrow] needs. That data grows with
// all rules of the projects, the rest of a plan with the changes.
func (p *Plan) DropInSync() {
	for i := range p.Projects {
		p.Projects[i].InSyncRules = nil
	}
}
