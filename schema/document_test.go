package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	d32 = "0123456789abcdef0123456789abcdef"

	planDoc = `{"formatVersion":1,"digest":"` + d32 + `","createdAt":"2026-03-04T05:06:07Z","tool":{"name":"mkhooks","version":"v1"},"source":{"commit":"","dirty":false},
"projects":[{"name":"demo","baseURL":"https://app.mk.io","owner":"","paths":[],"guards":{"prune":"none","inForce":[],"lifted":[],"settings":{"formerOwners":[],"maxDeletes":"30%","protect":[],"destinations":[],"keyServices":[],"archive":""}},"changes":[
{"rule":"a","action":"update","direction":"drift","auth":"none","fields":[{"path":"spec.url","op":"replace","before":"x","after":1.5}],"before":null,"after":{"url":"u","enabled":true,"events":[],"authentication":{}},"desiredDigest":"absent","liveDigest":"` + d32 + `"}
],"unmanaged":[],"unsettled":[],"warnings":[],"inSync":0}],"summary":{"create":0,"update":1,"delete":0,"blocked":0,"inSync":0,"unmanaged":0}}`

	resultDoc = `{"formatVersion":1,"digest":"` + d32 + `","outcome":"failed","changes":[{"project":"p","rule":"a","action":"update","status":"failed","httpStatus":503,"attempts":1,"error":{"kind":"service","message":"m"}}],
"summary":{"applied":0,"done":0,"unverified":0,"failed":1,"blocked":0,"stale":0,"skipped":0},"warnings":[]}`

	problemsDoc = `{"formatVersion":1,"problems":[{"file":"a.yaml","line":1,"column":2,"message":"m","severity":"error"}]}`
)

func TestCheckDocument(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	tests := map[string]struct {
		kind, doc, old, new string
		want                []string
	}{
		"a plan":     {PlanDocument, planDoc, "", "", nil},
		"a result":   {ResultDocument, resultDoc, "", "", nil},
		"problems":   {ProblemsDocument, problemsDoc, "", "", nil},
		"big number": {PlanDocument, planDoc, "1.5", "123456789012345678901234567890", nil},

		"empty":          {PlanDocument, " \n", "", "", []string{"the document is empty; expected JSON"}},
		"no JSON":        {PlanDocument, "rules: []", "", "", []string{"the document is no JSON: what stands at byte 1 can't be read"}},
		"cut":            {PlanDocument, planDoc[:100], "", "", []string{"the document is cut short: the JSON ends in the middle, after 100 bytes"}},
		"goes on":        {ResultDocument, resultDoc + "{}", "", "", []string{"the document goes on behind its end, at byte 337"}},
		"another":        {PlanDocument, resultDoc, "", "", []string{"the document lacks createdAt, projects, source, tool", `the document has unknown fields "changes", "outcome", "warnings"; expected base, checksum, createdAt, digest, formatVersion, projects, source, summary, tool`, "summary lacks create, delete, inSync, unmanaged, update", `summary has unknown fields "applied", "done", "failed", "skipped", "stale", and 1 more; expected blocked, create, delete, inSync, unmanaged, update`}},
		"null":           {PlanDocument, "null", "", "", []string{"the document is null; expected object"}},
		"a list":         {PlanDocument, "[]", "", "", []string{"the document is an array; expected object"}},
		"deep":           {PlanDocument, planDoc, "1.5", deep, []string{"the document is nested deeper than 200 levels"}},
		"later version":  {PlanDocument, planDoc, `"formatVersion":1`, `"formatVersion":2`, []string{"formatVersion is a number that has no place here; expected 1"}},
		"twice":          {PlanDocument, planDoc, `"auth":"none"`, `"auth":"none","auth":"added"`, []string{"projects[0].changes[0].auth stands there twice"}},
		"other case":     {PlanDocument, planDoc, `"rule":"a"`, `"rule":"a","Rule":"b"`, []string{`projects[0].changes[0] has unknown field "Rule"; expected action, after, auth, before, blocked, desiredDigest, direction, fields, file, history, liveDigest, renameOf, rule, secretTo`}},
		"unknown action": {PlanDocument, planDoc, `"update","dir`, `"s3cret","dir`, []string{"projects[0].changes[0].action is a string that has no place here; expected create, update, delete"}},
		"digest":         {PlanDocument, planDoc, `"absent"`, `"s3cret"`, []string{"projects[0].changes[0].desiredDigest is a string that does not match ^(absent|[0-9a-f]{32})$"}},
		"auth value":     {PlanDocument, planDoc, `"authentication":{}`, `"authentication":{"headers":{"X-A":"s3cret"}}`, []string{"projects[0].changes[0].after.authentication.headers is an object; expected array"}},
		"auth field":     {PlanDocument, planDoc, `"path":"spec.url"`, `"path":"spec.authentication.headers.X-A"`, []string{"projects[0].changes[0].fields[0].after is a number that has no place here; expected (looks like a credential)", "projects[0].changes[0].fields[0].before is a string that has no place here; expected (looks like a credential)"}},
		"negative":       {PlanDocument, planDoc, `"inSync":0}]`, `"inSync":-1}]`, []string{"projects[0].inSync is a number that has no place here; expected at least 0"}},
		"odd names":      {ResultDocument, resultDoc, `"kind":"service"`, `"kind":"service","\u001b[2J` + strings.Repeat("x", 90) + `":1`, []string{`changes[0].error has unknown field "\x1b[2J` + strings.Repeat("x", 60) + `\u2026"; expected hint, kind, message`}},
		"status":         {ResultDocument, resultDoc, "503", "1000", []string{"changes[0].httpStatus is a number that has no place here; expected at least 100, at most 999"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := test.doc
			if test.old != "" {
				if doc = strings.Replace(doc, test.old, test.new, 1); doc == test.doc {
					t.Fatalf("%s is not in the document", test.old)
				}
			}
			var got []string
			for _, v := range CheckDocument(test.kind, []byte(doc)) {
				got = append(got, v.Message())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if strings.Contains(strings.Join(got, ""), "s3cret") {
				t.Error("a value is in a message")
			}
		})
	}
}

// FuzzCheckDocument checks that messages are short lines of plain text for any
// input.
func FuzzCheckDocument(f *testing.F) {
	for _, doc := range []string{planDoc, resultDoc, problemsDoc, "", "{", `{"\u202e":[1]}`} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		for kind := range documents {
			for _, v := range CheckDocument(kind, []byte(doc)) {
				for _, r := range v.Message() {
					if r < ' ' || r > '~' && r != '…' {
						t.Fatalf("%q in %q", r, v.Message())
					}
				}
			}
		}
	})
}
