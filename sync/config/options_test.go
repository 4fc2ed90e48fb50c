package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// vaultOnly replaces the age key of a sealed file by a key of a Vault.
func vaultOnly(t *testing.T, address string) string {
	t.Helper()
	text := read(t, "testdata/ok/sealed.yaml")
	before, rest, _ := strings.Cut(text, "    age:\n")
	_, after, ok := strings.Cut(rest, "    encrypted_regex:")
	if !ok {
		t.Fatal("the file has changed")
	}
	return before + "    hc_vault:\n        - vault_address: " + address + "\n          engine_path: transit\n          key_name: k\n          enc: x\n    encrypted_regex:" + after
}

func TestOptions(t *testing.T) {
	t.Parallel()
	clear := read(t, "testdata/err/auth-clear.yaml")
	plain := ruleNamed("x") + "  headers:\n    X-Api-Key: hunter2\n"
	redacted := strings.Replace(plain, "hunter2", "(looks like a credential)", 1)
	redactedURL := strings.Replace(ruleNamed("x"), "example.com", "example.com?token=(looks like a credential)&x=", 1)
	tests := map[string]struct {
		text string
		o    Options
		want string // part of a problem; "" for none
		bad  bool
	}{
		"clear value":                    {clear, Options{}, "is in clear text", true},
		"clear value allowed":            {clear, Options{AllowPlaintextAuth: true}, "", false},
		"mask all the same":              {read(t, "testdata/err/auth-mask.yaml"), Options{AllowPlaintextAuth: true}, "is a mask", true},
		"placeholder all the same":       {read(t, "testdata/err/auth-placeholder.yaml"), Options{AllowPlaintextAuth: true}, "is a placeholder", true},
		"empty all the same":             {read(t, "testdata/err/auth-empty.yaml"), Options{AllowPlaintextAuth: true}, "is empty", true},
		"white space all the same":       {ruleNamed("x") + "  authentication: {headers: {X-Secret: ' hunter2-v'}}\n", Options{AllowPlaintextAuth: true}, "has white space around it", true},
		"clear beside encrypted":         {read(t, "testdata/err/sealed-clear.yaml"), Options{AllowPlaintextAuth: true}, "is in clear text", true},
		"plain credential":               {plain, Options{}, "spec.headers.X-Api-Key looks like a credential", true},
		"plain credential allowed":       {plain, Options{AllowPlainCredentials: true}, "spec.headers.X-Api-Key looks like a credential", false},
		"credential in the URL allowed":  {read(t, "testdata/err/url-token.yaml"), Options{AllowPlainCredentials: true}, "spec.url has a part that looks like a credential", false},
		"placeholder allowed":            {read(t, "testdata/err/auth-placeholder.yaml"), Options{AllowPlaceholders: true}, "is a placeholder, so the rule can't be sent yet", false},
		"mask, not a placeholder":        {read(t, "testdata/err/auth-mask.yaml"), Options{AllowPlaceholders: true}, "is a mask", true},
		"clear value, not a placeholder": {clear, Options{AllowPlaceholders: true}, "is in clear text", true},
		"redacted":                       {redacted, Options{AllowPlainCredentials: true}, `spec.headers.X-Api-Key says "(looks like a credential)", expected the value itself`, true},
		"redacted allowed":               {redacted, Options{AllowPlaceholders: true}, `spec.headers.X-Api-Key says "(looks like a credential)" instead of its value`, false},
		"redacted URL":                   {redactedURL, Options{AllowPlainCredentials: true}, `spec.url says "(looks like a credential)", expected the value itself`, true},
		"redacted URL allowed":           {redactedURL, Options{AllowPlaceholders: true}, `spec.url says "(looks like a credential)" instead`, false},
		"KMS":                            {read(t, "testdata/err/sealed-kms.yaml"), Options{KeyServices: []string{"gcpkms"}}, "awskms only, which is not allowed", true},
		"KMS allowed":                    {read(t, "testdata/err/sealed-kms.yaml"), Options{KeyServices: []string{"awskms"}}, "", false},
		"Vault":                          {vaultOnly(t, "https://vault.example.com"), Options{VaultAddr: "https://vault.example.com"}, "hcvault only, which is not allowed", true},
		"Vault allowed":                  {vaultOnly(t, "https://vault.example.com"), Options{KeyServices: []string{"hcvault"}, VaultAddr: "https://vault.example.com"}, "", false},
		"Vault allowed, another address": {vaultOnly(t, "https://evil.example.com"), Options{KeyServices: []string{"hcvault"}, VaultAddr: "https://vault.example.com"}, "another address than VAULT_ADDR", true},
		"Vault allowed, no address":      {vaultOnly(t, "https://vault.example.com"), Options{KeyServices: []string{"hcvault"}}, "another address than VAULT_ADDR", true},
		"groups, Vault allowed":          {read(t, "testdata/err/sealed-groups.yaml"), Options{KeyServices: []string{"hcvault"}, VaultAddr: "https://vault.example.com"}, "", false},
		// One part is never enough for Shamir's scheme.
		"groups, one is never enough": {strings.Replace(read(t, "testdata/err/sealed-groups.yaml"), "shamir_threshold: 2", "shamir_threshold: 1", 1), Options{}, "can be opened by hcvault only", true},
		"groups, more than there are": {strings.Replace(read(t, "testdata/err/sealed-groups.yaml"), "shamir_threshold: 2", "shamir_threshold: 3", 1), Options{KeyServices: []string{"hcvault"}}, "sops.shamir_threshold is 3 and there are 2 key groups", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule, problems := ParseRule("x.yaml", []byte(test.text), test.o)
			got := lines(problems)
			checkNoSecret(t, []byte(test.text), got)
			if (rule == nil) != test.bad || test.want == "" && len(problems) > 0 || !strings.Contains(got, test.want) {
				t.Errorf("rule %t, problems:\n%s", rule != nil, got)
			}
		})
	}
}

