package webhook

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// Redacted stands in every document where a plain value looks like a
// credential: plain headers, parameters and URLs are readable by everyone in
// the project, but a report travels further than that.
const Redacted = "(looks like a credential)"

var (
	// credentialNameRE matches names with - and _ taken out, in lower case.
	credentialNameRE = regexp.MustCompile(`^(authorization|proxyauthorization|cookie|setcookie|sig|signature|auth|pass|pwd|key)$` +
		`|secret|token|passw(or)?d|passphrase|apikey|accesskey|privatekey|credential|authkey|sharedkey|signingkey|hmac|bearer|subscriptionkey|functionskey`)
	// credentialValueRE matches the forms that issuers document for their keys.
	credentialValueRE = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*` + // JWT
		`|(?i:\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,})` +
		`|-----BEGIN [A-Z ]*PRIVATE KEY` +
		`|\b(AKIA|ASIA)[0-9A-Z]{16}\b` + // AWS
		`|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}` +
		`|\b(sk|rk)_(live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{10,}` + // Stripe
		`|\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bAIza[A-Za-z0-9_-]{30,}|\bAGE-SECRET-KEY-1`)
	// credentialPathRE matches URL paths that are themselves the credential.
	credentialPathRE = regexp.MustCompile(`/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}` + // Slack
		`|/api/webhooks/[0-9]{10,}/[A-Za-z0-9_-]{20,}`) // Discord
)

// NamesCredential reports whether a header or parameter of this name is where
// people put credentials (Authorization, *secret*, *token*, …).
func NamesCredential(name string) bool {
	name = strings.NewReplacer("-", "", "_", "", ".", "", "[", "", "]", "").Replace(strings.ToLower(name))
	return credentialNameRE.MatchString(name)
}

// ValueIsCredential reports whether value has the form of a known kind of
// credential (a JWT, a Bearer value, an issuer's key prefix).
func ValueIsCredential(value string) bool { return credentialValueRE.MatchString(value) }

// LooksLikeCredential reports whether a plain header or parameter names or is
// a credential.
func LooksLikeCredential(name, value string) bool {
	return value != "" && NamesCredential(name) || ValueIsCredential(value)
}

// RedactURL replaces the parts of a URL that look like a credential: user
// information, query values, fragments and path segments.
func RedactURL(u string) string {
	scheme, authority, rest, ok := splitURL(u)
	if !ok {
		if ValueIsCredential(u) {
			return Redacted
		}
		return u
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = Redacted + authority[i:]
	}
	path, fragment, hasFragment := strings.Cut(rest, "#")
	path, query, hasQuery := strings.Cut(path, "?")
	if decoded, err := url.PathUnescape(path); err == nil {
		if credentialPathRE.MatchString(decoded) || ValueIsCredential(decoded) {
			path = "/" + Redacted
		}
	} else if credentialPathRE.MatchString(path) || ValueIsCredential(path) {
		path = "/" + Redacted
	}
	out := u[:len(scheme)] + "://" + authority + path
	if hasQuery {
		out += "?" + redactQuery(query)
	}
	if hasFragment {
		out += "#" + redactQuery(fragment)
	}
	return out
}

func redactQuery(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		plain := func(s string) string {
			if d, err := url.QueryUnescape(s); err == nil {
				return d
			}
			return s
		}
		switch {
		case ValueIsCredential(plain(name)):
			parts[i] = Redacted
		case LooksLikeCredential(plain(name), plain(value)):
			parts[i] = name + "=" + Redacted
		}
	}
	return strings.Join(parts, "&")
}

// RedactValue returns value, or [Redacted] where it looks like a credential
// under this name.
func RedactValue(name, value string) string {
	if LooksLikeCredential(name, value) {
		return Redacted
	}
	return value
}

// Redacted returns a copy of s that may stand in a document: whatever looks
// like a credential in URL, headers, parameters and unknown fields is replaced.
// Unknown fields below authentication lose their value altogether.
func (s Spec) Redacted() Spec {
	s = s.Clone()
	s.URL = RedactURL(s.URL)
	for name, value := range s.Headers {
		if !IsMarkerHeader(name) {
			s.Headers[name] = RedactValue(name, value)
		}
	}
	for name, value := range s.QueryParams {
		s.QueryParams[name] = RedactValue(name, value)
	}
	for path, raw := range s.Unknown {
		s.Unknown[path] = RedactUnknown(path, raw)
	}
	return s
}

// RedactUnknown returns the value of an unknown field as it may be shown. What
// a newer API keeps under authentication is a secret until shown otherwise.
func RedactUnknown(path string, raw json.RawMessage) json.RawMessage {
	if strings.HasPrefix(path, "authentication") || NamesCredential(path) ||
		ValueIsCredential(string(raw)) || unknownNamesCredential(raw) {
		return json.RawMessage(`"` + Redacted + `"`)
	}
	return raw
}

// unknownNamesCredential looks for a credential's name at any depth.
func unknownNamesCredential(raw json.RawMessage) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return true
	}
	var walk func(v any) bool
	walk = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if NamesCredential(name) || walk(value) {
					return true
				}
			}
		case []any:
			for _, value := range v {
				if walk(value) {
					return true
				}
			}
		case string:
			return v != RedactURL(v)
		}
		return false
	}
	return walk(v)
}
