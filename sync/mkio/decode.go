package mkio

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Answers are read field by field and by exact names: encoding/json would take
// "URL" for "url", leave a field of the wrong type out of a map, and say
// nothing of a field that is missing. Here each of these is an error that names
// the rule and the field, because a rule that is read wrongly is written
// wrongly.

type rawJSON = json.RawMessage

func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// fields is a JSON object, its place in words for messages.
type fields struct {
	at string
	m  map[string]rawJSON
}

// object reads raw as a JSON object. null is none.
func object(raw rawJSON, at string) (fields, error) {
	f := fields{at: at}
	if kind(raw) != "an object" {
		return f, fmt.Errorf("%s is %s, expected an object", at, kind(raw))
	}
	if err := json.Unmarshal(raw, &f.m); err != nil {
		return f, fmt.Errorf("%s is no valid JSON", at)
	}
	return f, nil
}

// kind says in words what raw is.
func kind(raw rawJSON) string {
	t := strings.TrimLeft(string(raw[:min(len(raw), 64)]), " \t\r\n")
	switch {
	case len(raw) == 0:
		return "missing"
	case t == "":
		return "no JSON"
	case t[0] == '{':
		return "an object"
	case t[0] == '[':
		return "a list"
	case t[0] == '"':
		return "text"
	case t[0] == 't' || t[0] == 'f':
		return "true or false"
	case t[0] == 'n':
		return "null"
	case t[0] == '-' || '0' <= t[0] && t[0] <= '9':
		return "a number"
	}
	return "no JSON"
}

func (f fields) wrong(name, expected string) error {
	return fmt.Errorf("%s.%s is %s, expected %s", f.at, name, kind(f.m[name]), expected)
}

// text reads a field that must be text.
func (f fields) text(name string, to *string) error {
	if kind(f.m[name]) != "text" || json.Unmarshal(f.m[name], to) != nil {
		return f.wrong(name, "text")
	}
	return nil
}

// absent reports whether a field is missing or null.
func (f fields) absent(name string) bool {
	k := kind(f.m[name])
	return k == "missing" || k == "null"
}

// texts reads a field that is a map of text; null and absent are an empty one.
func (f fields) texts(name string) (map[string]string, error) {
	if f.absent(name) {
		return nil, nil
	}
	inner, err := object(f.m[name], f.at+"."+name)
	if err != nil || len(inner.m) == 0 {
		return nil, err
	}
	out := make(map[string]string, len(inner.m))
	for key := range inner.m {
		var v string
		if err := inner.text(key, &v); err != nil {
			return nil, err
		}
		out[key] = v
	}
	return out, nil
}

// names reads the names of a map whose values are masked, sorted; the values
// are not kept.
func (f fields) names(name string) ([]string, error) {
	if f.absent(name) {
		return nil, nil
	}
	inner, err := object(f.m[name], f.at+"."+name)
	if err != nil {
		return nil, err
	}
	var out []string
	for key, v := range inner.m {
		if k := kind(v); k != "text" && k != "null" {
			return nil, inner.wrong(key, "text")
		}
		out = append(out, key)
	}
	slices.Sort(out)
	return out, nil
}

// decodePage reads a list's page.
func decodePage(body []byte) (page, error) {
	o, err := object(body, "the answer")
	if err != nil {
		return page{}, err
	}
	var p page
	if kind(o.m["value"]) != "a list" || json.Unmarshal(o.m["value"], &p.value) != nil {
		return page{}, o.wrong("value", "a list")
	}
	if !o.absent("@odata.nextLink") {
		if err := o.text("@odata.nextLink", &p.next); err != nil {
			return page{}, err
		}
	}
	if o.absent("supplemental") {
		return p, nil
	}
	s, err := object(o.m["supplemental"], "supplemental")
	if err != nil || s.absent("pagination") {
		return p, err
	}
	n, err := object(s.m["pagination"], "supplemental.pagination")
	if err != nil || n.absent("total") {
		return p, err
	}
	if json.Unmarshal(n.m["total"], &p.total) != nil || p.total < 0 {
		return page{}, n.wrong("total", "a whole number")
	}
	p.hasTotal = true
	return p, nil
}

func decodeRule(raw rawJSON) (webhook.Rule, error) {
	o, err := object(raw, "the rule")
	if err != nil {
		return webhook.Rule{}, err
	}
	var r webhook.Rule
	o.at = "rule"
	m, err := object(o.m["metadata"], "metadata")
	if err != nil {
		return webhook.Rule{}, err
	}
	if err := m.text("name", &r.Name); err != nil {
		return webhook.Rule{}, err
	}
	if r.Name == "" {
		return webhook.Rule{}, errors.New("metadata.name is empty")
	}
	at := fmt.Sprintf("rule %q: ", r.Name)
	if err := m.text("id", &r.ID); err != nil {
		return webhook.Rule{}, fmt.Errorf("%s%w", at, err)
	}
	if r.Spec, err = decodeSpec(o.m["spec"]); err != nil {
		return webhook.Rule{}, fmt.Errorf("%s%w", at, err)
	}
	return r, nil
}

func decodeSpec(raw rawJSON) (webhook.Spec, error) {
	var s webhook.Spec
	o, err := object(raw, "spec")
	if err != nil {
		return s, err
	}
	if err := o.text("url", &s.URL); err != nil {
		return s, err
	}
	if kind(o.m["enabled"]) != "true or false" || json.Unmarshal(o.m["enabled"], &s.Enabled) != nil {
		return s, o.wrong("enabled", "true or false")
	}
	if !o.absent("events") || kind(o.m["events"]) == "missing" {
		if kind(o.m["events"]) != "a list" || json.Unmarshal(o.m["events"], &s.Events) != nil {
			return s, o.wrong("events", "a list of text")
		}
	}
	if s.Headers, err = o.texts("headers"); err != nil {
		return s, err
	}
	if s.QueryParams, err = o.texts("queryParams"); err != nil {
		return s, err
	}
	for name, v := range o.m {
		switch name {
		case "url", "enabled", "events", "headers", "queryParams", "authentication":
		default:
			keep(&s, name, v)
		}
	}
	if o.absent("authentication") {
		return s, nil
	}
	return decodeAuth(s, o.m["authentication"])
}

func decodeAuth(s webhook.Spec, raw rawJSON) (webhook.Spec, error) {
	a, err := object(raw, "spec.authentication")
	if err != nil {
		return s, err
	}
	if s.Auth.Headers, err = a.names("headers"); err != nil {
		return s, err
	}
	if s.Auth.QueryParams, err = a.names("queryParams"); err != nil {
		return s, err
	}
	for name, v := range a.m {
		if name != "headers" && name != "queryParams" {
			keep(&s, "authentication."+name, v)
		}
	}
	return s, nil
}

// keep keeps a field that this version does not know: a PUT would drop it. An
// unknown null says nothing and is let go.
func keep(s *webhook.Spec, path string, raw rawJSON) {
	if kind(raw) == "null" {
		return
	}
	if s.Unknown == nil {
		s.Unknown = map[string]json.RawMessage{}
	}
	s.Unknown[path] = slices.Clone(raw)
}
