package webhook

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The canonical form removes differences that the service may introduce. They are
// the order of events, the case of header names, an empty map or none, and a default
// port. Golden tests pin it, because markers on live rules contain digests of it. A
// later version must compute the same bytes.

// Digest is the first 32 hex digits of a SHA-256 over a canonical form.
type Digest string

// Absent is the live digest of a rule that does not exist.
const Absent Digest = "absent"

// AuthUnknown is the auth digest of values that are not encrypted. No digest covers
// such values, so they can't be compared.
const AuthUnknown Digest = "00000000000000000000000000000000"

func digestBytes(kind string, body []byte) Digest {
	b := make([]byte, 0, len(kind)+1+len(body))
	b = append(append(append(b, kind...), '\n'), body...)
	sum := sha256.Sum256(b)
	return Digest(hex.EncodeToString(sum[:16]))
}

// SpecDigest returns the digest of the canonical form of s.
func SpecDigest(s Spec) Digest { return digestBytes("mkhooks spec v1", CanonicalSpec(s)) }

// SealedValue is one encrypted auth value: its path below spec.authentication
// ("headers/X-Webhook-Secret") and the text that SOPS wrote.
type SealedValue struct {
	Path, Ciphertext string
	// Shared is true if the value comes from a shared secrets file.
	Shared bool
}

// ValueDigest identifies one encrypted value, regardless of its name in a file.
type ValueDigest [16]byte

// DigestOfValue returns the digest of the text that SOPS wrote for a value.
func DigestOfValue(ciphertext string) ValueDigest {
	sum := sha256.Sum256([]byte("mkhooks value v1\n" + ciphertext))
	return ValueDigest(sum[:16])
}

// Holding is an encrypted value in the files, its rule, and the URL that the rule
// sends it to.
type Holding struct {
	Value              ValueDigest
	Project, Rule, URL string
}

// AuthDigest returns the digest of a rule's ciphertext: the sorted list of (path,
// SOPS value). SOPS keeps the ciphertext of an unchanged value byte for byte. So
// equal digests mean equal values, and no key is needed to compare. Without values
// it returns the digest of the empty list.
func AuthDigest(values []SealedValue) Digest {
	pairs := make([][2]string, 0, len(values))
	for _, v := range values {
		pairs = append(pairs, [2]string{v.Path, v.Ciphertext})
	}
	return digestBytes("mkhooks auth v1", appendPairs(nil, pairs))
}

// DesiredDigest covers everything that a PUT of d by owner would set: the spec, the
// ciphertext of its authentication and the owner.
func DesiredDigest(d Desired, owner string) Digest {
	var b []byte
	b = append(b, `{"auth":`...)
	b = appendString(b, string(d.AuthDigest))
	b = append(b, `,"owner":`...)
	b = appendString(b, owner)
	b = append(b, `,"spec":`...)
	b = append(b, CanonicalSpec(d.Spec)...)
	b = append(b, '}')
	return digestBytes("mkhooks desired v1", b)
}

// LiveDigest covers everything known of a live rule: id, spec with the names of its
// authentication, marker as read, and unknown fields. For nil, a rule that does not
// exist, it returns [Absent].
func LiveDigest(r *Rule) Digest {
	if r == nil {
		return Absent
	}
	var b []byte
	b = append(b, `{"id":`...)
	b = appendString(b, r.ID)
	b = append(b, `,"markers":`...)
	var markers [][2]string
	for name, value := range r.Spec.Headers {
		if IsMarkerHeader(name) {
			markers = append(markers, [2]string{name, value})
		}
	}
	b = appendPairs(b, markers)
	b = append(b, `,"spec":`...)
	b = append(b, CanonicalSpec(r.Spec)...)
	b = append(b, `,"unknown":`...)
	var unknown [][2]string
	for path, raw := range r.Spec.Unknown {
		unknown = append(unknown, [2]string{path, compactJSON(raw)})
	}
	b = appendPairs(b, unknown)
	b = append(b, '}')
	return digestBytes("mkhooks live v1", b)
}

// compactJSON normalizes a JSON value for a digest: no spaces, object keys sorted.
// Text that is not JSON is returned unchanged.
func compactJSON(raw json.RawMessage) string {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return string(raw)
	}
	return string(appendJSON(nil, v))
}

