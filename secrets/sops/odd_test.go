package sops_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
)

// TestOddSecrets: a value that does not look like a secret is refused on
// decryption and on sealing, with its path. AllowOddSecrets accepts the value,
// but no mask, no placeholder and no damaged text.
func TestOddSecrets(t *testing.T) {
	t.Parallel()
	const path = "spec.authentication.headers.X-One"
	for value, odd := range map[string]bool{
		"$S3CR3T": true, "[redacted:s3cr3t]": true, "****s3cr3t": true, "<s3cr3t>": true, "s3cr3t\u200b!": true, "\ufeffs3cr3t": true, "op://s3cr3t/x": true, "'s3cr3t'": true,
		"****": false, "REPLACE_ME_s3cr3t": false, " s3cr3t": false, "s3cr3t\u00a0": false, "s3cr3t\x07": false,
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(document, "s3cr3t-one", secretYAML(value), 1)
			sealed := seal(t, text, usual...)
			_, err := decryptTree(t, sealed, sops.Options{})
			wantError(t, err, sops.BadValue, path+" ")
			if hinted := strings.Contains(err.(interface{ Unwrap() []error }).Unwrap()[0].(*sops.Error).Hint(), "--allow-odd-secrets"); hinted != odd {
				t.Errorf("the hint names the flag: %t, want %t", hinted, odd)
			}
			if _, err = decryptTree(t, sealed, sops.Options{AllowOddSecrets: true}); (err == nil) != odd {
				t.Errorf("opened with AllowOddSecrets: %v, want it to open: %t", err, odd)
			}
			r := request("metadata: {name: x}\nspec: {}\n", "headers/X-One", value)
			_, err = sops.New(sops.Options{}).Seal(context.Background(), r)
			noLeak(t, err)
			wantError(t, err, sops.BadValue, path+" was given a value that ")
			if out, err := sops.New(sops.Options{AllowOddSecrets: true}).Seal(context.Background(), r); (err == nil) != odd {
				t.Errorf("sealed with AllowOddSecrets: %v, want it sealed: %t", err, odd)
			} else if odd {
				wantBoth(t, string(out.Document), map[string]string{"headers/X-One": value})
			}
			// The same as plaintext, as the only value of a rule.
			plain := secrets.Sealed{File: "rule.yaml", Plain: secrets.Auth{Headers: map[string]secrets.String{"X-One": secrets.NewString(value)}}}
			_, err = sops.New(sops.Options{}).Auth(context.Background(), plain)
			noLeak(t, err)
			wantError(t, err, sops.BadValue, path+" ")
		})
	}
}

// secretYAML quotes a value.
func secretYAML(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range value {
		switch {
		case r < ' ':
			b.WriteString(`\x0` + string("0123456789abcdef"[r]))
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}
