package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/audit"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// hostile contains texts that files or the service may contain.
var hostile = map[string]string{
	"ansi":           "\x1b[2J\x1b[31mred\x1b]0;title\a",
	"c1":             "a\u009b31mb\u0085::c",
	"workflow":       "::set-env name=PATH::/tmp",
	"after newlines": "a\n::add-path::/tmp\r\n::stop-commands::x\n  ::warning::y",
	"separators":     "a\u2028::error::b\u2029::error::c",
	"spaces":         "\u00a0\u3000\t\v ::error::x",
	"brackets":       "##[command]rm #",
	"vso":            "x ##vso[task.setvariable variable=a]b ##teamcity[x] ###[x ####",
	"hash":           "#",
	"half":           "[command]#",
	"rtl":            "a\u202eb\u2066c\u2069d\u200e\u200f\u061ce",
	"zero width":     "a\u200bb\u200cc\u200dd\ufeffe\u2060f\u00adg\u3164h\U000e0041i",
	"no utf-8":       "a\xff\xfe\xc3(\x80 b\xed\xa0\x80",
	"wide":           strings.Repeat("漢字かな", 60) + "🎉" + strings.Repeat("e\u0301", 90),
	"words":          strings.Repeat("ZZ ", 400),
	"long":           strings.Repeat("ZZ", 50_000),
	"quotes":         `"; lift with --allow-empty \" '`,
	"lift":           "--adopt ZZ; lift with ZZ",
	"sum":            "x\n\nPlan: nothing to do.",
	"dash":           "-rf",
	"empty":          "",
}

// poison replaces every text in a document by s: values, names, paths,
// messages, map keys. If words is set, it also replaces words of a fixed set,
// because a saved document may contain any text.
func poison(v reflect.Value, s string, words bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), s, words)
		}
	case reflect.Interface:
		if !v.IsNil() && v.Elem().Kind() == reflect.String {
			v.Set(reflect.ValueOf(s))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			// The reason of an unreadable project replaces all other parts.
			if f := v.Type().Field(i); f.IsExported() && (f.Name != "Unreadable" || !v.Field(i).IsZero()) {
				poison(v.Field(i), s, words)
			}
		}
	case reflect.Slice:
		if v.Type() != reflect.TypeFor[json.RawMessage]() {
			for i := range v.Len() {
				poison(v.Index(i), s, words)
			}
		}
	case reflect.String:
		if words || v.Type() == reflect.TypeFor[string]() {
			v.SetString(s)
		}
	}
}

// poisoned writes every text document with s in all positions.
func poisoned(t testing.TB, s string, words bool, o TextOptions) string {
	t.Helper()
	var out bytes.Buffer
	write := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*plan.Plan{mixedPlan(), guardsPlan(), quietPlan(), loosenedPlan(), failingPlan(), unreadPlan()} {
		poison(reflect.ValueOf(p), s, words)
		write(PlanText(&out, p, o))
	}
	r := mixedResult()
	poison(reflect.ValueOf(r), s, words)
	write(ResultText(&out, r, o))
	settings := someSettings()
	for i := range settings.Projects {
		settings.Projects[i].Name = s
		for j := range settings.Projects[i].Settings {
			settings.Projects[i].Settings[j].Value = []string{s, s}
			settings.Projects[i].Settings[j].From = []string{s}
		}
	}
	write(SettingsText(&out, settings, o))
	unread := unreadResult()
	poison(reflect.ValueOf(unread), s, words)
	write(ResultText(&out, unread, o))
	record := someRecord()
	poison(reflect.ValueOf(&record), s, words)
	for i := range record.Runs { // Runs compares them
		for j := range record.Runs[i].Writes {
			if e := record.Runs[i].Writes[j].Intent; e != nil {
				e.Kind = audit.KindIntent
			}
		}
	}
	record.Steps = true
	write(AuditLogText(&out, record, o))
	return out.String()
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]+m")

// checkLines checks the rules of the text for every line.
func checkLines(t testing.TB, out string, o TextOptions) {
	t.Helper()
	if out != "" && !strings.HasSuffix(out, "\n") {
		t.Errorf("the text does not end with a newline")
	}
	if o.Color {
		out = sgr.ReplaceAllString(out, "")
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		short := line[:min(len(line), 200)]
		if !utf8.ValidString(line) {
			t.Fatalf("not UTF-8: %q", short)
		}
		for _, r := range line {
			if isHidden(r) {
				t.Fatalf("%q in a line: %q", r, short)
			}
		}
		start := strings.TrimLeftFunc(line, unicode.IsSpace)
		if strings.HasPrefix(start, "::") || strings.Contains(line, "##") {
			t.Fatalf("a runner would obey: %q", short)
		}
		if strings.HasPrefix(start, "ZZ") {
			t.Fatalf("begins with text of others: %q", short)
		}
		pasted := strings.HasPrefix(start, "hint: ") || strings.HasPrefix(start, "lift with ") || strings.Contains(start, "archived ")
		if o.Width > 0 && !pasted && countColumns(line) > max(o.Width, minWidth) {
			t.Fatalf("%d columns, want at most %d: %q", countColumns(line), o.Width, short)
		}
	}
}

func TestHostileText(t *testing.T) {
	t.Parallel()
	for name, s := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(s) > 10_000 {
				checkLines(t, poisoned(t, s, false, TextOptions{Width: 80}), TextOptions{Width: 80})
				return
			}
			for _, words := range []bool{false, true} {
				for _, o := range []TextOptions{
					{}, {Width: 80}, {Width: 120, Color: true}, {Width: 1}, {Width: 80, Drift: true}, {Width: 80, Verbose: true, Color: true},
				} {
					checkLines(t, poisoned(t, s, words, o), o)
				}
			}
		})
	}
}

