package secrets

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// notTokens are forms of text that are never a token of MK.IO. The first match
// counts, so the order matters: a key file also has several lines. The
// documentation only says "JWT" about tokens, so no other form is refused.
var notTokens = []struct {
	what string
	form func() *regexp.Regexp
}{
	{"the public part of an age key", lazyRegexp(`^age1[a-z0-9]{20,}$`)},
	{"an encrypted text, not decrypted", lazyRegexp(`^ENC\[|^age-encryption\.org/|^\$ANSIBLE_VAULT|-----BEGIN AGE ENCRYPTED FILE`)},
	{"a certificate or another PEM text", lazyRegexp(`-----BEGIN [A-Z0-9 ]+-----`)},
	{"an SSH public key", lazyRegexp(`^(?:ssh-|ecdsa-|sk-ssh-|sk-ecdsa-)\S+ AAAA`)},
	{"an AWS key", lazyRegexp(`(?:^|\W)(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}(?:\W|$)|aws_(?:access_key_id|secret_access_key|session_token)`)},
	{"a JSON document", lazyRegexp(`^\{\s*["}]|^\[\s*["\[{\]]|^"`)},
	{"a YAML document", lazyRegexp(`^---|^sops:|(?m:^[A-Za-z_][\w.-]*:(?:\s|$))`)},
	{"a line NAME=VALUE, expected the value alone", lazyRegexp(`^(?:export\s+|set\s+|ENV\s+)?[A-Za-z_]\w*=[^=]`)},
	{"a URL", lazyRegexp(`^[A-Za-z][A-Za-z0-9+.-]*://|^www\.`)},
	{"a token of another service", lazyRegexp(`^(?:gh[pousr]_|github_pat_|glpat-|gldt-|xox[abeprs]-|xapp-|[sr]k_(?:live|test)_|whsec_|AIza|npm_|pypi-|dop_v1_|hv[sb]\.|SG\.|dckr_pat_|sq0|shpat_|AGE)`)},
	{"an HTML document", lazyRegexp(`^<`)},
	{"a path of a file", lazyRegexp(`^(?:~?/|\.\.?/|[A-Za-z]:\\)`)},
}

// notValues are private keys. Neither the service nor a receiver may get one.
var notValues = []struct {
	what string
	form func() *regexp.Regexp
}{
	{"an age key", lazyRegexp(`(?i)AGE-SECRET-KEY-|AGE-PLUGIN-\w+-1`)},
	{"a private key", lazyRegexp(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY|^PuTTY-User-Key-File|^openssh-key-v1|^untrusted comment: .*secret key`)},
	// The first line in the file of a key: OpenSSH, then PKCS #8 and PKCS #1.
	{"a line of a private key", lazyRegexp(`^b3BlbnNzaC1rZXktdjE|^MII[EJ][A-Za-z0-9+/]{2}IBADANBgkqhkiG9w0B|^MC4CAQAwBQYDK2Vw|^MIG[A-Za-z0-9+/]{1,3}AgEAM|^M[HI][A-Za-z0-9+/]{1,2}CAQEE|^MII[EJ][A-Za-z0-9+/]{2}IBAA`)},
}

// keyIn names the private key that a text is or contains, also in base64; "" if
// there is none.
func keyIn(text string) string {
	texts := []string{text}
	compact := strings.Join(strings.Fields(text), "")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if decoded, err := enc.DecodeString(strings.TrimRight(compact, "=")); err == nil && len(decoded) > 0 {
			texts = append(texts, string(decoded))
		}
	}
	for _, t := range texts {
		for _, n := range notValues {
			if n.form().MatchString(t) {
				return n.what
			}
		}
	}
	return ""
}

// TokenProblem names the other kind of text that a token evidently is, or
// returns "". The result never holds the token.
func (s String) TokenProblem() string {
	v := strings.TrimSpace(strings.TrimPrefix(s.text(), "\ufeff"))
	if key := keyIn(v); key != "" {
		return "holds " + key
	}
	for _, n := range notTokens {
		if n.form().MatchString(v) {
			return "holds " + n.what
		}
	}
	switch {
	case strings.ContainsAny(v, "\r\n"):
		return "holds several lines"
	case IsMask(v):
		return "holds a mask (only asterisks)"
	case isPlaceholderWord(v) && !strings.HasPrefix(bareWord(v), "replaceme"):
		return "" // test beds use short words as tokens
	case strings.HasPrefix(bareWord(v), "replaceme"):
		return "holds a placeholder"
	}
	if a := placeholderOf(v); a.placeholder && a != looksDescribed {
		return a.problem()
	}
	return ""
}
