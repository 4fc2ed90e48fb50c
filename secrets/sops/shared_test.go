package sops_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// twoShared selects both values of sharedDocument.
var twoShared = map[string][]string{"headers/X-Shared": {"webhookSecret"}, "queryParams/code": {"other"}}

func openShared(t testing.TB, d *sops.Decrypter, text string) (secrets.Auth, error) {
	t.Helper()
	auth, err := d.Auth(context.Background(), secrets.Sealed{File: "rule.yaml", Sources: []secrets.Source{sharedSource(text, twoShared)}})
	noLeak(t, err)
	return auth, err
}

var sharedValues = map[string]string{"headers/X-Shared": "s3cr3t-shared", "queryParams/code": "s3cr3t: other"}

// TestAnySharedByte: with any byte of a shared secrets file changed, the file
// decrypts to the same values or not at all. No error contains a secret.
func TestAnySharedByte(t *testing.T) {
	t.Parallel()
	good := sealSharedFile(t, sharedDocument)
	var key []byte
	if _, err := openShared(t, sops.New(sops.Options{KeyService: recorder{newCounter(), &key}}), good); err != nil || len(key) == 0 {
		t.Fatalf("the data key could not be had: %v", err)
	}
	d := sops.New(sops.Options{KeyService: &stub{answer: constant(key)}})
	opened, refused := 0, 0
	for i := range len(good) {
		for _, by := range []string{"", "A", "#", "\n", good[i:i+1] + good[i:i+1]} {
			text := good[:i] + by + good[i+1:]
			auth, err := openShared(t, d, text)
			if err != nil {
				refused++
				continue
			}
			opened++
			if wantValues(t, auth, sharedValues); t.Failed() {
				t.Fatalf("byte %d as %q:\n%s", i, by, text)
			}
		}
	}
	if opened < 300 || refused < 2000 {
		t.Errorf("%d opened and %d refused: the test reaches too little", opened, refused)
	}
}

// TestReferences: references to another file are not part of the tree. The
// other values can be decrypted, set and signed, though SOPS itself can't
// decrypt such a file.
func TestReferences(t *testing.T) {
	t.Parallel()
	const entry = "            X-Shared:\n                $secret: shared.yaml#webhookSecret # a comment\n"
	for name, flags := range map[string][]string{"mac_only_encrypted": usual, "full MAC": {"--encrypted-regex", "^authentication$"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mixed := strings.Replace(seal(t, document, flags...), "            X-Two:", entry+"            X-Two:", 1)
			auth, err := decryptTree(t, mixed, sops.Options{})
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, auth, documentValues)
			set := sealNew(t, mixed, "headers/X-One", "s3cr3t-new")
			if !strings.Contains(set, entry) || plainPart(set) != plainPart(mixed) {
				t.Errorf("more was changed than one value:\n%s", set)
			}
			if auth, err = decryptTree(t, set, sops.Options{}); err != nil {
				t.Fatal(err)
			}
			wantValues(t, auth, map[string]string{"headers/X-One": "s3cr3t-new", "headers/X-Two": "s3cr3t: two", "queryParams/code": "0123"})
			_, err = sops.New(sops.Options{}).Seal(context.Background(), request(mixed, "headers/X-Shared", "s3cr3t-new"))
			wantError(t, err, sops.BadValue, "spec.authentication.headers.X-Shared is a $secret")
		})
	}
	// A reference in place of an encrypted value breaks the MAC.
	good := seal(t, document, usual...)
	_, err := decryptTree(t, strings.Replace(good, "X-One: "+convertNode(good, "X-One"), "X-One: {$secret: shared.yaml#x}", 1), sops.Options{})
	wantError(t, err, sops.WrongMAC, "deleted, added or swapped")
	// Any other mapping is a value that is not text.
	for _, not := range []string{"{$secret: " + `"` + convertNode(good, "X-Two") + `"}`, "{$secret: a.yaml#x, more: b}", "{other: a.yaml#x}", "{}", "{$secret: 1}"} {
		_, err := decryptTree(t, strings.Replace(good, "X-One: "+convertNode(good, "X-One"), "X-One: "+not, 1), sops.Options{})
		wantError(t, err, sops.Malformed, "is no text")
	}
	// A file with references only is encrypted around them.
	fresh := "metadata:\n  name: x\nspec:\n  authentication:\n    headers:\n      X-Shared: {$secret: shared.yaml#x}\n      X-One: REPLACE_ME\n"
	wantValues(t, must(decryptTree(t, sealNew(t, fresh, "headers/X-One", "s3cr3t-one"), sops.Options{})), map[string]string{"headers/X-One": "s3cr3t-one"})
}

func must(auth secrets.Auth, err error) secrets.Auth {
	if err != nil {
		panic(err)
	}
	return auth
}

// TestSealShared seals new shared secrets files and files of the real command.
// The real command can then read and edit them.
func TestSealShared(t *testing.T) {
	t.Parallel()
	wantShared := func(t *testing.T, text string, want map[string]string) {
		t.Helper()
		auth, err := openShared(t, sops.New(sops.Options{}), text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		wantValues(t, auth, want)
		file := filepath.Join(t.TempDir(), "shared.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		sopstest.Sops(t, nil, filepath.Dir(file), "set", file, `["other"]`, `"s3cr3t-by-sops"`)
		if got := sopstest.Sops(t, nil, filepath.Dir(file), "decrypt", "--extract", `["webhookSecret"]`, file); got != want["headers/X-Shared"] {
			t.Error("the real command reads another value")
		}
		want = map[string]string{"headers/X-Shared": want["headers/X-Shared"], "queryParams/code": "s3cr3t-by-sops"}
		if auth, err = openShared(t, sops.New(sops.Options{}), parseTree(t, file)); err != nil {
			t.Fatal(err)
		}
		wantValues(t, auth, want)
	}
	t.Run("new", func(t *testing.T) {
		t.Parallel()
		text := sealNew(t, "# s3cr3t comment\nwebhookSecret: REPLACE_ME # s3cr3t of yesterday\nother: 's3cr3t: other'\n", "webhookSecret", "s3cr3t-shared")
		if strings.Contains(text, "s3cr3t") || strings.Contains(text, "encrypted_regex") || !strings.Contains(text, "unencrypted_suffix: _unencrypted") {
			t.Errorf("sealed as\n%s", text)
		}
		wantShared(t, text, sharedValues)
	})
	t.Run("old", func(t *testing.T) {
		t.Parallel()
		old := sealSharedFile(t, sharedDocument)
		text := sealNew(t, old, "webhookSecret", "s3cr3t-new")
		if plainPart(text) != plainPart(old) || convertNode(text, "other") == convertNode(old, "other") {
			t.Errorf("changed from\n%s\nto\n%s", old, text)
		}
		wantShared(t, text, map[string]string{"headers/X-Shared": "s3cr3t-new", "queryParams/code": "s3cr3t: other"})
	})
	t.Run("added", func(t *testing.T) {
		t.Parallel()
		text := sealNew(t, sealSharedFile(t, "webhookSecret: s3cr3t-shared\n"), "other", "s3cr3t: other")
		wantShared(t, text, sharedValues)
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		_, err := sops.New(sops.Options{}).Seal(context.Background(), request("a: REPLACE_ME\nb: REPLACE_ME\n", "a", "s3cr3t-one"))
		wantError(t, err, sops.Unset, "rule.yaml: b is still to be set")
		_, err = sops.New(sops.Options{}).Seal(context.Background(), request("a: REPLACE_ME\n", "a", " s3cr3t"))
		wantError(t, err, sops.BadValue, "rule.yaml: a was given a value that has white space around it")
	})
}
