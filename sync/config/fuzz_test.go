package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// FuzzParseRule checks that parsing any file ends without a panic and that every
// problem has a position inside the file. No message shows a value under
// authentication, and the service would accept every accepted rule.
func FuzzParseRule(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
		f.Add(data, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, lax bool) {
		rule, problems := ParseRule("x.yaml", data, Options{AllowPlaintextAuth: lax, AllowPlainCredentials: lax})
		if (rule == nil) != schema.HasErrors(problems) {
			t.Fatalf("rule %v with the problems %v", rule, problems)
		}
		if len(problems) > maxProblems+1 { // the last problem counts the rest
			t.Fatalf("%d problems are listed", len(problems))
		}
		last := 2 // YAML 1.1 has more line ends than \n
		for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
			last += strings.Count(string(data), end)
		}
		shown := lines(problems)
		for _, p := range problems {
			if p.File != "x.yaml" || p.Line > last || p.Line > 0 && p.Column < 1 || p.Message == "" || !utf8.ValidString(p.Message) {
				t.Fatalf("a problem at %v: %q", p.Position, p.Message)
			}
		}
		for _, v := range authValues(data) {
			if strings.Contains(shown, v) {
				t.Fatalf("a value under authentication is shown: %q in\n%s", v, shown)
			}
		}
		if rule != nil {
			checkAccepted(t, rule)
		}
	})
}

// authValues returns long texts that occur only under spec.authentication, as the
// YAML library reads them.
func authValues(data []byte) []string {
	var in struct {
		Spec struct {
			Authentication map[string]map[string]string `yaml:"authentication"`
		} `yaml:"spec"`
	}
	if len(data) > maxFile || yaml.Unmarshal(data, &in) != nil {
		return nil
	}
	var out []string
	for _, part := range in.Spec.Authentication {
		for _, v := range part {
			// A message could contain a short text by chance.
			if len(v) >= 12 && strings.Count(string(data), v) == 1 && !strings.ContainsAny(v, " \n") {
				out = append(out, v)
			}
		}
	}
	return out
}

func checkAccepted(t *testing.T, r *Rule) {
	t.Helper()
	s := r.Spec
	if r.Name == "" || s.URL == "" || len(s.Events) == 0 || webhook.OriginOf(s.URL).Host == "" {
		t.Fatalf("accepted: %+v", r)
	}
	for name := range s.Headers {
		if webhook.IsMarkerHeader(name) || !isToken(name) {
			t.Fatalf("accepted header %q", name)
		}
	}
	if s.Auth.Len() == 0 && (r.Sealed.Sources != nil || r.Sealed.Plain.Len() > 0) {
		t.Fatalf("sealed values without names: %+v", r)
	}
	if s.Auth.Len() > 0 && r.Sealed.Sources == nil && r.Sealed.Plain.Len() != s.Auth.Len() {
		t.Fatalf("names without values: %+v", r)
	}
}