// TestAccepted checks the parsed rule: its spec contains names, never values. The
// data needed to decrypt them is separate.
func TestAccepted(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/ok/sealed.yaml")
	sealed, _ := ParseRule("x.yaml", []byte(text), Options{})
	if sealed == nil || sealed.Name != "sealed" || sealed.File != "x.yaml" || sealed.Line != 2 ||
		strings.Join(sealed.Spec.Auth.Headers, " ") != "X-Secret" || strings.Join(sealed.Spec.Auth.QueryParams, " ") != "code" ||
		len(sealed.Sealed.Sources) != 1 || string(sealed.Sealed.Sources[0].Document) != text || sealed.Sealed.Sources[0].Take != nil || sealed.Sealed.Plain.Len() != 0 {
		t.Fatalf("sealed: %+v", sealed)
	}
	edited, _ := ParseRule("x.yaml", []byte(strings.Replace(text, "example.com/mkio", "example.com/other", 1)), Options{})
	rotated, _ := ParseRule("x.yaml", []byte(strings.Replace(text, "data:64Ec/w==", "data:75Ec/w==", 1)), Options{})
	if edited.AuthDigest != sealed.AuthDigest || rotated.AuthDigest == sealed.AuthDigest {
		t.Errorf("digests: %s, of the same values %s, of another %s", sealed.AuthDigest, edited.AuthDigest, rotated.AuthDigest)
	}
	plain, _ := ParseRule("x.yaml", []byte(read(t, "testdata/err/auth-clear.yaml")), Options{AllowPlaintextAuth: true})
	if plain.AuthDigest != webhook.AuthUnknown || plain.Sealed.Sources != nil || plain.Sealed.Plain.Len() != 1 {
		t.Errorf("plain: %+v", plain)
	}
	none, _ := ParseRule("x.yaml", []byte(ruleNamed("x")), Options{})
	if none.AuthDigest != webhook.AuthDigest(nil) || none.Sealed.Sources != nil || none.Sealed.Plain.Len() != 0 {
		t.Errorf("none: %+v", none)
	}
}

// TestPlaceholders checks that missing values are listed, for the guard of the plan.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	text := ruleNamed("x") + "  queryParams: {sig: (looks like a credential)}\n  authentication: {headers: {X-A: REPLACE_ME}, queryParams: {b: changeme}}\n"
	rule, problems := ParseRule("x.yaml", []byte(text), Options{AllowPlaceholders: true})
	if rule == nil {
		t.Fatal(lines(problems))
	}
	want := "spec.queryParams.sig spec.authentication.headers.X-A spec.authentication.queryParams.b"
	if got := strings.Join(rule.Placeholders, " "); got != want || rule.AuthDigest != webhook.AuthUnknown {
		t.Errorf("placeholders %s, want %s; digest %s", got, want, rule.AuthDigest)
	}
}

// TestWide checks that a file of a hundred thousand keys, which is within the size
// limit, does not take quadratic time (once minutes). The time limit is far above
// the expected time.
func TestWide(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"top level": "", "headers": "spec:\n  headers:\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			indent := strings.Repeat(" ", 4*strings.Count(text, "headers"))
			var b strings.Builder
			b.WriteString(text)
			for i := 0; b.Len() < maxFile-100; i++ {
				b.WriteString(indent + "k" + string(rune('a'+i%26)) + strings.Repeat("x", i%7) + time.Duration(i).String() + ": 1\n")
			}
			done := make(chan []schema.Problem, 1)
			go func() {
				_, problems := ParseRule("x.yaml", []byte(b.String()), Options{})
				done <- problems
			}()
			select {
			case problems := <-done:
				if len(problems) != maxProblems+1 || !strings.Contains(problems[maxProblems].Message, "more problems in this file") {
					t.Errorf("%d problems, the last: %+v", len(problems), problems[len(problems)-1])
				}
			case <-time.After(30 * time.Second):
				t.Fatal("still at it after 30 s")
			}
		})
	}
}
