package mkio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Only this file takes secrets out of their type: into the Authorization header and
// into the body of a PUT. A test enforces that.

// authorize sets the token on a request.
func (c *Client) authorize(req *http.Request) {
	req.Header.Set("Authorization", "Bearer "+c.o.Token.Reveal())
}

type putSpec struct {
	URL            string              `json:"url"`
	Enabled        bool                `json:"enabled"`
	Events         []webhook.EventType `json:"events"`
	Headers        map[string]string   `json:"headers,omitempty"`
	QueryParams    map[string]string   `json:"queryParams,omitempty"`
	Authentication *putAuth            `json:"authentication,omitempty"`
}

type putAuth struct {
	Headers     map[string]string `json:"headers,omitempty"`
	QueryParams map[string]string `json:"queryParams,omitempty"`
}

// putBody returns the body of a PUT: the spec with the values of auth.
func putBody(spec webhook.Spec, auth secrets.Auth) ([]byte, error) {
	paths, values := auth.Values()
	for _, path := range paths {
		// The last line of defence: a mask that is written back becomes the secret,
		// and nobody would notice.
		if problem := values[path].CheckForm(); problem != "" {
			return nil, fmt.Errorf("spec.authentication.%s %s", strings.Replace(path, "/", ".", 1), problem)
		}
	}
	body := putSpec{
		URL: spec.URL, Enabled: spec.Enabled, Events: spec.Events,
		Headers: spec.Headers, QueryParams: spec.QueryParams,
	}
	if body.Events == nil {
		body.Events = []webhook.EventType{}
	}
	if auth.Len() > 0 {
		body.Authentication = &putAuth{Headers: revealValues(auth.Headers), QueryParams: revealValues(auth.QueryParams)}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{"spec": body}); err != nil {
		return nil, fmt.Errorf("encode the spec: %T", err) // its text could hold a value
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

func revealValues(values map[string]secrets.String) map[string]string {
	out := make(map[string]string, len(values))
	for name, v := range values {
		out[name] = v.Reveal()
	}
	return out
}

// TokenExpiry returns when a token that is a JWT expires. It verifies nothing: the
// time is for a warning. ok is false for any other token.
func TokenExpiry(token secrets.String) (at time.Time, ok bool) {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp <= 0 || claims.Exp > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Exp), 0), true
}
