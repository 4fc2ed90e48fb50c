// Package archive stores a rule's complete delivery history and verifies it, before
// the rule is deleted, because the service then destroys the history. It stores the
// history as gzipped JSON lines, beside a manifest that describes it. The manifest
// is stored last, and an archive without a manifest does not count.
//
// The package neither talks to the service nor deletes a rule. It reads a history
// through a [Source], and returns a [Receipt] as proof. It never overwrites or
// deletes a stored object.
package archive

// Receipt is the proof that a history is stored.
type Receipt struct {
	// Location names the stored records: a file's path or an object's URL.
	Location string `json:"location"`
	// Records counts the records.
	Records int `json:"records"`
	// SHA256 is the digest of the stored (gzipped) records, 64 hex digits.
	SHA256 string `json:"sha256"`
	// Manifest is the SHA-256 of the manifest. Only the audit log records it, so
	// that the manifest can be checked against the log.
	Manifest string `json:"-"`
}
