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
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBombs checks that reading stops in three cases. The archive unpacks to more
// than a history has, is stored without an end, or holds more records than its
// manifest.
func TestBombs(t *testing.T) {
	t.Parallel()
	limit := limits{stored: 10_000, unpacked: 100_000}
	line := `{"created":"2026-03-01T12:00:00Z"}` + "\n"
	for name, tt := range map[string]struct {
		unpacked string
		records  int
		want     string
	}{
		"within":          {strings.Repeat(line, 100), 100, ""},
		"many lines":      {strings.Repeat(line, 10_000), 10_000, "more than 100000 bytes once they are unpacked"},
		"a long line":     {`"` + strings.Repeat("x", 1_000_000) + `"` + "\n", 1, "more than 100000 bytes once they are unpacked"},
		"white space":     {strings.Repeat(" ", 1_000_000), 1, "more than 100000 bytes once they are unpacked"},
		"empty lines":     {strings.Repeat("\n", 1_000_000), 1, "line 1 is no JSON"},
		"a line too much": {strings.Repeat(line, 101), 100, "more than the 100 records that its manifest says"},
		"stored":          {string(noise(20_000)), 1, "more than 10000 bytes as they are stored"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var b bytes.Buffer
			zip := gzip.NewWriter(&b)
			_, _ = zip.Write([]byte(tt.unpacked)) // into memory
			_ = zip.Close()
			if err := os.WriteFile(filepath.Join(dir, "x"+recordsSuffix), b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(b.Bytes())
			m := Manifest{RecordsFile: "x" + recordsSuffix, Records: tt.records, SHA256: hex.EncodeToString(sum[:])}
			err := checkWithin(t.Context(), open(t, dir), m, limit, countRecords)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// noise returns lines that gzip can't make smaller.
func noise(n int) []byte {
	var out []byte
	for i := 0; len(out) < n; i++ {
		sum := sha256.Sum256(fmt.Append(nil, i))
		out = fmt.Appendf(out, "%q\n", base64Of(sum[:]))
	}
	return out
}

func base64Of(b []byte) string { out, _ := json.Marshal(b); return string(out[1 : len(out)-1]) }

// TestHugeManifest checks that reading a manifest that never ends stops.
func TestHugeManifest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"+manifestSuffix), bytes.Repeat([]byte{' '}, maxManifest+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), filepath.Join(dir, "x"+manifestSuffix)); err == nil || !strings.Contains(err.Error(), "larger than any manifest") {
		t.Errorf("%v", err)
	}
}

// TestStoppedHistoryLeavesNothing checks that a history that is stopped, or that
// holds a secret, leaves neither an archive nor a temporary file.
func TestStoppedHistoryLeavesNothing(t *testing.T) {
	t.Parallel()
	stop := errors.New("too long")
	endless := func(_ context.Context, each func(Page) error) error {
		for range 50 {
			p := pages(records(100), 100, 1<<40)[0]
			p.More = true
			if err := each(p); err != nil {
				return err
			}
		}
		return stop
	}
	held := func(_ context.Context, each func(Page) error) error {
		p := whole(records(3), 3)[0]
		p.Held = true
		return each(p)
	}
	for name, src := range map[string]Source{"too long": endless, "has no place for a secret": held} {
		dir := t.TempDir()
		_, err := Save(t.Context(), open(t, dir), request(), src, patient())
		var blocked *IncompleteError
		if err == nil || !strings.Contains(err.Error(), name) || errors.As(err, &blocked) != (name != "too long") {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}
