package secrets

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestTokenProblem: text that is evidently not a token of MK.IO is refused with
// its kind. Text that may be a token passes.
func TestTokenProblem(t *testing.T) {
	t.Parallel()
	const age = "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SQGZKYZ"
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjMifQ.c2lnbmF0dXJl-_9"
	for says, values := range map[string][]string{
		"an age key":              {age, strings.ToLower(age), "# created: 2026\n# public key: age1x\n" + age + "\n", "AGE-PLUGIN-YUBIKEY-1QQQ", "SOPS_AGE_KEY=" + age, base64.StdEncoding.EncodeToString([]byte(age)), base64.RawURLEncoding.EncodeToString([]byte("# key\n" + age + "\n"))},
		"public part":             {"age1fhx9l9euyze64g0xdxmxur4wqv09fjqufxykg5dyu6zqe7leyfvq8hyk7g"},
		"encrypted text":          {"ENC[AES256_GCM,data:x]", "-----BEGIN AGE ENCRYPTED FILE-----\nx", "$ANSIBLE_VAULT;1.1"},
		"a private key":           {"-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "-----BEGIN PGP PRIVATE KEY BLOCK-----", "-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----\nx", "PuTTY-User-Key-File-3: x"},
		"PEM":                     {"-----BEGIN CERTIFICATE-----\nx", "-----BEGIN PGP MESSAGE-----"},
		"SSH public key":          {"ssh-ed25519 AAAAC3Nz x", "ecdsa-sha2-nistp256 AAAAE2"},
		"an AWS key":              {"AKIA" + "J4QXPLMN7TRWVU2S", "[default]\naws_access_key_id = x", "ASIA" + "J4QXPLMN7TRWVU2S:abc"},
		"a JSON document":         {`{"token":"x"}`, `["x"]`, `"x"`, "{\n}"},
		"a YAML document":         {"token: x", "---\na: b", "sops:\n  age: []", "apiVersion: v1\nkind: Secret", "# a\ntoken: x\n"},
		"NAME=VALUE":              {"MKIO_TOKEN=" + jwt, "export MKIO_TOKEN=x", "token=x"},
		"a URL":                   {"https://app.mk.io", "http://127.0.0.1:8080", "op://vault/item", "postgres://u:p@h/d"},
		"another service":         {"gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a", "github_" + "pat_x", "gl" + "pat-x", "xox" + "b-1-x", "sk_" + "live_x", "hv" + "s.x"},
		"an HTML document":        {"<!DOCTYPE html>", "<html>"},
		"a path of a file":        {"/run/secrets/token", "./token.txt", "~/token", "../x", `C:\token`},
		"several lines":           {jwt + "\n" + jwt, "a\r\nb"},
		"a mask":                  {"***", "••••"},
		"a placeholder":           {"REPLACE_ME", "$MKIO_TOKEN", "${MKIO_TOKEN}", "%MKIO_TOKEN%", "{{ token }}", "##X##"},
		"absent value":            {"null", "None", "undefined"},
		"a hidden value":          {"[REDACTED]", "(sensitive)"},
		"part is hidden":          {"eyJh****", "eyJhbGci..."},
		"object that a program":   {"[object Object]"},
		"another store or like t": nil,
		"a line of a private key": {"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw", "MIIEowIBAAKCAQEAx", "MHcCAQEEIIx"},
	} {
		for _, v := range values {
			got := NewString(v).TokenProblem()
			if !strings.Contains(got, says) && !(strings.HasPrefix(says, "absent") && got != "") {
				t.Errorf("TokenProblem(%q) = %q, want %q", v, got, says)
			}
			if len(v) > 12 && strings.Contains(got, v) {
				t.Errorf("TokenProblem(%q) shows the token", v)
			}
		}
	}
	for _, v := range []string{
		"", jwt, jwt + "\n", "token-of-the-test-scripts", "a-wrong-token", "token", "demo", "x", "secret", "dummy", "9944b09199c62bcf9418ad846dd0e4bb", "550e8400-e29b-41d4-a716-446655440000",
		"dXNlcjpwYXNzd29yZA==", "q83vEjRWeJCrze8SNFZ4kA==", "mkio_9f3aK2", "a.b.c", "a:b", "eyJhbGciOiJub25lIn0.e30.", "with_under-score.and.dots~9", "abc/def+9==", "A1B2",
	} {
		if got := NewString(v).TokenProblem(); got != "" {
			t.Errorf("TokenProblem(%q) = %q", v, got)
		}
	}
}
