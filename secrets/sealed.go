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

// Len returns the number of values.
func (a Auth) Len() int { return len(a.Headers) + len(a.QueryParams) }

// Values returns all values by path ("headers/X-Webhook-Secret"), and the
// sorted paths.
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

// Sealed is spec.authentication of one rule as its files contain it. It holds
// the bytes that were validated, so a file that changes on disk before the
// decryption has no effect.
type Sealed struct {
	// File is the name of the rule's file, for messages.
	File string
	// Sources are the documents to decrypt; nil if no value is encrypted. Each
	// value comes from one document only.
	Sources []Source
	// Plain holds the plaintext values (--allow-plaintext-auth). They are added
	// to the values of Sources.
	Plain Auth
}

// Source is one encrypted document and the selection of its values.
type Source struct {
	// File is the document's name, for messages.
	File string
	// Document is the complete file. SOPS needs all of it, because its MAC may
	// also cover plaintext values.
	Document []byte
	// Take maps the path of each selected value in the rule
	// ("headers/X-Webhook-Secret") to its keys in the document. Nil selects
	// every value of spec.authentication.
	Take map[string][]string
}

// Add adds a value at a path ("headers/X-Webhook-Secret"). It returns false,
// and adds nothing, if the path is already set or invalid.
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

// Problems splits the error of a [Sealed] that could not be decrypted: it
// returns one error for each problem of each file, in order.
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

// SealedProblem returns the problem of a text that is not exactly as SOPS
// writes an encrypted value, or "". SOPS itself is lax: it accepts trailing
// text, prints the decrypted value if the type is changed to int, and panics on
// bytes. The problem never holds the value.
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
		return otherType
	}
	for i, part := range []struct {
		name  string
		bytes int // 0: any length above 0
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

// otherType is the problem of a value that SOPS encrypted as a number or a bool.
const otherType = "was encrypted as another type than text"

// SealedAsOtherType reports whether value is encrypted as a type other than
// text: its [SealedProblem] reports this.
func SealedAsOtherType(value string) bool { return SealedProblem(value) == otherType }

// LooksSealed reports whether value begins like an encrypted value.
func LooksSealed(value string) bool { return strings.HasPrefix(strings.TrimSpace(value), "ENC[") }

// FormProblem is a problem of an encrypted document that prevents its
// decryption with any key.
type FormProblem struct {
	// Path is the location in the document: keys, and indexes of lists. It may
	// lead to a parent only. Empty means the document.
	Path    []string
	Message string
	Hint    string // what to do next, or ""
	Command string // that Hint comes down to, or ""
}
