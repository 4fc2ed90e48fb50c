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

// TestMaskShowsTheReceiver checks that no file can hide where a rule sends to, and
// that words which a file drops while it adds authentication stay visible.
func TestMaskShowsTheReceiver(t *testing.T) {
	t.Parallel()
	headers := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	tenant := AuthNames{QueryParams: []string{"xtenant"}}
	for name, tt := range map[string]struct {
		live, file *Spec
		url, shown string // shown is the masked form of url; "" for all of it
	}{
		"a header of the file":        {&Spec{}, &Spec{Headers: headers("X-Tenant", "hooks/catch"), Auth: tenant}, "https://hooks.zapier.com/hooks/catch/66666/attack", ""},
		"the host":                    {nil, &Spec{Headers: headers("X-Tenant", "hooks.zapier.com"), Auth: tenant}, "https://hooks.zapier.com/a", ""},
		"the host, live":              {&Spec{Headers: headers("X-Tenant", "hooks.zapier.com")}, &Spec{Auth: tenant}, "https://hooks.zapier.com/a", ""},
		"host and port, live":         {&Spec{Headers: headers("X-Tenant", "zapier.com:8443")}, &Spec{Auth: tenant}, "https://zapier.com:8443/a", ""},
		"the scheme, live":            {&Spec{Headers: headers("X-Tenant", "https:")}, &Spec{Auth: tenant}, "https://zapier.com/a", ""},
		"a name in the host":          {nil, &Spec{Auth: tenant}, "https://xtenant=evil.example/a", ""},
		"a parameter of the file":     {&Spec{}, &Spec{QueryParams: headers("X-Tenant", "attack"), Auth: AuthNames{Headers: []string{"X-Tenant"}}}, "https://h.example/attack?a=attack", ""},
		"part of a segment":           {&Spec{Headers: headers("X-Tenant", "attack")}, &Spec{Auth: tenant}, "https://h.example/attacker/x-attack?a=attack2", ""},
		"a whole segment":             {&Spec{Headers: headers("X-Tenant", "attack")}, &Spec{Auth: tenant}, "https://h.example/attack/evil?a=b", "https://h.example/" + Redacted + "/evil?a=b"},
		"several segments":            {&Spec{Headers: headers("X-Tenant", "T00/B00/abc")}, &Spec{Auth: tenant}, "https://h.example/s/T00/B00/abc?a=b", "https://h.example/s/" + Redacted + "?a=b"},
		"a segment, oddly escaped":    {&Spec{Headers: headers("X-Tenant", "attack")}, &Spec{Auth: tenant}, "https://h.example/%61ttack/x", "https://h.example/" + Redacted + "/x"},
		"a URL in a parameter":        {&Spec{Headers: headers("X-Tenant", "attack")}, &Spec{Auth: tenant}, "https://h.example/?to=https%3A%2F%2Fx%2Fattack&b=c", "https://h.example/?to=" + Redacted + "&b=c"},
		"a value under a live secret": {&Spec{Headers: headers("X-Tenant", "attack"), Auth: tenant}, &Spec{}, "https://h.example/attack", ""},
	} {
		want := tt.shown
		if want == "" {
			want = tt.url
		}
		if got := MaskOf(tt.live, tt.file).URL(tt.url); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}

	live := &Spec{
		URL:         "https://staging.example.com/jobs?env=staging",
		Headers:     headers("X-Env", "staging", "X-Team", "video-team", "X-Hand", "manual", "X-Api-Key", "hunter2-in-clear", "X-Api", "hunter2"),
		QueryParams: headers("region", "eu-west"),
	}
	file := &Spec{URL: "https://staging.example.com/jobs/v2", Auth: AuthNames{Headers: []string{"X-Api-Key"}}}
	mask := MaskOf(live, file)
	out := mask.Spec(*live)
	for name, value := range map[string]string{"X-Env": "staging", "X-Team": "video-team", "X-Hand": "manual", "X-Api-Key": Redacted, "X-Api": Redacted} {
		if out.Headers[name] != value {
			t.Errorf("%s: %s, want %s", name, out.Headers[name], value)
		}
	}
	if out.URL != live.URL || out.QueryParams["region"] != "eu-west" || mask.URL(file.URL) != file.URL {
		t.Errorf("masked: %+v, %s", out, mask.URL(file.URL))
	}
}

// TestMaskedURLsDiffer checks that a change of a URL is visible, even if both sides
// are masked alike.
func TestMaskedURLsDiffer(t *testing.T) {
	t.Parallel()
	mask := MaskOf(nil, &Spec{Auth: AuthNames{QueryParams: []string{"xtenant"}}})
	for _, tt := range []struct{ before, after, says string }{
		{"https://h.example/?xtenant=good", "https://h.example/?xtenant=evil", " (query changed)"},
		{"https://h.example/;xtenant=good/a", "https://h.example/;xtenant=evil/b", " (path changed)"},
		{"https://h.example/token=a?token=a", "https://h.example/token=b?token=b", " (path and query changed)"},
		{"https://a:b@h.example/", "https://c:d@h.example/", " (user changed)"},
		{"https://h.example/#token=a", "https://h.example/#token=b", " (query changed)"},
		{"https://h.example/a", "https://h.example/b", ""},
		{"https://h.example/a?token=a", "https://h.example/a?token=a", ""},
	} {
		a, b := mask.URLs(tt.before, tt.after)
		if a != mask.URL(tt.before) || b != mask.URL(tt.after)+tt.says || tt.before != tt.after && a == b {
			t.Errorf("%s to %s: %s, %s", tt.before, tt.after, a, b)
		}
	}
}
