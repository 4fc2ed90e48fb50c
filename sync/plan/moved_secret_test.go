package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestMovedSecretIsNotShown: a value that is live in plaintext and secret in
// the files appears neither in a plan nor in later messages about it.
func TestMovedSecretIsNotShown(t *testing.T) {
	t.Parallel()
	const value = "hunter2-in-clear"
	file := func(name string) shortRule {
		r := baseRule()
		r.Name, r.AuthHeaders, r.Auth = name, []string{"X-Hook"}, "s"
		return r
	}
	live := func(name string, set func(*shortRule)) shortRule {
		r := baseRule()
		r.Name = name
		set(&r)
		return r
	}
	header := func(r *shortRule) { r.Headers = map[string]string{"x-hook": value} }
	param := func(r *shortRule) { r.QueryParams = map[string]string{"X-Hook": value} }
	inURL := func(r *shortRule) { r.URL += "?x_hook=" + value }
	oddHost := func(r *shortRule) { r.URL = "https://hooks.example.com\\@b\u00fccher.example/?x-hook=" + value }
	words := func(r *shortRule) { header(r); r.Headers["X-Env"], r.Headers["X-Team"] = "staging", "video-team" }
	ours := func(r *shortRule) { header(r); r.Marker = &shortMarker{} }
	unknown := func(r *shortRule) {
		r.Unknown = map[string]json.RawMessage{"delivery": json.RawMessage(`{"headers": {"X-Hook": "` + value + `"}}`)}
	}
	for name, tt := range map[string]struct {
		file, live shortRule
		owner      string
	}{
		"a first adoption":              {file("jobs"), live("jobs", header), "video"},
		"a first adoption, by params":   {file("jobs"), live("jobs", param), "video"},
		"a first adoption, of the URL":  {file("jobs"), live("jobs", inURL), "video"},
		"of a URL without a clear host": {file("jobs"), live("jobs", oddHost), "video"},
		"without an owner":              {file("jobs"), live("jobs", header), ""},
		"of our own rule":               {file("jobs"), live("jobs", ours), "video"},
		"an unknown field":              {file("jobs"), live("jobs", unknown), "video"},
		"a rule that is renamed":        {file("new"), live("old", ours), "video"},
		"with words that are dropped":   {file("jobs"), live("jobs", words), "video"},
		"a rule without a file":         {file("new"), live("old", header), "video"},
	} {
		for _, lift := range []bool{false, true} {
			o := caseOptions{Owner: tt.owner, Options: Options{Prune: PruneAll, ArchiveSet: true}}
			if lift {
				o.Adopt, o.DropAuth, o.DropUnknown = []string{"*"}, []string{"*"}, true
			}
			in := caseInput(t, []shortRule{tt.file}, []shortRule{tt.live}, o)
			p := New(in)
			if p.Summary.Update+p.Summary.Delete == 0 {
				t.Fatalf("%s: no change of a live rule: %+v", name, p.Summary)
			}
			doc := savedDocument(t, p)
			if strings.Contains(string(doc), value) {
				t.Errorf("%s: the plan shows it:\n%s", name, doc)
			}
			if strings.Contains(name, "words") && (!strings.Contains(string(doc), "staging") || !strings.Contains(string(doc), "video-team")) {
				t.Errorf("%s: the plan hides words:\n%s", name, doc)
			}
			reviewed, err := Read(doc)
			if err != nil {
				t.Fatal(err)
			}
			for since, change := range map[string]func(*Input){
				"live moved":     func(in *Input) { in.Live[0].Spec.Enabled = !in.Live[0].Spec.Enabled },
				"the file moved": func(in *Input) { in.Desired[0].Spec.URL += "/x" },
				"the file gave the secret up": func(in *Input) {
					in.Desired[0].Spec.Auth, in.Desired[0].Values = webhook.AuthNames{Headers: []string{"X-Other"}}, nil
					in.Desired[0].AuthDigest = "0123456789abcdef0123456789abcdef"
				},
			} {
				again := caseInput(t, []shortRule{tt.file}, []shortRule{tt.live}, o)
				change(&again)
				_, moved, _ := Narrow(reviewed, New(again), nil)
				for _, m := range moved {
					if strings.Contains(m.Why, value) {
						t.Errorf("%s, %s: it is said: %s", name, since, m.Why)
					}
				}
			}
			released, _ := Release(Input{Project: in.Project, Owner: "video", Desired: in.Desired, Live: in.Live, Options: Options{Only: []string{"*"}}})
			if doc := savedDocument(t, released); strings.Contains(string(doc), value) && tt.file.Name == tt.live.Name {
				t.Errorf("%s: the release shows it:\n%s", name, doc)
			}
		}
	}
}
