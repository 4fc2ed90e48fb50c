package report

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// jsonDocuments returns all JSON documents among the goldens of this package
// and the cases of package plan, by path.
func jsonDocuments(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	goldens, err := filepath.Glob("testdata/*json.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range goldens {
		if out[file], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	cases, err := filepath.Glob("../plan/testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range cases {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if strings.HasPrefix(f.Name, "plan/") && strings.HasSuffix(f.Name, ".json") {
				out[file+":"+f.Name] = f.Data
			}
		}
	}
	if len(out) < 6 {
		t.Fatalf("only %d documents found", len(out))
	}
	return out
}

// TestDocumentsFitTheirSchemas: the documents match their schemas, which allow
// no additional member anywhere.
func TestDocumentsFitTheirSchemas(t *testing.T) {
	t.Parallel()
	for file, data := range jsonDocuments(t) {
		kind := schema.DocumentKind(data)
		for _, v := range schema.CheckDocument(kind, data) {
			t.Errorf("%s: %s", file, v.Message())
		}
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		tried := 0
		inObjects(doc, "", func(at string, object map[string]any) {
			object["surplus"] = map[string]any{}
			broken, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			delete(object, "surplus")
			tried++
			if len(schema.CheckDocument(kind, broken)) == 0 {
				t.Errorf("%s: a field may be added to %q", file, at)
			}
		})
		if tried == 0 {
			t.Errorf("%s: no object to break", file)
		}
	}
}

// inObjects calls each for every object of a document except objects that the
// service or the users fill.
func inObjects(v any, at string, each func(string, map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		each(at, v)
		for name, x := range v {
			if name != "unknown" && !(strings.Contains(at, ".fields") && (name == "before" || name == "after")) {
				inObjects(x, at+"."+name, each)
			}
		}
	case []any:
		for _, x := range v {
			inObjects(x, at, each)
		}
	}
}

// TestHostileDocumentsFit: a schema must not reject foreign text unless it
// defines its form.
func TestHostileDocumentsFit(t *testing.T) {
	t.Parallel()
	for name, s := range everyHostile() {
		r := mixedResult()
		for i := range r.Changes {
			c := &r.Changes[i]
			c.Project, c.Rule, c.Ref = s, s, s
		}
		r.Warnings = []string{s}
		p := mixedPlan()
		for i := range p.Projects[0].Changes {
			c := &p.Projects[0].Changes[i]
			c.Rule, c.File = s, s
			poison(reflect.ValueOf(c.Before), s, false)
		}
		for kind, write := range map[string]func(io.Writer) error{
			schema.PlanDocument:   func(w io.Writer) error { return PlanJSON(w, p) },
			schema.ResultDocument: func(w io.Writer) error { return ResultJSON(w, r) },
		} {
			var out bytes.Buffer
			if err := write(&out); err != nil {
				t.Fatal(err)
			}
			for _, v := range schema.CheckDocument(kind, out.Bytes()) {
				t.Errorf("%s, %s: %s", name, kind, v.Message())
			}
		}
	}
}

// at follows a path in a schema, including every $ref.
func at(t *testing.T, root map[string]any, node any, path ...string) map[string]any {
	t.Helper()
	m, _ := node.(map[string]any)
	for {
		ref, ok := m["$ref"].(string)
		if !ok {
			break
		}
		name := strings.TrimPrefix(ref, "#/$defs/")
		m, _ = root["$defs"].(map[string]any)[name].(map[string]any)
	}
	if len(path) == 0 || m == nil {
		return m
	}
	return at(t, root, m[path[0]], path[1:]...)
}

func rootOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// TestSchemasHaveTheFields: a schema defines the fields of the written types,
// and requires the fields that are always present.
func TestSchemasHaveTheFields(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		schema []byte
		of     reflect.Type
	}{
		{schema.Plan(), reflect.TypeFor[plan.Plan]()},
		{schema.Result(), reflect.TypeFor[apply.Result]()},
		{schema.History(), reflect.TypeFor[history.Document]()},
		{schema.Settings(), reflect.TypeFor[Settings]()},
	} {
		root := rootOf(t, tc.schema)
		var compare func(where string, node map[string]any, of reflect.Type)
		compare = func(where string, node map[string]any, of reflect.Type) {
			for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8 {
				if of.Kind() == reflect.Slice {
					node = at(t, root, node, "items")
				}
				of = of.Elem()
			}
			if of.Kind() != reflect.Struct || of.PkgPath() == "time" {
				return
			}
			var want, required []string
			for i := range of.NumField() {
				name, options, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
				if name == "-" || !of.Field(i).IsExported() {
					continue
				}
				want = append(want, name)
				if options == "" {
					required = append(required, name)
				}
				compare(where+"."+name, at(t, root, node, "properties", name), of.Field(i).Type)
			}
			var got []string
			properties, _ := node["properties"].(map[string]any)
			for name := range properties {
				got = append(got, name)
			}
			var must []string
			list, _ := node["required"].([]any)
			for _, name := range list {
				must = append(must, name.(string))
			}
			for _, names := range [][]string{want, got, required, must} {
				slices.Sort(names)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("fields of %s (-code +schema):\n%s", where, d)
			}
			if d := cmp.Diff(required, must); d != "" {
				t.Errorf("fields that %s always has (-code +schema):\n%s", where, d)
			}
			if node["additionalProperties"] != false {
				t.Errorf("%s allows more fields", where)
			}
		}
		compare(tc.of.Name(), root, tc.of)
	}
}

// TestSchemasHaveTheWords: the words of a schema are the constants of the code.
func TestSchemasHaveTheWords(t *testing.T) {
	t.Parallel()
	planRoot, resultRoot := rootOf(t, schema.Plan()), rootOf(t, schema.Result())
	inPlan := constants(t, "../plan/plan.go")
	inApply := constants(t, "../apply/result.go")
	historyRoot, inHistory := rootOf(t, schema.History()), constants(t, "../history/history.go")
	project := []string{"properties", "projects", "items", "properties"}
	change := append(slices.Clone(project), "changes", "items", "properties")
	for _, tc := range []struct {
		root map[string]any
		path []string
		want []string
	}{
		{planRoot, append(slices.Clone(change), "action"), inPlan["Action"]},
		{planRoot, append(slices.Clone(change), "direction"), inPlan["Direction"]},
		{planRoot, append(slices.Clone(change), "auth"), inPlan["AuthState"]},
		{planRoot, append(slices.Clone(change), "blocked", "properties", "guard"), inPlan["Guard"]},
		{planRoot, append(slices.Clone(change), "fields", "items", "properties", "op"), inPlan["Op"]},
		{planRoot, append(slices.Clone(project), "guards", "properties", "prune"), inPlan["Prune"]},
		{planRoot, append(slices.Clone(project), "unmanaged", "items", "properties", "reason"), inPlan["UnmanagedReason"]},
		{historyRoot, []string{"properties", "rules", "items", "properties", "state"}, inHistory["State"]},
		{historyRoot, []string{"properties", "rules", "items", "properties", "order"}, inHistory["Order"]},
		{historyRoot, []string{"properties", "failOn"}, inHistory["FailOn"]},
		{resultRoot, []string{"properties", "outcome"}, inApply["Outcome"]},
		{resultRoot, []string{"properties", "changes", "items", "properties", "status"}, inApply["Status"]},
		{resultRoot, []string{"properties", "changes", "items", "properties", "action"}, inPlan["Action"]},
		{resultRoot, []string{"properties", "changes", "items", "properties", "blocked", "properties", "guard"}, inPlan["Guard"]},
		{resultRoot, []string{"properties", "changes", "items", "properties", "error", "properties", "kind"}, inApply["ErrorKind"]},
	} {
		var got []string
		list, _ := at(t, tc.root, tc.root, tc.path...)["enum"].([]any)
		for _, w := range list {
			got = append(got, w.(string))
		}
		if d := cmp.Diff(tc.want, got); d != "" || len(got) == 0 {
			t.Errorf("words of %s (-code +schema):\n%s", strings.Join(tc.path, "."), d)
		}
	}
}

// constants returns the values of a file's text constants, by type.
func constants(t *testing.T, file string) map[string][]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, d := range f.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			continue
		}
		for _, s := range decl.Specs {
			spec := s.(*ast.ValueSpec)
			if spec.Type == nil {
				continue
			}
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			name := spec.Type.(*ast.Ident).Name
			out[name] = append(out[name], word)
		}
	}
	return out
}
