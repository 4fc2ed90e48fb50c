package cli

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

var update = flag.Bool("update", false, "rewrite the sessions of the README and testdata/*.golden")

// toEmulator redirects requests for the service to an emulator. Sessions then
// show the real base URL, and stable digests.
type toEmulator struct{ to *url.URL }

func (t toEmulator) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = t.to.Scheme, t.to.Host
	return http.DefaultTransport.RoundTrip(r)
}

// TestReadme runs the terminal sessions of the README in order in
// examples/first-use, against an emulator, and compares their output. A line
// "<!-- change RULE FIELD VALUE -->" before a session makes an external change.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "examples", "first-use"))
	key, err := filepath.Abs("age-key.txt")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOPS_AGE_KEY_FILE", key) // SOPS reads the environment itself
	s := emulator.New(emulator.Options{Project: "demo", Tokens: map[string][]emulator.Capability{scriptToken: emulator.AllCapabilities()}})
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	to, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "README.md")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	ran, inside := 0, false
	for line := range strings.Lines(string(data)) {
		text := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(text, "<!-- change "):
			out.WriteString(line)
			f := strings.Fields(text)
			s.Edit(f[2], func(spec map[string]any) { spec[f[3]] = f[4] == "true" })
		case text == "```console":
			inside = true
			out.WriteString(line)
		case inside && text == "```":
			inside = false
			out.WriteString(line)
		case inside && strings.HasPrefix(text, "$ mkhooks "):
			out.WriteString(line + session(t, to, strings.Fields(text)[2:]))
			ran++
		case !inside:
			out.WriteString(line)
		}
	}
	if ran < 4 {
		t.Errorf("the README has %d commands in its sessions, expected more", ran)
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(data), out.String()); diff != "" {
		t.Errorf("the README's sessions show something else (-README +now; -update writes them):\n%s", diff)
	}
}

// session returns the output of a command in a terminal without colour.
func session(t *testing.T, to *url.URL, args []string) string {
	t.Helper()
	var shown bytes.Buffer
	env := map[string]string{"MKIO_TOKEN": scriptToken, "MKIO_PROJECT": "demo"}
	code := Main(t.Context(), Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &shown, Stderr: &shown, Width: 100, StdoutTTY: true,
		Getenv: func(name string) string {
			return map[string]string{"NO_COLOR": "1", "MKIO_TOKEN": env["MKIO_TOKEN"], "MKIO_PROJECT": env["MKIO_PROJECT"]}[name]
		},
		Now: time.Now, Transport: toEmulator{to},
	})
	if code != 0 {
		fmt.Fprintf(&shown, "(exit code %d)\n", code)
	}
	return shown.String()
}

// TestReadmeConfig checks that the config file in the README is valid.
func TestReadmeConfig(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(data), "```yaml\n# yaml-language-server: $schema=./config.schema.json\n")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the README has no config file")
	}
	if _, problems := config.ParseFile("README.md", []byte(text)); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
}
