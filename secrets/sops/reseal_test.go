package sops_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// groupRules returns a .sops.yaml with key groups of one age key each, or with
// one group of all keys if there is no threshold.
func groupRules(threshold string, keys ...string) []byte {
	if threshold == "" {
		return []byte("creation_rules: [{age: [" + strings.Join(keys, ", ") + "]}]\n")
	}
	text := "creation_rules:\n  - shamir_threshold: " + threshold + "\n    key_groups:\n"
	for _, k := range keys {
		text += "      - age: [" + k + "]\n"
	}
	return []byte(text)
}

// keysOf returns the part of the metadata that lists the keys, with their copies
// of the data key.
func keysOf(text string) (list string, start, end int) {
	start = strings.Index(text, "\n    age:\n") + 1
	end = start + len("    age:\n")
	for line := range strings.Lines(text[end:]) {
		if !strings.HasPrefix(line, "        ") {
			break
		}
		end += len(line)
	}
	return text[start:end], start, end
}

// canRead reports whether the real command decrypts a file with one identity.
func canRead(t *testing.T, text, identity string) bool {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rule.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return sopstest.Try(t, []string{"SOPS_AGE_KEY=" + identity, "SOPS_AGE_KEY_FILE="}, dir, "decrypt", "rule.yaml") == nil
}

// TestSealPlantedKey: the author of an encrypted file knows its data key, and cut
// their own copy of it out of the metadata. They can't read a value that is set
// later, nor a value that was there before.
func TestSealPlantedKey(t *testing.T) {
	t.Parallel()
	evil, identity := sopstest.AgeKey(t)
	const shared = "a: s3cr3t-one\nb: s3cr3t-two\n"
	for name, test := range map[string]struct {
		text  string
		flags []string
		set   []string
		anew  []string
	}{
		"one of several":   {document, usual, []string{"headers/X-One", "s3cr3t-new"}, []string{"headers/X-Two", "queryParams/code"}},
		"all":              {document, usual, []string{"headers/X-One", "s3cr3t-1", "headers/X-Two", "s3cr3t-2", "queryParams/code", "s3cr3t-3"}, nil},
		"a new name":       {document, usual, []string{"headers/X-New", "s3cr3t-new"}, []string{"headers/X-One", "headers/X-Two", "queryParams/code"}},
		"one is the same":  {document, usual, []string{"headers/X-One", "s3cr3t-one", "headers/X-Two", "s3cr3t-new"}, []string{"queryParams/code"}},
		"full MAC":         {document, []string{"--encrypted-regex", "^authentication$"}, []string{"headers/X-One", "s3cr3t-new"}, []string{"headers/X-Two", "queryParams/code"}},
		"shared file":      {shared, []string{"--mac-only-encrypted"}, []string{"a", "s3cr3t-new"}, []string{"b"}},
		"shared, full MAC": {shared, nil, []string{"a", "s3cr3t-new"}, []string{"b"}},
		"shared, one key":  {"a: s3cr3t-one\n", nil, []string{"a", "s3cr3t-new"}, nil},
		"shared, comments": {"# s3cr3t comment\na: s3cr3t-one # s3cr3t\n", nil, []string{"a", "s3cr3t-new"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := seal(t, test.text, append([]string{"--age", recipient + "," + evil}, test.flags...)...)
			list, start, end := keysOf(whole)
			i := strings.LastIndex(list, "        - ")
			cut := whole[:start] + list[:i] + whole[end:] // without the second key
			if strings.Contains(cut, evil) || !canRead(t, whole, identity) || canRead(t, cut, identity) {
				t.Fatalf("the entry was not cut:\n%s", cut)
			}
			out, err := sops.New(sops.Options{}).Seal(context.Background(), request(cut, test.set...))
			if err != nil {
				t.Fatal(err)
			}
			if slices.Sort(out.Anew); !slices.Equal(out.Anew, test.anew) || !slices.Equal(out.Recipients, []string{"age " + recipient}) {
				t.Errorf("anew %q, readable by %q", out.Anew, out.Recipients)
			}
			set := string(out.Document)
			if strings.Contains(set, "s3cr3t") {
				t.Errorf("a secret is plaintext:\n%s", set)
			}
			for _, old := range ciphertext.FindAllString(cut, -1) {
				if strings.Contains(set, old) {
					t.Errorf("a value has its old ciphertext: %s", old)
				}
			}
			_, start, end = keysOf(set)
			if canRead(t, set[:start]+list+set[end:], identity) {
				t.Error("the author of the file reads the new value")
			}
			file := filepath.Join(t.TempDir(), "rule.yaml")
			if err := os.WriteFile(file, out.Document, 0o600); err != nil {
				t.Fatal(err)
			}
			plain := sopstest.Sops(t, nil, filepath.Dir(file), "decrypt", file)
			for i := 1; i < len(test.set); i += 2 {
				if !strings.Contains(plain, test.set[i]) {
					t.Errorf("%s is not in the file:\n%s", test.set[i], plain)
				}
			}
			if strings.Contains(test.text, "#") && strings.Count(plain, "#") < strings.Count(test.text, "#") {
				t.Errorf("a comment is lost:\n%s", plain)
			}
		})
	}
}

