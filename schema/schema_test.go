package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRule checks that editors and validation use the same schema, that it names the
// events of the API, and that its examples are valid.
func TestRule(t *testing.T) {
	t.Parallel()
	raw := decode(t, string(Rule()))
	if id := lookupPath(raw, []string{"$id"}); id != "https://github.com/mkhooks/mkhooks/schema/rule.schema.json" {
		t.Errorf("$id %v", id)
	}
	var events []string
	for _, e := range webhook.EventTypes() {
		events = append(events, string(e))
	}
	got := stringsOf(lookupPath(raw, []string{"properties", "spec", "properties", "events", "items", "enum"}))
	if diff := cmp.Diff(events, got); diff != "" {
		t.Errorf("events differ from the API's (-want +got):\n%s", diff)
	}
	examples, _ := lookupPath(raw, []string{"examples"}).([]any)
	if len(examples) == 0 {
		t.Error("no example of a rule file")
	}
	for _, example := range examples {
		if v := CheckRule(example); len(v) > 0 {
			t.Errorf("an example is not valid: %v", v)
		}
	}
	Rule()[0] = 'x'
	if Rule()[0] == 'x' {
		t.Error("a caller can change the schema")
	}
}

// TestFieldsAreDescribed checks that each field has a description for editors and
// readers of documents.
func TestFieldsAreDescribed(t *testing.T) {
	t.Parallel()
	var walk func(at string, v any)
	walk = func(at string, v any) {
		properties, _ := lookupPath(v, []string{"properties"}).(map[string]any)
		for name, field := range properties {
			if d, _ := lookupPath(field, []string{"description"}).(string); d == "" {
				t.Errorf("%s.%s has no description", at, name)
			}
			walk(at+"."+name, field)
		}
		if items := lookupPath(v, []string{"items"}); items != nil {
			walk(at+"[]", items)
		}
		defs, _ := lookupPath(v, []string{"$defs"}).(map[string]any)
		for name, def := range defs {
			walk(name, def)
		}
	}
	for name, text := range map[string][]byte{"rule": Rule(), "plan": Plan(), "result": Result(), "problems": Problems()} {
		walk(name, decode(t, string(text)))
	}
}

func TestCheckRule(t *testing.T) {
	t.Parallel()
	const valid = `{"metadata":{"name":"x"},"spec":{"url":"https://h/","enabled":true,"events":["MediaKind.JobStarted"]}}`
	withSpec := func(field, value string) string {
		return strings.Replace(valid, `"url"`, fmt.Sprintf("%q:%s,%q", field, value, "url"), 1)
	}
	tests := map[string]struct {
		text string
		want []Violation
	}{
		"valid":           {valid, nil},
		"an id":           {strings.Replace(valid, `"name"`, `"id":"a","name"`, 1), nil},
		"no maps":         {withSpec("headers", "null"), nil},
		"sops":            {strings.Replace(valid, `"spec"`, `"sops":{"age":[{}]},"spec"`, 1), nil},
		"all missing":     {`{}`, []Violation{{Kind: Missing, Names: []string{"metadata", "spec"}}}},
		"not a mapping":   {`[]`, []Violation{{Kind: WrongType, Allowed: []string{"object"}}}},
		"unknown":         {withSpec("header", "{}"), []Violation{{Path: []string{"spec"}, Kind: Unknown, Names: []string{"header"}, Allowed: []string{"authentication", "enabled", "events", "headers", "queryParams", "url"}}}},
		"text for truth":  {strings.Replace(valid, "true", `"yes"`, 1), []Violation{{Path: []string{"spec", "enabled"}, Kind: WrongType, Allowed: []string{"boolean"}}}},
		"truth for text":  {withSpec("headers", `{"X-A":true}`), []Violation{{Path: []string{"spec", "headers", "X-A"}, Kind: WrongType, Allowed: []string{"string"}}}},
		"odd names":       {withSpec("headers", `{"a/b~c%41 é":1}`), []Violation{{Path: []string{"spec", "headers", "a/b~c%41 é"}, Kind: WrongType, Allowed: []string{"string"}}}},
		"no events":       {strings.Replace(valid, `["MediaKind.JobStarted"]`, "[]", 1), []Violation{{Path: []string{"spec", "events"}, Kind: Empty}}},
		"empty secret":    {withSpec("authentication", `{"headers":{"X-A":""}}`), []Violation{{Path: []string{"spec", "authentication", "headers", "X-A"}, Kind: Empty}}},
		"null secret":     {withSpec("authentication", `{"headers":{"X-A":null}}`), []Violation{{Path: []string{"spec", "authentication", "headers", "X-A"}, Kind: WrongType, Allowed: []string{"string", "object"}}}},
		"list of secrets": {withSpec("authentication", `{"headers":{"X-A":["a"]}}`), []Violation{{Path: []string{"spec", "authentication", "headers", "X-A"}, Kind: WrongType, Allowed: []string{"string", "object"}}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, CheckRule(decode(t, test.text)), cmpopts.IgnoreFields(Violation{}, "Found")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.text, diff)
			}
		})
	}
	t.Run("events", func(t *testing.T) {
		t.Parallel()
		got := CheckRule(decode(t, strings.Replace(valid, `["MediaKind.JobStarted"]`, `["MediaKind.Job","MediaKind.Job"]`, 1)))
		var kinds []string
		for _, v := range got {
			kinds = append(kinds, strings.Join(v.Path, ".")+" "+string(v.Kind))
		}
		slices.Sort(kinds)
		if diff := cmp.Diff([]string{"spec.events repeated", "spec.events.0 not listed", "spec.events.1 not listed"}, kinds); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"MediaKind.JobStarted", "MediaKind.JobFinished", "headers", "url"}
	for word, want := range map[string]string{
		"MediaKind.JobFinish": "MediaKind.JobFinished", "JobStarted": "MediaKind.JobStarted", "mediakind.JOBSTARTED": "MediaKind.JobStarted",
		"Mediakind.JobFinsihed": "MediaKind.JobFinished", "header": "headers", "Headers": "headers", "ulr": "url",
		"kind": "", "": "", "zzz": "", strings.Repeat("headers", 1000): "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("Nearest(%.30q) = %q, want %q", word, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	at := func(file string, line, column int, message string) Problem {
		return Problem{Position: Position{file, line, column}, Message: message, Severity: Warning}
	}
	problems := []Problem{at("b", 1, 1, "x"), at("a", 2, 1, "x"), at("a", 1, 9, "x"), at("a", 1, 2, "y"), at("a", 1, 2, "x"), at("a", 0, 0, "x")}
	SortProblems(problems)
	var got []string
	for _, p := range problems {
		got = append(got, p.Position.String()+" "+p.Message)
	}
	if diff := cmp.Diff([]string{"a x", "a:1:2 x", "a:1:2 y", "a:1:9 x", "a:2:1 x", "b:1:1 x"}, got); diff != "" {
		t.Error(diff)
	}
	if HasErrors(problems) || !HasErrors(append(problems, Problem{Severity: Error})) {
		t.Error("HasErrors does not tell errors from warnings")
	}
}
