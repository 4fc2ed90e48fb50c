package emulator

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"strings"
)

// echo is text that repeats s in the encodings that services and proxies put
// into their messages.
func echo(s string) string {
	if s == "" {
		return ""
	}
	quoted, _ := json.Marshal(s) // a string always is JSON
	return "; " + strings.Join([]string{
		s, string(quoted), url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s),
		base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
	}, "; ")
}
