package webhook

import "strings"

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

// splitPort cuts the port off a host, IPv6 brackets kept. A colon without
// digits after it is no port and is dropped, as RFC 3986 section 6.2.3 allows.
func splitPort(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host[i:], ']') >= 0 {
		return host, ""
	}
	if strings.Trim(host[i+1:], "0123456789") != "" {
		return host, ""
	}
	return host[:i], host[i+1:]
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
// go to the same receiver.
type Origin struct{ Scheme, Host, Port string }

// OriginOf returns the origin of u, the port always given for http and https.
// Of something that is no absolute URL it is the zero Origin.
func OriginOf(u string) Origin {
	scheme, authority, _, ok := splitURL(u)
	if !ok {
		return Origin{}
	}
	name, port := splitPort(authority[strings.LastIndexByte(authority, '@')+1:])
	if port == "" {
		port = defaultPort(scheme)
	}
	return Origin{Scheme: scheme, Host: HeaderKey(name), Port: port}
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
// either with ":port"; without a port only the scheme's own port matches.
func MatchDestination(pattern string, o Origin) bool {
	name, port := splitPort(HeaderKey(pattern))
	if port == "" {
		port = defaultPort(o.Scheme)
	}
	if port != o.Port || o.Host == "" {
		return false
	}
	if suffix, ok := strings.CutPrefix(name, "*."); ok {
		return suffix != "" && strings.HasSuffix(o.Host, "."+suffix)
	}
	return name == o.Host
}
