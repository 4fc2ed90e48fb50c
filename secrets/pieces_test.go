package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"
)

// chunks cuts s every n bytes and joins the pieces.
func chunks(s string, n int, separator string) string {
	var out []string
	for len(s) > n {
		out, s = append(out, s[:n]), s[n:]
	}
	return strings.Join(append(out, s), separator)
}

// utf16Bytes returns s in UTF-16, little or big endian.
func utf16Bytes(s string, big bool) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

func list(s, format, separator string) string {
	var out []string
	for i := range len(s) {
		out = append(out, fmt.Sprintf(format, s[i]))
	}
	return strings.Join(out, separator)
}

// piecewise are forms of a value in pieces, or as a list of bytes.
func piecewise() map[string]func(string) string {
	out := map[string]func(string) string{
		"octal":             func(s string) string { return list(s, `\%03o`, "") },
		"octal list":        func(s string) string { return list(s, "0o%o", ", ") },
		"C octal list":      func(s string) string { return list(s, "%04o", " ") },
		"Go bytes":          func(s string) string { return fmt.Sprint([]byte(s)) },
		"decimal list":      func(s string) string { return list(s, "%d", ",") },
		"open entities":     func(s string) string { return list(s, "&#%d", " ") },
		"open hex entities": func(s string) string { return list(s, "&#x%x", " ") },
		"quoted-printable": func(s string) string {
			var b strings.Builder
			w := quotedprintable.NewWriter(&b)
			_, _ = w.Write([]byte(strings.Repeat("- ", 30) + s))
			_ = w.Close()
			return b.String()
		},
		"every quoted-printable": func(s string) string { return list(s, "=%02X", "") },
		"UTF-16 LE":              func(s string) string { return string(utf16Bytes(s, false)) },
		"UTF-16 BE":              func(s string) string { return string(utf16Bytes(s, true)) },
		"base64 of UTF-16 LE":    func(s string) string { return base64.StdEncoding.EncodeToString(utf16Bytes(s, false)) },
		"base64 of UTF-16 BE":    func(s string) string { return base64.StdEncoding.EncodeToString(utf16Bytes(s, true)) },
		"hex of UTF-16":          func(s string) string { return hex.EncodeToString(utf16Bytes(s, false)) },
		"base64 of chunks":       func(s string) string { return base64.StdEncoding.EncodeToString([]byte(chunks(s, 5, "-"))) },
		"colon of short hex":     func(s string) string { return list(s, "%x", ":") },
		"0x":                     func(s string) string { return list(s, "0x%02x", ", ") },
		"hex in fours":           func(s string) string { return chunks(hex.EncodeToString([]byte(s)), 4, " ") },
		"each in a tag":          func(s string) string { return "<i>" + chunks(s, 3, "</i><i class=x>") + "</i>" },
	}
	for name, separator := range map[string]string{
		"space": " ", "hyphen": "-", "dot": ".", "plus": `"+"`, "spaced plus": `" + "`, "zero width": "\u200b", "soft hyphen": "\u00ad", "tag": "<wbr>", "closed tag": "<br/>",
		"comma": ", ", "line": "\n", "escaped line": `\n`, "slash": "/", "underscore": "_", "pipe": " | ", "entity": "&shy;", "percent": "%20", "joiner": "\u2060", "NUL": "\x00", "comment": "<!-- -->",
	} {
		for n := 1; n < 9; n++ {
			out[fmt.Sprintf("%d and %s", n, name)] = func(s string) string { return chunks(s, n, separator) }
			out[fmt.Sprintf("base64, %d and %s", n, name)] = func(s string) string {
				return chunks(base64.StdEncoding.EncodeToString([]byte(s)), n, separator)
			}
		}
		out["hex and "+name] = func(s string) string { return chunks(hex.EncodeToString([]byte(s)), 2, separator) }
	}
	return out
}

// pieced are values with at least 12 letters and digits.
var pieced = []string{
	"tok-9fK2xQ7mZ4pL8vR3nT6yB1cW5dH0", "dGhpcyBpcyBhIHNlY3JldCB2YWx1ZSE=", "7f3a9c2e4b8d1f60a5c7e9b2d4f81306", "s3cr3t-one/\"quoted\"+<tag>&more",
	"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "550e8400-e29b-41d4-a716-446655440000", "hunter2hunter3",
}

