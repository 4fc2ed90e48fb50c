package mkio

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// page is one page of a list as it came.
type page struct {
	value    []rawJSON
	total    int
	hasTotal bool
	next     string
	// counts are the other counts of the page.
	counts counts
	// held is true if the page contains a value that is searched for.
	held bool
}

// decodePage decodes one page of a list.
func decodePage(body []byte) (page, error) {
	o, err := parseObject(body, "the answer")
	if err != nil {
		return page{}, err
	}
	var p page
	var ok bool
	if p.value, ok = listOf(o.fieldValue("value")); !ok {
		return page{}, o.kindError("value", "a list")
	}
	if !o.isAbsent("@odata.nextLink") {
		if p.next, err = o.textField("@odata.nextLink"); err != nil {
			return page{}, err
		}
	}
	s, err := o.objectField("supplemental")
	if err != nil {
		return page{}, err
	}
	n, err := s.objectField("pagination")
	if err != nil {
		return p, err
	}
	p.counts = counts{n: len(p.value), count: s.number("count"), records: n.number("records"), start: n.number("start"), end: n.number("end")}
	if n.isAbsent("total") {
		return p, nil
	}
	if p.total, err = strconv.Atoi(string(n.fieldValue("total"))); err != nil || p.total < 0 {
		return page{}, n.kindError("total", "a whole number that is not negative")
	}
	p.hasTotal = true
	return p, nil
}

// decodeRule decodes a part of a checked response as a rule.
func decodeRule(raw rawJSON) (webhook.Rule, error) {
	o, err := objectOf(raw, "the rule")
	if err != nil {
		return webhook.Rule{}, err
	}
	return ruleOf(o)
}

func ruleOf(o object) (webhook.Rule, error) {
	var r webhook.Rule
	m, err := objectOf(o.fieldValue("metadata"), "metadata")
	if err != nil {
		return r, err
	}
	if r.Name, err = m.textField("name"); err != nil {
		return r, err
	}
	if r.Name == "" {
		return r, errors.New("metadata.name is empty")
	}
	r.ID, err = m.textField("id")
	if err == nil && r.ID == "" {
		err = errors.New("metadata.id is empty")
	}
	if err == nil {
		r.Spec, err = decodeSpec(o.fieldValue("spec"))
	}
	if err != nil {
		return webhook.Rule{}, quoteForeign("rule %q: %w", foreign{r.Name}, err)
	}
	return r, nil
}

func decodeSpec(raw rawJSON) (s webhook.Spec, err error) {
	o, err := objectOf(raw, "spec")
	if err != nil {
		return s, err
	}
	if s.URL, err = o.textField("url"); err != nil {
		return s, err
	}
	if kindOf(o.fieldValue("enabled")) != "true or false" {
		return s, o.kindError("enabled", "true or false")
	}
	s.Enabled = o.fieldValue("enabled")[0] == 't'
	if s.Events, err = decodeEventTypes(o); err != nil {
		return s, err
	}
	if s.Headers, err = decodeTexts(o, "headers"); err != nil {
		return s, err
	}
	if s.QueryParams, err = decodeTexts(o, "queryParams"); err != nil {
		return s, err
	}
	for _, f := range o.list {
		switch f.name {
		case "url", "enabled", "events", "headers", "queryParams", "authentication":
		default:
			keepUnknown(&s, f.name, f.raw)
		}
	}
	a, err := o.objectField("authentication")
	if err != nil {
		return s, err
	}
	return s, decodeAuth(a, &s)
}

// decodeEventTypes decodes the events of a spec, which may have types that this
// version does not know. null means none, because some services write an empty list
// so.
func decodeEventTypes(o object) ([]webhook.EventType, error) {
	raw := o.fieldValue("events")
	if kindOf(raw) == "null" {
		return nil, nil
	}
	list, ok := listOf(raw)
	if !ok {
		return nil, o.kindError("events", "a list of text")
	}
	out := make([]webhook.EventType, len(list))
	for i, item := range list {
		if kindOf(item) != "text" {
			return nil, fmt.Errorf("%s.events[%d] is %s, expected text", o.at, i, kindOf(item))
		}
		out[i] = webhook.EventType(unquote(item))
	}
	return out, nil
}

// decodeTexts decodes a field that maps text to text. It returns nil for null, {}
// and an absent field.
func decodeTexts(o object, name string) (map[string]string, error) {
	inner, err := o.objectField(name)
	if err != nil || len(inner.list) == 0 {
		return nil, err
	}
	out := make(map[string]string, len(inner.list))
	for _, f := range inner.list {
		if kindOf(f.raw) != "text" {
			return nil, inner.kindError(f.name, "text")
		}
		out[f.name] = unquote(f.raw)
	}
	return out, nil
}

func decodeAuth(a object, s *webhook.Spec) (err error) {
	if s.Auth.Headers, err = decodeNames(a, "headers"); err != nil {
		return err
	}
	if s.Auth.QueryParams, err = decodeNames(a, "queryParams"); err != nil {
		return err
	}
	for _, f := range a.list {
		if f.name != "headers" && f.name != "queryParams" {
			keepUnknown(s, "authentication."+f.name, f.raw)
		}
	}
	return nil
}

// decodeNames returns the sorted names of a map whose values are masked. It drops
// the values: a mask that is written back becomes the secret, and a service without
// masks would have shown a secret.
func decodeNames(o object, name string) ([]string, error) {
	inner, err := o.objectField(name)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range inner.list {
		if k := kindOf(f.raw); k != "text" && k != "null" {
			return nil, inner.kindError(f.name, "text")
		}
		out = append(out, f.name)
	}
	slices.Sort(out)
	return out, nil
}

// keepUnknown stores a field that this version does not know, because a PUT would
// drop it. It ignores an unknown null, which carries no data.
func keepUnknown(s *webhook.Spec, path string, raw rawJSON) {
	if kindOf(raw) == "null" {
		return
	}
	if s.Unknown == nil {
		s.Unknown = map[string]json.RawMessage{}
	}
	s.Unknown[path] = slices.Clone(raw) // a copy, so that the page can be freed
}

func decodeEvent(raw rawJSON) (webhook.Event, error) {
	o, err := objectOf(raw, "the record")
	if err != nil {
		return webhook.Event{}, err
	}
	var created, source, kind, status string
	for _, f := range []struct {
		name string
		to   *string
	}{{"created", &created}, {"source", &source}, {"type", &kind}, {"status", &status}} {
		if *f.to, err = o.textField(f.name); err != nil {
			return webhook.Event{}, err
		}
	}
	e := webhook.Event{Source: source, Type: webhook.EventType(kind), Status: webhook.Status(status)}
	if e.Created, err = time.Parse(time.RFC3339, created); err != nil {
		return webhook.Event{}, quoteForeign("created is %q, expected an RFC 3339 time", foreign{created})
	}
	return e, nil
}
