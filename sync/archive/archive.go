package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"time"

	"github.com/mkhooks/mkhooks/sync/complete"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Reading a complete history.
//
// Records have no id, and the service has no snapshot. While the pages are read,
// new records may come and shift them, so that a record is read twice and another
// record never. Equal records may also be legitimate.
//
// So a reading counts as complete under four conditions. The number of records
// equals the service's total, on every page. No record is on two pages. The total
// and the records of the first page are the same again after the last page. And no
// record is missing that an earlier read showed; see [Seen]. Otherwise the history
// is read again after a wait, as far as the caller's [Patience] allows.
//
// Memory holds one page at a time, the first pages, and 8 bytes per record.

// Page is one page of a history, in the service's order.
type Page struct {
	Events []webhook.Event
	// Raw are the same records as they came.
	Raw []json.RawMessage
	// Total counts the records of the whole history. It is valid if HasTotal is
	// true.
	Total    int
	HasTotal bool
	// More is true if another page follows.
	More bool
	// Held is true if a record of the page holds a secret value.
	Held bool
	// Contradiction is a contradiction within the page's own counts; empty if there
	// is none.
	Contradiction string
}

// Source reads a history from its beginning, page by page. An error of each ends
// the reading and is returned as it is.
type Source func(ctx context.Context, each func(Page) error) error

// Request names the history to store, and holds the other contents of its manifest.
type Request struct {
	Project, BaseURL string
	// Rule is the rule as last seen. Save removes the parts that must not be shown.
	Rule       webhook.Rule
	WasEnabled bool
	// AuthUnknown is true if the rule had authentication, but even the names are
	// unknown.
	AuthUnknown bool
	When        time.Time
	By, Host    string
	Commit      string
	PlanDigest  webhook.Digest
	Tool        string
	// AllowActive also stores a history while records of it are in flight.
	AllowActive bool
	// Seen are earlier reads of the history; nil means none. Save adds its own.
	Seen *Seen
	// Mask takes secret values out of the manifest; nil means that none is known.
	Mask func(v any)
}

// IncompleteError reports that the complete history can't be read. It is not a
// failure of the store or of the network.
type IncompleteError struct {
	Reason string
	// WayOut is a hint for users who want to delete the rule.
	WayOut string
	// Fewer is the number of records of a history that was larger before; 0 means
	// that this is not the reason, or that no record is left.
	Fewer int
}

// Error returns the reason and the way out.
func (e *IncompleteError) Error() string { return e.Reason + "; " + e.WayOut }

// ActiveError reports that records are still in flight.
type ActiveError struct{ Active, Records int }

// Error returns the number of records in flight.
func (e *ActiveError) Error() string {
	return fmt.Sprintf("%d of %d records are still on their way", e.Active, e.Records)
}

// StoredHistory is a stored history.
type StoredHistory struct {
	Receipt Receipt
	shot    snapshot
}

// Save reads a complete history, stores it, and reads the stored object back. A
// history that changes is read again as often and as long as p allows. The error is
// a [*IncompleteError], an [*ActiveError], a [*StoppedError], or an error of the
// source or the store.
func Save(ctx context.Context, store Store, r Request, src Source, p *Patience) (*StoredHistory, error) {
	name := baseName(r)
	if r.Seen == nil {
		r.Seen = &Seen{}
	}
	for {
		c, err := saveOnce(ctx, store, r, src, name)
		var moved *changedError
		if !errors.As(err, &moved) {
			return c, err
		}
		again, err := p.WaitForRest(ctx, src)
		switch {
		case err != nil:
			return nil, err
		case again:
		case p.WasStopped():
			return nil, &StoppedError{}
		default:
			return nil, &IncompleteError{Reason: "the history could not be read whole in " + p.Describe() + ": " + moved.how, WayOut: moved.wayOut, Fewer: moved.fewer}
		}
	}
}

