package plan

import "slices"

// Moved is a reviewed change that the fresh plan no longer holds as it was.
type Moved struct {
	Project string
	Change  Change
	// Done is true where the rule has come to be as the change wanted it;
	// otherwise the change is stale.
	Done bool
}

// Narrow returns the fresh plan with only those changes that were reviewed:
// equal in rule, action, desired and live digest. A reviewed plan so can only
// take away from what the fresh one would do; a change that was blocked when
// it was reviewed stays blocked. moved are the reviewed changes that are no
// longer the same, unreviewed is how many changes have come up since.
func Narrow(reviewed, fresh *Plan) (narrowed *Plan, moved []Moved, unreviewed int) {
	out := *fresh
	out.Projects = nil
	for _, project := range fresh.Projects {
		i := slices.IndexFunc(reviewed.Projects, func(p Project) bool {
			return p.Name == project.Name && p.BaseURL == project.BaseURL
		})
		var seen Project
		if i >= 0 {
			seen = reviewed.Projects[i]
		}
		kept := make([]Change, 0, len(seen.Changes))
		for _, old := range seen.Changes {
			now := slices.IndexFunc(project.Changes, func(c Change) bool { return c.Rule == old.Rule })
			switch {
			case now >= 0 && sameChange(old, project.Changes[now]):
				c := project.Changes[now]
				if c.Blocked == nil {
					c.Blocked = old.Blocked
				}
				kept = append(kept, c)
			default:
				moved = append(moved, Moved{Project: project.Name, Change: old, Done: now < 0 && !stillThere(old, project)})
			}
		}
		for _, c := range project.Changes {
			if !slices.ContainsFunc(seen.Changes, func(old Change) bool { return old.Rule == c.Rule }) {
				unreviewed++
			}
		}
		project.Changes = kept
		out.Projects = append(out.Projects, project)
	}
	out.Summary = summarize(out.Projects)
	return &out, moved, unreviewed
}

func sameChange(a, b Change) bool {
	return a.Action == b.Action && a.DesiredDigest == b.DesiredDigest && a.LiveDigest == b.LiveDigest
}

// stillThere reports whether the rule of a delete is still live though the
// fresh plan would not delete it: it has another owner now, or none.
func stillThere(old Change, fresh Project) bool {
	return old.Action == Delete && slices.ContainsFunc(fresh.Unmanaged, func(u Unmanaged) bool { return u.Rule == old.Rule })
}
