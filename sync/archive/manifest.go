package archive

import (
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// FormatVersion is the version of the manifest.
const FormatVersion = 1

// Manifest is what an archive says of itself. It holds no secret: of
// authentication the names, and nothing of what looks like a credential.
type Manifest struct {
	FormatVersion int    `json:"formatVersion"`
	Project       string `json:"project"`
	BaseURL       string `json:"baseURL"`
	// Rule is the rule as it was last seen before it was paused.
	Rule webhook.Rule `json:"rule"`
	// WasEnabled says whether it was in use before it was paused to be deleted,
	// by this run or by one before it.
	WasEnabled bool `json:"wasEnabled"`
	// RecordsFile is the name of the object that holds the records, beside
	// the manifest.
	RecordsFile string `json:"recordsFile"`
	// Records is how many there are, one a line, in the service's order.
	Records int `json:"records"`
	// First and Last are the earliest and latest time of a record; nil
	// where there is none.
	First *time.Time `json:"first"`
	Last  *time.Time `json:"last"`
	// SHA256 is that of the stored (gzipped) records.
	SHA256     string         `json:"sha256"`
	When       time.Time      `json:"when"`
	By         string         `json:"by"`
	Host       string         `json:"host"`
	Commit     string         `json:"commit"`
	PlanDigest webhook.Digest `json:"planDigest"`
	Tool       string         `json:"tool"`

	// Sum is the SHA-256 of the manifest as it was read, and no part of it.
	Sum string `json:"-"`
}

// The ends of the names of an archive's two objects.
const (
	recordsSuffix  = ".jsonl.gz"
	manifestSuffix = ".manifest.json"
)

// baseName is the name of an archive without its suffixes: readable, and like
// no other. It is safe on every file system: no dot, so that nothing before
// one can be a device's name, and well below 255 bytes.
func baseName(r Request) string {
	return strings.Join([]string{
		sanitize(r.Project, 40), sanitize(r.Rule.Name, 80), sanitize(r.Rule.ID, 40),
		r.When.UTC().Format("20060102T150405Z"), randomPart(),
	}, "_")
}

// sanitize keeps ASCII letters, digits and -, at most n of them; anything else
// is a -.
func sanitize(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			return c
		}
		return '-'
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(n, len(s))]
}
