package secrets

import (
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
	{"an age key", compiled(`(?i)AGE-SECRET-KEY-|AGE-PLUGIN-\w+-1`)},
	{"the public part of an age key", compiled(`^age1[a-z0-9]{20,}$`)},
	{"an encrypted text, not decrypted", compiled(`^ENC\[|^age-encryption\.org/|^\$ANSIBLE_VAULT|-----BEGIN AGE ENCRYPTED FILE`)},
	{"a private key", compiled(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY|^PuTTY-User-Key-File|^openssh-key-v1|^untrusted comment: .*secret key`)},
	{"a certificate or another PEM text", compiled(`-----BEGIN [A-Z0-9 ]+-----`)},
	{"an SSH public key", compiled(`^(?:ssh-|ecdsa-|sk-ssh-|sk-ecdsa-)\S+ AAAA`)},
	{"an AWS key", compiled(`(?:^|\W)(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}(?:\W|$)|aws_(?:access_key_id|secret_access_key|session_token)`)},
	{"a JSON document", compiled(`^\{\s*["}]|^\[\s*["\[{\]]|^"`)},
	{"a YAML document", compiled(`^---|^sops:|(?m:^[A-Za-z_][\w.-]*:(?:\s|$))`)},
	{"a line NAME=VALUE, expected the value alone", compiled(`^(?:export\s+|set\s+|ENV\s+)?[A-Za-z_]\w*=[^=]`)},
	{"a URL", compiled(`^[A-Za-z][A-Za-z0-9+.-]*://|^www\.`)},
	{"a token of another service", compiled(`^(?:gh[pousr]_|github_pat_|glpat-|gldt-|xox[abeprs]-|xapp-|[sr]k_(?:live|test)_|whsec_|AIza|npm_|pypi-|dop_v1_|hv[sb]\.|SG\.|dckr_pat_|sq0|shpat_|AGE)`)},
	{"an HTML document", compiled(`^<`)},
	{"a path of a file", compiled(`^(?:~?/|\.\.?/|[A-Za-z]:\\)`)},
}

// TokenProblem names the other kind of text that a token evidently is, or
// returns "". The result never holds the token.
func (s String) TokenProblem() string {
	v := strings.TrimSpace(strings.TrimPrefix(s.text(), "\ufeff"))
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
