package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// receiver is a host that receives secrets, with the facts for a reader.
type receiver struct {
	host  string
	class importance
	rules int
	// unlisted: destinations are set and do not contain the host. moved: a live
	// rule currently has another host.
	unlisted, moved bool
}

// receivers are hosts by the result of the changes that send them secrets.
type receivers struct {
	// told receive secrets, doubtful may have received them, kept receive none:
	// a guard blocks the changes, or they were not made.
	told, doubtful, kept []receiver
}

// planReceivers collects the hosts of all projects of a plan.
func planReceivers(doc *plan.Plan) receivers {
	told, kept := map[string]*receiver{}, map[string]*receiver{}
	for i := range doc.Projects {
		p := &doc.Projects[i]
		live := liveHosts(p)
		for j := range p.Changes {
			c := &p.Changes[j]
			if c.SecretTo == "" {
				continue
			}
			into := told
			if c.Blocked != nil {
				into = kept
			}
			r := countRule(into, c.SecretTo, secretImportance(p, c, live))
			r.moved = r.moved || hasMoved(c)
			r.unlisted = r.unlisted || isUnlisted(p, originTo(c))
		}
	}
	return receivers{told: byImportance(told), kept: byImportance(kept)}
}

// resultReceivers collects the hosts of a result.
func resultReceivers(r *apply.Result) receivers {
	told, doubtful, kept := map[string]*receiver{}, map[string]*receiver{}, map[string]*receiver{}
	for i := range r.Changes {
		c := &r.Changes[i]
		switch {
		case c.SecretTo == "":
		case c.Status == apply.StatusApplied || c.Status == apply.StatusUnverified:
			countRule(told, c.SecretTo, sendsSecret)
		case c.InDoubt():
			countRule(doubtful, c.SecretTo, sendsSecret)
		case c.Status != apply.StatusDone:
			countRule(kept, c.SecretTo, blockedChange)
		}
	}
	return receivers{told: byImportance(told), doubtful: byImportance(doubtful), kept: byImportance(kept)}
}

// countRule counts a rule for a host.
func countRule(into map[string]*receiver, host string, class importance) *receiver {
	r := into[host]
	if r == nil {
		r = &receiver{host: host, class: class}
		into[host] = r
	}
	r.class = min(r.class, class)
	r.rules++
	return r
}

// byImportance sorts hosts: first hosts that receive a secret they do not have
// yet.
func byImportance(hosts map[string]*receiver) []receiver {
	out := make([]receiver, 0, len(hosts))
	for _, r := range hosts {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b receiver) int { return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.host, b.host)) })
	return out
}

// factWords returns the facts about a host.
func (r *receiver) factWords() string {
	l := countList{countNoun(r.rules, "rule", "rules")}
	if r.unlisted {
		l = append(l, "not in destinations")
	}
	if r.moved {
		l = append(l, "instead of another host")
	}
	return " (" + l.String() + ")"
}

// hostLine lists hosts in at most room bytes and counts the omitted hosts; room
// 0 names all.
func hostLine(hosts []receiver, room int, show func(string) string) string {
	var b strings.Builder
	for i := range hosts {
		item := show(omitMiddle(hosts[i].host)) + hosts[i].factWords()
		if room > 0 && i > 0 && b.Len()+len(item) > room {
			b.WriteString(", and " + countNoun(len(hosts)-i, "more host that is not named here", "more hosts that are not named here"))
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(item)
	}
	return b.String()
}

// hostLines returns the lines near the top of every document that names hosts: the
// effect, and its hosts. Each list has its own room, so that no list hides
// another.
func (r receivers) hostLines(words [3]string, room int, show func(string) string) []string {
	var out []string
	for i, hosts := range [][]receiver{r.told, r.doubtful, r.kept} {
		if len(hosts) > 0 {
			out = append(out, words[i]+": "+hostLine(hosts, room, show)+".")
		}
	}
	return out
}

// The words before the hosts.
var (
	planHostWords   = [3]string{"Secrets go to", "", "Blocked, so no secret goes to"}
	driftHostWords  = [3]string{"An apply sends secrets to", "", "Blocked, so no secret goes to"}
	resultHostWords = [3]string{"Secrets were sent to", "Secrets may have been sent to", "No secret was sent to"}
)

// hostWords returns the words for a plan.
func (o TextOptions) hostWords() [3]string {
	if o.Drift {
		return driftHostWords
	}
	return planHostWords
}

// Limits of names, in bytes. Of a longer name the beginning and the end are
// shown: the end of a host shows its owner.
const (
	maxMiddle  = 280
	middleHead = 100
	middleTail = 100
)

// omitMiddle omits the middle of an overlong text and counts the omitted
// characters.
func omitMiddle(s string) string {
	if len(Escape(s)) <= maxMiddle {
		return s
	}
	runes := []rune(s)
	from, to, used := 0, len(runes), 0
	for from < to {
		if used += len(Escape(string(runes[from]))); used > middleHead {
			break
		}
		from++
	}
	for used = 0; to > from; to-- {
		if used += len(Escape(string(runes[to-1]))); used > middleTail {
			break
		}
	}
	return string(runes[:from]) + "…(" + formatCount(to-from) + " characters left out)…" + string(runes[to:])
}
