package rulefile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// odd are texts that YAML reads differently, invisible texts, and long texts.
var odd = []string{
	"mkio", "", "yes", "no", "on", "null", "~", "true", "1e10", "0123", "0x1f", "1:20", "2026-01-01", ".inf", "=", "<<", "---", "...", "- x", "? x", "?0", ": x", "a: b", "a #b", "#",
	"{}", "[", "]", ",", "&a", "*a", "!x", "|", ">", "%x", "@x", "`x", "'", "\"", "\\", "it's \"so\"", "größe 日本 😀", "\u202eevil", "\u200b", "\ufeff", "\u00a0",
	"a\nb", "a\n---\nb\n", "\n", "\ttab", "\x1b[31mred", "\x00", "\x7f", "\u0085", "\u2028", "\r\n", " outer ", "ENC[AES256_GCM,data:x]", "REPLACE_ME", strings.Repeat("word ", 20_000),
	strings.Repeat("k", 2000),
}

func spec() webhook.Spec {
	return webhook.Spec{URL: "https://hooks.example.com/x", Enabled: true, Events: []webhook.EventType{"MediaKind.JobFinished"}}
}

// TestNew checks that any written text is read back unchanged.
func TestNew(t *testing.T) {
	t.Parallel()
	for i, text := range odd {
		s := spec()
		s.QueryParams = map[string]string{"value": text, "other": "o"}
		s.Auth.QueryParams = []string{"z"}
		if text != "" && text != "z" && !strings.ContainsAny(text, "\x00\n\t\r\x1b\x7f\u0085") {
			s.QueryParams[text] = "key"
		}
		s.Headers = map[string]string{webhook.MarkerHeader: "v=1", "X-A": "  a "}
		f, err := New("x.yaml", "name", s, "")
		if err != nil {
			t.Errorf("%d %.20q: %v", i, text, err)
			continue
		}
		if len(f.Problems) > 0 && !strings.HasPrefix(text, "ENC[") {
			t.Errorf("%d %.20q: %v", i, text, f.Problems)
		}
		if strings.Contains(string(f.Data), "khooks") || strings.ContainsAny(string(f.Data), "\x1b\u202e\u200b\r\u0085\u2028") {
			t.Errorf("%d %.20q stands in the file as it is:\n%s", i, text, f.Data)
		}
	}
}

// TestNames checks that the file keeps the exact name, or the rule has no file.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range odd {
		f, err := New("x.yaml", name, spec(), "../rule.schema.json")
		if problem := config.NameProblem(name); (problem != "") != (err != nil) {
			t.Errorf("%.20q: %v, its problem %q", name, err, problem)
		}
		if err != nil {
			continue
		}
		if len(f.Problems) > 0 { // a name that looks encrypted
			continue
		}
		if got, problems := config.ScanFile("x.yaml", f.Data, config.Options{}); got == nil || got.Name != name {
			t.Errorf("%.20q: %v %v", name, got, problems)
		}
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	s := spec()
	s.Headers = map[string]string{"X-Long": strings.Repeat("x", 1<<20)}
	if _, err := New("x.yaml", "name", s, ""); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("a file that is too long: %v", err)
	}
	s = spec()
	s.Events = nil
	s.Headers = map[string]string{"X-A": "a", "x-a": "b"}
	f, err := New("x.yaml", "name", s, "")
	if err != nil || len(f.Problems) != 2 {
		t.Errorf("what no file may say: %v %v", f, err)
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"jobs":                   "jobs.yaml",
		"Jobs_2.b-c":             "Jobs_2.b-c.yaml",
		"mkhooks":                "mkhooks-8d92b6ae.yaml",
		"MKHOOKS":                "MKHOOKS-01c7d5be.yaml",
		"mkhooks.prod":           "mkhooks.prod.yaml",
		"console":                "console.yaml",
		"..":                     "5ec1f7e7.yaml",
		"日本":                     "cf2abf0c.yaml",
		strings.Repeat("a", 80):  strings.Repeat("a", 80) + ".yaml",
		strings.Repeat("a", 81):  strings.Repeat("a", 80) + "-",
		strings.Repeat("ä", 200): "",
	}
	for _, device := range []string{"con", "PRN", "aux", "nul", "COM1", "lpt9", "com0", "con.jobs"} {
		tests[device] = strings.ReplaceAll(device, ".", "-") + "-"
	}
	for rule, want := range tests {
		got, err := FileName(rule, func(string) bool { return false })
		if err != nil || got != want && (strings.HasSuffix(want, ".yaml") || !strings.HasPrefix(got, want) || len(got) > 100) {
			t.Errorf("%q: %s %v, want %s", rule, got, err, want)
		}
		if again, _ := FileName(rule, func(file string) bool { return file == got }); again == got || again == "" {
			t.Errorf("%q: %s where that is taken", rule, again)
		}
		if base := strings.TrimSuffix(got, ".yaml"); isReserved(base) || strings.HasPrefix(got, ".") || strings.Trim(got, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
			t.Errorf("%q: %s is no safe name", rule, got)
		}
	}
	if got, err := FileName("jobs", func(string) bool { return true }); err == nil {
		t.Errorf("%s where all is taken", got)
	}
}

