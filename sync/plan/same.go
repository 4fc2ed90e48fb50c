package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// unlike names the members in which a reviewed change differs from the fresh
// one, as the document has them. Every member that is shown counts, not the
// digests alone: whoever edits a saved plan could otherwise show one change
// under the digests of another. These are left out:
//
//   - history: its counts move by themselves, and a delete stores all that is
//     there when it comes.
//   - blocked: the fresh plan's guards decide, see [unblocked].
//   - renameOf, if what it points to was reviewed beside the change and is done.
func (n *narrowing) unlike(old, now Change) []string {
	if old.RenameOf != now.RenameOf && now.RenameOf == "" && n.renamed(old) {
		old.RenameOf = ""
	}
	var parts []string
	a, b := members(old), members(now)
	for name := range maps.Keys(a) {
		if _, ok := b[name]; !ok {
			parts = append(parts, name)
		}
	}
	for name, value := range b {
		if was, ok := a[name]; !ok || !reflect.DeepEqual(was, value) {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return parts
}

// members is a change as data of JSON, without what moves by itself.
func members(c Change) map[string]any {
	c.History, c.Blocked = nil, nil
	if c.Fields == nil {
		c.Fields = []Field{}
	}
	out, _ := jsonValue(c).(map[string]any)
	return out
}

// renamed reports whether the other half of a rename was reviewed, too, and is
// done: then the fresh plan has nothing left to point at.
func (n *narrowing) renamed(c Change) bool {
	other, ok := n.old[c.RenameOf]
	if !ok || other.RenameOf != c.Rule || !n.done(other) {
		return false
	}
	from, to := c.Before, other.After
	if c.Action == Create {
		from, to = other.Before, c.After
	}
	return from != nil && to != nil && shows(from, *to)
}

// unblocked reports whether a guard blocked a change when it was reviewed, and
// none does now. What only this run blocks, or the history, stays blocked.
func unblocked(old, now Change) bool {
	return now.Blocked == nil && old.Blocked != nil && !old.Blocked.FromHistory && !old.Blocked.Since
}

// shows reports whether a spec of a document is what it shows of s. Of a value
// that is masked nobody can tell.
func shows(doc *webhook.Spec, s webhook.Spec) bool {
	return doc != nil && !slices.ContainsFunc(compare(doc, &s, webhook.Mask{}), func(f Field) bool {
		return !strings.Contains(fmt.Sprint(f.Before), webhook.Redacted)
	})
}

// OtherGuards says, a line a project, in what the guards of a reviewed plan are
// other than those of the fresh plan. The fresh plan's hold.
func OtherGuards(reviewed, fresh *Plan) []string {
	var out []string
	for _, p := range fresh.Projects {
		for _, old := range reviewed.Projects {
			if !p.same(old) {
				continue
			}
			if parts := p.otherGuards(old); len(parts) > 0 {
				out = append(out, fmt.Sprintf("project %s: %s", p.Name, strings.Join(parts, ", ")))
			}
		}
	}
	return out
}

func (p Project) otherGuards(old Project) []string {
	var parts []string
	differ := func(name string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			parts = append(parts, name)
		}
	}
	differ("owner", p.Owner, old.Owner)
	differ("prune", p.Guards.Prune, old.Guards.Prune)
	differ("lifted", sorted(p.Guards.Lifted), sorted(old.Guards.Lifted))
	a, _ := p.Guards.Settings.canonical().(map[string]any)
	b, _ := old.Guards.Settings.canonical().(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		differ(name, a[name], b[name])
	}
	return parts
}
