package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mkhooks/mkhooks/sync/diag"
)

// A plan can be saved, reviewed and given to a later apply. That apply makes a
// fresh plan and only carries out equal changes, so a forged document does no
// harm. [Read] detects documents that are truncated, edited by hand or made by
// another version, before anyone relies on them.

// DocumentError is why this version can't use a document as a plan.
type DocumentError struct {
	Message string
	hint    diag.Hint
}

func (e *DocumentError) Error() string { return e.Message }

// Hint returns how to fix the problem; may be empty.
func (e *DocumentError) Hint() string { return e.hint.String() }

// Advice returns the hint as words and command.
func (e *DocumentError) Advice() diag.Hint { return e.hint }

// planAgain is the hint for a document that can't be used.
var planAgain = diag.Hint{Text: "make the plan again", Command: "mkhooks plan --out FILE"}

// orPlanAgain returns the hint to do something else, or to plan again.
func orPlanAgain(first string) diag.Hint {
	return diag.Hint{Text: first + ", or " + planAgain.Text, Command: planAgain.Command}
}

// ComputeChecksum returns the checksum of the document without its checksum member:
// SHA-256, in hex, of its JSON with sorted keys and without spaces.
func (p *Plan) ComputeChecksum() (string, error) {
	bare := *p
	bare.Checksum = ""
	raw, err := json.Marshal(&bare)
	if err != nil {
		return "", err
	}
	return checksumOf(raw)
}

// checksumOf returns the checksum of a document in JSON.
func checksumOf(raw []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var doc map[string]any // a map is marshalled with sorted keys
	if err := dec.Decode(&doc); err != nil {
		return "", err
	}
	delete(doc, "checksum")
	canonical, err := json.Marshal(doc)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// Read reads a plan document that is complete and unchanged. Its errors are
// [DocumentError]s; they name no file.
func Read(data []byte) (*Plan, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &DocumentError{"is empty; expected the JSON document of a plan", planAgain}
	}
	var head struct {
		FormatVersion *int            `json:"formatVersion"`
		Tool          Tool            `json:"tool"`
		Projects      json.RawMessage `json:"projects"`
	}
	if err := decodeDocument(data, &head); err != nil {
		return nil, err
	}
	switch {
	case head.FormatVersion == nil || head.Projects == nil:
		return nil, &DocumentError{"is no plan: it has no formatVersion and projects", planAgain}
	case *head.FormatVersion != FormatVersion:
		return nil, &DocumentError{
			fmt.Sprintf("has format version %d, made by %s %s; this version reads format version %d",
				*head.FormatVersion, orWord(head.Tool.Name, "an unknown tool"), head.Tool.Version, FormatVersion),
			orPlanAgain("use the version that made it"),
		}
	}
	if !hasSettings(head.Projects) {
		return nil, &DocumentError{
			fmt.Sprintf("was made by %s %s, which did not say what the guards go by: guards.settings is missing",
				orWord(head.Tool.Name, "an unknown tool"), head.Tool.Version),
			planAgain,
		}
	}
	var p Plan
	if err := decodeDocument(data, &p); err != nil {
		return nil, err
	}
	return &p, p.verifySums(data)
}

// hasSettings reports whether each project of a document has the settings of
// its guards. Malformed projects pass: decoding reports them later.
func hasSettings(projects json.RawMessage) bool {
	var all []struct {
		Guards struct {
			Settings json.RawMessage `json:"settings"`
		} `json:"guards"`
	}
	if json.Unmarshal(projects, &all) != nil {
		return true
	}
	for _, p := range all {
		if p.Guards.Settings == nil {
			return false
		}
	}
	return true
}

// verifySums verifies the checksum and the digest of a document.
func (p *Plan) verifySums(data []byte) error {
	sum, err := checksumOf(data)
	switch {
	case err != nil:
		return &DocumentError{"is no JSON object", planAgain}
	case p.Checksum == "":
		return &DocumentError{"has no checksum, so it was not written by mkhooks, or was edited", planAgain}
	case p.Checksum != sum:
		return &DocumentError{"was changed after mkhooks wrote it: its content does not have its checksum", planAgain}
	case p.Digest != planDigest(p.Projects):
		return &DocumentError{"was changed after mkhooks wrote it: its changes do not have its digest", planAgain}
	}
	if again, err := p.ComputeChecksum(); err != nil || again != sum {
		return &DocumentError{"was changed after mkhooks wrote it: it says something twice, or what no plan says", planAgain}
	}
	if wrong := p.findContradiction(); wrong != "" {
		return &DocumentError{"was changed after mkhooks wrote it: " + wrong, planAgain}
	}
	return nil
}

// findContradiction describes a part of a document that contradicts another part,
// or returns "". A reader of only that part would be misled.
func (p *Plan) findContradiction() string {
	if p.Summary != summarize(p.Projects) {
		return "its summary does not count its changes"
	}
	for i, project := range p.Projects {
		if slices.ContainsFunc(p.Projects[:i], project.isSameProject) {
			return fmt.Sprintf("it has project %q twice", project.Name)
		}
		if !slices.Equal(project.Guards.InForce, project.Guards.inForceEntries()) {
			return fmt.Sprintf("the guards in force of project %q are not those of its settings", project.Name)
		}
		seen := map[string]bool{}
		for _, c := range project.Changes {
			if seen[c.Rule] {
				return fmt.Sprintf("it changes rule %q twice", c.Rule)
			}
			seen[c.Rule] = true
		}
	}
	return ""
}

// decodeDocument decodes data, which must be a single JSON value of v's shape.
func decodeDocument(data []byte, v any) error {
	var whole json.RawMessage
	err := json.Unmarshal(data, &whole) // one value without trailing data
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber() // a field's value may be any number
		err = dec.Decode(v)
	}
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(bytes.TrimRight(data, " \t\r\n"))):
		return &DocumentError{fmt.Sprintf("is cut short: the JSON ends in the middle, after %d bytes", len(data)), planAgain}
	case errors.As(err, &syntax):
		return &DocumentError{fmt.Sprintf("is no JSON: what stands at byte %d can't be read", syntax.Offset), planAgain}
	case errors.As(err, &shape):
		return &DocumentError{fmt.Sprintf("is no plan: %s is a JSON %s", orWord(shape.Field, "the document"), shape.Value), planAgain}
	case err != nil:
		return &DocumentError{"is no plan: what it holds can't be read", planAgain}
	}
	return nil
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

// ProjectOf returns the part for the project of that name in the service at
// baseURL.
func (p *Plan) ProjectOf(baseURL, name string) (*Project, error) {
	for i := range p.Projects {
		if x := &p.Projects[i]; x.Name == name && x.BaseURL == baseURL {
			return x, nil
		}
	}
	if len(p.Projects) == 1 {
		x := p.Projects[0]
		if x.Name == name {
			return nil, &DocumentError{fmt.Sprintf("is for %s, and this run is for %s", x.BaseURL, baseURL), orPlanAgain("pass --base-url " + x.BaseURL)}
		}
		return nil, &DocumentError{fmt.Sprintf("is for project %q at %s, and this run is for %q at %s", x.Name, x.BaseURL, name, baseURL), orPlanAgain("pass -p")}
	}
	return nil, &DocumentError{fmt.Sprintf("has no part for project %q at %s", name, baseURL), planAgain}
}
