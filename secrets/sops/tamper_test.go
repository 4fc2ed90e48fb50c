package sops_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// replaceNth replaces the n-th match of old.
func replaceNth(s, old, new string, n int) string {
	at := 0
	for range n {
		i := strings.Index(s[at:], old)
		if i < 0 {
			return s
		}
		at += i + len(old)
	}
	at -= len(old)
	return s[:at] + new + s[at+len(old):]
}

// convertNode returns the ciphertext after a name.
func convertNode(text, name string) string {
	_, after, _ := strings.Cut(text, name+": ")
	value, _, _ := strings.Cut(after, "\n")
	if i := strings.Index(value, " #"); i >= 0 {
		value = value[:i]
	}
	return value
}

// TestTampered: every kind of hand edit of an encrypted file has an error kind.
// No message contains a secret, a ciphertext or SOPS's hash.
func TestTampered(t *testing.T) {
	t.Parallel()
	good := seal(t, document, usual...)
	full := seal(t, document, "--encrypted-regex", "^authentication$")
	one, two := convertNode(good, "X-One"), convertNode(good, "X-Two")
	cut := func(text, from, to string) string {
		_, after, _ := strings.Cut(text, from)
		gone, _, _ := strings.Cut(after, to)
		return strings.Replace(text, from+gone, "", 1)
	}
	for name, test := range map[string]struct {
		text string
		kind sops.Kind
		says string
	}{
		"clear field, full MAC":    {strings.Replace(full, "hooks.example.com", "evil.example", 1), sops.WrongMAC, "no mac_only_encrypted"},
		"value deleted":            {cut(good, "            X-One: ", "            X-Two"), sops.WrongMAC, "deleted, added or swapped"},
		"values swapped":           {strings.NewReplacer(one, two, two, one).Replace(good), sops.Damaged, "does not open"},
		"pasted to another name":   {strings.Replace(good, "X-One:", "X-Other:", 1), sops.Damaged, "pasted from another place"},
		"tag cut short":            {strings.Replace(good, one, one[:strings.Index(one, ",tag:")+9]+",type:str]", 1), sops.Malformed, "damaged"},
		"tag changed":              {strings.Replace(good, one, swapTag(one), 1), sops.Damaged, "does not open"},
		"text behind":              {strings.Replace(good, one, one+" more", 1), sops.Malformed, "has text behind"},
		"type int":                 {strings.Replace(good, one, strings.Replace(one, "type:str", "type:int", 1), 1), sops.Malformed, "another type"},
		"type bytes":               {strings.Replace(good, one, strings.Replace(one, "type:str", "type:bytes", 1), 1), sops.Malformed, "another type"},
		"clear text in its place":  {strings.Replace(good, one, "s3cr3t-clear", 1), sops.Malformed, "is not encrypted"},
		"number in its place":      {strings.Replace(good, one, "12", 1), sops.Malformed, "is no text"},
		"metadata without a date":  {strings.Replace(good, "lastmodified:", "lastmodifie:", 1), sops.Malformed, "metadata that can't be read"},
		"no MAC":                   {replaceNth(good, "mac: ", "ma: ", 1), sops.WrongMAC, "MAC"},
		"metadata is a list":       {good[:strings.Index(good, "sops:")] + "sops: []\n", sops.Malformed, "metadata"},
		"no key":                   {withKey(good, "age: []\n"), sops.Malformed, "metadata that can't be read"},
		"no metadata":              {good[:strings.Index(good, "sops:")], sops.Malformed, "metadata that can't be read"},
		"a name twice":             {strings.Replace(good, "            X-Two: ", "            X-One: "+one+"\n            X-Two: ", 1), sops.Malformed, "not a file that SOPS wrote"},
		"a name that is a number":  {strings.Replace(good, "X-One:", "12:", 1), sops.Malformed, "name that is no text"},
		"headers in one value":     {replaceHeaders(good, " "+one+"\n"), sops.Malformed, "does not hold names and values"},
		"headers as a list":        {replaceHeaders(good, "\n            - "+one+"\n"), sops.Malformed, "does not hold names and values"},
		"a list as a value":        {strings.Replace(good, "X-One: "+one, "X-One:\n                - "+one, 1), sops.Malformed, "is no text"},
		"empty in its place":       {strings.Replace(good, one, `""`, 1), sops.Malformed, "is not encrypted"},
		"value blanked":            {strings.Replace(good, one, "null", 1), sops.WrongMAC, "deleted, added or swapped"},
		"value and comment mixed":  {strings.Replace(good, one, strings.Replace(one, "type:str", "type:comment", 1), 1), sops.Malformed, "another type"},
		"comment of a type":        {strings.Replace(good, ",type:comment]", ",type:bytes]", 1), sops.Damaged, "does not open"},
		"an alias":                 {strings.Replace(strings.Replace(good, "X-One: ", "X-One: &a ", 1), "X-Two: "+two, "X-Two: *a", 1), sops.Malformed, "not a file that SOPS wrote"},
		"no YAML":                  {"a: [", sops.Malformed, "not a file that SOPS wrote"},
		"a list":                   {"- a\n", sops.Malformed, "not a file that SOPS wrote"},
		"regex that leaves a hole": {strings.Replace(good, "^authentication$", "^queryParams$", 1), sops.WrongMAC, "MAC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decryptTree(t, test.text, sops.Options{})
			wantError(t, err, test.kind, test.says)
		})
	}
}