// CanonicalSpec returns the canonical form of s without the marker and unknown
// fields: JSON without spaces, every key present, names in order.
func CanonicalSpec(s Spec) []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"auth":{"headers":`...)
	b = appendSorted(b, s.Auth.Headers, HeaderKey)
	b = append(b, `,"queryParams":`...)
	b = appendSorted(b, s.Auth.QueryParams, asText)
	b = append(b, `},"enabled":`...)
	b = strconv.AppendBool(b, s.Enabled)
	b = append(b, `,"events":`...)
	events := make([]string, 0, len(s.Events))
	for _, e := range s.Events {
		events = append(events, asText(string(e)))
	}
	slices.Sort(events)
	b = appendSorted(b, slices.Compact(events), asText)
	b = append(b, `,"headers":`...)
	headers := make([][2]string, 0, len(s.Headers))
	for name, value := range s.Headers {
		if !IsMarkerHeader(name) {
			headers = append(headers, [2]string{HeaderKey(name), HeaderValue(value)})
		}
	}
	b = appendPairs(b, headers)
	b = append(b, `,"queryParams":`...)
	params := make([][2]string, 0, len(s.QueryParams))
	for name, value := range s.QueryParams {
		params = append(params, [2]string{name, value})
	}
	b = appendPairs(b, params)
	b = append(b, `,"url":`...)
	b = appendString(b, CanonicalURL(s.URL))
	return append(b, '}')
}

// asText converts s as a JSON reader would: each byte that is not UTF-8 becomes
// U+FFFD. It must run before sorting, so that the order matches the written text.
func asText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// appendSorted writes a JSON array of strings in the order of their UTF-8 bytes.
func appendSorted(b []byte, list []string, form func(string) string) []byte {
	sorted := make([]string, 0, len(list))
	for _, s := range list {
		sorted = append(sorted, form(s))
	}
	slices.Sort(sorted)
	b = append(b, '[')
	for i, s := range sorted {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// appendPairs writes a JSON array of [name,value]. It sorts pairs in place by name,
// then value, both by their UTF-8 bytes.
func appendPairs(b []byte, pairs [][2]string) []byte {
	for i, p := range pairs {
		pairs[i] = [2]string{asText(p[0]), asText(p[1])}
	}
	slices.SortFunc(pairs, func(x, y [2]string) int {
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
	})
	b = append(b, '[')
	for i, p := range pairs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = appendString(b, p[0])
		b = append(b, ',')
		b = appendString(b, p[1])
		b = append(b, ']')
	}
	return append(b, ']')
}

// appendString writes s as RFC 8785 (section 3.2.2.2) requires: the short escapes,
// \u00xx in lower case for other control characters, all other characters unchanged.
// It does not use encoding/json, which has changed its escapes before: digests on
// live rules must not change. Bytes that are not UTF-8 become U+FFFD, as in every
// JSON reader.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0             // s is written up to here
	for i, r := range s { // a byte that is not UTF-8 becomes U+FFFD
		if r >= 0x20 && r != '"' && r != '\\' && r != utf8.RuneError {
			continue
		}
		b = append(b, s[done:i]...)
		_, size := utf8.DecodeRuneInString(s[i:])
		done = i + size
		switch r {
		case '"', '\\':
			b = append(b, '\\', byte(r))
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case utf8.RuneError:
			b = utf8.AppendRune(b, r)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	b = append(b, s[done:]...)
	return append(b, '"')
}

// DigestOfList returns the digest of nested lists of strings, for documents whose digest
// must not change in later versions. It covers JSON without spaces, with strings as
// in the canonical form. kind separates the digests of different things. DigestOfList
// panics on a value that JSON can't represent.
func DigestOfList(kind string, list []any) Digest {
	return digestBytes(kind, appendJSON(nil, list))
}

// appendJSON writes a decoded JSON value without spaces, object keys sorted.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return append(b, v...)
	case string:
		return appendString(b, v)
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, key), ':')
			b = appendJSON(b, v[key])
		}
		return append(b, '}')
	}
	panic(fmt.Sprintf("webhook: a %T has no canonical form", v))
}
