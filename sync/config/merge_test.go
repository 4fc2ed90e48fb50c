package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
)

// mergePatch copies the algorithm of RFC 7396, section 2, for JSON.
func mergePatch(target, patch any) any {
	object, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if before, ok := target.(map[string]any); ok {
		for name, value := range before {
			out[name] = value
		}
	}
	for name, value := range object {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = mergePatch(out[name], value)
		}
	}
	return out
}

// mergedNodes merges JSON texts as layers are merged, in order, and returns the
// result as JSON. If a text is not a mapping that a rule file could contain, ok is
// false.
func mergedNodes(t *testing.T, texts ...string) (got any, ok bool) {
	t.Helper()
	var docs []*file
	var roots []*yaml.Node
	for i, text := range texts {
		f := &file{kind: ruleFile, name: fmt.Sprint(i)}
		// No rule has the key x, so no field checks apply below it.
		root := f.parseDocument([]byte(`{"x": ` + text + `}`))
		if root == nil || schema.HasErrors(f.problems) {
			return nil, false
		}
		docs, roots = append(docs, f), append(roots, root)
	}
	f := &file{kind: ruleFile, layers: newMergeSources(docs[len(docs)-1])}
	for i, root := range roots {
		f.layers.addDocument(docs[i], root)
	}
	root := roots[0]
	for _, next := range roots[1:] {
		root = f.mergeMappings(root, next, nil)
	}
	checkFiles(t, f, docs, root, roots)
	_, x := child(root, "x")
	if x == nil {
		return nil, true
	}
	return plainOf(t, x), true
}

// checkFiles checks that each merged node is attributed to its source document.
func checkFiles(t *testing.T, f *file, docs []*file, root *yaml.Node, roots []*yaml.Node) {
	t.Helper()
	of := map[*yaml.Node]string{}
	var walk func(n *yaml.Node, visit func(*yaml.Node))
	walk = func(n *yaml.Node, visit func(*yaml.Node)) {
		visit(n)
		for _, c := range n.Content {
			walk(c, visit)
		}
	}
	for i, r := range roots {
		walk(r, func(n *yaml.Node) { of[n] = docs[i].name })
	}
	walk(root, func(n *yaml.Node) {
		if want, known := of[n]; known && f.fileOf(n) != want {
			t.Fatalf("line %d of file %s is said to be of %s", n.Line, want, f.fileOf(n))
		}
	})
}

// plainOf converts a node to the value that encoding/json would return.
func plainOf(t *testing.T, n *yaml.Node) any {
	t.Helper()
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return plainJSON(string(text))
}

func plainJSON(text string) (v any) {
	if json.Unmarshal([]byte(text), &v) != nil {
		return fmt.Errorf("no JSON: %s", text)
	}
	return v
}

// TestMergePatch contains the examples of RFC 7396, appendix A.
func TestMergePatch(t *testing.T) {
	t.Parallel()
	tests := []struct{ original, patch, result string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	}
	for _, test := range tests {
		got, ok := mergedNodes(t, test.original, test.patch)
		if want := plainJSON(test.result); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s and %s: got %v, want %v", test.original, test.patch, got, want)
		}
		if want := mergePatch(plainJSON(test.original), plainJSON(test.patch)); !reflect.DeepEqual(want, plainJSON(test.result)) {
			t.Errorf("%s and %s: the test's own way says %v", test.original, test.patch, want)
		}
	}
}

// FuzzMerge checks that three layers of any JSON merge as RFC 7396 defines, and that
// every value is attributed to its file.
func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"b":1,"c":[null]}}`, `{"a":{"b":null,"d":{"e":null}}}`, `{"a":{"b":{"x":null,"y":"z"}}}`)
	f.Add(`{"a":1}`, `null`, `{"a":{"a":null}}`)
	f.Add(`{"A":"1","a":"2"}`, `{"a":null}`, `{"A":null,"":{}}`)
	f.Add(`{"a":"1",`+strings.Repeat(`"k":1,`, 3)+`"b":{}}`, `{}`, `[]`)
	wide := `{"k0":0`
	for i := range 2 * manyKeys {
		wide += fmt.Sprintf(`,"k%d":{"v":%d}`, i+1, i)
	}
	f.Add(wide+"}", `{"k3":null,"k5":{"v":null},"n":1}`, `{"k3":1,"k4":null}`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, text := range []string{a, b, c} {
			if !json.Valid([]byte(text)) || strings.ContainsAny(text, "eE.\\-+\n\t\r") || strings.Contains(text, "00") || len(text) > 4096 {
				return // YAML or encoding/json reads these numbers and texts differently
			}
		}
		got, ok := mergedNodes(t, a, b, c)
		if !ok {
			return
		}
		layer := func(text string) any { return map[string]any{"x": plainJSON(text)} }
		want := mergePatch(mergePatch(layer(a), layer(b)), layer(c)).(map[string]any)["x"]
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s, %s, %s: got %v, want %v", a, b, c, got, want)
		}
	})
}
