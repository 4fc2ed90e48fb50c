package webhook

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// TestMask checks that a value that is secret at one path of a rule is not shown
// anywhere. The path, the spelling of its name and the encoding of the value must
// not matter.
func TestMask(t *testing.T) {
	t.Parallel()
	const value = "hunter2 & co/7" // it does not look like a credential
	in := func(set func(*Spec)) *Spec {
		s := &Spec{URL: "https://hooks.example.com/mkio", Headers: map[string]string{}, QueryParams: map[string]string{}}
		set(s)
		return s
	}
	header := func(names ...string) *Spec { return in(func(s *Spec) { s.Auth.Headers = names }) }
	param := func(names ...string) *Spec { return in(func(s *Spec) { s.Auth.QueryParams = names }) }
	escaped := url.QueryEscape(value)
	for name, tt := range map[string]struct{ live, file *Spec }{
		"a header":                    {in(func(s *Spec) { s.Headers["X-Hook"] = value }), header("X-Hook")},
		"a header in another case":    {in(func(s *Spec) { s.Headers["x-hook"] = value }), header("X-HOOK")},
		"a header, other separators":  {in(func(s *Spec) { s.Headers["X_Hook"] = value }), header("x-hook")},
		"a parameter":                 {in(func(s *Spec) { s.QueryParams["hook"] = value }), param("hook")},
		"a parameter in another case": {in(func(s *Spec) { s.QueryParams["HOOK"] = value }), param("hook")},
		"a header to a parameter":     {in(func(s *Spec) { s.Headers["hook"] = value }), param("hook")},
		"a parameter to a header":     {in(func(s *Spec) { s.QueryParams["x-hook"] = value }), header("X-Hook")},
		"a parameter of the URL":      {in(func(s *Spec) { s.URL += "?a=1&hook=" + escaped + "&b=2" }), param("hook")},
		"of the URL to a header":      {in(func(s *Spec) { s.URL += "?x-hook=" + escaped }), header("X-Hook")},
		"an escaped name":             {in(func(s *Spec) { s.URL += "?h%6Fok=" + escaped }), param("hook")},
		"a parameter of a path":       {in(func(s *Spec) { s.URL += ";hook=" + escaped + "/x" }), param("hook")},
		"behind a semicolon":          {in(func(s *Spec) { s.URL += "?a=1;hook=" + escaped }), param("hook")},
		"a fragment":                  {in(func(s *Spec) { s.URL += "#hook=" + escaped }), param("hook")},
		"a URL in the URL":            {in(func(s *Spec) { s.URL += "?to=" + url.QueryEscape("https://x.example/?hook="+escaped) }), param("hook")},
		"a parameter in a header":     {in(func(s *Spec) { s.Headers["X-All"] = "a=1; hook=" + value }), param("hook")},
		"a URL in a header":           {in(func(s *Spec) { s.Headers["X-All"] = "https://x.example/?hook=" + escaped }), param("hook")},
		"another name":                {in(func(s *Spec) { s.Headers["X-Before"] = value }), header("X-After")},
		"a parameter, another name":   {in(func(s *Spec) { s.QueryParams["before"] = value }), header("X-After")},
		"of the URL, another name":    {in(func(s *Spec) { s.URL += "?before=" + escaped }), header("X-After")},
		"the value elsewhere, too":    {in(func(s *Spec) { s.Headers["X-Hook"], s.Headers["X-Note"] = value, "was "+value }), header("X-Hook")},
		"the value in the path, too":  {in(func(s *Spec) { s.Headers["X-Hook"], s.URL = value, s.URL+"/"+url.PathEscape(value) }), header("X-Hook")},
		"the value in the query, too": {in(func(s *Spec) { s.Headers["X-Hook"], s.URL = value, s.URL+"?x="+escaped }), header("X-Hook")},
		"an unknown field":            {in(func(s *Spec) { s.Unknown = map[string]json.RawMessage{"hook": json.RawMessage(`"` + value + `"`)} }), header("hook")},
		"below an unknown field": {in(func(s *Spec) {
			s.Unknown = map[string]json.RawMessage{"more": json.RawMessage(`{"list": [{"X-Hook": "` + value + `"}]}`)}
		}), header("X-Hook")},
		"a name and value of an unknown field": {in(func(s *Spec) {
			s.Unknown = map[string]json.RawMessage{"more": json.RawMessage(`[{"name": "X-Hook", "value": "` + value + `"}]`)}
		}), header("X-Hook")},
		"back into clear":              {header("X-Hook"), in(func(s *Spec) { s.Headers["X-Hook"] = value })},
		"back into clear, another way": {param("x-hook"), in(func(s *Spec) { s.Headers["X-Hook"] = value })},
		"on both sides":                {in(func(s *Spec) { s.Headers["sig"] = value }), in(func(s *Spec) { s.Headers["sig"], s.Auth.QueryParams = value, []string{"sig"} })},
	} {
		mask := MaskOf(tt.live, tt.file)
		for side, s := range map[string]*Spec{"live": tt.live, "file": tt.file} {
			out, err := json.Marshal(mask.Spec(*s))
			if err != nil {
				t.Fatal(err)
			}
			for _, leak := range []string{"hunter2", "co/7", "co%2F7"} {
				if strings.Contains(string(out), leak) {
					t.Errorf("%s: the %s side shows it: %s", name, side, out)
					break
				}
			}
			if !strings.Contains(string(out), "https://hooks.example.com/") {
				t.Errorf("%s: the %s side hides the host: %s", name, side, out)
			}
		}
	}
}

// TestMaskLeavesTheRest checks that unrelated values are shown.
func TestMaskLeavesTheRest(t *testing.T) {
	t.Parallel()
	live := &Spec{
		URL: "https://hooks.example.com/a;b=1?x=1&y=%2F#z", Headers: map[string]string{"X-Source": "mkio", "X-Old": "1", MarkerHeader: "v=1"},
		QueryParams: map[string]string{"a": "b=c&d", "e": ""}, Auth: AuthNames{Headers: []string{"X-Hook"}},
		Unknown: map[string]json.RawMessage{"retryPolicy": json.RawMessage(`{"max":3}`)},
	}
	file := live.Clone()
	delete(file.Headers, "X-Old")
	for name, mask := range map[string]Mask{"no mask": {}, "names": MaskOf(live, &file), "of the live side": MaskOf(live, nil), "of the files": MaskOf(nil, &file)} {
		want, _ := json.Marshal(live.Redacted())
		got, err := json.Marshal(mask.Spec(*live))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
