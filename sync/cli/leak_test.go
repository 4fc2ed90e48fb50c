package cli

import (
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// leaks lists what of a secret stands in text: its first letters, which every
// escape leaves as they are, and their base64 and hex forms.
func leaks(text string) []string {
	var found []string
	for _, core := range []string{"s3cr3t-one", "s3cr3t-two", scriptToken[:20]} {
		forms := []string{core, hex.EncodeToString([]byte(core))}
		for shift := range 3 {
			coded := base64.StdEncoding.EncodeToString([]byte("xxx"[:shift] + core + "xxx"))
			forms = append(forms, coded[4:len(coded)-8])
		}
		for _, f := range forms {
			if strings.Contains(text, f) {
				found = append(found, core+" as "+f)
			}
		}
	}
	return found
}

// TestNoSecretIsWritten runs every command with -v against a service that
// echoes what it is sent in its errors, and searches everything that is
// written, streams and files, for the secrets and the token.
func TestNoSecretIsWritten(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	common := []string{"--owner", "team", "-v"}
	apply := append(slices.Clone(m.apply), "-v", "--archive", "archive")

	type step struct {
		name  string
		fault *emulator.Fault
		args  []string
	}
	steps := []step{
		{"validate", nil, []string{"validate", "-v", "--decrypt", "rules"}},
		{"validate json", nil, []string{"validate", "-v", "--decrypt", "--format", "json", "rules"}},
		{"plan", nil, append([]string{"plan", "rules", "--decrypt"}, common...)},
		{"plan json", nil, append([]string{"plan", "rules", "--format", "json"}, common...)},
		{"drift", nil, append([]string{"drift", "rules"}, common...)},
		{"schema", nil, []string{"schema", "rule", "-v"}},
		{"version", nil, []string{"version", "-v"}},
		{"help", nil, []string{"help", "-v"}},
		{"completion", nil, []string{"completion", "bash", "-v"}},
		{"list fails", &emulator.Fault{Kind: emulator.List, Status: 403}, append([]string{"plan", "rules"}, common...)},
		{"put refused", &emulator.Fault{Kind: emulator.Put, Status: 400}, apply},
		{"put refused, json", &emulator.Fault{Kind: emulator.Put, Status: 422}, append(slices.Clone(apply), "--format", "json")},
		{"put broken", &emulator.Fault{Kind: emulator.Put, Status: 500}, apply},
		{"put answered by a proxy", &emulator.Fault{Kind: emulator.Put, Status: 200, Body: "<html>you sent " + secretOne + " and " + secretTwo + "</html>"}, apply},
		{"read fails", &emulator.Fault{Kind: emulator.Get, Status: 400}, apply},
		{"delete refused", &emulator.Fault{Kind: emulator.Delete, Status: 400}, apply},
		{"apply", nil, append(slices.Clone(apply), "--format", "json")},
		{"wrong flag", nil, []string{"plan", "--token=" + secretOne, "rules"}},
		{"wrong short flag", nil, []string{"plan", "-t" + secretOne, "rules"}},
	}
	for _, st := range steps {
		s := m.serveWith(emulator.Options{EchoErrors: true})
		if st.fault != nil {
			s.Fault(*st.fault)
		}
		stdout, stderr, code := m.run(s, st.args...)
		for _, l := range leaks(stdout + stderr) {
			t.Errorf("%s (exit %d): wrote %s\n%s%s", st.name, code, l, stdout, stderr)
		}
		noSecretOutsidePut(t, s)
		if st.name == "apply" && code != 0 {
			t.Errorf("apply: exit code %d\n%s%s", code, stdout, stderr)
		}
		sent := false
		for _, r := range s.Requests() {
			sent = sent || r.Method == http.MethodPut && strings.Contains(string(r.Body), "s3cr3t")
		}
		if strings.HasPrefix(st.name, "put") && !sent {
			t.Errorf("%s: no secret was sent, so nothing was tested", st.name)
		}
	}
	searchFiles(t, filepath.Join(m.dir, "archive"))
}

// searchFiles searches what the tool stored.
func searchFiles(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		n++
		data, err := os.ReadFile(path)
		for _, l := range leaks(string(data)) {
			t.Errorf("%s holds %s", filepath.Base(path), l)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("nothing was stored, so nothing was searched")
	}
}
