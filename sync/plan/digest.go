package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// planDigest returns the digest of everything that a reviewer approves. It covers
// service and project, owner, lifted guards and guard settings. Of each change
// it covers the rule, action, desired and live digest, blocking guard and
// receiver of secrets.
//
// It omits time, tool, commit and history, so that the main branch can require
// the digest reviewed in a pull request. It depends on the document alone, and
// not on the order of its lists.
func planDigest(projects []Project) webhook.Digest {
	projects = slices.SortedStableFunc(slices.Values(projects), func(a, b Project) int {
		return cmp.Or(cmp.Compare(a.BaseURL, b.BaseURL), cmp.Compare(a.Name, b.Name))
	})
	var all []any
	for _, p := range projects {
		changes := make([]any, 0, len(p.Changes))
		for _, c := range p.Changes {
			changes = append(changes, []any{
				c.Rule, string(c.Action), string(c.DesiredDigest), string(c.LiveDigest), string(c.Blocked.bySetting()), c.SecretTo,
			})
		}
		part := []any{p.BaseURL, p.Name, p.Owner, string(p.Guards.Prune), sortedValues(p.Guards.Lifted), p.Guards.Settings.canonicalValue(), changes}
		if p.Unreadable != "" {
			// An unreadable project must not equal a project without changes.
			part = append(part, "unreadable")
		}
		all = append(all, part)
	}
	return webhook.DigestOfList("mkhooks plan v2", all)
}

// sortedValues returns a list in order, as JSON data.
func sortedValues(list []string) []any {
	out := make([]any, 0, len(list))
	for _, s := range slices.Sorted(slices.Values(list)) {
		out = append(out, s)
	}
	return out
}

// bySetting returns the guard that blocks a change, or "" if the history blocks
// it.
func (b *Blocked) bySetting() Guard {
	if b == nil || b.FromHistory {
		return ""
	}
	return b.Guard
}

// canonicalValue returns the settings as JSON data with sorted lists. A setting
// added to the document also enters the digest.
func (s Settings) canonicalValue() any {
	v := jsonValue(s)
	object, _ := v.(map[string]any)
	for name, value := range object {
		list, ok := value.([]any)
		if !ok {
			continue
		}
		slices.SortFunc(list, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		object[name] = list
	}
	return v
}

// jsonValue returns a value in its JSON form, which equals the value read back
// from a document.
func jsonValue(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("plan: %T has no JSON form", v)) // all parts of a document have a JSON form
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		panic(fmt.Sprintf("plan: the JSON form of %T can't be read", v))
	}
	return out
}
