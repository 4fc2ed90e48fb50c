package webhook

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Redacted replaces plain values that look like a credential in every document.
// Everyone in the project can read plain headers, parameters and URLs, but a report
// travels further.
const Redacted = "(looks like a credential)"

// The expressions are compiled on first use: most commands need none.
var (
	// credentialValueRE matches the documented forms of issuers' keys.
	credentialValueRE = compileOnce(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*` + // JWT
		`|(?i:\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,})` +
		`|-----BEGIN [A-Z ]*PRIVATE KEY` +
		`|\b(AKIA|ASIA)[0-9A-Z]{16}\b` + // AWS
		`|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}` +
		`|\b(sk|rk)_(live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{10,}` + // Stripe
		`|\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bAIza[A-Za-z0-9_-]{30,}|\bAGE-SECRET-KEY-1`)
	// credentialPathRE matches URL paths that are themselves the credential.
	credentialPathRE = compileOnce(`/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}` + // Slack
		`|/api/webhooks/[0-9]{10,}/[A-Za-z0-9_-]{20,}`) // Discord
)

// Names of headers and parameters that commonly contain credentials, in lower case
// and without - _ . and brackets: whole names, and parts of names.
var (
	credentialNames = []string{"authorization", "proxyauthorization", "cookie", "setcookie", "sig", "auth", "xauth", "pass", "pwd", "key", "jwt", "sas"}
	credentialParts = []string{
		"secret", "token", "password", "passwd", "passphrase", "apikey", "accesskey", "privatekey", "credential", "authkey", "sharedkey",
		"signingkey", "hmac", "bearer", "subscriptionkey", "functionskey",
	}
)

// IsCredentialName reports whether a header or parameter with this name commonly
// contains a credential (Authorization, *secret*, *token*, …).
func IsCredentialName(name string) bool {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_.[]", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
	return slices.Contains(credentialNames, name) || strings.HasSuffix(name, "signature") ||
		slices.ContainsFunc(credentialParts, func(part string) bool { return strings.Contains(name, part) })
}

// IsCredentialValue reports whether value has the form of a known type of credential
// (a JWT, a Bearer value, an issuer's key prefix).
func IsCredentialValue(value string) bool {
	return mayHoldCredential(value) && credentialValueRE().MatchString(value)
}

// credentialSigns are texts, case ignored. Every match of credentialValueRE contains
// at least one of them. Searching for them is cheap, and almost no value contains
// any.
var credentialSigns = []string{
	"eyj", "bearer", "basic", "private key", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-",
	"_live_", "_test_", "whsec_", "xox", "aiza", "age-secret-key-1",
}

func mayHoldCredential(value string) bool {
	if len(value) < 12 {
		return false // shorter than any credential
	}
	lower := strings.ToLower(value)
	for _, sign := range credentialSigns {
		if strings.Contains(lower, sign) {
			return true
		}
	}
	return false
}

func compileOnce(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// functionKeyRE matches the keys of Azure Functions. Their parameter name "code" is
// too common to indicate a credential by itself.
var functionKeyRE = compileOnce(`^[A-Za-z0-9+/_ -]{20,}={0,2}$`)

// LooksLikeCredential reports whether the name or the value of a plain header or
// parameter indicates a credential.
func LooksLikeCredential(name, value string) bool {
	return value != "" && IsCredentialName(name) || IsCredentialValue(value) ||
		strings.EqualFold(name, "code") && functionKeyRE().MatchString(value) && strings.ContainsAny(value, "0123456789") &&
			value != strings.ToLower(value) && value != strings.ToUpper(value)
}

// RedactURL replaces the parts of a URL that look like a credential: user
// information, query values, fragments and path segments. In text that is not an
// absolute URL it replaces such parts as well.
func RedactURL(u string) string { return redactURL(u, 0) }

// maxNested limits the depth of URLs in parameters of URLs. A deeper URL is treated
// as a credential.
const maxNested = 4

func redactURL(u string, depth int) string {
	_, authority, rest, ok := splitURL(u)
	prefix := ""
	if ok && authority != "" {
		scheme, _, _ := strings.Cut(u, "://") // as spelled in u
		prefix = scheme + "://" + redactAuthority(authority)
	} else {
		rest = u
		// user:password@ is user information even without slashes.
		if user, after, found := cutLast(rest, '@'); found && strings.Contains(user, ":") {
			prefix, rest = Redacted, "@"+after
		}
	}
	before, fragment, hasFragment := strings.Cut(rest, "#")
	path, query, hasQuery := strings.Cut(before, "?")
	out := prefix + redactPath(path, depth)
	if hasQuery {
		out += "?" + redactQuery(query, depth)
	}
	if hasFragment {
		out += "#" + redactQuery(fragment, depth)
	}
	return out
}

func redactAuthority(authority string) string {
	if _, host, found := cutLast(authority, '@'); found {
		authority = Redacted + "@" + host
	}
	if IsCredentialValue(authority) {
		return Redacted
	}
	return authority
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func redactPath(path string, depth int) string {
	plain := decodePercent(path)
	if credentialPathRE().MatchString(plain) || IsCredentialValue(plain) {
		return "/" + Redacted
	}
	if at := credentialAt(path, depth); at >= 0 { // parameters of a segment: /hook;token=…
		return path[:at] + Redacted
	}
	return path
}

// redactQuery redacts the parameters of a query, which "&" separates.
func redactQuery(query string, depth int) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		if at := credentialAt(part, depth); at >= 0 {
			parts[i] = part[:at] + Redacted
		}
	}
	return strings.Join(parts, "&")
}

// credentialAt returns the index of a credential in a part of a query or path, or
// -1. For some servers ";", "?" and "/" begin another parameter; for others they
// belong to the value. So the rest of the part is treated as the credential.
func credentialAt(part string, depth int) int {
	plain := func(s string) string { return decodePercent(strings.ReplaceAll(s, "+", " ")) }
	name, value, _ := strings.Cut(part, "=")
	if IsCredentialValue(plain(name)) || isCredentialURL(plain(name), depth) {
		return 0
	}
	if value = plain(value); LooksLikeCredential(plain(name), value) || isCredentialURL(value, depth) {
		return len(name) + 1
	}
	for from := 0; ; {
		end := len(part)
		if i := strings.IndexAny(part[from:], ";?/"); i >= 0 {
			end = from + i
		}
		name, value, hasValue := strings.Cut(part[from:end], "=")
		at := from + len(name) + 1
		if hasValue && at < len(part) && (IsCredentialName(plain(name)) || LooksLikeCredential(plain(name), plain(value))) {
			return at
		}
		if end == len(part) {
			return -1
		}
		from = end + 1
	}
}

// isCredentialURL reports whether value is a URL that contains a credential.
func isCredentialURL(value string, depth int) bool {
	return strings.Contains(value, "://") && (depth == maxNested || redactURL(value, depth+1) != value)
}

// decodePercent decodes every well-formed percent escape. A broken escape must not hide
// the rest.
func decodePercent(s string) string {
	if !strings.ContainsRune(s, '%') {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(c))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// RedactValue returns value, or [Redacted] if it looks like a credential under this
// name. In a URL it replaces only the parts that look like a credential.
func RedactValue(name, value string) string {
	if LooksLikeCredential(name, value) {
		return Redacted
	}
	if strings.Contains(value, "://") {
		return RedactURL(value)
	}
	return value
}

// Redacted returns a copy of s that a document may contain. It replaces everything
// that looks like a credential in URL, headers, parameters and unknown fields. The
// values of unknown fields below authentication are always replaced.
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

// RedactUnknown returns the value of an unknown field in a form that may be shown.
// Fields that a newer API adds under authentication are treated as secret.
func RedactUnknown(path string, raw json.RawMessage) json.RawMessage {
	if strings.HasPrefix(path, "authentication") || IsCredentialName(path) ||
		IsCredentialValue(string(raw)) || containsCredential(raw) {
		return json.RawMessage(`"` + Redacted + `"`)
	}
	return raw
}

// containsCredential looks for the name of a credential at any depth. Invalid
// JSON counts as a match.
func containsCredential(raw json.RawMessage) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return true
	}
	var walk func(v any) bool
	walk = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if IsCredentialName(name) || walk(value) {
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
