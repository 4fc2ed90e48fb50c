package webhook

import (
	"net/url"
	"strings"
	"testing"
)

func TestCanonicalURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://hooks.example.com":                "https://hooks.example.com/",
		"HTTPS://Hooks.Example.COM:443/A?B=C#D":    "https://hooks.example.com/A?B=C#D",
		"http://localhost:80":                      "http://localhost/",
		"http://localhost:443/":                    "http://localhost:443/",
		"https://h:/x":                             "https://h/x",
		"https://h?x=HTTPS://A":                    "https://h/?x=HTTPS://A",
		"https://h#F":                              "https://h/#F",
		"https://User:Pass@H/":                     "https://User:Pass@h/",
		"https://[2001:DB8::1]:443/":               "https://[2001:db8::1]/",
		"https://h:0443/":                          "https://h:0443/",
		"https://h/%7e/%7E/a/../b/./":              "https://h/%7e/%7E/a/../b/./",
		"https://h./":                              "https://h./",
		"https://h:443:443/":                       "https://h:443:443/",
		"https://BÜCHER.example/":                  "https://bÜcher.example/",
		"ftp://H:21/":                              "ftp://h:21/",
		"/relative":                                "/relative",
		"mailto:A@B":                               "mailto:A@B",
		"?x=https://A.example":                     "?x=https://A.example",
		"":                                         "",
		"https://":                                 "https:///",
		`https://Good.example\@Evil.example/`:      `https://Good.example\@evil.example/`,
		"https://hooks.example.com:443?token=ABC/": "https://hooks.example.com/?token=ABC/",
	} {
		if got := CanonicalURL(in); got != want {
			t.Errorf("CanonicalURL(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestOriginOf checks that the receiver of a secret does not depend on the program
// that reads the URL.
func TestOriginOf(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://hooks.example.com/x":               "https hooks.example.com 443",
		"HTTPS://HOOKS.example.com:443":             "https hooks.example.com 443",
		"https://hooks.example.com:/":               "https hooks.example.com 443",
		"https://hooks.example.com:8443":            "https hooks.example.com 8443",
		"https://hooks.example.com:0443":            "https hooks.example.com 0443",
		"http://127.0.0.1:8080/":                    "http 127.0.0.1 8080",
		"http://localhost/":                         "http localhost 80",
		"https://[2001:DB8::1]/":                    "https [2001:db8::1] 443",
		"https://[2001:db8::1]:8443/":               "https [2001:db8::1] 8443",
		"https://hooks.example.com./":               "https hooks.example.com. 443",
		"https://good.example@evil.example/":        "https evil.example 443",
		"https://good.example:443@evil.example/":    "https evil.example 443",
		"https://evil.example?@good.example/":       "https evil.example 443",
		"https://evil.example#@good.example/":       "https evil.example 443",
		"https://evil.example/@good.example/":       "https evil.example 443",
		"ftp://h/":                                  "ftp h ",
		`https://good.example\@evil.example/`:       "",
		`https://evil.example\good.example/`:        "",
		`https://evil.example\.good.example/`:       "",
		`https:\\evil.example/`:                     "",
		"https://a@good.example@evil.example/":      "",
		"https://good.example%2f@evil.example%00/":  "",
		"https://good.example%2e.evil.example/":     "",
		"https://evil.example\t.good.example/":      "",
		"https://evil\n.example/":                   "",
		"https://good.example\x00.evil.example/":    "",
		"https://evil.example／.good.example/":       "",
		"https://ｅvil.example/":                     "",
		"https://bücher.example/":                   "",
		"https://h:443:8443/":                       "",
		"https://h:port/":                           "",
		"https://[::1/":                             "",
		"https://::1/":                              "",
		"https://[fe80::1%25eth0]/":                 "",
		"https://[::1]evil.example/":                "",
		"https:///evil.example/":                    "",
		"https:/evil.example/":                      "",
		"//evil.example/":                           "",
		" https://evil.example/":                    "",
		"ht\ttps://evil.example/":                   "",
		"evil.example/https://good.example":         "",
		"":                                          "",
		"javascript:alert(1)//https://good.example": "",
	} {
		o := OriginOf(in)
		got := ""
		if o != (Origin{}) {
			got = o.Scheme + " " + o.Host + " " + o.Port
		}
		if got != want {
			t.Errorf("OriginOf(%q) = %q, want %q", in, got, want)
		}
		if o.IsKnown() != (want != "") {
			t.Errorf("OriginOf(%q).Known() = %t", in, o.IsKnown())
		}
	}
}

func TestMatchDestination(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, url string
		want         bool
	}{
		{"hooks.example.com", "https://hooks.example.com/x", true},
		{"Hooks.Example.COM", "https://HOOKS.example.com", true},
		{"hooks.example.com", "https://hooks.example.com:443/", true},
		{"hooks.example.com:443", "https://hooks.example.com/", true},
		{"hooks.example.com", "https://hooks.example.com:8443/", false},
		{"hooks.example.com:8443", "https://hooks.example.com:8443/", true},
		{"hooks.example.com:8443", "https://hooks.example.com/", false},
		{"hooks.example.com", "https://hooks.example.com:0443/", false},
		{"hooks.example.com", "https://hooks.example.com./", false},
		{"hooks.example.com", "https://evil-hooks.example.com/", false},
		{"hooks.example.com", "https://hooks.example.com.evil.example/", false},
		{"hooks.example.com", "https://hooks.example.com@evil.example/", false},
		{"hooks.example.com", `https://evil.example\@hooks.example.com/`, false},
		{"hooks.example.com", "https://evil.example#@hooks.example.com/", false},
		{"hooks.example.com", "http://hooks.example.com/", false},
		{"hooks.example.com:80", "http://hooks.example.com/", false},
		{"hooks.example.com", "ftp://hooks.example.com/", false},
		{"localhost", "http://localhost/", true},
		{"localhost", "http://localhost:8080/", false},
		{"localhost:8080", "http://localhost:8080/", true},
		{"127.0.0.1:8080", "http://127.0.0.1:8080/", true},
		{"127.0.0.1.evil.example", "http://127.0.0.1.evil.example/", false},
		{"[::1]:8080", "http://[::1]:8080/", true},
		{"[2001:db8::1]", "https://[2001:DB8::1]/", true},
		{"*.media.example.com", "https://a.media.example.com/", true},
		{"*.media.example.com", "https://a.b.media.example.com/", true},
		{"*.media.example.com:8443", "https://a.media.example.com:8443/", true},
		{"*.media.example.com", "https://a.media.example.com:8443/", false},
		{"*.media.example.com", "https://media.example.com/", false},
		{"*.media.example.com", "https://evilmedia.example.com/", false},
		{"*.media.example.com", "https://evil.example／.media.example.com/", false},
		{"*.media.example.com", `https://evil.example\.media.example.com/`, false},
		{"*.", "https://a./", false},
		{"*", "https://a/", false},
		{"", "https://a/", false},
		{"", "", false},
		{"", "https:///", false},
	} {
		if got := MatchDestination(tt.pattern, OriginOf(tt.url)); got != tt.want {
			t.Errorf("MatchDestination(%q, %q) = %t, want %t", tt.pattern, tt.url, got, tt.want)
		}
	}
}

func TestOriginString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://h/":       "h",
		"https://h:443/":   "h",
		"https://h:80/":    "h:80",
		"http://h:80/":     "h",
		"https://[::1]:1/": "[::1]:1",
		"nonsense":         "",
	} {
		o := OriginOf(in)
		if got := o.String(); got != want {
			t.Errorf("OriginOf(%q).String() = %q, want %q", in, got, want)
		}
		// A pattern takes the same form.
		if o.Scheme == "https" && !MatchDestination(o.String(), o) {
			t.Errorf("%q, as printed, does not match %q", o, in)
		}
	}
}

