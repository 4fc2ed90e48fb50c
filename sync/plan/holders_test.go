package plan

import (
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// destinationOf plans a rule with the url and ciphertext of r. It returns why
// the guard destination blocks it, or "".
func destinationOf(t *testing.T, r shortRule, others, live []shortRule, held ...webhook.Holding) string {
	t.Helper()
	in := caseInput(t, append([]shortRule{r}, others...), live, caseOptions{Owner: "video"})
	in.Held = NewHolders(held)
	for _, c := range New(in).Projects[0].Changes {
		if c.Rule == r.Name && c.Blocked != nil {
			if c.Blocked.Guard != GuardDestination {
				t.Errorf("blocked by %s: %s", c.Blocked.Guard, c.Blocked.Reason)
			}
			return c.Blocked.Reason
		}
	}
	return ""
}

// TestCopiedValues: a single value that belongs to a rule with another host is
// enough, at any position and beside any other value. A value of the same rule,
// or of a rule with the same host, is not blocked.
func TestCopiedValues(t *testing.T) {
	t.Parallel()
	evil := func(auth string, names ...string) shortRule {
		r := baseRule()
		r.Name, r.URL, r.Auth, r.AuthHeaders = "evil", "https://evil.example/", auth, names
		return r
	}
	victim := func(auth string, names ...string) shortRule {
		r := baseRule()
		r.Name, r.Auth, r.AuthHeaders = "victim", auth, names
		return r
	}
	marked := func(r shortRule) shortRule {
		r.Marker = &shortMarker{}
		return r
	}
	held := func(word, project, rule, host string) webhook.Holding {
		return webhook.Holding{Value: webhook.DigestOfValue(word), Project: project, Rule: rule, URL: "https://" + host + "/"}
	}
	one := victim("s", "X-Secret")
	for name, tt := range map[string]struct {
		rule   shortRule
		others []shortRule
		live   []shortRule
		held   []webhook.Holding
		want   string // empty: not blocked
	}{
		"a value of its own":                     {rule: evil("x", "X-Secret"), others: []shortRule{one}},
		"a copy":                                 {rule: evil("s", "X-Secret"), others: []shortRule{one}, want: `belongs to rule "victim", which sends it to hooks.example.com`},
		"a copy and a value of its own":          {rule: evil("s,x", "X-Secret", "X-Two"), others: []shortRule{one}, want: `rule "victim"`},
		"a copy and a shared value of its own":   {rule: evil("shared:x,s", "X-A", "X-Secret"), others: []shortRule{one}, want: `rule "victim"`},
		"a copy under another name":              {rule: evil("s", "X-Other"), others: []shortRule{one}, want: `rule "victim"`},
		"one of two values":                      {rule: evil("s", "X-Secret"), others: []shortRule{victim("t,s", "X-A", "X-Secret")}, want: `rule "victim"`},
		"a shared value":                         {rule: evil("shared:s", "X-Secret"), others: []shortRule{victim("shared:s", "X-Other")}, want: `a shared secret that rule "victim" sends to hooks.example.com`},
		"beside clear text of the victim":        {rule: evil("s", "X-Secret"), others: []shortRule{victim("plaintext", "X-Secret")}},
		"in another project":                     {rule: evil("s", "X-Secret"), held: []webhook.Holding{held("s", "prod", "victim", "a.example")}, want: `rule "victim" of project prod, which sends it to a.example`},
		"in another project, with the same host": {rule: evil("s", "X-Secret"), held: []webhook.Holding{held("s", "prod", "victim", "evil.example")}},
		"in another project, with both hosts": {rule: evil("s", "X-Secret"),
			held: []webhook.Holding{held("s", "prod", "a", "evil.example"), held("s", "prod", "b", "b.example")}, want: `rule "b" of project prod`},
		"the same rule of another project": {rule: evil("s", "X-Secret"), held: []webhook.Holding{held("s", "prod", "evil", "a.example")}, want: `rule "evil" of project prod`},
		"what an earlier layer of it says": {rule: evil("s", "X-Secret"), held: []webhook.Holding{held("s", project, "evil", "a.example")}},
		"what a later layer took out of another rule": {rule: evil("s", "X-Secret"), others: []shortRule{victim("t", "X-Secret")},
			held: []webhook.Holding{held("s", project, "victim", "hooks.example.com")}, want: `rule "victim"`},
		"at a host that programs disagree about":             {rule: evil("s", "X-Secret"), held: []webhook.Holding{held("s", "prod", "victim", `a.example\@evil.example`)}, want: "of project prod"},
		"a live rule without a file":                         {rule: evil("s", "X-Secret"), live: []shortRule{marked(one)}, want: `rule "victim"`},
		"a live rule without a file, and a value of its own": {rule: evil("x,s", "X-A", "X-Secret"), live: []shortRule{marked(one)}, want: `rule "victim"`},
		"a live rule with two values, one more":              {rule: evil("a,b,c", "X-A", "X-B", "X-C"), live: []shortRule{marked(victim("a,c", "X-A", "X-C"))}, want: `rule "victim"`},
		"a live rule in another case": {rule: evil("x,s", "X-A", "X-Secret"), live: []shortRule{func() shortRule {
			r := marked(one)
			r.AuthHeaders = []string{"x-secret"}
			r.Marker.AuthNames = []string{"X-Secret"}
			return r
		}()}, want: `rule "victim"`},
		"a shared value of a live rule under another name": {rule: evil("shared:s", "X-Other"), live: []shortRule{marked(one)}, want: `rule "victim"`},
		"a live rule with other values":                    {rule: evil("x", "X-Secret"), live: []shortRule{marked(one)}},
		"a live rule at the same host":                     {rule: evil("s", "X-Secret"), live: []shortRule{func() shortRule { r := marked(one); r.URL = "https://evil.example/other"; return r }()}},
	} {
		got := destinationOf(t, tt.rule, tt.others, tt.live, tt.held...)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("create with %s: blocked %q, want %q", name, got, tt.want)
		}
		// An update of a live rule at that host gets the same checks, whatever
		// its marker says about the last apply.
		for state, marker := range map[string]*shortMarker{
			"no marker": nil, "a marker": {}, "a forged marker": {Auth: tt.rule.Auth}, "a marker of the file": {Spec: []byte(`{"enabled": true}`)},
		} {
			l := tt.rule
			l.Enabled, l.Marker = false, marker
			if marker == nil {
				continue // the guard adopt would come first
			}
			got := destinationOf(t, tt.rule, tt.others, append([]shortRule{l}, tt.live...), tt.held...)
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("update of a rule with %s, with %s: blocked %q, want %q", state, name, got, tt.want)
			}
		}
	}
}

