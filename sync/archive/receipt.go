// Package archive stores a rule's delivery history, complete and verified,
// before the rule is deleted, because the service destroys it then. A history
// is stored as gzipped JSON lines beside a manifest that says what it is; the
// manifest is stored last, and an archive without one does not count.
//
// It neither talks to the service nor deletes a rule: it reads a history
// through a [Source], and hands out a [Receipt] as proof. It never overwrites
// and never deletes what is stored.
package archive

// Receipt is the proof that a history is stored.
type Receipt struct {
	// Location is where the records are: a file's path or an object's URL.
	Location string `json:"location"`
	// Records is how many there are.
	Records int `json:"records"`
	// SHA256 is that of the stored (gzipped) records, 64 hex digits.
	SHA256 string `json:"sha256"`
	// Manifest is the SHA-256 of the manifest. It is for the record alone,
	// against which what the manifest says can be held.
	Manifest string `json:"-"`
}