// FuzzFileName checks that names are safe and never taken.
func FuzzFileName(f *testing.F) {
	for _, s := range odd {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		first, err := FileName(rule, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		second, err := FileName(rule, func(file string) bool { return strings.EqualFold(file, first) })
		if err != nil || strings.EqualFold(first, second) {
			t.Errorf("%q: %s twice", rule, second)
		}
		for _, file := range []string{first, second} {
			base := strings.TrimSuffix(file, ".yaml")
			if len(file) > 110 || base == file || base == "" || base[0] == '.' || base[0] == '-' || isReserved(base) || strings.Trim(base, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
				t.Errorf("%q: %q is no safe name", rule, file)
			}
		}
	})
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	s := spec()
	s.URL = "https://hooks.example.com/x?token=t0k3n"
	s.Headers = map[string]string{"Authorization": "t0k3n", "X-A": "a"}
	s.QueryParams = map[string]string{"sig": "t0k3n", "a": "a"}
	f, err := New("x.yaml", "name", s, "")
	if err != nil || strings.Contains(string(f.Data), "t0k3n") {
		t.Fatalf("%v:\n%s", err, f.Data)
	}
	if diff := cmp.Diff([]string{"headers.Authorization", "queryParams.sig", "url"}, RedactedPaths(f.Spec)); diff != "" {
		t.Error(diff)
	}
}

// FuzzNew checks that any text is written and read back. A text that no file may
// contain is a problem of the file and never leads to a different rule.
func FuzzNew(f *testing.F) {
	for _, s := range odd {
		f.Add(s, "X-A", s)
	}
	f.Fuzz(func(t *testing.T, name, key, value string) {
		s := spec()
		key, value = strings.ToValidUTF8(key, "?"), strings.ToValidUTF8(value, "?") // as in every JSON response
		s.URL += value
		s.Events = append(s.Events, webhook.EventType(value))
		s.Headers = map[string]string{key: value}
		s.QueryParams = map[string]string{key + "1": value, value: key}
		s.Auth = webhook.AuthNames{Headers: []string{key + "2"}, QueryParams: []string{value + "3"}}
		name = strings.ToValidUTF8(name, "?")
		f, err := New("x.yaml", name, s, "../rule.schema.json")
		if err != nil {
			if config.NameProblem(name) == "" && len(key)+len(value) < 10_000 {
				t.Fatalf("%v:\n%q", err, value)
			}
			return
		}
		found, problems := config.ScanFile("x.yaml", f.Data, config.Options{AllowPlaceholders: true})
		if found == nil || webhook.SpecDigest(found.Spec) != webhook.SpecDigest(f.Spec) {
			t.Errorf("%v\n%s", problems, f.Data)
		}
	})
}