// TestPieces: an error text with a value in pieces, or as a list of bytes, is
// found. So is a document's text with a long random value.
func TestPieces(t *testing.T) {
	t.Parallel()
	for _, secret := range pieced {
		s := NewScrubber(NewString(secret))
		for name, form := range piecewise() {
			if strings.Contains(name, "tag") && strings.Contains(secret, "<") {
				continue // its own tag is dropped with the others
			}
			text := "the feed said: " + form(secret) + " (end)"
			if !s.Found(text) {
				t.Errorf("%q, %s: not found in %q", secret, name, text)
			}
			if len(secret) >= minShownParts && !strings.HasPrefix(secret, "s3cr3t") && !s.Reveals(text) {
				t.Errorf("%q, %s: not found in a document: %q", secret, name, text)
			}
		}
	}
}

// TestNotInPieces: ordinary texts are not taken for pieces of a value, and
// data is searched for complete values only.
func TestNotInPieces(t *testing.T) {
	t.Parallel()
	var values []String
	for _, v := range append(append([]string{}, pieced...), ordinaryValues...) {
		values = append(values, NewString(v))
	}
	s := NewScrubber(values...)
	for _, text := range []string{
		"the token of the request is not valid", "[1 2 3 4 5 6 7 8 9 10 11 12]", "10.20.30.40, 192.168.0.1", "52:54:00:12:34:56", "2026-03-01 10:00:00", "0x7f 0x45 0x4c 0x46",
		"a=b=c=3D", "line =\n line", "<html><body>502 Bad Gateway</body></html>", "hunter2", "hunter2 hunter4",
	} {
		if s.Found(text) || s.Reveals(text) {
			t.Errorf("found in %q", text)
		}
	}
	for _, text := range []string{chunks(pieced[0], 4, " "), pieced[0][:24], fmt.Sprint([]byte(pieced[0]))} {
		if s.Holds([]byte(text)) {
			t.Errorf("found in data: %q", text)
		}
	}
}

// ordinaryValues are auth values that consist of words which documents also
// contain.
var ordinaryValues = []string{
	"hooks.eu-west-1.example.com-secret", "job-notifications-webhook-value", "k8s-prod-eu1-webhook-key-of-team", "MediaKind.JobFinished-for-demo", "token-of-the-test-scripts",
	"https://hooks.example.com/live/transforms", "jobs-2026-03-01-transforms-secret", "correct horse battery staple", "X-Webhook-Signature-Value", "AnOpaqueTokenOfTheService",
	"api-v1-projects-demo-transforms", "bearer of the service account 42",
}

// TestNoFalseAlarmInDocuments: a document with the words of a value is shown.
func TestNoFalseAlarmInDocuments(t *testing.T) {
	t.Parallel()
	shown := []string{
		"hooks.eu-west-1.example.com", "job-notifications", "job-notifications-webhook", "k8s-prod-eu1", "k8s-prod-eu1-webhook-key", "MediaKind.JobFinished", "token-of-the-service",
		"https://hooks.example.com/live", "/api/v1/projects/demo/transforms/t/jobs/job-0000123", "2026-03-01T10:00:00Z", "jobs-2026-03-01", "X-Webhook-Signature", "X-Webhook-Signature-2",
		"api-v1-projects-demo", "correct horse", "webhook value", "An Opaque Token", "hooks-eu-west-1", "service account 42", "staple battery horse correct",
		strings.Repeat("a ", 40), "550e8400-e29b-41d4-a716-446655440000",
	}
	for _, v := range ordinaryValues {
		s := NewScrubber(NewString(v))
		for _, text := range shown {
			if s.Reveals(text) {
				t.Errorf("%q: found in %q", v, text)
			}
		}
	}
	// No random value is in these texts.
	random := rand.New(rand.NewPCG(1, 2))
	s := NewScrubber()
	for range 500 {
		b := make([]byte, 24)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		s.Add(NewString(base64.StdEncoding.EncodeToString(b)), NewString(hex.EncodeToString(b)))
	}
	for i := range 2000 {
		for _, text := range append(shown, fmt.Sprintf("/api/v1/projects/demo/transforms/t/jobs/job-%07d", i), fmt.Sprintf("%016x", random.Uint64())) {
			if s.Reveals(text) {
				t.Fatalf("found in %q", text)
			}
		}
	}
}

