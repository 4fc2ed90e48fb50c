package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Which rules hold which ciphertext. For the files of the run this is known
// value by value, for live markers by the digest of all values of their rule.

// Holders is an index of the encrypted values in files. Several plans may use
// it at the same time.
type Holders struct {
	byValue map[webhook.ValueDigest][]webhook.Holding
}

// NewHolders returns an index of holdings.
func NewHolders(holdings []webhook.Holding) *Holders {
	h := &Holders{byValue: make(map[webhook.ValueDigest][]webhook.Holding, len(holdings))}
	for _, x := range holdings {
		h.byValue[x.Value] = append(h.byValue[x.Value], x)
	}
	return h
}

// ciphertextIndex contains the known ciphertext of a plan.
type ciphertextIndex struct {
	own *Holders // holdings of the desired rules
	// lists maps the digest of a list of values to the rules that hold the
	// complete list. It keeps the first rule by name for each receiver.
	lists map[webhook.Digest]map[webhook.Origin]webhook.Holding
	// live contains the authentication names of live rules with a marker, each
	// combination once.
	live []webhook.AuthNames
}

// holdingSearch selects the first holding by name among several.
type holdingSearch struct {
	b     *planner
	x     *plannedChange
	to    webhook.Origin
	found *webhook.Holding
}

// consider considers a holding of another rule with another receiver.
func (e *holdingSearch) consider(h webhook.Holding) {
	if h.Project == e.b.Project && h.Rule == e.x.Rule || webhook.OriginOf(h.URL) == e.to {
		return
	}
	order := func(a, b webhook.Holding) int {
		other := func(x webhook.Holding) int {
			if x.Project != e.b.Project {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(other(a), other(b)), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.URL, b.URL))
	}
	if e.found == nil || order(h, *e.found) < 0 {
		e.found = &h
	}
}

// heldElsewhere searches for the values of a change on rules with another
// receiver than to. It searches for each value alone and for all values as a
// list. shared is true if the match concerns a value of a shared secrets file.
func (b *planner) heldElsewhere(x *plannedChange, to webhook.Origin) (found webhook.Holding, shared, ok bool) {
	if b.ciphertexts == nil {
		b.findHolders()
	}
	look := func(about func(e *holdingSearch)) bool {
		e := &holdingSearch{b: b, x: x, to: to}
		if about(e); e.found == nil {
			return false
		}
		found, ok = *e.found, true
		return true
	}
	whole := slices.ContainsFunc(x.desired.Values, func(v webhook.SealedValue) bool { return v.Shared })
	for _, v := range x.desired.Values {
		digest := webhook.DigestOfValue(v.Ciphertext)
		if look(func(e *holdingSearch) {
			for _, index := range []*Holders{b.ciphertexts.own, b.Held} {
				if index != nil {
					for _, h := range index.byValue[digest] {
						e.consider(h)
					}
				}
			}
		}) {
			return found, v.Shared, true
		}
	}
	if look(func(e *holdingSearch) {
		for _, list := range b.listDigests(x) {
			for _, h := range b.ciphertexts.lists[list] {
				e.consider(h)
			}
		}
	}) {
		return found, whole, true
	}
	return webhook.Holding{}, false, false
}

// listDigests returns the digests under which a live marker may cover values of a
// change. These are the digest of all values and, for each live rule, the
// digest of the values with its names. A value of a shared secrets file may
// have any name.
func (b *planner) listDigests(x *plannedChange) []webhook.Digest {
	var out []webhook.Digest
	if x.desired.AuthDigest != webhook.AuthUnknown {
		out = append(out, x.desired.AuthDigest)
	}
	for _, names := range b.ciphertexts.live {
		paths := valuePaths(names)
		var some []webhook.SealedValue
		for _, v := range x.desired.Values {
			switch {
			case slices.ContainsFunc(paths, func(p string) bool { return samePath(p, v.Path) }):
				some = append(some, v)
			case v.Shared && len(paths) == 1:
				out = append(out, webhook.AuthDigest([]webhook.SealedValue{{Path: paths[0], Ciphertext: v.Ciphertext}}))
			}
		}
		if len(some) == len(paths) {
			out = append(out, webhook.AuthDigest(some))
		}
	}
	return out
}

func valuePaths(names webhook.AuthNames) []string {
	var out []string
	for _, name := range names.Headers {
		out = append(out, "headers/"+name)
	}
	for _, name := range names.QueryParams {
		out = append(out, "queryParams/"+name)
	}
	return out
}

// samePath reports whether two paths name the same value. The service may
// change the case of a header name.
func samePath(a, b string) bool {
	return a == b || strings.HasPrefix(a, "headers/") && webhook.HeaderKey(a) == webhook.HeaderKey(b)
}

// findHolders collects the ciphertext of the desired rules and the live
// markers.
func (b *planner) findHolders() {
	b.ciphertexts = &ciphertextIndex{lists: map[webhook.Digest]map[webhook.Origin]webhook.Holding{}}
	note := func(list webhook.Digest, r webhook.Rule) {
		if list == webhook.AuthUnknown {
			return
		}
		origin, h := webhook.OriginOf(r.Spec.URL), webhook.Holding{Project: b.Project, Rule: r.Name, URL: r.Spec.URL}
		if b.ciphertexts.lists[list] == nil {
			b.ciphertexts.lists[list] = map[webhook.Origin]webhook.Holding{}
		}
		first, ok := b.ciphertexts.lists[list][origin]
		if !ok || cmp.Or(cmp.Compare(h.Rule, first.Rule), cmp.Compare(h.URL, first.URL)) < 0 {
			b.ciphertexts.lists[list][origin] = h
		}
	}
	var own []webhook.Holding
	for _, d := range b.Desired {
		if d.Spec.Auth.Len() > 0 {
			note(d.AuthDigest, d.Rule)
		}
		for _, v := range d.Values {
			own = append(own, webhook.Holding{Value: webhook.DigestOfValue(v.Ciphertext), Project: b.Project, Rule: d.Name, URL: d.Spec.URL})
		}
	}
	b.ciphertexts.own = NewHolders(own)
	known := map[string]bool{}
	for _, r := range b.Live {
		m, state := webhook.ReadMarker(b.Project, r)
		if state != webhook.ValidMarker || m.Auth == webhook.AuthDigest(nil) {
			continue
		}
		note(m.Auth, r)
		if key := strings.Join(valuePaths(r.Spec.Auth), "\x00"); r.Spec.Auth.Len() > 0 && !known[key] {
			known[key] = true
			b.ciphertexts.live = append(b.ciphertexts.live, r.Spec.Auth)
		}
	}
}
