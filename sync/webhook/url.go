package webhook

import (
	"errors"
	"fmt"
	"strings"
)

// splitURL cuts a URL into scheme, authority and the rest, without decoding
// or re-encoding anything. ok is false where there is no authority.
func splitURL(u string) (scheme, authority, rest string, ok bool) {
	scheme, after, ok := strings.Cut(u, "://")
	if !ok || scheme == "" || strings.ContainsAny(scheme, "/?#") {
		return "", "", "", false
	}
	end := strings.IndexAny(after, "/?#")
	if end < 0 {
		end = len(after)
	}
	return HeaderKey(scheme), after[:end], after[end:], true
}

// CanonicalURL is u with scheme and host in ASCII lower case, without a
// default port, with an empty path as "/", and the rest byte for byte. What is
// no absolute URL stays as it is.
func CanonicalURL(u string) string {
	scheme, authority, rest, ok := splitURL(u)
	if !ok {
		return u
	}
	user, host := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, host = authority[:i+1], authority[i+1:]
	}
	name, port := splitPort(host)
	host = HeaderKey(name)
	if port != "" && port != defaultPort(scheme) {
		host += ":" + port
	}
	if rest == "" || rest[0] != '/' {
		rest = "/" + rest
	}
	return scheme + "://" + user + host + rest
}

// splitPort cuts the port off a host, IPv6 brackets kept. A colon with nothing
// after it is no port and is dropped, as RFC 3986 section 6.2.3 allows. What
// has colons elsewhere is no host with a port, and stays whole.
func splitPort(host string) (name, port string) {
	end := strings.IndexByte(host, ':')
	if strings.HasPrefix(host, "[") {
		end = strings.IndexByte(host, ']') + 1
	}
	if end <= 0 || end == len(host) || host[end] != ':' || strings.Trim(host[end+1:], "0123456789") != "" {
		return host, ""
	}
	return host[:end], host[end+1:]
}

func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

// Origin is where a rule delivers to: what must stay the same for a secret to
// go to the same receiver. The zero Origin says that this can't be told.
type Origin struct{ Scheme, Host, Port string }

// OriginOf returns the origin of u, the port always given for http and https.
//
// Programs disagree about odd URLs: in https://good.example\@evil.example some
// see the host good.example, some evil.example. Of a URL that two readers could
// take for two receivers, and of what is no absolute URL, it is the zero
// Origin, which no pattern matches and which is like no other.
func OriginOf(u string) Origin {
	scheme, authority, _, ok := splitURL(u)
	if !ok || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return Origin{}
	}
	if strings.ContainsFunc(authority, odd) {
		return Origin{}
	}
	// A second @ stays in the host and makes it one that can't be told.
	name, port := splitPort(HeaderKey(authority[strings.IndexByte(authority, '@')+1:]))
	if !plainHost(name) {
		return Origin{}
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	return Origin{Scheme: scheme, Host: name, Port: port}
}

// odd reports what some programs drop from a URL before they read it, or take
// for a slash.
func odd(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }

// plainHost reports whether name is a host that all programs read alike: a
// name of letters, digits, "-", "_" and ".", or an IPv6 address in brackets.
// A host beyond ASCII is not: programs fold ／ to "/" and 。 to "." or don't.
func plainHost(name string) bool {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdef:.") == ""
	}
	return name != "" && strings.Trim(name, "0123456789abcdefghijklmnopqrstuvwxyz-_.") == ""
}

// Known reports whether o says where a rule delivers to.
func (o Origin) Known() bool { return o.Host != "" }

// Loopback reports whether o is this very machine.
func (o Origin) Loopback() bool {
	return o.Host == "localhost" || o.Host == "[::1]" ||
		strings.HasPrefix(o.Host, "127.") && strings.Trim(o.Host, "0123456789.") == ""
}

// String is the host, with the port where it is not the scheme's own: the
// form that --destination and --allow-destination take.
func (o Origin) String() string {
	if o.Port == "" || o.Port == defaultPort(o.Scheme) {
		return o.Host
	}
	return o.Host + ":" + o.Port
}

// MatchDestination reports whether pattern names o. A pattern is a host
// ("hooks.example.com"), every host below a name ("*.media.example.com"), and
// either with ":port"; without a port only the scheme's own port matches. Only
// https is matched, and http to loopback: elsewhere a secret would travel in
// clear text.
func MatchDestination(pattern string, o Origin) bool {
	if !o.Known() || o.Scheme != "https" && !(o.Scheme == "http" && o.Loopback()) {
		return false
	}
	name, port := splitPort(HeaderKey(pattern))
	if port == "" {
		port = defaultPort(o.Scheme)
	}
	if port != o.Port {
		return false
	}
	if suffix, ok := strings.CutPrefix(name, "*."); ok {
		return suffix != "" && strings.HasSuffix(o.Host, "."+suffix)
	}
	return name == o.Host
}

// CheckDestination refuses a pattern that can never match a host: a URL, a
// path, a * elsewhere than in front.
func CheckDestination(pattern string) error {
	switch {
	case pattern == "":
		return errors.New("expected a host, got nothing")
	case strings.Contains(pattern, "/"):
		return fmt.Errorf("%q: expected a host, not a URL or path", pattern)
	case strings.Contains(strings.TrimPrefix(pattern, "*."), "*"):
		return fmt.Errorf("%q: * may only stand in front, as in *.example.com", pattern)
	case strings.ContainsFunc(pattern, func(r rune) bool { return odd(r) || strings.ContainsRune("@?#", r) }):
		return fmt.Errorf("%q: this can't be a host", pattern)
	}
	return nil
}
