package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	edit := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }
	}
	same := func(b []byte) []byte { return b }
	gone := func([]byte) []byte { return nil }
	tests := map[string]struct {
		records, manifest func([]byte) []byte
		want              string // of the error
	}{
		"as stored":           {same, same, ""},
		"a byte changed":      {func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, same, "read back"},
		"a header changed":    {func(b []byte) []byte { b[4] ^= 1; return b }, same, "has the SHA-256"}, // the time in the header of gzip
		"cut short":           {func(b []byte) []byte { return b[:len(b)-9] }, same, "is cut short"},
		"cut in a record":     {func(b []byte) []byte { return b[:len(b)*2/3] }, same, "is cut short"},
		"something behind":    {func(b []byte) []byte { return append(b, 'x') }, same, "something behind its end"},
		"another stream":      {func(b []byte) []byte { return append(b, b...) }, same, "has the SHA-256"},
		"not packed":          {func([]byte) []byte { return []byte("{\"created\":1}\n") }, same, "gzip: invalid header"},
		"no records file":     {gone, same, ".jsonl.gz: file does not exist"},
		"no manifest":         {same, gone, ".manifest.json: file does not exist"},
		"an empty manifest":   {same, func([]byte) []byte { return []byte{} }, "is no manifest"},
		"another count":       {same, edit(`"records": 3`, `"records": 2`), "holds 3 records, its manifest says 2"},
		"another file":        {same, edit(`"recordsFile": "demo`, `"recordsFile": "../demo`), "is the manifest of"},
		"a later version":     {same, edit(`"formatVersion": 1`, `"formatVersion": 2`), "format version 2"},
		"another digest said": {same, edit(`"sha256": "`, `"sha256": "0`), "has the SHA-256"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Save(t.Context(), open(t, t.TempDir()), request(), still(whole(records(3), 2)).read)
			if err != nil {
				t.Fatal(err)
			}
			base := strings.TrimSuffix(c.Receipt.Location, recordsSuffix)
			for path, change := range map[string]func([]byte) []byte{base + recordsSuffix: tt.records, base + manifestSuffix: tt.manifest} {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if data = change(data); data == nil {
					err = os.Remove(path)
				} else {
					err = os.WriteFile(path, data, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, location := range []string{base + recordsSuffix, base + manifestSuffix} {
				_, err := Verify(t.Context(), location)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("Verify(%s): %v, want %q", filepath.Base(location), err, tt.want)
				}
			}
		})
	}
	if _, err := Verify(t.Context(), "notes.txt"); err == nil || !strings.Contains(err.Error(), "is no archive") {
		t.Errorf("Verify of another file: %v", err)
	}
}
