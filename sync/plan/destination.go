package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// decide ends a reason that names the host that would receive a secret.
const decide = "; confirm the host with those who run it, then list it in destinations (for one run: --allow-destination)"

// guardDestination blocks a change that would send a secret to another
// receiver. Anyone can edit url by hand, and ciphertext can be copied with its
// file. It trusts no marker, because anyone who can write the live rule can
// forge a fitting marker.
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
	case !to.IsKnown() && (listed || !same):
		return newBlocked(GuardDestination, "programs disagree about the host of %s, so nothing says who would receive the secret; write the host in plain ASCII",
			receiverOf(x.desired.Spec.URL))
	case listed:
		return newBlocked(GuardDestination, "would send a secret to %s, which is not among the destinations %s%s",
			to, strings.Join(sortedUnique(b.Options.Destinations), ", "), decide)
	case x.Action == Update && !same:
		return newBlocked(GuardDestination, "would send the secret to %s instead of %s%s",
			schemeAndHost(x.desired.Spec.URL), schemeAndHost(x.live.Spec.URL), decide)
	}
	return b.guardCopied(x, to)
}

// guardCopied blocks a change that sends a value whose ciphertext belongs to a
// rule with another host. The owner of a ciphertext is known from another file
// or a live marker.
func (b *planner) guardCopied(x *plannedChange, to webhook.Origin) *Blocked {
	other, shared, held := b.heldElsewhere(x, to)
	switch {
	case !held:
		return nil
	case shared:
		return newBlocked(GuardDestination, "would send to %s a shared secret that %s sends to %s%s", printableReceiver(to, x.desired.Spec.URL), b.describeHolder(other), receiverOf(other.URL), decide)
	}
	return newBlocked(GuardDestination, "would send to %s a secret whose ciphertext belongs to %s, which sends it to %s%s",
		printableReceiver(to, x.desired.Spec.URL), b.describeHolder(other), receiverOf(other.URL), decide)
}

// printableReceiver returns a receiver for a message, even if programs disagree about
// its host.
func printableReceiver(to webhook.Origin, url string) string {
	if to.IsKnown() {
		return to.String()
	}
	return receiverOf(url)
}

// describeHolder names a rule, and its project if that is another project.
func (b *planner) describeHolder(h webhook.Holding) string {
	if h.Project != b.Project {
		return fmt.Sprintf("rule %q of project %s", h.Rule, h.Project)
	}
	return fmt.Sprintf("rule %q", h.Rule)
}

// sameReceiver reports whether an update keeps the rule's receiver.
func (f comparison) sameReceiver() bool { return sameReceiver(f.live.Spec.URL, f.desired.Spec.URL) }

// sameReceiver reports whether two URLs have the same scheme, host and port.
func sameReceiver(from, to string) bool {
	if origin := webhook.OriginOf(to); origin.IsKnown() {
		return webhook.OriginOf(from) == origin
	}
	return webhook.CanonicalURL(from) == webhook.CanonicalURL(to)
}

// schemeAndHost returns the scheme and host of url, or its redacted beginning if the
// host is ambiguous.
func schemeAndHost(url string) string {
	if o := webhook.OriginOf(url); o.IsKnown() {
		return o.Scheme + "://" + o.String()
	}
	return beforePath(url)
}

// beforePath returns the beginning of a URL up to its path. The rest may hold a
// secret, and does not affect the receiver.
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
