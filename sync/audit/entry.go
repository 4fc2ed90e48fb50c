// Package audit keeps the record of applies: a file of JSON lines, each with
// the SHA-256 of the line before it, that is only ever added to.
//
// It knows nothing of rules or of the service: what is recorded comes in as
// names, digests and counts. A secret has no place in it.
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

// The record as a chain.
//
// A line is one JSON object and a newline. Its prev is the SHA-256, in hex, of
// the bytes of the line before it without that newline; of the first line it is
// [Genesis]. So a line that was changed, removed or moved inside shows at the
// next one. What is cut off at the end, or a chain that was rewritten as a
// whole, shows against a head that was kept elsewhere: the SHA-256 of the last
// line, which every run prints.
//
// An intent is on disk before its request leaves. A run that dies so leaves
// either nothing of a write, or an intent without a result, which says exactly
// what was under way. A line that was only half written when the machine went
// down is taken off by the next run, which keeps its text in an entry of its
// own. If that was an intent, its request never left; a torn result leaves its
// write in flight, of which is not known whether it took effect.

// FormatVersion is the version of the lines, told by every start.
const FormatVersion = 1

// Genesis is what the first line has before it.
const Genesis = "0000000000000000000000000000000000000000000000000000000000000000"

// Entry is one line. Which fields are there goes by its Kind.
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

// Kind is what a line tells.
type Kind string

// The kinds.
const (
	KindStart  Kind = "start"  // a run begins
	KindIntent Kind = "intent" // a write is about to leave
	KindResult Kind = "result" // what came of it
	KindStep   Kind = "step"   // something on the way to a delete that writes nothing
	KindEnd    Kind = "end"    // the run is over
	KindHealed Kind = "healed" // a half-written line was taken off
)

// Start says who runs what, on what grounds.
type Start struct {
	FormatVersion int    `json:"formatVersion"`
	Command       string `json:"command"`
	Actor         string `json:"actor"`
	Host          string `json:"host"`
	// Job is the address of the CI run; empty elsewhere.
	Job    string `json:"job,omitempty"`
	Commit string `json:"commit"`
	// Dirty is true where the files had changes that are not committed.
	Dirty bool `json:"dirty"`
	// CommitProblem is why Git did not say whether these are the files of the
	// commit, or of which commit they are.
	CommitProblem string `json:"commitProblem,omitempty"`
	PlanDigest    string `json:"planDigest"`
	Tool          string `json:"tool"`
	// Project is empty in a run for several, which Projects names.
	Project  string   `json:"project"`
	Projects []string `json:"projects,omitempty"`
	BaseURL  string   `json:"baseURL"`
	Owner    string   `json:"owner"`
	Lifted   []string `json:"lifted"` // guards
}

// Write is one write, or one step on the way to a delete.
type Write struct {
	Project string `json:"project"`
	Rule    string `json:"rule"`
	Action  string `json:"action"` // create, update or delete
	Step    string `json:"step"`
	// Before is the digest of the live rule that it rests on, After that of
	// what is wanted.
	Before string `json:"before"`
	After  string `json:"after"`
	// AuthRemoved are the auth values that a pause takes out of the rule, by path.
	AuthRemoved []string `json:"authRemoved,omitempty"`
}

// Result is what came of a write.
type Result struct {
	// Of is the seq of the intent; 0 on a step.
	Of         int    `json:"of,omitempty"`
	HTTPStatus int    `json:"httpStatus,omitempty"`
	Attempts   int    `json:"attempts,omitempty"`
	Ref        string `json:"ref,omitempty"` // the service's own, for its support
	// Live is the digest of the rule as the service answered it.
	Live string `json:"live,omitempty"`
	// Records counts those of a history, Active those on their way.
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
	// Uncertain is the step of which it is not known whether it took effect.
	Uncertain string `json:"uncertain,omitempty"`
	// Earlier is true if an earlier run paused the rule.
	Earlier bool `json:"earlier,omitempty"`
}

// Archive is where a history was stored.
type Archive struct {
	Location string `json:"location"`
	Records  int    `json:"records"`
	SHA256   string `json:"sha256"`
	// Manifest is the SHA-256 of the manifest beside the records.
	Manifest string `json:"manifest,omitempty"`
}

// Error is why a write did not succeed.
type Error struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// End is the run in one word, and how many changes came to what.
type End struct {
	Outcome string         `json:"outcome"`
	Summary map[string]int `json:"summary"`
}

// Healed is the half of a line that a run found at the end of the file.
type Healed struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Text is its beginning, as far as it is text.
	Text string `json:"text"`
}

// Limits of what a line holds: texts of the service may be long.
const (
	maxText = 4000
	maxLine = 1 << 20
)

// cut shortens a text.
func cut(s string) string {
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

// encode is the entry as a line, without its newline.
func (e *Entry) encode() ([]byte, error) {
	line, err := json.Marshal(e)
	if err == nil && len(line) > maxLine {
		err = fmt.Errorf("a line of %d bytes is too long for the record", len(line))
	}
	return line, err
}

// Sum is the SHA-256 of a line without its newline, in hex.
func Sum(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// decode reads a line.
func decode(line []byte) (*Entry, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var e Entry
	if err := dec.Decode(&e); err != nil {
		return nil, errors.New("is no entry of a record")
	}
	if dec.More() {
		return nil, errors.New("has more on it than an entry")
	}
	return &e, e.check()
}

// check reports what an entry lacks.
func (e *Entry) check() error {
	there := map[Kind]bool{
		KindStart: e.Start != nil, KindIntent: e.Write != nil, KindStep: e.Write != nil,
		KindResult: e.Write != nil && e.Result != nil, KindEnd: e.End != nil, KindHealed: e.Healed != nil,
	}
	ok, known := there[e.Kind]
	switch {
	case !known:
		return fmt.Errorf("is of the kind %q, which this version does not know", cut(string(e.Kind)))
	case !ok:
		return fmt.Errorf("is a %s that does not say what a %s says", e.Kind, e.Kind)
	case e.Start != nil && e.Start.FormatVersion != FormatVersion:
		return fmt.Errorf("has format version %d; this version reads format version %d", e.Start.FormatVersion, FormatVersion)
	}
	return nil
}
