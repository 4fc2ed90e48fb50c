package rulefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// sealedFile returns a file that SOPS encrypted.
func sealedFile(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "sealed.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// liveOf returns the spec of a file.
func liveOf(t testing.TB, data string) webhook.Spec {
	t.Helper()
	found, problems := config.ScanFile("x.yaml", []byte(data), config.Options{AllowPlaceholders: true})
	if found == nil {
		t.Fatal(problems)
	}
	return found.Spec
}

func TestTake(t *testing.T) {
	t.Parallel()
	sealed := sealedFile(t)
	tests := map[string]struct {
		change   func(*webhook.Spec)
		old, new string
	}{
		"nothing": {func(*webhook.Spec) {}, "", ""},
		"another spelling": {func(s *webhook.Spec) {
			s.URL, s.Headers["x-source"] = "HTTPS://hooks.example.com:443/mkio", " mkio "
			delete(s.Headers, "X-Source")
		}, "", ""},
		"events in another order": {func(s *webhook.Spec) { slices.Reverse(s.Events); s.Events = append(s.Events, s.Events[0]) }, "", ""},
		"a marker":                {func(s *webhook.Spec) { s.Headers[webhook.MarkerHeader] = "v=1" }, "", ""},
		"unknown fields":          {func(s *webhook.Spec) { s.Unknown = map[string]json.RawMessage{"retry": json.RawMessage("1")} }, "", ""},
		"paused":                  {func(s *webhook.Spec) { s.Enabled = false }, "enabled: true # in use", "enabled: false # in use"},
		"url":                     {func(s *webhook.Spec) { s.URL = "https://other.example.com/" }, "'https://hooks.example.com/mkio'", "https://other.example.com/"},
		"an event more":           {func(s *webhook.Spec) { s.Events = append(s.Events, "MediaKind.JobStarted") }, "StreamingLocatorCreated\n", "StreamingLocatorCreated\n    - MediaKind.JobStarted\n"},
		"an event less":           {func(s *webhook.Spec) { s.Events = s.Events[1:] }, "    - MediaKind.JobFinished # at the end\n", ""},
		"another event for all": {func(s *webhook.Spec) { s.Events = []webhook.EventType{"MediaKind.JobStarted"} },
			"    - MediaKind.JobFinished # at the end\n    # and\n    - MediaKind.StreamingLocatorCreated\n", "    # and\n    - MediaKind.JobStarted\n"},
		"a header changed":         {func(s *webhook.Spec) { s.Headers["x-sOURCE"] = "no"; delete(s.Headers, "X-Source") }, "X-Source: mkio", `X-Source: "no"`},
		"a header more":            {func(s *webhook.Spec) { s.Headers["X-A"] = "a" }, "X-Source: mkio # of all\n", "X-Source: mkio # of all\n    X-A: a\n"},
		"the only header less":     {func(s *webhook.Spec) { delete(s.Headers, "X-Source") }, "  headers:\n    X-Source: mkio # of all\n", ""},
		"parameters":               {func(s *webhook.Spec) { s.QueryParams = map[string]string{"b": "1e3", "a": ""} }, "mkio # of all\n", "mkio # of all\n  queryParams:\n    a: \"\"\n    b: \"1e3\"\n"},
		"what looks like a secret": {func(s *webhook.Spec) { s.Headers["Authorization"] = "t0k3n" }, "mkio # of all\n", "mkio # of all\n    Authorization: (looks like a credential)\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := liveOf(t, sealed).Clone()
			test.change(&live)
			u, err := UpdateFile("x.yaml", []byte(sealed), live, config.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(sealed, test.old, test.new, 1)
			if diff := cmp.Diff(want, string(u.Data)); diff != "" || !u.IsComplete() {
				t.Errorf("whole %t (-want +got):\n%s", u.IsComplete(), diff)
			}
			again, err := UpdateFile("x.yaml", u.Data, live, config.Options{})
			if err != nil || string(again.Data) != string(u.Data) {
				t.Errorf("again: %v\n%s", err, again.Data)
			}
		})
	}
}

// TestTakeKeeps checks that a plain value that equals the live value is kept,
// whatever it looks like. Comments in a mapping that becomes empty are also kept.
func TestTakeKeeps(t *testing.T) {
	t.Parallel()
	const data = `metadata: {name: x}
spec:
  url: https://hooks.example.com/?token=abc
  enabled: false
  events: [MediaKind.JobFinished]
  headers:
    # why
    X-Token: abc
  queryParams: {token: abc}
`
	live := liveOf(t, data).Clone()
	live.Enabled = true
	u, err := UpdateFile("x.yaml", []byte(data), live, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Replace(data, "false", "true", 1), string(u.Data)); diff != "" {
		t.Error(diff)
	}
	live.Enabled, live.Headers, live.QueryParams["token"] = false, nil, "def"
	live.URL += "d"
	if u, err = UpdateFile("x.yaml", []byte(data), live, config.Options{}); err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("    X-Token: abc\n", "", "  headers:\n", "", "?token=abc", "?token=(looks like a credential)", "{token: abc}", `{token: "(looks like a credential)"}`).Replace(data)
	if diff := cmp.Diff(want, string(u.Data)); diff != "" {
		t.Error(diff)
	}
}

// TestTakeMany checks that updating many values that another client added costs no
// more than reading them.
func TestTakeMany(t *testing.T) {
	t.Parallel()
	live := liveOf(t, sealedFile(t)).Clone()
	for i := range 10_000 {
		live.Headers[fmt.Sprintf("X-%d", i)] = "a"
		live.Events = append(live.Events, webhook.EventType(fmt.Sprintf("MediaKind.New%d", i)))
	}
	begin := time.Now()
	if _, err := UpdateFile("x.yaml", []byte(sealedFile(t)), live, config.Options{}); err == nil || !strings.Contains(err.Error(), "no event type") {
		t.Error(err)
	}
	live.Events = live.Events[:2]
	u, err := UpdateFile("x.yaml", []byte(sealedFile(t)), live, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	live.Headers = nil
	if _, err = UpdateFile("x.yaml", u.Data, live, config.Options{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestSame tests the last check before a file is written.
func TestSame(t *testing.T) {
	t.Parallel()
	const data = "# a\nspec:\n  url: a # behind\n  # b\n  authentication:\n    headers: {X: \"1\"}\n  headers:\n    X: |\n      # c\nsops:\n  mac: m\n"
	for _, ok := range []string{"url: b", "url: a", "# d\n  url: a # behind"} {
		if !sameContent([]byte(data), []byte(strings.Replace(data, "url: a # behind", ok, 1))) {
			t.Errorf("%q is refused", ok)
		}
	}
	if !sameContent([]byte(data), []byte(strings.Replace(data, "# c", "d", 1))) {
		t.Error("a text that begins with # is no comment")
	}
	for old, by := range map[string]string{"mac: m": "mac: n", "# a": "", "  # b\n": "", `"1"`: `"2"`, `{X: "1"}`: `{Y: "1"}`, "sops": "spos"} {
		if sameContent([]byte(data), []byte(strings.Replace(data, old, by, 1))) {
			t.Errorf("%q instead of %q is the same", by, old)
		}
	}
}

// TestTakeNot checks changes that need a secret value or a key. They are reported
// and not made, in any mixture with plain changes.
func TestTakeNot(t *testing.T) {
	t.Parallel()
	sealed := sealedFile(t)
	live := liveOf(t, sealed).Clone()
	live.Enabled = false
	live.Headers["X-Webhook-Secret"] = "plain now"
	live.Headers["X-Plain"] = "a"
	delete(live.Headers, "X-Source")
	live.Auth = webhook.AuthNames{Headers: []string{"x-source"}, QueryParams: []string{"code"}}
	u, err := UpdateFile("x.yaml", []byte(sealed), live, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if u.IsComplete() {
		t.Error("whole")
	}
	for _, diff := range []string{
		cmp.Diff(webhook.AuthNames{Headers: []string{"x-source"}, QueryParams: []string{"code"}}, u.Missing),
		cmp.Diff(webhook.AuthNames{Headers: []string{"X-Webhook-Secret"}}, u.Extra),
		cmp.Diff([]string{"headers.X-Webhook-Secret"}, u.Withheld),
		cmp.Diff(map[string]string{"X-Plain": "a"}, u.After.Headers),
	} {
		if diff != "" {
			t.Error(diff)
		}
	}
	if u.After.Enabled || strings.Contains(string(u.Data), "plain now") {
		t.Errorf("%s", u.Data)
	}
}

func TestTakeRefuses(t *testing.T) {
	t.Parallel()
	sealed := sealedFile(t)
	tests := map[string]struct {
		data   string
		change func(*webhook.Spec)
		want   string
	}{
		"no YAML":               {"a: [", func(*webhook.Spec) {}, "can't be read as a rule file"},
		"an odd event":          {sealed, func(s *webhook.Spec) { s.Events = append(s.Events, "MediaKind.New") }, "no event type"},
		"no event":              {sealed, func(s *webhook.Spec) { s.Events = nil }, "spec.events"},
		"two spellings":         {sealed, func(s *webhook.Spec) { s.Headers["X-A"], s.Headers["x-a"] = "1", "2" }, "twice"},
		"too much":              {sealed, func(s *webhook.Spec) { s.Headers["X-A"] = strings.Repeat("a", 1<<20) }, "larger than 1 MiB"},
		"a MAC over all":        {strings.Replace(sealed, "    mac_only_encrypted: true\n", "", 1), func(s *webhook.Spec) { s.Enabled = false }, "MAC"},
		"a text over lines":     {strings.Replace(sealed, "'https://hooks.example.com/mkio'", "https://hooks.example.com\n    /mkio", 1), func(s *webhook.Spec) { s.URL = "https://a.example.com/" }, "can't be edited in place"},
		"a comment like a text": {strings.Replace(sealed, "X-Source: mkio # of all\n", "X-Source: |-\n        mkio\n     # about all\n", 1), func(s *webhook.Spec) { s.Headers = nil }, "can't be edited in place"},
		"no events":             {"metadata: {name: x}\nspec: {url: 'https://a.example.com/', enabled: true}\n", func(s *webhook.Spec) { s.Events = []webhook.EventType{"MediaKind.JobFinished"} }, "can't be edited in place"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := spec()
			if test.data != "a: [" {
				live = liveOf(t, test.data).Clone()
			}
			test.change(&live)
			u, err := UpdateFile("x.yaml", []byte(test.data), live, config.Options{})
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) || u != nil {
				t.Errorf("%v, %v", u, err)
			}
			if e != nil && e.Hint() == "" && name != "too much" {
				t.Errorf("no hint with: %v", err)
			}
		})
	}
}

// specOf builds a live spec from bytes: each byte decides a detail.
func specOf(data []byte) webhook.Spec {
	next := func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b) % n
	}
	s := spec()
	s.URL += fmt.Sprint(next(3))
	s.Enabled = next(2) == 0
	types := webhook.EventTypes()
	s.Events = []webhook.EventType{types[next(len(types))], types[next(len(types))]}
	for range next(4) {
		s.Events = append(s.Events, types[next(len(types))])
	}
	s.Headers, s.QueryParams = map[string]string{}, map[string]string{}
	for range next(5) {
		s.Headers[fmt.Sprintf("X-%c", 'A'+next(6))] = []string{"mkio", "yes", "a #b", "ä", "1e10", "", "#", "- a"}[next(8)]
	}
	for range next(5) {
		name := []string{"region", "yes", "a b", "#", "\u202e", long, "\"", "x"}[next(8)]
		s.QueryParams[name] = odd[next(len(odd))]
	}
	return s
}

var long = strings.Repeat("k", 2000)

// jsonFile returns a rule file in JSON.
func jsonFile(t *testing.T, s webhook.Spec, indented bool) string {
	t.Helper()
	types := slices.Compact(slices.Sorted(slices.Values(s.Events)))
	delete(s.QueryParams, long)
	rule := map[string]any{"metadata": map[string]any{"name": "x"}, "spec": map[string]any{
		"url": s.URL, "enabled": s.Enabled, "events": types, "headers": s.Headers, "queryParams": s.QueryParams,
	}}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	if indented {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(rule); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// FuzzTake writes a file for a spec, decorates it, and updates it to another spec.
// The result must be the other spec, with every comment and encrypted value.
func FuzzTake(f *testing.F) {
	f.Add([]byte{}, []byte{}, byte(0))
	f.Add([]byte{0, 1, 2, 3, 4, 1, 2, 2, 3, 4, 4, 5, 6, 7, 3, 1, 2, 3, 4}, []byte{1, 0, 3, 4, 4, 0, 0, 2, 1, 1, 2, 3, 3, 7, 6, 5, 4, 3, 2, 1}, byte(1))
	f.Add([]byte{0, 1, 2, 3, 4, 1, 2, 2, 3, 4, 4}, []byte{1, 0, 3, 4, 4, 0, 0, 2, 1, 1, 2, 3, 3}, byte(8))
	f.Add([]byte{0, 1, 2, 3, 4, 1, 2, 2, 3, 4, 4}, []byte{1, 0, 3, 4, 4, 0, 0, 2, 1, 1, 2, 3, 3}, byte(24))
	f.Add([]byte("00000000000000\xaf10$0"), []byte("10"), byte(0xfb))
	f.Add([]byte{0, 1, 2, 3, 3, 1, 2, 2, 3, 4, 4, 5, 6, 7, 3, 1, 2, 3, 4}, []byte("abcdefghijklmnopqrstuvw"), byte(3))
	_, sops, _ := strings.Cut(sealedFile(f), "  authentication:\n")
	f.Fuzz(func(t *testing.T, from, to []byte, style byte) {
		old, live := specOf(from), specOf(to)
		data := string(formatRule("x", old, ""))
		if style&1 != 0 { // a comment before each line, some indented deeper
			var b strings.Builder
			for i, l := range strings.SplitAfter(strings.TrimSuffix(data, "\n"), "\n") {
				indent := len(l) - len(strings.TrimLeft(l, " "))
				if !strings.HasPrefix(strings.TrimSpace(l), ":") {
					fmt.Fprintf(&b, "%s# comment %d\n", strings.Repeat(" ", indent+i%2*int(style>>1&1)), i)
				}
				b.WriteString(l)
			}
			data = b.String() + "\n"
		}
		data += "  authentication:\n" + sops
		if style&4 != 0 {
			data = strings.ReplaceAll(data, "\n", "\r\n")
		}
		if style&8 != 0 { // JSON, which is YAML, on one line or several
			data = jsonFile(t, old, style&16 != 0)
			if found, _ := config.ScanFile("x.yaml", []byte(data), config.Options{AllowPlaceholders: true}); found == nil {
				return // JSON may contain raw characters that YAML forbids
			}
		}
		live.Auth = liveOf(t, data).Auth
		u, err := UpdateFile("x.yaml", []byte(data), live, config.Options{})
		if err != nil {
			// In braces, a key must fit on one line.
			_, tooLong := live.QueryParams[long]
			if e, failure := New("x.yaml", "x", live, ""); failure == nil && len(e.Problems) == 0 && (style&8 == 0 || !tooLong) {
				t.Fatalf("%v\n%s", err, data)
			}
			return
		}
		now, problems := config.ScanFile("x.yaml", u.Data, config.Options{AllowPlaceholders: true, AllowPlainCredentials: true})
		if now == nil || webhook.SpecDigest(now.Spec) != webhook.SpecDigest(live) {
			t.Fatalf("not what is live: %v\n%s\n%s", problems, data, u.Data)
		}
		for l := range strings.Lines(data) {
			sealed := strings.Contains(l, "ENC[") && strings.Contains(sops, strings.TrimSpace(l))
			if l = strings.TrimSpace(l); (strings.HasPrefix(l, "# comment") || sealed) && !strings.Contains(string(u.Data), l) {
				t.Errorf("%q is lost:\n%s\n%s", l, data, u.Data)
			}
		}
	})
}
