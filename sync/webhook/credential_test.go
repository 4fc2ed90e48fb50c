package webhook

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Made-up values in the forms that issuers document.
const (
	jwt   = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0ZXN0In0.c2lnbmF0dXJlLW5vdC1yZWFs"
	plain = "s3cr3t-Value/with+signs"
)

func TestNamesCredential(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Authorization": true, "proxy-authorization": true, "X-Webhook-Secret": true, "client_secret": true, "X-Auth-Token": true,
		"access_token": true, "X-Api-Key": true, "apikey": true, "Cookie": true, "sig": true, "X-Hub-Signature": true, "password": true,
		"X-Passwd": true, "pwd": true, "X-Auth": true, "jwt": true, "Ocp-Apim-Subscription-Key": true, "x-functions-key": true,
		"X.Access.Key": true, "auth[token]": true, "X-Shared-Key": true, "key": true, "X-Amz-Credential": true, "private_key": true,
		"X-Source": false, "Content-Type": false, "X-Author": false, "keyboard": false, "design": false, "X-Keynote": false,
		"X-Signature-Version": false, "compass": false, "": false, "code": false,
	} {
		if got := IsCredentialName(name); got != want {
			t.Errorf("NamesCredential(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestLooksLikeCredential(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, value string
		want        bool
	}{
		{"X-Source", jwt, true},
		{"X-Source", "Bearer abcdefgh12345678", true},
		{"X-Source", "basic dXNlcjpwYXNz", true},
		{"X-Source", "-----BEGIN RSA PRIVATE KEY-----", true},
		{"X-Source", "AKIA" + "ABCDEFGHIJKLMNOP", true},
		{"X-Source", "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789", true},
		{"X-Source", "glpat-" + "abcdefghij0123456789", true},
		{"X-Source", "sk_" + "live_abcdefghij0123456789", true},
		{"X-Source", "xoxb-" + "123456789012-abcdef", true},
		{"X-Source", "AGE-SECRET-KEY-1QQQ", true},
		{"X-Token", plain, true},
		{"X-Token", "", false},
		{"code", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5==", true},
		{"code", "de", false},
		{"code", "a-long-name-of-a-campaign-2026", false},
		{"X-Source", "mkio", false},
		{"X-Source", "basic", false},
		{"X-Trace", "4bf92f3577b34da6a3ce929d0e0e4736", false},
	} {
		if got := LooksLikeCredential(tt.name, tt.value); got != tt.want {
			t.Errorf("LooksLikeCredential(%q, %q) = %t, want %t", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	const r = Redacted
	slack := "/services/" + "T00000000/B00000000/" + "abcdefghijklmnopqrstuvwx"
	for in, want := range map[string]string{
		"https://hooks.example.com/a/b?x=1&y=2#z": "https://hooks.example.com/a/b?x=1&y=2#z",
		"HTTPS://Hooks.Example.com":               "HTTPS://Hooks.Example.com",
		"https://user:pw@h/":                      "https://" + r + "@h/",
		"https://user@h/":                         "https://" + r + "@h/",
		"https://a@b@h/":                          "https://" + r + "@h/",
		"https://h/?token=abc&x=1":                "https://h/?token=" + r + "&x=1",
		"https://h/?x=1&SIG=abc":                  "https://h/?x=1&SIG=" + r,
		"https://h/?to%6ben=abc":                  "https://h/?to%6ben=" + r,
		"https://h/?token=":                       "https://h/?token=",
		"https://h/?token=a=b;c/d?e":              "https://h/?token=" + r,
		"https://h/?x=1;token=abc;y=2&z=3":        "https://h/?x=1;token=" + r + "&z=3",
		"https://h/?x=" + jwt:                     "https://h/?x=" + r,
		"https://h/?" + jwt:                       "https://h/?" + r,
		"https://h/?x=%65yJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0ZXN0In0.x": "https://h/?x=" + r,
		"https://h/?u=https%3A%2F%2Fa%3Ab%40c%2F":                   "https://h/?u=" + r,
		"https://h/?u=https%3A%2F%2Fc%2F%3Ftoken%3Dabc":             "https://h/?u=" + r,
		"https://h/?u=https%3A%2F%2Fc%2F":                           "https://h/?u=https%3A%2F%2Fc%2F",
		"https://h/?u=https://c/?token=abc":                         "https://h/?u=" + r,
		"https://h/#access_token=abc&x=1":                           "https://h/#access_token=" + r + "&x=1",
		"https://h/#/in?sig=abc":                                    "https://h/#/in?sig=" + r,
		"https://h/a;token=abc/b":                                   "https://h/a;token=" + r,
		"https://h/key=abc":                                         "https://h/key=" + r,
		"https://h/" + jwt + "/x":                                   "https://h/" + r,
		"https://hooks.slack.example" + slack:                       "https://hooks.slack.example/" + r,
		"https://hooks.slack.example" + strings.ReplaceAll(slack, "services", "%73ervices"): "https://hooks.slack.example/" + r,
		"https://h/api/webhooks/" + "123456789012345678/" + "abcdefghijklmnopqrstuvwxyz":    "https://h/" + r,
		"https://" + jwt + "/":    "https://" + r + "/",
		"user:pw@h/?token=abc":    r + "@h/?token=" + r,
		"https:/user:pw@h/":       r + "@h/",
		"https:///user:pw@h/":     r + "@h/",
		`https:\\user:pw@h/`:      r + "@h/",
		"//h/?token=abc":          "//h/?token=" + r,
		jwt:                       "/" + r,
		"":                        "",
		"https://h/%zz?token=%zz": "https://h/%zz?token=" + r,
	} {
		got := RedactURL(in)
		if got != want {
			t.Errorf("RedactURL(%q)\n got %q\nwant %q", in, got, want)
		}
		if again := RedactURL(got); again != got {
			t.Errorf("RedactURL(%q) = %q, and of that %q", in, got, again)
		}
	}
}

// FuzzRedactURL checks that no credential remains, at any position in a URL and in
// any context. The function must be fast enough that input can't stall it.
func FuzzRedactURL(f *testing.F) {
	f.Add("https://h/", "a=1", "x")
	f.Add("https://h", "u=https://x?", "%")
	f.Add("https:", ";", "/")
	f.Add("", "\xff", "?#&=")
	f.Fuzz(func(t *testing.T, base, before, after string) {
		clean := strings.NewReplacer("#", "", "?", "", "@", "")
		base = clean.Replace(base)
		for _, u := range []string{
			base + "?" + before + "&token=" + jwt + after,
			base + "?" + before + "&x=" + jwt + after,
			base + "?" + before + "&x=" + url.QueryEscape("https://u:"+jwt+"@h/"),
			base + "?token=" + jwt + "#" + after,
			base + "?x=" + before + "%" + strings.Replace(jwt, "e", "%65", 1),
			base + "#" + before + "&sig=" + jwt,
			"https://u:" + jwt + "@h/" + before + after,
			"https://" + jwt + "@h?" + before + after,
			"https://h/a/" + jwt + "/",
		} {
			got := RedactURL(u)
			if strings.Contains(got, jwt[1:]) {
				t.Errorf("RedactURL(%q) = %q", u, got)
			}
			if strings.HasPrefix(u, "https://") && !strings.Contains(got, Redacted) {
				t.Errorf("RedactURL(%q) = %q hides nothing", u, got)
			}
		}
		RedactURL(base + before + after)
		// The name is enough, whatever the value.
		if u := base + "?token=" + url.QueryEscape(after) + "XyZzY&" + before; strings.Contains(RedactURL(u), "XyZzY") {
			t.Errorf("RedactURL(%q) = %q", u, RedactURL(u))
		}
	})
}

// TestRedactURLOfHostileInput tests URLs that are built to take long: a live URL may
// be anything.
func TestRedactURLOfHostileInput(t *testing.T) {
	t.Parallel()
	for name, piece := range map[string]string{
		"pairs": ";a=", "nested": "?u=https://h/", "escaped": "%253D", "codes": "&code=aB1", "slashes": "/", "at": "a:b@",
	} {
		u := "https://h/" + strings.Repeat(piece, 3_000)
		if got := RedactURL(u); got == "" {
			t.Errorf("%s: nothing is left", name)
		}
	}
	deep := "https://h/?token=" + plain
	for range 12 {
		deep = "https://h/?u=" + url.QueryEscape(deep)
	}
	if got := RedactURL(deep); got != "https://h/?u="+Redacted {
		t.Errorf("twelve levels deep: %.200s", got)
	}
}

func TestRedactValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"X-Source", "mkio", "mkio"},
		{"X-Token", "abc", Redacted},
		{"X-Source", jwt, Redacted},
		{"X-Callback", "https://u:p@h/?a=1", "https://" + Redacted + "@h/?a=1"},
		{"X-Mail", "a@b.example", "a@b.example"},
	} {
		if got := RedactValue(tt.name, tt.value); got != tt.want {
			t.Errorf("RedactValue(%q, %q) = %q, want %q", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestRedactUnknown(t *testing.T) {
	t.Parallel()
	hidden := `"` + Redacted + `"`
	for _, tt := range []struct{ path, raw, want string }{
		{"retryPolicy", `{"max":3,"on":["5xx"]}`, `{"max":3,"on":["5xx"]}`},
		{"authentication.oauth", `{"url":"x"}`, hidden},
		{"signingKey", `"abc"`, hidden},
		{"tls", `{"client":[{"privateKey":"abc"}]}`, hidden},
		{"note", `"` + jwt + `"`, hidden},
		{"note", `"\u0065yJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0ZXN0In0.x"`, hidden},
		{"fallback", `{"url":"https://u:p@h/"}`, hidden},
		{"fallback", `{"url":"https://h/"}`, `{"url":"https://h/"}`},
		{"broken", `{`, hidden},
	} {
		if got := string(RedactUnknown(tt.path, json.RawMessage(tt.raw))); got != tt.want {
			t.Errorf("RedactUnknown(%s, %s) = %s, want %s", tt.path, tt.raw, got, tt.want)
		}
	}
}

func TestSpecRedacted(t *testing.T) {
	t.Parallel()
	s := Spec{
		URL: "https://u:p@h/?a=1", Events: []EventType{"MediaKind.JobStarted"},
		Headers:     map[string]string{"X-Token": "abc", "X-Source": "mkio", MarkerHeader: markerA().String()},
		QueryParams: map[string]string{"sig": "abc", "x": "1"},
		Auth:        AuthNames{Headers: []string{"X-Secret"}},
		Unknown:     map[string]json.RawMessage{"authentication.oauth": json.RawMessage(`1`), "n": json.RawMessage(`2`)},
	}
	before := s.Clone()
	want := Spec{
		URL: "https://" + Redacted + "@h/?a=1", Events: []EventType{"MediaKind.JobStarted"},
		Headers:     map[string]string{"X-Token": Redacted, "X-Source": "mkio", MarkerHeader: markerA().String()},
		QueryParams: map[string]string{"sig": Redacted, "x": "1"},
		Auth:        AuthNames{Headers: []string{"X-Secret"}},
		Unknown:     map[string]json.RawMessage{"authentication.oauth": json.RawMessage(`"` + Redacted + `"`), "n": json.RawMessage(`2`)},
	}
	if diff := cmp.Diff(want, s.Redacted()); diff != "" {
		t.Errorf("Redacted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, s); diff != "" {
		t.Errorf("Redacted changed its receiver (-want +got):\n%s", diff)
	}
}
