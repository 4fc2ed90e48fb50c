package yamltext

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// edited makes one edit of a file. ok is false if the edit was rejected.
func edited(t *testing.T, data string, edit func(*Text) bool) (out string, ok bool) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(data), &doc); err != nil {
		t.Fatal(err)
	}
	text := New([]byte(data), doc.Content[0])
	text.Order = []string{"url", "events", "headers", "authentication"}
	if !edit(text) {
		return "", false
	}
	b, ok := text.Apply()
	return string(b), ok
}

// list returns the list at spec.events.
func list(t *Text) *yaml.Node {
	_, spec := Entry(t.Root(), "spec")
	_, events := Entry(spec, "events")
	return events
}

func path(s string) []string { return strings.Split(s, "/") }

const block = `# the rule
metadata: {name: x}   # its name
spec:
    # where to
    url: 'https://a.example'  # old
    events:
    - One   # first
    # of the second
    - "Two"
    - Three

    headers:
        # about A
        X-A: a # said
        "X-B": |
            several
            # lines

        # about C
        X-C: c
    # the secrets
    authentication: {headers: {X-S: "s"}}
`

func TestEdits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit     func(*Text) bool
		old, new string // in block
	}{
		"set a quoted value":      {func(t *Text) bool { return t.Set(path("spec/url"), "b c: d") }, "'https://a.example'  # old", "'b c: d'  # old"},
		"set a value of lines":    {func(t *Text) bool { return t.Set(path("spec/headers/X-B"), "1") }, "|\n            several\n            # lines\n", "\"1\"\n"},
		"set in braces":           {func(t *Text) bool { return t.Set(path("spec/authentication/headers/X-S"), "a,b") }, `"s"`, `"a,b"`},
		"add to a mapping":        {func(t *Text) bool { return t.Set(path("spec/headers/X-D"), "yes") }, "X-C: c\n", "X-C: c\n        X-D: \"yes\"\n"},
		"add to braces":           {func(t *Text) bool { return t.Set(path("metadata/id"), "1") }, "{name: x}", `{"id": "1", name: x}`},
		"add a mapping":           {func(t *Text) bool { return t.Set(path("spec/queryParams/p"), "1") }, "X-S: \"s\"}}\n", "X-S: \"s\"}}\n    queryParams:\n        p: \"1\"\n"},
		"add true":                {func(t *Text) bool { return t.SetBool(path("spec/enabled"), true) }, "X-S: \"s\"}}\n", "X-S: \"s\"}}\n    enabled: true\n"},
		"remove an entry":         {func(t *Text) bool { return t.Remove(path("spec/headers/X-A")) }, "        X-A: a # said\n", ""},
		"remove lines":            {func(t *Text) bool { return t.Remove(path("spec/headers/X-B")) }, "        \"X-B\": |\n            several\n            # lines\n", ""},
		"remove a mapping":        {func(t *Text) bool { return t.Remove(path("spec/headers")) }, block[strings.Index(block, "    headers:"):strings.Index(block, "    # the secrets")], ""},
		"remove the last in":      {func(t *Text) bool { return t.Remove(path("spec/authentication/headers/X-S")) }, `{X-S: "s"}`, "{}"},
		"remove an item":          {func(t *Text) bool { return t.RemoveItem(list(t), 0, false) }, "    - One   # first\n", ""},
		"remove a quoted item":    {func(t *Text) bool { return t.RemoveItem(list(t), 1, false) }, "    - \"Two\"\n", ""},
		"add an item":             {func(t *Text) bool { return t.AddItem(list(t), "Four", false) }, "- Three\n", "- Three\n    - Four\n"},
		"no such entry to remove": {func(t *Text) bool { return t.Remove(path("spec/none")) }, "", ""},
		"no mapping to remove in": {func(t *Text) bool { return t.Remove(path("spec/url/none")) }, "", ""},
		"a mapping is no scalar":  {func(t *Text) bool { return t.Set(path("spec/headers"), "x") }, "", ""},
		"a scalar is no mapping":  {func(t *Text) bool { return t.Set(path("spec/url/x"), "x") }, "", ""},
		"an entry in its place": {func(t *Text) bool {
			t.Order[0] = "method"
			t.Order[1] = "url"
			t.Order = append(t.Order, "body")
			return t.Set(path("spec/body"), "x")
		}, "X-S: \"s\"}}\n", "X-S: \"s\"}}\n    body: x\n"},
		"a list takes no mappings": {func(t *Text) bool { return t.Set(path("spec/events/x"), "x") }, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, eol := range []string{"\n", "\r\n"} {
				all := func(s string) string { return strings.ReplaceAll(s, "\n", eol) }
				got, ok := edited(t, all(block), test.edit)
				want := strings.Replace(all(block), all(test.old), all(test.new), 1)
				if test.old == "" {
					want = ""
				}
				if ok != (want != "") {
					t.Fatalf("ok %t", ok)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("with %q (-want +got):\n%s", eol, diff)
				}
			}
		})
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data, want string // "" means rejected
		edit       func(*Text) bool
	}{
		"behind its neighbour": {
			"spec:\n  url: a\n  # secrets\n  authentication: {}\n", "spec:\n  url: a\n  headers:\n    X: v\n  # secrets\n  authentication: {}\n",
			func(t *Text) bool { return t.Set(path("spec/headers/X"), "v") }},
		"over null": {
			"spec:\n  headers: # none\n  url: a\n", "spec:\n  headers: # none\n    X: v\n  url: a\n",
			func(t *Text) bool { return t.Set(path("spec/headers/X"), "v") }},
		"over {}": {
			"spec:\n  headers: {} # none\n  url: a\n", "spec:\n  headers: # none\n    X: v\n  url: a\n",
			func(t *Text) bool { return t.Set(path("spec/headers/X"), "v") }},
		"over a text over lines": {
			"spec:\n  url: a\n    b\n", "",
			func(t *Text) bool { return t.Set(path("spec/url"), "v") }},
		"list in brackets, first":         {"spec: {events: [A, B]}", "spec: {events: [B]}", func(t *Text) bool { return t.RemoveItem(list(t), 0, true) }},
		"list in brackets, last":          {"spec:\n  events: [A, B] # x\n", "spec:\n  events: [A] # x\n", func(t *Text) bool { return t.RemoveItem(list(t), 1, false) }},
		"list in brackets, add":           {"spec:\n  events: [A, B] # x\n", "spec:\n  events: [A, B, C] # x\n", func(t *Text) bool { return t.AddItem(list(t), "C", false) }},
		"list in brackets, lines":         {"spec:\n  events: [\n    A, # a\n    B, # b\n  ]\n", "spec:\n  events: [\n    A, # a\n    # b\n  ]\n", func(t *Text) bool { return t.RemoveItem(list(t), 1, false) }},
		"list in brackets, odd":           {"spec:\n  events: [A]\n", "spec:\n  events: [A, \"?0\"]\n", func(t *Text) bool { return t.AddItem(list(t), "?0", false) }},
		"list in brackets, quoted":        {`spec: {"events": ["A"]}`, `spec: {"events": ["A", "C"]}`, func(t *Text) bool { return t.AddItem(list(t), "C", true) }},
		"an entry in braces":              {`{"spec": {"url": "a", "b": "c"}}`, `{"spec": {"url": "a"}}`, func(t *Text) bool { return t.Remove(path("spec/b")) }},
		"an entry behind a key":           {"? spec\n: url: a\n  b: c\n", "? spec\n: url: a\n", func(t *Text) bool { return t.Remove(path("spec/b")) }},
		"an entry on its key's line":      {"? spec\n: url: a\n  b: c\n", "", func(t *Text) bool { return t.Remove(path("spec/url")) }},
		"lists in a list":                 {"spec:\n  events:\n  - - A\n    - B\n", "", func(t *Text) bool { return t.AddItem(list(t), "C", false) }},
		"the end of the file":             {"spec:\n  a: b\n  c: d", "spec:\n  a: b\n", func(t *Text) bool { return t.Remove(path("spec/c")) }},
		"a comment deeper than what goes": {"spec:\n  a: b\n     # deep\n  c: d\n", "spec:\n     # deep\n  c: d\n", func(t *Text) bool { return t.Remove(path("spec/a")) }},
		"a quoted text over lines":        {"spec:\n  a: \"b\n    c\"\n     # deep\n  c: d\n", "spec:\n     # deep\n  c: d\n", func(t *Text) bool { return t.Remove(path("spec/a")) }},
		"behind a long key":               {"spec:\n  ? x\n  : y\n", "spec:\n  ? x\n  : y\n  a: b\n", func(t *Text) bool { return t.Set(path("spec/a"), "b") }},
		"a long key goes":                 {"spec:\n  ? x\n  # c\n  : y\n  a: b\n", "spec:\n  a: b\n", func(t *Text) bool { return t.Remove(path("spec/x")) }},
		"the value of a long key":         {"spec:\n  ? x\n  : y\n", "spec:\n  ? x\n  : z\n", func(t *Text) bool { return t.Set(path("spec/x"), "z") }},
		"a key with a colon before it":    {"spec:\n  :a: b\n  :c: d\n", "spec:\n  :c: d\n", func(t *Text) bool { return t.Remove(path("spec/:a")) }},
		"a long key":                      {"spec:\n  a: b\n", "spec:\n  a: b\n  ? \"" + long + "\"\n  : v\n", func(t *Text) bool { return t.Set([]string{"spec", long}, "v") }},
		"line breaks of YAML alone":       {"a: \"\u0085\u2028\"\r# c\rspec: # \u2029\r\n  x: \"y\u0085\"\u0085  c: d\u2028  e: f\n", "a: \"\u0085\u2028\"\r# c\rspec: # \u2029\r\n  x: \"y\u0085\"\u0085  e: f\n", func(t *Text) bool { return t.Remove(path("spec/c")) }},
		"wide characters":                 {"\ufeffspec: {ä: ö, b: \"c\"}", "\ufeffspec: {ä: ö, b: \"d\"}", func(t *Text) bool { return t.Set(path("spec/b"), "d") }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := edited(t, test.data, test.edit)
			if ok != (test.want != "") {
				t.Fatalf("ok %t: %q", ok, got)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var long = strings.Repeat("k", maxKey+1)

// TestHidden checks that invisible characters are escaped.
func TestHidden(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"a\u202eb":     `"a\u202Eb"`,
		"a\u00a0b":     `"a\u00A0b"`,
		"\u3164":       `"\u3164"`,
		"\U000e0041":   `"\U000E0041"`,
		"\u200b\\\"\n": `"\u200B\\\"\n"`,
		"größe":        "größe",
	} {
		if got := Plain(s); got != want {
			t.Errorf("%+q: got %s, want %s", s, got, want)
		}
	}
}

// FuzzText writes any text in each form and reads it back as text.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "yes", "0123", "1e10", "~", "null", "a\nb\n", " x ", "# no", "a: b", "- x", "*a", "&a", "!x", "%x", "\u2028", "\u0085", "\x7f\x00", "\ufeff",
		"ä😀", "a,b", "1:20", "\u202e", "\u00a0\\u", "\U000e0041", "2026-01-01", "=", "<<", "'", "\"", "a\\b", strings.Repeat("word ", 40), "\t", "{}", "[", "|", ">-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.ToValidUTF8(s, "\ufffd")
		if strings.ContainsAny(Plain(s)+Quoted(s), "\r\n") {
			t.Errorf("%q stands on several lines:\n%s\n%s", s, Plain(s), Quoted(s))
		}
		for _, doc := range []string{"k: " + Plain(s) + "\n", "k: {a: " + Quoted(s) + ", b: c}\n", "k:\n  - " + Plain(s) + " # x\n"} {
			var n yaml.Node
			if err := yaml.Unmarshal([]byte(doc), &n); err != nil {
				t.Fatalf("%q: %v\n%s", s, err, doc)
			}
			_, v := Entry(n.Content[0], "k")
			if v.Kind != yaml.ScalarNode {
				v = v.Content[min(1, len(v.Content)-1)]
			}
			if v.Tag != "!!str" || v.Value != want {
				t.Errorf("%q: got %s %q\n%s", s, v.Tag, v.Value, doc)
			}
		}
	})
}
