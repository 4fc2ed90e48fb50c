package secrets

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// Auth is the decrypted authentication of one rule, by name.
type Auth struct {
	Headers     map[string]String
	QueryParams map[string]String
}

// Len is the number of values.
func (a Auth) Len() int { return len(a.Headers) + len(a.QueryParams) }

// Values returns every value by its path ("headers/X-Webhook-Secret"), the
// paths sorted.
func (a Auth) Values() (paths []string, values map[string]String) {
	values = make(map[string]String, a.Len())
	for name, v := range a.Headers {
		values["headers/"+name] = v
	}
	for name, v := range a.QueryParams {
		values["queryParams/"+name] = v
	}
	return slices.Sorted(maps.Keys(values)), values
}

// Sealed is spec.authentication of one rule as its files have it. It is enough
// to decrypt later, from the very bytes that were validated: a file that
// changes on disk in between changes nothing.
type Sealed struct {
	// File is the name of the rule's file, for messages.
	File string
	// Sources are the documents to open; nil where nothing is encrypted. No
	// value comes from two of them.
	Sources []Source
	// Plain holds the values that stand in clear text
	// (--allow-plaintext-auth), beside those of Sources.
	Plain Auth
}

// Source is one encrypted document, and what of it counts.
type Source struct {
	// File is the document's name, for messages.
	File string
	// Document is the whole file as read. SOPS needs all of it: its MAC may
	// cover clear values, too.
	Document []byte
	// Take says which values count, by their path in the rule
	// ("headers/X-Webhook-Secret"), and the keys that lead to each in the
	// document. Nil means every value of spec.authentication.
	Take map[string][]string
}

// Add puts a value at a path ("headers/X-Webhook-Secret"). It reports whether
// it did: not where there is a value already, or the path is no such path.
func (a *Auth) Add(path string, value String) bool {
	part, name, _ := strings.Cut(path, "/")
	var to *map[string]String
	switch part {
	case "headers":
		to = &a.Headers
	case "queryParams":
		to = &a.QueryParams
	default:
		return false
	}
	if _, taken := (*to)[name]; taken {
		return false
	}
	if *to == nil {
		*to = map[string]String{}
	}
	(*to)[name] = value
	return true
}

// Problems takes apart what opening a [Sealed] said: one error for each thing
// that is wrong, each of one file, in order.
func Problems(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, Problems(e)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// SealedProblem says what keeps value from being an encrypted text exactly as
// SOPS writes it, or "". SOPS itself is lax: it takes trailing text, prints the
// decrypted value when the type is changed to int, and panics on bytes. The
// text never holds the value.
func SealedProblem(value string) string {
	rest, ok := strings.CutPrefix(value, "ENC[AES256_GCM,data:")
	if !ok {
		return "is not encrypted"
	}
	if !strings.HasSuffix(rest, "]") {
		return "is cut short, or has text behind the encrypted value"
	}
	parts := strings.Split(strings.TrimSuffix(rest, "]"), ",")
	if len(parts) != 4 {
		return "is not what SOPS writes: expected ENC[AES256_GCM,data:…,iv:…,tag:…,type:str]"
	}
	kind, ok := strings.CutPrefix(parts[3], "type:")
	switch {
	case !ok || strings.ContainsAny(kind, "[]"):
		return "is not what SOPS writes: expected type:str at its end"
	case kind != "str":
		return "was encrypted as another type than text"
	}
	for i, part := range []struct {
		name  string
		bytes int // 0: any but none
	}{{"", 0}, {"iv:", 32}, {"tag:", 16}} {
		text, ok := strings.CutPrefix(parts[i], part.name)
		data, err := base64.StdEncoding.Strict().DecodeString(text)
		if !ok || err != nil || strings.ContainsAny(text, "\r\n") || len(data) == 0 || part.bytes > 0 && len(data) != part.bytes {
			name := strings.TrimSuffix(part.name, ":")
			if name == "" {
				name = "data"
			}
			return "is damaged: its " + name + " is not what SOPS writes"
		}
	}
	return ""
}

// LooksSealed reports whether value is meant to be an encrypted one.
func LooksSealed(value string) bool { return strings.HasPrefix(strings.TrimSpace(value), "ENC[") }

// FormProblem is what keeps an encrypted document from being opened, whatever
// keys are at hand.
type FormProblem struct {
	// Path leads to the place in the document: keys, and indexes of lists. It
	// may end above the place. Empty means the document.
	Path    []string
	Message string
	Hint    string // what to do next, or ""
}