// saveOnce reads and stores the history once.
func saveOnce(ctx context.Context, store Store, r Request, src Source, name string) (*StoredHistory, error) {
	w, err := store.Create(ctx, name+recordsSuffix)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", store.Location(name+recordsSuffix), err)
	}
	defer w.Discard()
	read := newReading(w, r.Seen)
	if err := read.readAll(ctx, src); err != nil {
		var storeErr *writeError
		if errors.As(err, &storeErr) {
			return nil, fmt.Errorf("write %s: %w", store.Location(name+recordsSuffix), storeErr.err)
		}
		return nil, err
	}
	if read.active > 0 && !r.AllowActive {
		return nil, &ActiveError{Active: read.active, Records: read.records}
	}
	if err := w.Commit(ctx); err != nil {
		return nil, fmt.Errorf("store %s: %w", store.Location(name+recordsSuffix), err)
	}
	m := newManifest(r, read, name)
	// Verify the stored records before the manifest and the receipt claim them.
	if err := checkRecords(ctx, store, m, countLines); err != nil {
		return nil, err
	}
	sum, err := storeManifest(ctx, store, name, m)
	if err != nil {
		return nil, err
	}
	return &StoredHistory{
		Receipt: Receipt{Location: store.Location(m.RecordsFile), Records: m.Records, SHA256: m.SHA256, Manifest: sum},
		shot:    read.shot,
	}, nil
}

func newManifest(r Request, read *reading, name string) Manifest {
	rule := r.Rule
	rule.Spec = rule.Spec.Redacted()
	if r.Mask != nil {
		r.Mask(&rule)
	}
	return Manifest{
		FormatVersion: FormatVersion, Project: r.Project, BaseURL: r.BaseURL, Rule: rule, WasEnabled: r.WasEnabled, AuthUnknown: r.AuthUnknown,
		RecordsFile: name + recordsSuffix, Records: read.records, First: read.first, Last: read.last, SHA256: read.sum(),
		When: r.When.UTC(), By: r.By, Host: r.Host, Commit: r.Commit, PlanDigest: r.PlanDigest, Tool: r.Tool,
	}
}

// storeManifest stores the manifest, and so commits the archive. It returns the
// manifest's SHA-256.
func storeManifest(ctx context.Context, store Store, name string, m Manifest) (string, error) {
	data, err := m.encodeJSON()
	if err != nil {
		return "", fmt.Errorf("encode the manifest: %w", err)
	}
	if err := storeObject(ctx, store, name+manifestSuffix, data); err != nil {
		return "", err
	}
	return sumOf(data), nil
}

// storeObject stores a small object and reads it back. The error is [fs.ErrExist]
// if the name is taken.
func storeObject(ctx context.Context, store Store, name string, data []byte) error {
	at := store.Location(name)
	w, err := store.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("create %s: %w", at, err)
	}
	defer w.Discard()
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	if err := w.Commit(ctx); err != nil {
		return fmt.Errorf("store %s: %w", at, err)
	}
	stored, err := readObject(ctx, store, name)
	if err != nil {
		return err
	}
	if !bytes.Equal(stored, data) {
		return fmt.Errorf("%s does not read back as it was written", at)
	}
	return nil
}

// sumOf returns the SHA-256 of data, in hex.
func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// IsUnchanged reads the first page again. It reports whether the history still equals
// the stored history, as far as the total and the first page show.
func (c *StoredHistory) IsUnchanged(ctx context.Context, src Source) (bool, error) {
	again, err := readFirstPage(ctx, src)
	if err != nil {
		return false, err
	}
	return c.shot.isEqual(again), nil
}

// snapshot is the state of a history that shows whether it changed.
type snapshot struct {
	total    int
	hasTotal bool
	first    []webhook.Event // of the first page
}

func snapshotOf(p Page) snapshot {
	return snapshot{total: p.Total, hasTotal: p.HasTotal, first: p.Events}
}

// isEqual reports whether nothing changed. The service may return a page of another
// length, so same compares the records that both pages hold. If the history fits
// one page, both hold all of it.
func (s snapshot) isEqual(again snapshot) bool {
	if s.hasTotal != again.hasTotal || s.total != again.total {
		return false
	}
	n := min(len(s.first), len(again.first))
	if n == 0 && len(s.first) != len(again.first) {
		return false
	}
	for i := range n {
		a, b := s.first[i], again.first[i]
		if !a.Created.Equal(b.Created) || a.Source != b.Source || a.Type != b.Type || a.Status != b.Status {
			return false
		}
	}
	return true
}

var errEnough = errors.New("enough")