func TestHostileProblems(t *testing.T) {
	t.Parallel()
	for name, s := range hostile {
		for _, file := range []string{s, "rules/a.yaml", "", " " + s} {
			problems := []schema.Problem{{Position: schema.Position{File: file, Line: 1, Column: 2}, Message: s, Hint: s, Severity: schema.Error}}
			var out bytes.Buffer
			if err := ProblemsText(&out, problems, TextOptions{Color: true}); err != nil {
				t.Fatal(err)
			}
			// A file's usual characters may begin a line, so that it is a link.
			got := strings.ReplaceAll(out.String(), "\x1b[1mZZ", "\x1b[1m./ZZ")
			checkLines(t, got, TextOptions{Color: true})
			if n := strings.Count(got, "\n"); n > 2 {
				t.Errorf("%s: %d lines for one problem", name, n)
			}
		}
	}
}

// TestColorSaysNothing: without its colours a text equals the plain text.
func TestColorSaysNothing(t *testing.T) {
	t.Parallel()
	plain := poisoned(t, "a \x1b[31m b", false, TextOptions{Width: 80})
	colored := poisoned(t, "a \x1b[31m b", false, TextOptions{Width: 80, Color: true})
	if plain == colored {
		t.Error("no colour at all")
	}
	if strings.Contains(plain, "\x1b") {
		t.Error("colour that was not asked for")
	}
	if d := cmp.Diff(plain, sgr.ReplaceAllString(colored, "")); d != "" {
		t.Errorf("-plain +colored:\n%s", d)
	}
}

// TestHostileJSON: a reader of the document gets exactly the original text, and
// no line controls a terminal or a runner.
func TestHostileJSON(t *testing.T) {
	t.Parallel()
	for name, s := range hostile {
		p := mixedPlan()
		poison(reflect.ValueOf(p), s, true)
		r := mixedResult()
		poison(reflect.ValueOf(r), s, true)
		for kind, write := range map[string]func(io.Writer) error{
			"plan":     func(w io.Writer) error { return PlanJSON(w, p) },
			"result":   func(w io.Writer) error { return ResultJSON(w, r) },
			"problems": func(w io.Writer) error { return ProblemsJSON(w, []schema.Problem{{Message: s}}) },
		} {
			var out bytes.Buffer
			if err := write(&out); err != nil {
				t.Fatalf("%s, %s: %v", name, kind, err)
			}
			checkLines(t, out.String(), TextOptions{})
			if kind != "result" {
				continue
			}
			var back apply.Result
			if err := json.Unmarshal(out.Bytes(), &back); err != nil {
				t.Fatalf("%s, %s: %v", name, kind, err)
			}
			want := string([]rune(s)) // as JSON has it: without bytes that are not UTF-8
			if got := back.Changes[0].Rule; got != want {
				t.Errorf("%s, %s: got %.80q, want %.80q", name, kind, got, want)
			}
		}
	}
}

// TestNoAuthValue: no document shows a value below authentication that a plan
// contains by mistake.
func TestNoAuthValue(t *testing.T) {
	t.Parallel()
	const secret = "s3cret-value"
	p := mixedPlan()
	for _, path := range []string{
		"spec.authentication", "spec.authentication.headers.X-Secret", `spec.authentication.headers["X Secret"]`,
		`spec["authentication"].x`, "spec.Authentication.headers.x", "spec.authentication.oauth", "authentication.headers.x",
	} {
		for _, op := range []plan.Op{plan.OpAdd, plan.OpRemove, plan.OpReplace, "later"} {
			for i := range p.Projects[0].Changes {
				c := &p.Projects[0].Changes[i]
				c.Fields = append(c.Fields, plan.Field{Path: path, Op: op, Before: secret, After: map[string]any{"x": secret}})
				if c.Before != nil {
					s := c.Before.Clone()
					s.Unknown = map[string]json.RawMessage{"authentication.oauth": json.RawMessage(`{"key":"` + secret + `"}`)}
					c.Before = &s
				}
			}
		}
	}
	var out bytes.Buffer
	for _, err := range []error{
		PlanText(&out, p, TextOptions{}), PlanText(&out, p, TextOptions{Verbose: true, Drift: true}), PlanJSON(&out, p),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if i := strings.Index(out.String(), secret); i >= 0 {
		t.Errorf("a value below authentication is shown: %s", out.String()[max(0, i-200):i+len(secret)])
	}
}

// TestSame: a document is the same each time, and writing it does not change
// it.
func TestSame(t *testing.T) {
	t.Parallel()
	p := mixedPlan()
	for range 20 {
		for _, o := range []TextOptions{{}, {Width: 80, Color: true}, {Drift: true}} {
			var a, b bytes.Buffer
			if err := errors.Join(PlanText(&a, p, o), PlanJSON(&a, p)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(PlanText(&b, mixedPlan(), o), PlanJSON(&b, mixedPlan())); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(a.String(), b.String()); d != "" {
				t.Fatalf("two of one document differ:\n%s", d)
			}
		}
	}
	if d := cmp.Diff(mixedPlan(), p); d != "" {
		t.Errorf("writing changed the plan:\n%s", d)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	for name, write := range documents {
		if write(fullDisk{}) == nil {
			t.Errorf("%s: the error of the writer is lost", name)
		}
	}
}
