package archive

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	// edit also takes out the checksum, as an intruder would.
	edit := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte {
			b = regexp.MustCompile(`,\s*"checksum": "[0-9a-f]{64}"`).ReplaceAll(b, nil)
			return bytes.Replace(b, []byte(from), []byte(to), 1)
		}
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
		"another count":       {same, edit(`"records": 3`, `"records": 2`), "holds more than the 2 records that its manifest says"},
		"another file":        {same, edit(`"recordsFile": "demo`, `"recordsFile": "../demo`), "is the manifest of"},
		"a later version":     {same, edit(`"formatVersion": 1`, `"formatVersion": 2`), "format version 2"},
		"another project":     {same, edit(`"project": "demo"`, `"project": "prod"`), `is of rule "jobs" of project "prod", and its name is that of another archive`},
		"another rule":        {same, edit(`"name": "jobs"`, `"name": "billing"`), `is of rule "billing" of project "demo"`},
		"another id":          {same, edit(`"id": "7f3a"`, `"id": "7f3b"`), "its name is that of another archive"},
		"spaces, no checksum": {same, edit("\n}", "\n\n}"), ""},
		"another digest said": {same, edit(`"sha256": "`, `"sha256": "0`), "has the SHA-256"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Save(t.Context(), open(t, t.TempDir()), request(), still(whole(records(3), 2)).read, patient())
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

// TestManifestChecksum checks that the checksum reveals every change of a
// manifest's content, but no change of its layout.
func TestManifestChecksum(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"url":      {"https://hooks.example.com/x", "https://hooks.example.org/x"},
		"events":   {"MediaKind.JobFinished", "MediaKind.JobStarted"},
		"enabled":  {`"wasEnabled": true`, `"wasEnabled": false`},
		"auth":     {`"authentication": {}`, `"authentication": {"headers": ["X-Other"]}`},
		"base URL": {"https://app.mk.io", "https://app.mk.example"},
		"count":    {`"records": 3`, `"records": 4`},
		"who":      {`"by": "ada"`, `"by": "eve"`},
		"more":     {`"by": "ada"`, `"by": "ada", "new": 1`},
		"checksum": {`"checksum": "`, `"checksum": "0`},
		"layout":   {`"by": "ada",`, "\n\n \"by\":\"ada\","},
	} {
		c, err := Save(t.Context(), open(t, t.TempDir()), request(), still(whole(records(3), 2)).read, patient())
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimSuffix(c.Receipt.Location, recordsSuffix) + manifestSuffix
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(data), change[0], change[1], 1)
		if changed == string(data) {
			t.Fatalf("%s: the manifest does not hold %s:\n%s", name, change[0], data)
		}
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = Verify(t.Context(), path)
		if (name == "layout") != (err == nil) || err != nil && !strings.Contains(err.Error(), "its content does not have its checksum") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