// readFirstPage reads only the first page.
func readFirstPage(ctx context.Context, src Source) (snapshot, error) {
	var s snapshot
	err := src(ctx, func(p Page) error {
		s = snapshotOf(p)
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return s, err
}

// changedError reports that a reading is not complete, and the evidence.
type changedError struct {
	how, wayOut string
	fewer       int // see [IncompleteError]
}

func (e *changedError) Error() string { return e.how }

// writeError is an error of the store in the middle of a reading.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }

const (
	waitItOut  = "run it again when fewer events come, or pause the rule by hand first"
	deleteHand = "if the rest may be lost, delete the rule by hand in MK.IO"
	lookFirst  = "run it again; if it stays, look at mkhooks history --records, and if no record is missing there, delete the rule by hand in MK.IO"
	mayExpire  = "the service may have removed old records by itself: look at mkhooks history, then run mkhooks apply again, which goes by the smaller count"
	allLost    = "run it again later; if mkhooks history shows no record either and none matters, delete the rule by hand in MK.IO"
)

// reading is one reading of a history on its way into the store.
type reading struct {
	zip  *gzip.Writer
	hash hash.Hash
	line bytes.Buffer

	check       complete.Check
	seen        *Seen
	missing     map[recordKey]int // records of earlier reads that were not listed yet
	shot        snapshot
	pages       int
	records     int
	active      int
	first, last *time.Time
}

func newReading(w io.Writer, seen *Seen) *reading {
	r := &reading{hash: sha256.New(), seen: seen, missing: maps.Clone(seen.first)}
	// A larger file is cheaper than the time of a better level: a history may have
	// a million records.
	r.zip, _ = gzip.NewWriterLevel(io.MultiWriter(w, r.hash), gzip.BestSpeed) // gzip defines the level, so there is no error
	return r
}

func (r *reading) sum() string { return hex.EncodeToString(r.hash.Sum(nil)) }

// readAll reads the history to its end and checks that it did not change.
func (r *reading) readAll(ctx context.Context, src Source) error {
	if err := src(ctx, r.addPage); err != nil {
		return err
	}
	if r.pages == 0 {
		return &IncompleteError{Reason: "the service gave no page of the history", WayOut: deleteHand}
	}
	if err := r.zip.Close(); err != nil {
		return &writeError{err}
	}
	after, err := readFirstPage(ctx, src)
	switch {
	case err != nil:
		return err
	case !r.shot.isEqual(after):
		return &changedError{how: "records came or changed meanwhile", wayOut: waitItOut}
	case r.records < r.shot.total:
		return &changedError{how: fmt.Sprintf("the service counts %d records and lists %d", r.shot.total, r.records), wayOut: deleteHand}
	}
	if why := r.check.Incomplete(); why != "" {
		return &changedError{how: why, wayOut: lookFirst}
	}
	return r.seen.lost(r.shot.total, r.missing)
}

func (r *reading) addPage(p Page) error {
	if p.Held {
		return &IncompleteError{Reason: "a record of the history holds the token or an auth value that was sent, and an archive has no place for a secret", WayOut: "replace that value first: it is no secret any more, and once it is not in use its history can be stored"}
	}
	if !p.HasTotal {
		return &IncompleteError{Reason: "the service does not say how many records the history has, so no copy can be proved whole", WayOut: deleteHand}
	}
	if r.pages++; r.pages == 1 {
		r.shot = snapshotOf(p)
		r.seen.add(r.shot)
	}
	r.records += len(p.Raw)
	r.check.Page(p.Events, p.Total, p.HasTotal)
	r.check.Contradict(p.Contradiction)
	switch {
	case p.Total != r.shot.total:
		return &changedError{how: fmt.Sprintf("the total went from %d to %d meanwhile", r.shot.total, p.Total), wayOut: waitItOut}
	case r.records > p.Total:
		return &changedError{how: fmt.Sprintf("the service counts %d records and lists more", p.Total), wayOut: waitItOut}
	}
	for i, raw := range p.Raw {
		r.countRecord(p.Events[i])
		r.line.Reset()
		if bytes.ContainsAny(raw, " \t\r\n") {
			if err := json.Compact(&r.line, raw); err != nil {
				return fmt.Errorf("a record is no JSON: %w", err)
			}
		} else { // most services write no spaces: there is nothing to remove
			r.line.Write(raw)
		}
		r.line.WriteByte('\n')
		if _, err := r.zip.Write(r.line.Bytes()); err != nil {
			return &writeError{err}
		}
	}
	return nil
}

// countRecord adds a record to the counts and the times.
func (r *reading) countRecord(e webhook.Event) {
	if e.Status.IsActive() {
		r.active++
	}
	if k := keyOf(e); r.missing[k] > 0 {
		r.missing[k]--
	}
	if r.first == nil || e.Created.Before(*r.first) {
		r.first = &e.Created
	}
	if r.last == nil || e.Created.After(*r.last) {
		r.last = &e.Created
	}
}
