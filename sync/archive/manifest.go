package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// FormatVersion is the version of the manifest.
const FormatVersion = 1

// Manifest describes an archive. It holds no secret: only the names of
// authentication, and no text that looks like a credential.
type Manifest struct {
	FormatVersion int    `json:"formatVersion"`
	Project       string `json:"project"`
	BaseURL       string `json:"baseURL"`
	// Rule is the rule as it was last seen before it was paused.
	Rule webhook.Rule `json:"rule"`
	// WasEnabled is true if the rule was enabled before it was paused for a delete,
	// by this run or an earlier run.
	WasEnabled bool `json:"wasEnabled"`
	// AuthUnknown is true if the rule had authentication, but even the names are
	// unknown. An earlier run then paused it, and left no note in this archive.
	AuthUnknown bool `json:"authUnknown,omitempty"`
	// RecordsFile is the name of the object that holds the records, beside the
	// manifest.
	RecordsFile string `json:"recordsFile"`
	// Records counts the records; each is one line, in the service's order.
	Records int `json:"records"`
	// First and Last are the earliest and latest time of a record; nil without
	// records.
	First *time.Time `json:"first"`
	Last  *time.Time `json:"last"`
	// SHA256 is the digest of the stored (gzipped) records.
	SHA256     string         `json:"sha256"`
	When       time.Time      `json:"when"`
	By         string         `json:"by"`
	Host       string         `json:"host"`
	Commit     string         `json:"commit"`
	PlanDigest webhook.Digest `json:"planDigest"`
	Tool       string         `json:"tool"`

	// Checksum is the SHA-256 of the manifest without it. It reveals an accidental
	// edit. Against an intruder only the audit log helps, which has Sum.
	Checksum string `json:"checksum,omitempty"`

	// Sum is the SHA-256 of the manifest as it was read, and not part of it.
	Sum string `json:"-"`
}

// encodeJSON returns the manifest as it is stored, with its checksum.
func (m Manifest) encodeJSON() ([]byte, error) {
	m.Checksum = ""
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if m.Checksum, err = checksumOf(data); err != nil {
		return nil, err
	}
	data, err = json.MarshalIndent(m, "", "  ")
	return append(data, '\n'), err
}

// checksumOf returns the SHA-256 of a JSON object without its checksum, in hex.
// Spaces and the order of the keys do not matter.
func checksumOf(data []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var doc map[string]any // is encoded with its keys in order
	if err := dec.Decode(&doc); err != nil {
		return "", err
	}
	delete(doc, "checksum")
	canonical, err := json.Marshal(doc)
	return sumOf(canonical), err
}

// findProblem returns the problem of a manifest that was read from data, or "".
func (m Manifest) findProblem(data []byte, base string) string {
	sum, err := checksumOf(data)
	switch {
	case m.FormatVersion != FormatVersion:
		return fmt.Sprintf("has format version %d, this version reads %d", m.FormatVersion, FormatVersion)
	case m.RecordsFile != base+recordsSuffix:
		return fmt.Sprintf("is the manifest of %q, not of %q", m.RecordsFile, base+recordsSuffix)
	case m.Checksum != "" && (err != nil || sum != m.Checksum):
		return "was changed after it was stored: its content does not have its checksum"
	case !strings.HasPrefix(base, namePrefix(m.Project, m.Rule)):
		return fmt.Sprintf("is of rule %q of project %q, and its name is that of another archive", m.Rule.Name, m.Project)
	}
	return ""
}

// The suffixes of the names of an archive's two objects.
const (
	recordsSuffix  = ".jsonl.gz"
	manifestSuffix = ".manifest.json"
)

// baseName returns the unique, readable name of an archive without its suffixes. It
// is safe on every file system: it is well below 255 bytes, and has no dot. The
// part before a dot could be a device's name.
func baseName(r Request) string {
	return namePrefix(r.Project, r.Rule) + r.When.UTC().Format("20060102T150405Z") + "_" + randomPart()
}

// namePrefix begins the names of all objects of one rule.
func namePrefix(project string, rule webhook.Rule) string {
	return strings.Join([]string{sanitize(project, 40), sanitize(rule.Name, 80), sanitize(rule.ID, 40), ""}, "_")
}

// sanitize returns the first n characters of s. It replaces all characters except
// ASCII letters and digits with "-".
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
