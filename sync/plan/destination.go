package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// decide follows the host that a secret would go to.
const decide = "; confirm the host with those who run it, then list it in destinations (for one run: --allow-destination)"

// guardDestination keeps a secret from going to another receiver: url is open
// to hand edits, and ciphertext can be copied with its file. It trusts no
// marker: whoever can write the live rule can write one that fits any file.
func (b *planner) guardDestination(x *plannedChange) *Blocked {
	if x.Action == Delete || x.desired.Spec.Auth.Len() == 0 {
		return nil
	}
	to := webhook.OriginOf(x.desired.Spec.URL)
	among := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return webhook.MatchDestination(p, to) })
	}
	listed := len(b.Options.Destinations) > 0
	same := x.Action == Update && x.sameReceiver()
	switch {
	case among(b.Options.AllowDestinations) || among(b.Options.Destinations):
		return nil
	case !to.Known() && (listed || !same):
		return blocked(GuardDestination, "programs disagree about the host of %s, so nothing says who would receive the secret; write the host in plain ASCII",
			receiver(x.desired.Spec.URL))
	case listed:
		return blocked(GuardDestination, "would send a secret to %s, which is not among the destinations %s%s",
			to, strings.Join(inOrder(b.Options.Destinations), ", "), decide)
	case x.Action == Update && !same:
		return blocked(GuardDestination, "would send the secret to %s instead of %s%s",
			site(x.desired.Spec.URL), site(x.live.Spec.URL), decide)
	}
	return b.guardCopied(x, to)
}

// guardCopied blocks a change that sends a value whose ciphertext belongs, by another
// file or a live marker, to a rule with another host.
func (b *planner) guardCopied(x *plannedChange, to webhook.Origin) *Blocked {
	other, shared, held := b.heldElsewhere(x, to)
	switch {
	case !held:
		return nil
	case shared:
		return blocked(GuardDestination, "would send to %s a shared secret that %s sends to %s%s", printable(to, x.desired.Spec.URL), b.nameOf(other), receiver(other.URL), decide)
	}
	return blocked(GuardDestination, "would send to %s a secret whose ciphertext belongs to %s, which sends it to %s%s",
		printable(to, x.desired.Spec.URL), b.nameOf(other), receiver(other.URL), decide)
}

// printable is a receiver in a message, also if programs disagree about its host.
func printable(to webhook.Origin, url string) string {
	if to.Known() {
		return to.String()
	}
	return receiver(url)
}

// nameOf names a rule, with its project if that is another one.
func (b *planner) nameOf(h webhook.Holding) string {
	if h.Project != b.Project {
		return fmt.Sprintf("rule %q of project %s", h.Rule, h.Project)
	}
	return fmt.Sprintf("rule %q", h.Rule)
}

// sameReceiver reports whether an update leaves the rule's receiver as it is.
func (f comparison) sameReceiver() bool { return sameReceiver(f.live.Spec.URL, f.desired.Spec.URL) }

// sameReceiver reports whether two URLs have one scheme, host and port.
func sameReceiver(from, to string) bool {
	if origin := webhook.OriginOf(to); origin.Known() {
		return webhook.OriginOf(from) == origin
	}
	return webhook.CanonicalURL(from) == webhook.CanonicalURL(to)
}

// site is scheme and host of url, or what stands there if its host can't be told.
func site(url string) string {
	if o := webhook.OriginOf(url); o.Known() {
		return o.Scheme + "://" + o.String()
	}
	return beforePath(url)
}

// beforePath is the beginning of a URL, up to its path: what comes behind may
// hold a secret, and says nothing about who receives it.
func beforePath(url string) string {
	scheme, rest, ok := strings.Cut(webhook.RedactURL(url), "://")
	if !ok {
		rest, scheme = scheme, ""
	} else {
		scheme += "://"
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return scheme + rest
}