// TestPartsAreFoundInDocuments: the parts of a random value are masked wherever
// a document shows them, also encoded and in pieces.
func TestPartsAreFoundInDocuments(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for name, alphabet := range map[string]string{
		"base62": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "hex": "0123456789abcdef", "base36": "abcdefghijklmnopqrstuvwxyz0123456789",
	} {
		missed, tried, example := 0, 0, ""
		for _, n := range []int{20, 24, 32, 35, 40, 64, 128, 700} {
			for range 20 {
				b := make([]byte, n)
				for i := range b {
					b[i] = alphabet[random.IntN(len(alphabet))]
				}
				secret := string(b)
				s := NewScrubber(NewString(secret))
				most := min(n*2/3, 3*maxShownPart)
				for _, part := range []string{secret[:most], secret[n-most:], secret[(n-most)/2:][:most], secret[:n-3], secret[3:]} {
					for form, encode := range map[string]func(string) string{
						"raw": encodings["raw"], "base64": encodings["base64"], "hex": encodings["hex"], "upper case": strings.ToUpper, "query": url4, "spaces": func(s string) string { return chunks(s, 4, " ") },
					} {
						if tried++; !s.Reveals("rule-" + encode(part)) {
							missed++
							example = fmt.Sprintf("%s: %q of %q", form, part, secret)
						}
						if s.Holds([]byte("rule-" + encode(part))) {
							t.Errorf("%q: a part counts in data", part)
						}
					}
				}
			}
		}
		if missed*50 > tried { // words can consist of few digits
			t.Errorf("%s: %d parts of %d are shown, the last as %s", name, missed, tried, example)
		}
	}
}

func url4(s string) string { return everyByte(s, "%%%02x") }

// TestMaskWhole: data that must stay as it is loses complete values only.
func TestMaskWhole(t *testing.T) {
	t.Parallel()
	s := NewScrubber(NewString(pieced[0]))
	doc := struct{ Whole, Part string }{pieced[0], pieced[0][:24]}
	if n := s.MaskWhole(&doc, "-"); n != 1 || doc.Whole != "-" || doc.Part == "-" {
		t.Errorf("%d: %+v", n, doc)
	}
	if n := s.Mask(&doc, "-"); n != 1 || doc.Part != "-" {
		t.Errorf("%d: %+v", n, doc)
	}
}

// TestCopy: a masked copy leaves the document as it is.
func TestCopy(t *testing.T) {
	t.Parallel()
	type inner struct{ Text string }
	type doc struct {
		Text string
		Next *inner
		List []inner
		Any  any
		Map  map[string]*inner
		Nil  *inner
		Raw  json.RawMessage
	}
	build := func() *doc {
		v := pieced[0]
		return &doc{v, &inner{v}, []inner{{v}}, inner{v}, map[string]*inner{v: {v}}, nil, json.RawMessage(`"` + v + `"`)}
	}
	before := build()
	masked := Copy(before)
	if n := NewScrubber(NewString(pieced[0])).Mask(masked, "-"); n != 7 {
		t.Errorf("%d texts were replaced in the copy", n)
	}
	if !reflect.DeepEqual(before, build()) {
		t.Errorf("the document was changed: %+v", before)
	}
}

// BenchmarkReveals measures the texts of 1,000 records.
func BenchmarkReveals(b *testing.B) {
	texts := []string{"2026-03-01T10:00:00Z", "/api/v1/projects/demo/transforms/t/jobs/job-0000123", "MediaKind.JobFinished", "Sent"}
	for name, s := range map[string]*Scrubber{"token": NewScrubber(NewString("an-opaque-token-of-the-service-0123456789")), "500 values": manyValues()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				for range 1000 {
					for _, text := range texts {
						s.Reveals(text)
					}
				}
			}
		})
	}
}
