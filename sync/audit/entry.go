// Package audit keeps the audit log of applies: an append-only file of JSON lines,
// each with the SHA-256 of the line before it.
//
// It knows nothing of rules or of the service: it receives names, digests and
// counts. It has no place for a secret.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The audit log as a chain.
//
// A line is one JSON object and a newline. Its prev is the SHA-256, in hex, of the
// bytes of the previous line without that newline; the first line has [Genesis]. So
// the next line reveals a line that was changed, removed or moved. A tail that was
// cut off, or a chain that was rewritten as a whole, differs from a head that was
// kept elsewhere. The head is the SHA-256 of the last line, which every run prints.
//
// An intent is on disk before its request leaves. So a run that crashes leaves
// either no trace of a write, or an intent without a result, which names the write
// in flight. If the machine crashed, the last line may be torn. The next run
// removes it, and keeps its text in a separate entry. If the torn line is an
// intent, its request never left. If it is a result, its write stays in flight: it
// may have taken effect.

// FormatVersion is the version of the lines; every start entry has it.
const FormatVersion = 1

// Genesis is the Prev of the first line.
const Genesis = "0000000000000000000000000000000000000000000000000000000000000000"

// Entry is one line. Its Kind determines which fields are set.
type Entry struct {
	Seq  int       `json:"seq"` // from 1
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	// Run is the same for all lines of a run: 16 hex digits.
	Run    string  `json:"run"`
	Start  *Start  `json:"start,omitempty"`
	Write  *Write  `json:"write,omitempty"`
	Result *Result `json:"result,omitempty"`
	End    *End    `json:"end,omitempty"`
	Healed *Healed `json:"healed,omitempty"`
	// Prev is the SHA-256 of the line before.
	Prev string `json:"prev"`
}

// Kind is the type of a line.
type Kind string

// The kinds.
const (
	KindStart  Kind = "start"  // a run begins
	KindIntent Kind = "intent" // a write is about to leave
	KindResult Kind = "result" // the result of a write
	KindStep   Kind = "step"   // a step of a delete that writes nothing
	KindEnd    Kind = "end"    // the run is over
	KindHealed Kind = "healed" // a torn line was removed
)

// Start describes who runs a command, where, and with which files and plan.
type Start struct {
	FormatVersion int    `json:"formatVersion"`
	Command       string `json:"command"`
	Actor         string `json:"actor"`
	Host          string `json:"host"`
	// Job is the URL of the CI run; empty elsewhere.
	Job    string `json:"job,omitempty"`
	Commit string `json:"commit"`
	// Dirty is true if the files had uncommitted changes.
	Dirty bool `json:"dirty"`
	// CommitProblem is the reason why Git did not report the commit, or whether
	// these are its files.
	CommitProblem string `json:"commitProblem,omitempty"`
	PlanDigest    string `json:"planDigest"`
	Tool          string `json:"tool"`
	// Project is empty in a run for several projects, which Projects names.
	Project  string   `json:"project"`
	Projects []string `json:"projects,omitempty"`
	BaseURL  string   `json:"baseURL"`
	Owner    string   `json:"owner"`
	Lifted   []string `json:"lifted"` // guards
}

// Write is one write, or one step of a delete.
type Write struct {
	Project string `json:"project"`
	Rule    string `json:"rule"`
	Action  string `json:"action"` // create, update or delete
	Step    string `json:"step"`
	// Before is the live digest that is the precondition of the write. After is the
	// wanted digest.
	Before string `json:"before"`
	After  string `json:"after"`
	// AuthRemoved are the auth values that a pause takes out of the rule, by path.
	AuthRemoved []string `json:"authRemoved,omitempty"`
}

// Result is the result of a write.
type Result struct {
	// Of is the seq of the intent; 0 for a step.
	Of         int    `json:"of,omitempty"`
	HTTPStatus int    `json:"httpStatus,omitempty"`
	Attempts   int    `json:"attempts,omitempty"`
	Ref        string `json:"ref,omitempty"` // the service's reference, for its support
	// Live is the digest of the rule in the service's response.
	Live string `json:"live,omitempty"`
	// Records counts the records of a history, Active the records in flight.
	Records *int     `json:"records,omitempty"`
	Active  *int     `json:"active,omitempty"`
	Archive *Archive `json:"archive,omitempty"`
	// Left is the live rule that an unfinished delete left behind.
	Left  *Left  `json:"left,omitempty"`
	Error *Error `json:"error,omitempty"`
}

// Left is a live rule that a delete paused and did not delete.
type Left struct {
	Enabled bool `json:"enabled"`
	// AuthRemoved are the auth values that the rule no longer has, by path.
	AuthRemoved []string `json:"authRemoved"`
	// Uncertain is the step that may or may not have taken effect.
	Uncertain string `json:"uncertain,omitempty"`
	// Earlier is true if an earlier run paused the rule.
	Earlier bool `json:"earlier,omitempty"`
}

// Archive identifies a stored history.
type Archive struct {
	Location string `json:"location"`
	Records  int    `json:"records"`
	SHA256   string `json:"sha256"`
	// Manifest is the SHA-256 of the manifest beside the records.
	Manifest string `json:"manifest,omitempty"`
}

// Error is the reason why a write did not succeed.
type Error struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// End is the outcome of the run in one word, and the number of changes by status.
type End struct {
	Outcome string         `json:"outcome"`
	Summary map[string]int `json:"summary"`
}

// Healed is a torn line that a run found at the end of the file.
type Healed struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Text is the beginning of the line, with invalid UTF-8 replaced.
	Text string `json:"text"`
}

// Limits of a line: texts of the service may be long.
const (
	maxText = 4000
	maxLine = 1 << 20
)

// shortenText shortens a text.
func shortenText(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// encodeLine returns the entry as a line, without its newline.
func (e *Entry) encodeLine() ([]byte, error) {
	line, err := json.Marshal(e)
	if err == nil && len(line) > maxLine {
		err = fmt.Errorf("a line of %d bytes is too long for the record", len(line))
	}
	return line, err
}

// LineSum returns the SHA-256 of a line without its newline, in hex.
func LineSum(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// decodeLine parses a line.
func decodeLine(line []byte) (*Entry, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var e Entry
	if err := dec.Decode(&e); err != nil {
		return nil, errors.New("is no entry of a record")
	}
	if dec.More() {
		return nil, errors.New("has more on it than an entry")
	}
	return &e, e.checkFields()
}

// checkFields reports which part an entry lacks.
func (e *Entry) checkFields() error {
	there := map[Kind]bool{
		KindStart: e.Start != nil, KindIntent: e.Write != nil, KindStep: e.Write != nil,
		KindResult: e.Write != nil && e.Result != nil, KindEnd: e.End != nil, KindHealed: e.Healed != nil,
	}
	ok, known := there[e.Kind]
	switch {
	case !known:
		return fmt.Errorf("is of the kind %q, which this version does not know", shortenText(string(e.Kind)))
	case !ok:
		return fmt.Errorf("is a %s that does not say what a %s says", e.Kind, e.Kind)
	case e.Start != nil && e.Start.FormatVersion != FormatVersion:
		return fmt.Errorf("has format version %d; this version reads format version %d", e.Start.FormatVersion, FormatVersion)
	}
	return nil
}
