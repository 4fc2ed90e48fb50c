package emulator

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"strings"
)

// echoEncoded returns text that repeats s in the encodings that services and proxies
// use in their messages.
func echoEncoded(s string) string {
	if s == "" {
		return ""
	}
	quoted, _ := json.Marshal(s) // never fails for a string
	return "; " + strings.Join([]string{
		s, string(quoted), url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s),
		base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
	}, "; ")
}
