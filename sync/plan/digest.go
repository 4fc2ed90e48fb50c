package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// digest covers what a reviewer agrees to: where, whose, which guards are
// lifted and what the others go by, and per change rule, action, desired and
// live digest, the guard that blocks it and the host that would receive its
// secrets. Time, tool, commit and history are not in it, so that the digest
// reviewed in a pull request can be required on the main branch. It rests on
// the document alone, and not on the order of a list in it.
func digest(projects []Project) webhook.Digest {
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
		part := []any{p.BaseURL, p.Name, p.Owner, string(p.Guards.Prune), sorted(p.Guards.Lifted), p.Guards.Settings.canonical(), changes}
		if p.Unreadable != "" {
			// It must not pass for a project in which nothing is to be done.
			part = append(part, "unreadable")
		}
		all = append(all, part)
	}
	return webhook.DigestOf("mkhooks plan v2", all)
}

// sorted is a list in order, as data of JSON.
func sorted(list []string) []any {
	out := make([]any, 0, len(list))
	for _, s := range slices.Sorted(slices.Values(list)) {
		out = append(out, s)
	}
	return out
}

// bySetting is the guard that blocks a change, as far as settings decide it.
func (b *Blocked) bySetting() Guard {
	if b == nil || b.FromHistory {
		return ""
	}
	return b.Guard
}

// canonical is the settings as data of JSON, lists in order. A setting that is
// added to the document is so in the digest, too.
func (s Settings) canonical() any {
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

// jsonValue is a value as JSON holds it: what is written and read again is
// equal to it.
func jsonValue(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("plan: %T has no JSON form", v)) // all of a document has one
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		panic(fmt.Sprintf("plan: the JSON form of %T can't be read", v))
	}
	return out
}
