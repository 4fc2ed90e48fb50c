package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// savedDocument returns a plan as a file holds it, including the checksum.
func savedDocument(t *testing.T, p *Plan) []byte {
	t.Helper()
	doc := *p
	sum, err := doc.ComputeChecksum()
	if err != nil {
		t.Fatal(err)
	}
	doc.Checksum = sum
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// documentPlan returns a plan with a change of every kind. It includes numbers
// and strange text in fields that this version does not know.
func documentPlan() *Plan {
	in := baseInput()
	in.Now = time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.UTC)
	for i := range in.Live {
		in.Live[i].Spec.Unknown = map[string]json.RawMessage{"limits": json.RawMessage(`{"n": 12345678901234567890, "f": 1.50, "s": "<\u2028ü"}`)}
	}
	return New(in)
}

func TestReadGivesBackWhatWasSaved(t *testing.T) {
	t.Parallel()
	p := documentPlan()
	got, err := Read(savedDocument(t, p))
	if err != nil {
		t.Fatal(err)
	}
	// Numbers keep every digit; the escapes of a string do not matter.
	raw := cmp.Transformer("JSON", func(m json.RawMessage) any {
		dec := json.NewDecoder(bytes.NewReader(m))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Error(err)
		}
		return v
	})
	if d := cmp.Diff(p, got, raw, cmpopts.IgnoreFields(Plan{}, "Checksum"), cmpopts.IgnoreFields(Project{}, "InSyncRules"), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("a saved plan came back as another one (-saved +read):\n%s", d)
	}
}

// TestReadFindsEveryEdit changes each value of a document in turn and removes
// each key. Read must refuse every edit.
func TestReadFindsEveryEdit(t *testing.T) {
	t.Parallel()
	data := savedDocument(t, documentPlan())
	n := 0
	for i := range places(t, data) {
		for _, edit := range []string{"change", "remove"} {
			var doc any
			if err := json.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			place := editAt(doc, i, edit)
			out, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			n++
			var wrong *DocumentError
			if _, err := Read(out); !errors.As(err, &wrong) {
				t.Errorf("%s of %s: got error %v, want a DocumentError", edit, place, err)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d edits were tried", n)
	}
}

// TestReadFindsEveryCut cuts a document at every byte.
func TestReadFindsEveryCut(t *testing.T) {
	t.Parallel()
	data := savedDocument(t, documentPlan())
	for n := range data {
		_, err := Read(data[:n])
		if err == nil || n > 0 && !strings.Contains(err.Error(), "cut short") {
			t.Fatalf("cut after %d of %d bytes: got %v, want an error that says so", n, len(data), err)
		}
	}
}

// places counts the values of a document.
func places(t *testing.T, data []byte) []struct{} {
	t.Helper()
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	visit(doc, func(func(any), func(), string) bool { n++; return false }, "")
	return make([]struct{}, n)
}

// editAt changes or removes value number i of a document and returns its path.
func editAt(doc any, i int, edit string) (place string) {
	n := 0
	visit(doc, func(set func(any), remove func(), path string) bool {
		if n++; n <= i {
			return false
		}
		place = path
		if edit == "remove" {
			remove()
		} else {
			set("edited")
		}
		return true
	}, "")
	return place
}

// visit walks over the values of a document until do returns true.
func visit(v any, do func(set func(any), remove func(), path string) bool, path string) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			at := path + "/" + k
			if do(func(x any) { v[k] = x }, func() { delete(v, k) }, at) || visit(v[k], do, at) {
				return true
			}
		}
	case []any:
		for i := range v {
			at := fmt.Sprintf("%s/%d", path, i)
			if do(func(x any) { v[i] = x }, func() { v[i] = nil }, at) || visit(v[i], do, at) {
				return true
			}
		}
	}
	return false
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := string(savedDocument(t, documentPlan()))
	for name, tt := range map[string]struct{ data, want string }{
		"empty":              {"", "is empty"},
		"white space":        {" \n", "is empty"},
		"text":               {"Plan: 2 to create.", "is no JSON"},
		"a list":             {"[]", "is no plan"},
		"another document":   {`{"formatVersion":1,"outcome":"applied"}`, "is no plan"},
		"a later version":    {strings.Replace(good, `"formatVersion": 1`, `"formatVersion": 2`, 1), "has format version 2"},
		"another shape":      {strings.Replace(good, `"projects": [`, `"projects": 7, "was": [`, 1), "projects is a JSON number"},
		"something after it": {good + "{}", "is no JSON"},
		"no checksum":        {strings.Replace(good, `"checksum"`, `"check"`, 1), "has no checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read([]byte(tt.data))
			var wrong *DocumentError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			if wrong.Hint() == "" {
				t.Errorf("%v has no hint", err)
			}
		})
	}
}

// TestDigestIsChecked: a recomputed checksum does not make an edited document
// valid, because the digest must match, and that was reviewed.
func TestDigestIsChecked(t *testing.T) {
	t.Parallel()
	p := documentPlan()
	p.Projects[0].Changes[0].DesiredDigest = "0123456789abcdef0123456789abcdef"
	if _, err := Read(savedDocument(t, p)); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("got error %v, want one about the digest", err)
	}
}