// replaceHeaders replaces the mapping of headers.
func replaceHeaders(text, by string) string {
	before, after, _ := strings.Cut(text, "        headers:")
	_, after, _ = strings.Cut(after, "        queryParams:")
	return before + "        headers:" + by + "        queryParams:" + after
}

// TestAnyByte: with any byte of a file changed, the file decrypts to the same
// values or not at all. No error contains a secret.
func TestAnyByte(t *testing.T) {
	t.Parallel()
	good := string(sopstest.Seal(t, document, recipient))
	d := sops.New(sops.Options{KeyService: &stub{answer: constant(dataKey(t, good))}})
	opened, refused := 0, 0
	for i := range len(good) {
		for _, by := range []string{"", "A", "#", "\n", good[i:i+1] + good[i:i+1]} {
			text := good[:i] + by + good[i+1:]
			auth, err := d.Auth(context.Background(), sealed(text))
			if noLeak(t, err); err != nil {
				refused++
				continue
			}
			opened++
			if wantValues(t, auth, documentValues); t.Failed() {
				t.Fatalf("byte %d as %q:\n%s", i, by, text)
			}
		}
	}
	// Plaintext fields may change; sealed values must not.
	if opened < 300 || refused < 2000 {
		t.Errorf("%d opened and %d refused: the test reaches too little", opened, refused)
	}
}

// FuzzAuth: any document gives values or an [sops.Error]. It never causes a
// panic or a message that shows a secret.
func FuzzAuth(f *testing.F) {
	good := string(sopstest.Seal(f, document, recipient))
	key := dataKey(f, good)
	f.Add([]byte(good))
	f.Add([]byte("sops: {}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := sops.New(sops.Options{KeyService: &stub{answer: constant(key)}})
		_, err := d.Auth(context.Background(), sealed(string(text)))
		if bytes.Contains(text, []byte("s3cr3t")) || bytes.Contains(text, []byte("ENC[")) && bytes.Contains(text, []byte("age:")) {
			var e *sops.Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("error %v of type %T", err, err)
			}
			return // messages show recipients, which anyone can write
		}
		noLeak(t, err)
	})
}

// swapTag changes the tag of a ciphertext and keeps the form valid.
func swapTag(v string) string {
	i := strings.Index(v, ",tag:") + 5
	c := "A"
	if v[i] == 'A' {
		c = "B"
	}
	return v[:i] + c + v[i+1:]
}

// TestBadValues: an encrypted value that is not valid is named by its path.
func TestBadValues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value string
		kind  sops.Kind
		says  string
	}{
		"mask":            {`"*****"`, sops.BadValue, "is a mask"},
		"encrypted twice": {`"ENC[AES256_GCM,data:s3cr3t]"`, sops.BadValue, "is an encrypted value"},
		"number":          {"0123", sops.Malformed, "was encrypted as another type than text"},
		"empty":           {`""`, sops.Malformed, "is not encrypted"},
		"placeholder":     {"REPLACE_ME", sops.BadValue, "is a placeholder"},
		"space":           {`" s3cr3t"`, sops.BadValue, "has white space"},
		"newline":         {`"s3cr3t\nmore"`, sops.BadValue, "has control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decryptTree(t, seal(t, strings.Replace(document, "s3cr3t-one", test.value, 1), usual...), sops.Options{})
			wantError(t, err, test.kind, "spec.authentication.headers.X-One "+test.says)
		})
	}
}