// FuzzOrigin compares an origin with two other parsers: net/url, and a parser after
// the WHATWG standard. The latter drops tabs and line ends and reads a backslash as
// a slash. If both can parse a URL whose origin is known, all three must return the
// same host.
func FuzzOrigin(f *testing.F) {
	for _, u := range []string{
		"https://hooks.example.com:8443/x?y#z", `https://good\@evil/`, "https://a:b@h:1/", "https://[::1]:80/", "HTTP://A.b:80?x",
		"https:///x", "https://h:0443", "https://%41/", "https://h\t/", "https://h:99999/", "https://@h/", "https://h:/",
	} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, u string) {
		canonical := CanonicalURL(u)
		if again := CanonicalURL(canonical); again != canonical {
			t.Errorf("CanonicalURL(%q) = %q, and of that %q", u, canonical, again)
		}
		o := OriginOf(u)
		if c := OriginOf(canonical); c != o {
			t.Errorf("OriginOf(%q) = %v, of its canonical form %v", u, o, c)
		}
		if !o.IsKnown() {
			return
		}
		if p, err := url.Parse(u); err == nil {
			if host := strings.ToLower(p.Hostname()); host != strings.Trim(o.Host, "[]") {
				t.Errorf("%q: net/url reads host %q, we %q", u, host, o.Host)
			}
			if port := p.Port(); port != "" && port != o.Port {
				t.Errorf("%q: net/url reads port %q, we %q", u, port, o.Port)
			}
		}
		if host := whatwgHost(u); host != o.Host {
			t.Errorf("%q: a browser reads host %q, we %q", u, host, o.Host)
		}
	})
}

// whatwgHost returns the host of an http or https URL as the URL standard of
// browsers reads it. The result is in lower case; characters beyond ASCII are not
// folded.
func whatwgHost(u string) string {
	u = strings.TrimFunc(u, func(r rune) bool { return r <= ' ' })
	u = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(u)
	scheme, rest, _ := strings.Cut(u, ":")
	switch strings.ToLower(scheme) {
	case "http", "https", "ws", "wss", "ftp":
		rest = strings.TrimLeft(rest, `/\`)
		if i := strings.IndexAny(rest, `/\?#`); i >= 0 {
			rest = rest[:i]
		}
	default:
		rest = strings.TrimPrefix(rest, "//")
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			rest = rest[:i]
		}
	}
	host := rest[strings.LastIndexByte(rest, '@')+1:]
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.ToLower(host)
}
