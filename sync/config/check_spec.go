package config

import (
	"net"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// NameProblem describes why a name can't be the name of a rule or a project, or
// returns "". The name becomes one segment of a URL path.
func NameProblem(name string) string {
	switch {
	case name == "":
		return "is empty"
	case name == "." || name == "..":
		return "is a path, not a name"
	case utf8.RuneCountInString(name) > 255:
		return "is longer than 255 characters"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "has control characters in it"
	case strings.TrimSpace(name) != name:
		return "has white space around it"
	}
	return ""
}

// checkRuleName checks metadata.name.
func (f *file) checkRuleName(n *yaml.Node) {
	if n.Value != "" { // the schema reports an empty name
		f.checkName(n, "metadata.name", "a name such as job-notifications")
	}
}

// checkName checks a name that becomes one segment of a URL path.
func (f *file) checkName(n *yaml.Node, what, hint string) {
	if problem := NameProblem(n.Value); problem != "" {
		f.fail(n, hint, "%s %s", what, problem)
	}
}

// readSpec reads all fields of a spec except authentication.
func (f *file) readSpec(spec *yaml.Node, s *webhook.Spec) {
	if _, n := child(spec, "url"); isText(n) && n.Value != "" {
		s.URL = n.Value
		f.checkURL(n)
	}
	if _, n := child(spec, "enabled"); n != nil && n.Tag == "!!bool" {
		s.Enabled = strings.EqualFold(n.Value, "true")
	}
	if _, n := child(spec, "events"); n != nil {
		for _, e := range n.Content {
			s.Events = append(s.Events, webhook.EventType(e.Value))
		}
	}
	_, headers := child(spec, "headers")
	_, params := child(spec, "queryParams")
	_, auth := child(spec, "authentication")
	_, authHeaders := child(auth, "headers")
	_, authParams := child(auth, "queryParams")
	f.checkHeaderNames(headers, authHeaders)
	f.checkParamNames(params, authParams)
	s.Headers = f.readPlainValues("spec.headers", headers, true)
	s.QueryParams = f.readPlainValues("spec.queryParams", params, false)
}

// checkURL checks the URL that a rule delivers to.
func (f *file) checkURL(n *yaml.Node) {
	const example = "an absolute URL such as https://hooks.example.com/mkio"
	raw := n.Value
	if f.reportRedacted(n, "spec.url") {
		return
	}
	if strings.ContainsFunc(raw, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '\\' || unicode.IsControl(r) || unicode.IsSpace(r)
	}) {
		f.fail(n, "percent-encode them", "spec.url has white space, control characters or backslashes in it")
		return
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "":
		f.fail(n, example, "spec.url is no URL")
		return
	case u.Scheme == "" || u.Host == "" || u.Hostname() == "":
		f.fail(n, example, "spec.url is not absolute")
		return
	}
	if u.User != nil {
		f.fail(n, "put credentials under spec.authentication, and encrypt the file", "spec.url has user information in it, readable by everyone in the project")
	}
	if strings.Contains(raw, "#") {
		f.fail(n, "remove the part from # on", "spec.url has a fragment, which is never sent")
	}
	switch {
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		f.fail(n, "write https://"+u.Host+"/…", "spec.url is http, expected https (http is for loopback hosts only)")
	case u.Scheme != "https" && u.Scheme != "http":
		f.fail(n, example, "spec.url has the scheme %q, expected https", shorten(u.Scheme))
	}
	switch host := u.Hostname(); {
	case strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }):
		f.fail(n, "write the host in its ASCII form: xn--…", "spec.url has a host with other letters than ASCII, which can look like another host's")
	case !isValidHost(u) || webhook.OriginOf(raw).Host == "":
		f.fail(n, example, "spec.url has a host or port that can't be one")
	}
	if u.User == nil && webhook.RedactURL(raw) != raw {
		f.reportCredential(n, "spec.url has a part that looks like a credential")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// isValidHost reports whether the host is a valid name or address and the port is valid.
func isValidHost(u *url.URL) bool {
	host := u.Hostname()
	if port := u.Port(); port != "" {
		if len(port) > 5 || strings.Trim(port, "0123456789") != "" || len(port) == 5 && port > "65535" || strings.Trim(port, "0") == "" || port[0] == '0' {
			return false
		}
	}
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if strings.Contains(host, ":") {
		return net.ParseIP(strings.SplitN(host, "%", 2)[0]) != nil
	}
	if len(host) > 253 || strings.HasPrefix(host, ".") || strings.Contains(host, "..") {
		return false
	}
	return strings.IndexFunc(host, func(r rune) bool {
		return !(r == '-' || r == '.' || r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	}) < 0
}

// reportCredential reports a plain value that everyone in the project could read.
func (f *file) reportCredential(n *yaml.Node, format string, args ...any) {
	const hint = "move it under spec.authentication and encrypt the file; --allow-plain-credentials if it is none"
	if f.options.AllowPlainCredentials {
		f.warn(n, "", format+", and everyone in the project can read it", args...)
		return
	}
	f.fail(n, hint, format+", and everyone in the project could read it", args...)
}

// reportRedacted reports a plain value that a document shows only as [webhook.Redacted].
// Sent unchanged, the mark would replace the value.
func (f *file) reportRedacted(n *yaml.Node, at string) bool {
	if !strings.Contains(n.Value, webhook.Redacted) {
		return false
	}
	hint := "remove the line and set the value under spec.authentication: mkhooks secret set " + shell.Path(f.fileOf(n)) + " --add PATH; or write it here if everyone in the project may read it (--allow-plain-credentials)"
	if f.options.AllowPlaceholders {
		f.placeholders = append(f.placeholders, at)
		f.warn(n, hint, "%s says %q instead of its value, so the rule can't be sent yet", at, webhook.Redacted)
	} else {
		f.fail(n, hint, "%s says %q, expected the value itself", at, webhook.Redacted)
	}
	return true
}

// checkHeaderNames checks the names of plain and secret headers together, because one
// request contains both.
func (f *file) checkHeaderNames(plain, secret *yaml.Node) {
	seen := map[string]*yaml.Node{}
	for _, part := range []struct {
		at string
		n  *yaml.Node
	}{{"spec.headers", plain}, {"spec.authentication.headers", secret}} {
		eachEntry(part.n, func(key, _ *yaml.Node) {
			name := key.Value
			switch {
			case key.Kind != yaml.ScalarNode: // keys reports it
				return
			case webhook.IsMarkerHeader(name):
				f.fail(key, "remove it: mkhooks writes it itself, with --owner", "%s.%s is reserved", part.at, name)
				return
			case !isToken(name):
				f.fail(key, "letters, digits and !#$%&'*+-.^_`|~ only", "%s has the name %q, which no header may have", part.at, printableKey(name, part.n != plain))
				return
			case webhook.IsDeliveryHeader(name):
				f.fail(key, "remove the header; the URL alone says where a delivery goes, and the sender says how",
					"%s has the name %q, which changes where or how a request is delivered; expected another header", part.at, printableKey(name, part.n != plain))
				return
			}
			id := webhook.HeaderKey(name)
			if first, ok := seen[id]; ok && first.Value != name {
				f.fail(key, "header names are the same in upper and lower case: "+f.removeHint(first, key), "header %q stands twice, first as %q %s",
					printableKey(name, part.n != plain), shorten(first.Value), f.describePosition(first, key))
			} else if ok && part.n != plain {
				f.fail(key, "a header is either plain or secret: "+f.removeHint(first, key), "header %q is also in spec.headers, %s", shorten(name), f.describePosition(first, key))
			} else if !ok {
				seen[id] = key
			}
		})
	}
}

// isToken reports whether name is a field name of RFC 9110, section 5.1.
func isToken(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool { return !isTokenRune(r) }) < 0
}

func isTokenRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r < 0x80 && strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// checkParamNames checks the names of plain and secret query parameters together.
func (f *file) checkParamNames(plain, secret *yaml.Node) {
	seen := map[string]*yaml.Node{}
	check := func(at string, key *yaml.Node) {
		if key.Value == "" || strings.ContainsFunc(key.Value, unicode.IsControl) {
			f.fail(key, "give the parameter a name", "%s has a name that is empty or has control characters in it", at)
		}
	}
	eachEntry(plain, func(key, _ *yaml.Node) {
		check("spec.queryParams", key)
		seen[key.Value] = key
	})
	eachEntry(secret, func(key, _ *yaml.Node) {
		check("spec.authentication.queryParams", key)
		if first, ok := seen[key.Value]; ok {
			f.fail(key, "a parameter is either plain or secret: "+f.removeHint(first, key), "query parameter %q is also in spec.queryParams, %s", printableKey(key.Value, true), f.describePosition(first, key))
		}
	})
}

// readPlainValues reads and checks plain headers or parameters. It returns nil if there
// are none.
func (f *file) readPlainValues(at string, n *yaml.Node, header bool) map[string]string {
	var out map[string]string
	eachEntry(n, func(key, value *yaml.Node) {
		if !isText(value) {
			return // the schema reports it
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key.Value] = value.Value
		where := at + "." + shorten(key.Value)
		if f.sealed[value] {
			return // reportEncryptedOutside reports it
		}
		if f.reportRedacted(value, where) {
			return
		}
		if header && strings.ContainsFunc(value.Value, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
			f.fail(value, "a header's value is one line", "%s has control characters in it", where)
		} else if header && strings.TrimSpace(value.Value) != value.Value {
			f.fail(value, "remove the white space", "%s has white space around its value", where)
		}
		if webhook.LooksLikeCredential(key.Value, value.Value) {
			f.reportCredential(value, "%s looks like a credential", where)
		}
	})
	return out
}
