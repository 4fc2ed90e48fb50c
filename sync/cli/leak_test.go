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

// leaks finds parts of secrets in text: their first letters, which every escape
// keeps, and the base64 and hex forms of these.
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
// repeats requests in its errors. It searches all streams and files for the
// secrets and the token.
func TestNoSecretIsWritten(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	common := []string{"--owner", "team", "-v"}
	apply := append(slices.Clone(m.apply), "-v", "--archive", "archive", "--audit", "written/audit.jsonl")
	m.writeFile("new-secret.yaml", "metadata: {name: sealed-here}\nspec:\n  url: https://hooks.example.com/\n  enabled: true\n"+
		"  events: [MediaKind.JobFinished]\n  authentication: {headers: {X-Secret: REPLACE_ME}}\n")

	// A shared value in a separate file.
	m.writeFile("rules/shared.yaml", "shared: REPLACE_ME\n")
	m.writeFile("rules/by-reference.yaml", "metadata: {name: by-reference}\nspec:\n  url: https://hooks.example.com/\n  enabled: true\n"+
		"  events: [MediaKind.JobFinished]\n  authentication: {headers: {X-Shared: {$secret: shared.yaml#shared}}}\n")
	m.writeFile("bad-reference.yaml", "metadata: {name: bad-reference}\nspec:\n  url: https://hooks.example.com/\n  enabled: true\n"+
		"  events: [MediaKind.JobFinished]\n  authentication: {headers: {X-Shared: {$secret: "+secretOne+"}, X-Two: {$secret: clear.yaml#x}}}\n")
	m.writeFile("clear.yaml", "x: "+secretTwo+"\n")

	// These must succeed, so that there is output to search.
	codes := map[string]int{
		"apply": 0, "saved plan": 0, "show": 0, "show-rule": 0, "release": 0, "import": 0, "take over": 0, "secret set": 0, "set a shared secret": 0, "validate shared secrets": 3, "validate": 0, "init": 0, "audit verify": 0, "audit show": 0,
	}
	type step struct {
		name  string
		fault *emulator.Fault
		args  []string
	}
	steps := []step{
		{"set a shared secret", nil, []string{"secret", "set", "-v", "rules/shared.yaml", "shared"}},
		{"validate", nil, []string{"validate", "-v", "--decrypt", "rules"}},
		{"validate json", nil, []string{"validate", "-v", "--decrypt", "--format", "json", "rules"}},
		{"validate shared secrets", nil, []string{"validate", "-v", "bad-reference.yaml"}},
		{"plan", nil, append([]string{"plan", "rules", "--decrypt"}, common...)},
		{"plan json", nil, append([]string{"plan", "rules", "--format", "json"}, common...)},
		{"drift", nil, append([]string{"drift", "rules"}, common...)},
		{"show-rule", nil, []string{"show-rule", "-v", "--rules", "rules", "keep"}},
		{"show-rule json", nil, []string{"show-rule", "-v", "--rules", "rules", "keep", "--format", "json"}},
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
		{"apply", nil, append(slices.Clone(apply), "--format", "json", "--report", "markdown=written/result.md", "--report", "json=written/result.json")},
		{"saved plan", nil, append([]string{"plan", "rules", "--out", "written/plan.json", "--report", "markdown=written/plan.md", "--report", "text=written/plan.txt"}, common...)},
		{"show", nil, []string{"show", "-v", "written/plan.json"}},
		{"drift, its commands named", nil, append([]string{"drift", "rules", "--format", "markdown"}, common...)},
		{"release", nil, append([]string{"release", "keep", "--yes", "--rules", "rules"}, common...)},
		{"release refused", &emulator.Fault{Kind: emulator.Put, Status: 400}, append([]string{"release", "keep", "--yes", "--rules", "rules"}, common...)},
		{"import", nil, []string{"import", "-v", "--out", "written/imported"}},
		{"take over", nil, []string{"import", "-v", "--rules", "rules", "drifted"}},
		{"secret set", nil, []string{"secret", "set", "-v", "new-secret.yaml", "headers.X-Secret"}},
		{"secret set again, refused", nil, []string{"secret", "set", "-v", "new-secret.yaml", "headers.Y-Secret"}},
		{"init", nil, []string{"init", "-v", "--owner", "team", "-p", "demo", "written/repo"}},
		{"audit verify", nil, []string{"audit", "verify", "-v", "--archives", "written/audit.jsonl"}},
		{"audit show", nil, []string{"audit", "show", "-v", "--steps", "written/audit.jsonl"}},
		{"history", nil, []string{"history", "-v", "--export", "written/histories", "--report", "csv=written/history.csv", "--report", "json=written/history.json"}},
		{"history, records", nil, []string{"history", "-v", "--records", "*"}},
		{"history fails", &emulator.Fault{Kind: emulator.Events, Status: 403}, []string{"history", "-v", "--all"}},
		{"drift, deliveries", nil, append([]string{"drift", "rules", "--deliveries"}, common...)},
		{"wrong flag", nil, []string{"plan", "--token=" + secretOne, "rules"}},
		{"wrong short flag", nil, []string{"plan", "-t" + secretOne, "rules"}},
	}
	for _, st := range steps {
		s := m.serveWith(emulator.Options{EchoErrors: true})
		if st.fault != nil {
			s.Fault(*st.fault)
		}
		stdout, stderr, code := m.runWith(s, secretTwo, st.args...)
		for _, l := range leaks(stdout + stderr) {
			t.Errorf("%s (exit %d): wrote %s\n%s%s", st.name, code, l, stdout, stderr)
		}
		noSecretOutsidePut(t, s)
		if want, ok := codes[st.name]; ok && code != want {
			t.Errorf("%s: exit code %d, want %d\n%s%s", st.name, code, want, stdout, stderr)
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
	searchFiles(t, filepath.Join(m.dir, "written"))
	sealed, err := os.ReadFile(filepath.Join(m.dir, "new-secret.yaml"))
	if err != nil || !strings.Contains(string(sealed), "ENC[") || len(leaks(string(sealed))) > 0 {
		t.Errorf("secret set left %s: %v", sealed, err)
	}
}

// searchFiles searches the stored files.
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
