package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
)

// someOrigins returns a rule of two layers, with hostile texts.
func someOrigins() Origins {
	field := func(value any, file string, line int, path ...string) OriginField {
		return OriginField{Path: path, Value: value, File: file, Line: line}
	}
	const common, prod = "rules/common/jobs.yaml", "rules/prod/jobs.yaml"
	return Origins{Project: "prod", Rule: "jobs", Files: []string{common, prod}, Fields: []OriginField{
		field("jobs", prod, 2, "metadata", "name"),
		field("https://hooks.example.com/mkio?a=1&b=2", prod, 4, "spec", "url"),
		field(true, common, 5, "spec", "enabled"),
		field([]string{"MediaKind.JobStarted", "MediaKind.JobFinished"}, common, 6, "spec", "events"),
		field("mkio", common, 8, "spec", "headers", "X-Source"),
		field("yes", common, 9, "spec", "headers", "X-Yes"),
		field("0123", common, 10, "spec", "headers", "X-Number"),
		field("a: b # c ## d", common, 11, "spec", "headers", "X-Odd"),
		field(`"quoted" \ back`, common, 12, "spec", "headers", "X-Quotes"),
		field("(looks like a credential)", common, 13, "spec", "headers", "X-Token"),
		field("\u202eright to left \u200b\x1b[2J \U0001f3f4\U000e0067", "odd\u202e.yaml", 14, "spec", "headers", "X-Hidden"),
		field("", common, 15, "spec", "queryParams", "::add-path::/tmp"),
		field("x", common, 16, "spec", "queryParams", "null"),
		field("-", common, 17, "spec", "queryParams", "- a"),
		field("(encrypted)", prod, 20, "spec", "authentication", "headers", "X-Secret"),
		field(nil, prod, 7, "spec", "headers", "X-Debug"),
	}}
}

// TestOriginsAreYAML: the text is the rule as YAML, whatever its values are.
func TestOriginsAreYAML(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	o := someOrigins()
	if err := OriginsText(&text, o, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := yaml.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	want := map[string]any{}
	for _, f := range o.Fields {
		if f.Value == nil {
			continue
		}
		at := want
		for _, key := range f.Path[:len(f.Path)-1] {
			if at[key] == nil {
				at[key] = map[string]any{}
			}
			at = at[key].(map[string]any)
		}
		value := f.Value
		if list, ok := value.([]string); ok {
			var items []any
			for _, item := range list {
				items = append(items, item)
			}
			value = items
		}
		at[f.Path[len(f.Path)-1]] = value
	}
	if !reflect.DeepEqual(got, any(want)) {
		t.Errorf("got %#v\nwant %#v", got, want)
	}
	for l := range strings.Lines(text.String()) {
		if l = strings.TrimLeft(l, " "); strings.HasPrefix(l, "::") || strings.Contains(l, "##") || strings.ContainsFunc(strings.TrimSuffix(l, "\n"), isHidden) {
			t.Errorf("a line of others: %q", l)
		}
	}
}

// TestOriginsSchema: the document matches its schema, which allows no secret.
func TestOriginsSchema(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := OriginsJSON(&text, someOrigins()); err != nil {
		t.Fatal(err)
	}
	if kind := schema.DocumentKind(text.Bytes()); kind != schema.OriginsDocument {
		t.Errorf("kind %q", kind)
	}
	for _, v := range schema.CheckDocument(schema.OriginsDocument, text.Bytes()) {
		t.Error(v.Message())
	}
	leaked := strings.Replace(text.String(), `"(encrypted)"`, `"s3cret"`, 1)
	if !json.Valid([]byte(leaked)) || len(schema.CheckDocument(schema.OriginsDocument, []byte(leaked))) == 0 {
		t.Error("the schema takes a value below authentication")
	}
}