// TestSealAllAnew: no private key is needed if all encrypted values of a file
// are replaced; otherwise it is.
func TestSealAllAnew(t *testing.T) {
	t.Parallel()
	other, identity := sopstest.AgeKey(t)
	const text = "metadata: {name: x}\nspec:\n  authentication:\n    headers:\n      X-One: s3cr3t-one\n      X-Two: s3cr3t-two\n"
	r := request(string(sopstest.Seal(t, text, other)), "headers/X-One", "s3cr3t-1", "headers/X-Two", "s3cr3t-2", "headers/X-Three", "s3cr3t-3")
	r.Config = groupRules("", other)
	out, err := sops.New(sops.Options{}).Seal(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Anew) != 0 || !canRead(t, string(out.Document), identity) {
		t.Errorf("anew %q, or not readable:\n%s", out.Anew, out.Document)
	}
	delete(r.Values, "headers/X-Two")
	_, err = sops.New(sops.Options{}).Seal(context.Background(), r)
	wantError(t, err, sops.NoKey, "the other values are encrypted anew")
}

// TestSealForms: files in braces, and metadata in the middle of a file, are
// encrypted anew in place.
func TestSealForms(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"JSON":      `{"metadata":{"name":"x"},"spec":{"url":"https://h.example.com","authentication":{"headers":{"X-One":"REPLACE_ME","X-Two":"s3cr3t-two"}}}}` + "\n",
		"braces":    "metadata: {name: x}\nspec: {authentication: {headers: {X-One: REPLACE_ME, X-Two: s3cr3t-two}}}\n",
		"CRLF":      "metadata:\r\n  name: x\r\nspec:\r\n  authentication:\r\n    headers:\r\n      X-One: REPLACE_ME # a note\r\n      X-Two: s3cr3t-two\r\n# the end\r\n",
		"a comment": "metadata: {name: x}\nspec:\n  authentication:\n    # a note\n    headers:\n      X-One: REPLACE_ME # a note\n      X-Two: s3cr3t-two # a note\n  url: https://h.example.com # clear\n# the end\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := sealNew(t, text, "headers/X-One", "s3cr3t-one")
			second := sealNew(t, first, "headers/X-One", "s3cr3t-new")
			wantBoth(t, second, map[string]string{"headers/X-One": "s3cr3t-new", "headers/X-Two": "s3cr3t-two"})
			if plainPart(first) != plainPart(second) && name != "JSON" {
				t.Errorf("plaintext changed from\n%s\nto\n%s", first, second)
			}
		})
	}
	t.Run("metadata first", func(t *testing.T) {
		t.Parallel()
		text := seal(t, document, usual...)
		before, metadata, _ := strings.Cut(text, "\nsops:\n")
		second := sealNew(t, "# first\nsops:\n"+metadata+before+"\n", "headers/X-One", "s3cr3t-new")
		wantBoth(t, second, map[string]string{"headers/X-One": "s3cr3t-new", "headers/X-Two": "s3cr3t: two", "queryParams/code": "0123"})
	})
}

// TestSealReaders: a file is encrypted anew only if the .sops.yaml names
// everybody who can read it, and if it asks for no more keys.
func TestSealReaders(t *testing.T) {
	t.Parallel()
	evil, _ := sopstest.AgeKey(t)
	group := func(keys ...string) string { return sealShared(t, keys...) }
	both := string(sopstest.Seal(t, document, recipient, evil))
	one := string(sopstest.Seal(t, document, recipient))
	// A group beside a list is ignored by SOPS; the keys of the list count.
	hidden := strings.Replace(both, "\nsops:\n", "\nsops:\n    key_groups:\n        - age:\n            - recipient: "+recipient+"\n              enc: x\n", 1)
	for name, test := range map[string]struct {
		text   string
		config []byte
		says   string // empty: sealed
		kind   sops.Kind
	}{
		"named":               {both, groupRules("", evil, recipient), "", ""},
		"fewer than named":    {one, groupRules("", recipient, evil), "", ""},
		"groups, named":       {group(recipient, second, evil), groupRules("2", recipient, second, evil), "", ""},
		"groups, stricter":    {group(recipient, second, evil), groupRules("", recipient, second, evil), "", ""},
		"unnamed":             {both, rules(), "can be read by age " + evil + ", which the nearest .sops.yaml does not name", sops.Unnamed},
		"unnamed in a group":  {group(recipient, second, evil), groupRules("2", recipient, second), evil, sops.Unnamed},
		"a list over a group": {hidden, rules(), evil, sops.Unnamed},
		"no groups":           {both, groupRules("2", recipient, evil), "with fewer keys", sops.Unnamed},
		"groups swapped":      {group(recipient, second, evil), groupRules("2", second, recipient, evil), "with fewer keys", sops.Unnamed},
		"a lower threshold":   {group(recipient, second, evil), groupRules("3", recipient, second, evil), "with fewer keys", sops.Unnamed},
		"for another file":    {one, []byte("creation_rules: [{path_regex: ^x/, age: " + recipient + "}]"), "no creation rule for this file", sops.NoRecipient},
		"no .sops.yaml":       {one, nil, "no .sops.yaml says who may read it", sops.NoRecipient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, value := range []string{"s3cr3t-new", "s3cr3t-one"} { // also for the value that it has
				r := request(test.text, "headers/X-One", value)
				r.Config = test.config
				_, err := sops.New(sops.Options{}).Seal(context.Background(), r)
				if test.says != "" {
					wantError(t, err, test.kind, test.says)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	t.Run("an SSH key in another case", func(t *testing.T) {
		t.Parallel()
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		key := "ssh-ed25519 " + base64.StdEncoding.EncodeToString(append([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), public...))
		r := request(strings.Replace(one, "recipient: "+recipient, "recipient: "+strings.ToLower(key), 1), "headers/X-One", "s3cr3t-new")
		r.Config = groupRules("", key)
		_, err = sops.New(sops.Options{}).Seal(context.Background(), r)
		wantError(t, err, sops.Unnamed, strings.ToLower(key))
	})
}
