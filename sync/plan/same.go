package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// differingMembers returns the names of the document members in which a reviewed change
// differs from the fresh change. Every visible member counts, not only the
// digests: an edited plan could otherwise show one change under the digests of
// another. The exceptions are:
//
//   - history: its counts change by themselves, and a delete stores all records that
//     exist at that time.
//   - blocked: the fresh plan's guards decide, see [wasUnblocked].
//   - renameOf, if the other rule was reviewed in the same plan and is done.
//   - texts that contain a secret known to this run: the reviewed plan may show
//     them masked. Only the same mask over the same texts counts, so an edited plan
//     can't hide others.
func (n *narrowing) differingMembers(old, now Change) []string {
	if old.RenameOf != now.RenameOf && now.RenameOf == "" && n.isRenameDone(old) {
		old.RenameOf = ""
	}
	parts := differing(old, now)
	if len(parts) == 0 || n.mask == nil {
		return parts
	}
	if hidden, ok := masked(now, n.mask); ok && len(differing(old, hidden)) == 0 {
		return nil
	}
	return parts
}

// masked returns a copy of a change whose texts are masked. It reports false if the
// mask hides nothing.
func masked(c Change, mask func(*Change) int) (Change, bool) {
	raw, err := json.Marshal(c)
	if err != nil {
		return c, false
	}
	// The copy shares nothing with c and has the types of a change that was read.
	var out Change
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&out) != nil {
		return c, false
	}
	return out, mask(&out) > 0
}

// differing returns the names of the document members in which two changes differ.
func differing(old, now Change) []string {
	var parts []string
	a, b := comparedMembers(old), comparedMembers(now)
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

// comparedMembers returns a change as JSON data, without members that change by
// themselves.
func comparedMembers(c Change) map[string]any {
	c.History, c.Blocked = nil, nil
	if c.Fields == nil {
		c.Fields = []Field{}
	}
	out, _ := jsonValue(c).(map[string]any)
	return out
}

// isRenameDone reports whether the other half of a rename was also reviewed and is
// done. The fresh plan then has no rule to link to.
func (n *narrowing) isRenameDone(c Change) bool {
	other, ok := n.old[c.RenameOf]
	if !ok || other.RenameOf != c.Rule || !n.isDone(other) {
		return false
	}
	from, to := c.Before, other.After
	if c.Action == Create {
		from, to = other.Before, c.After
	}
	return from != nil && to != nil && showsSpec(from, *to)
}

// wasUnblocked reports whether a guard blocked a change during the review and no
// guard blocks it now. A block by only this run or by the history stays.
func wasUnblocked(old, now Change) bool {
	return now.Blocked == nil && old.Blocked != nil && !old.Blocked.FromHistory && !old.Blocked.Since
}

// showsSpec reports whether a spec in a document equals the visible part of s. A
// masked value matches any value.
func showsSpec(doc *webhook.Spec, s webhook.Spec) bool {
	return doc != nil && !slices.ContainsFunc(compare(doc, &s, webhook.Mask{}), func(f Field) bool {
		return !strings.Contains(fmt.Sprint(f.Before), webhook.Redacted)
	})
}

// GuardDifferences returns a line for each project whose guards differ between the
// reviewed and the fresh plan, with the differences. The fresh plan's guards
// apply.
func GuardDifferences(reviewed, fresh *Plan) []string {
	var out []string
	for _, p := range fresh.Projects {
		for _, old := range reviewed.Projects {
			if !p.isSameProject(old) {
				continue
			}
			if parts := p.guardDifferences(old); len(parts) > 0 {
				out = append(out, fmt.Sprintf("project %s: %s", p.Name, strings.Join(parts, ", ")))
			}
		}
	}
	return out
}

func (p Project) guardDifferences(old Project) []string {
	var parts []string
	differ := func(name string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			parts = append(parts, name)
		}
	}
	differ("owner", p.Owner, old.Owner)
	differ("prune", p.Guards.Prune, old.Guards.Prune)
	differ("lifted", sortedValues(p.Guards.Lifted), sortedValues(old.Guards.Lifted))
	a, _ := p.Guards.Settings.canonicalValue().(map[string]any)
	b, _ := old.Guards.Settings.canonicalValue().(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		differ(name, a[name], b[name])
	}
	return parts
}

// Masks reports whether a reviewed change differs from the fresh change of its rule
// and shows a mask. The reviewed run may then have known more secrets than the mask
// of this run does; nil knows none.
func Masks(reviewed, fresh *Plan, mask func(*Change) int) bool {
	for _, project := range fresh.Projects {
		n := newNarrowing(project, mask)
		for _, p := range reviewed.Projects {
			if !project.isSameProject(p) {
				continue
			}
			for _, old := range p.Changes {
				now := n.changes[old.Rule]
				if now != nil && old.DesiredDigest == now.DesiredDigest && old.LiveDigest == now.LiveDigest &&
					len(n.differingMembers(old, *now)) > 0 && strings.Contains(fmt.Sprint(comparedMembers(old)), webhook.Redacted) {
					return true
				}
			}
		}
	}
	return false
}
