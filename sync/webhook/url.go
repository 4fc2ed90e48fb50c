package webhook

import (
	"errors"
	"fmt"
	"strings"
)

// splitURL splits a URL into scheme, authority and the rest, without decoding or
// re-encoding. ok is false if there is no authority.
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

// CanonicalURL returns u with scheme and host in ASCII lower case, without a default
// port, and with an empty path as "/". The rest is unchanged byte for byte. If u is
// not an absolute URL, it is returned unchanged.
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

// splitPort splits the port from a host and keeps IPv6 brackets. A final colon
// without a port is dropped, as RFC 3986 section 6.2.3 allows. If host has other
// colons, it is returned whole, without a port.
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

// Origin is the destination of a rule. It must not change if a secret is to reach
// the same receiver. The zero Origin is unknown.
type Origin struct{ Scheme, Host, Port string }

// OriginOf returns the origin of u. The port is always set for http and https.
//
// Programs disagree about unusual URLs: in https://good.example\@evil.example some
// see the host good.example, others evil.example. For a URL that programs could read
// differently, or that is not absolute, OriginOf returns the zero Origin. No pattern
// matches the zero Origin, and it equals no other origin.
func OriginOf(u string) Origin {
	scheme, authority, _, ok := splitURL(u)
	if !ok || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return Origin{}
	}
	if strings.ContainsFunc(authority, isAmbiguous) {
		return Origin{}
	}
	// A second @ stays in the host, so isPlainHost rejects it.
	name, port := splitPort(HeaderKey(authority[strings.IndexByte(authority, '@')+1:]))
	if !isPlainHost(name) {
		return Origin{}
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	return Origin{Scheme: scheme, Host: name, Port: port}
}

// isAmbiguous reports whether some programs drop a character from a URL, or read it as a
// slash.
func isAmbiguous(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }

// isPlainHost reports whether all programs read the host name alike: a name of
// letters, digits, "-", "_" and ".", or an IPv6 address in brackets. A host beyond
// ASCII is rejected: only some programs fold ／ to "/" and 。 to ".".
func isPlainHost(name string) bool {
	if inner, ok := strings.CutPrefix(name, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdef:.") == ""
	}
	return name != "" && strings.Trim(name, "0123456789abcdefghijklmnopqrstuvwxyz-_.") == ""
}

// IsKnown reports whether the destination is known.
func (o Origin) IsKnown() bool { return o.Host != "" }

// IsLoopback reports whether o is the local machine.
func (o Origin) IsLoopback() bool {
	return o.Host == "localhost" || o.Host == "[::1]" ||
		strings.HasPrefix(o.Host, "127.") && strings.Trim(o.Host, "0123456789.") == ""
}

// String returns the host, with the port unless it is the scheme's default.
// --destination and --allow-destination take this form.
func (o Origin) String() string {
	if o.Port == "" || o.Port == defaultPort(o.Scheme) {
		return o.Host
	}
	return o.Host + ":" + o.Port
}

// MatchDestination reports whether pattern matches o. A pattern is a host
// ("hooks.example.com") or all hosts below a name ("*.media.example.com"), and
// either may have ":port". Without a port it matches only the scheme's default port.
// Only https matches, and http to loopback: otherwise a secret would be sent as
// plaintext.
func MatchDestination(pattern string, o Origin) bool {
	if !o.IsKnown() || o.Scheme != "https" && !(o.Scheme == "http" && o.IsLoopback()) {
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

// CheckDestination rejects a pattern that can never match a host: a URL, a path, or
// a * that is not the first character.
func CheckDestination(pattern string) error {
	switch {
	case pattern == "":
		return errors.New("expected a host, got nothing")
	case strings.Contains(pattern, "/"):
		return fmt.Errorf("%q: expected a host, not a URL or path", pattern)
	case strings.Contains(strings.TrimPrefix(pattern, "*."), "*"):
		return fmt.Errorf("%q: * may only stand in front, as in *.example.com", pattern)
	case strings.ContainsFunc(pattern, func(r rune) bool { return isAmbiguous(r) || strings.ContainsRune("@?#", r) }):
		return fmt.Errorf("%q: this can't be a host", pattern)
	}
	return nil
}