// TestForgedMarker: anyone who can write a live rule can write any marker. So
// no marker lets a secret go to another receiver than the live rule's receiver.
func TestForgedMarker(t *testing.T) {
	t.Parallel()
	file := baseRule()
	file.Name, file.Auth, file.AuthHeaders = "jobs", "s", []string{"X-Secret"}
	for name, live := range map[string]string{
		"another host":               "https://evil.example/mkio",
		"another port":               "https://hooks.example.com:8443/mkio",
		"another scheme":             "http://hooks.example.com/mkio",
		"a host below":               "https://a.hooks.example.com/mkio",
		"user information":           "https://hooks.example.com@evil.example/mkio",
		"a host in another spelling": "https://hooks.example.com\\@evil.example/mkio",
	} {
		l := file
		l.URL = live
		for state, marker := range map[string]shortMarker{
			"of the file":                   {Spec: []byte(`{"url": "` + file.URL + `"}`)},
			"of the live rule":              {},
			"of the file, kept":             {Spec: []byte(`{"url": "` + file.URL + `"}`), Kept: []byte(`{}`)},
			"of the file, with other auth":  {Spec: []byte(`{"url": "` + file.URL + `"}`), Auth: "t"},
			"of another rule":               {Rule: "other", Spec: []byte(`{"url": "` + file.URL + `"}`)},
			"of the file, of another owner": {Owner: "audio", Spec: []byte(`{"url": "` + file.URL + `"}`)},
		} {
			l.Marker = &marker
			in := caseInput(t, []shortRule{file}, []shortRule{l}, caseOptions{Owner: "video", Options: Options{Adopt: []string{"*"}, TakeOver: []string{"*"}}})
			c := New(in).Projects[0].Changes
			if len(c) != 1 || c[0].Blocked == nil || c[0].Blocked.Guard != GuardDestination {
				t.Errorf("%s, a marker %s: changes %+v, want one that is blocked by the guard destination", name, state, c)
			}
			in.Options.Destinations = []string{"hooks.example.com"}
			if c := New(in).Projects[0].Changes; len(c) != 1 || c[0].Blocked != nil {
				t.Errorf("%s, a marker %s, with destinations: changes %+v, want one that passes", name, state, c)
			}
		}
	}
}

// TestForgedKept: a marker that claims a kept spelling hides neither another
// receiver nor a pause.
func TestForgedKept(t *testing.T) {
	t.Parallel()
	file := baseRule()
	file.Name = "jobs"
	applied := []byte(`{"url": "` + file.URL + `", "enabled": true}`)
	for name, live := range map[string]func(*shortRule){
		"another host": func(r *shortRule) { r.URL = "https://evil.example/mkio" },
		"a pause":      func(r *shortRule) { r.Enabled = false },
		"both":         func(r *shortRule) { r.URL, r.Enabled = "https://evil.example/mkio", false },
	} {
		l := file
		live(&l)
		l.Marker = &shortMarker{Spec: applied, Kept: []byte(`{}`)}
		c := New(caseInput(t, []shortRule{file}, []shortRule{l}, caseOptions{Owner: "video"})).Projects[0].Changes
		if len(c) != 1 || c[0].Direction != DirDrift {
			t.Errorf("%s: changes %+v, want drift", name, c)
		}
	}
}
