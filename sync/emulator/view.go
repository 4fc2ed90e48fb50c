package emulator

import (
	"maps"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// MaskFixed returns a mask that is independent of the value and its length.
func MaskFixed(string) string { return "********" }

// MaskSameLength returns a mask as long as the value in bytes, with at least
// one asterisk.
func MaskSameLength(value string) string { return strings.Repeat("*", max(1, len(value))) }

// MaskVaried returns a mask function. The length of the mask changes from one
// reading to the next.
func MaskVaried() func(string) string {
	var n atomic.Int64
	return func(string) string { return strings.Repeat("*", 4+int(n.Add(1)%9)) }
}

// viewSpec returns a spec as it reads back: authentication masked, all else as
// the options define. Seeded fields of an invalid form stay the same.
func (s *Server) viewSpec(name string, stored map[string]any) map[string]any {
	spec := cloneJSON(stored)
	s.viewAuth(spec)
	s.viewMap(spec, "headers", true)
	s.viewMap(spec, "queryParams", false)
	if events, ok := spec["events"].([]any); ok {
		spec["events"] = s.viewEvents(events)
	}
	if u, ok := spec["url"].(string); ok && s.o.NormaliseURL {
		spec["url"] = normalURL(u)
	}
	maps.Copy(spec, s.o.ExtraFields)
	if s.o.Rewrite != nil {
		s.o.Rewrite(name, spec)
	}
	return spec
}

func (s *Server) viewAuth(spec map[string]any) {
	auth, ok := spec["authentication"].(map[string]any)
	if !ok {
		if spec["authentication"] != nil {
			return
		}
		auth = map[string]any{}
	}
	empty := true
	for _, part := range []string{"headers", "queryParams"} {
		values, _ := auth[part].(map[string]any)
		for name, value := range values {
			empty = false
			text, _ := value.(string)
			values[name] = s.o.Mask(text)
		}
	}
	s.viewMap(auth, "headers", true)
	s.viewMap(auth, "queryParams", false)
	for name := range auth {
		empty = empty && (name == "headers" || name == "queryParams")
	}
	spec["authentication"] = auth
	if empty && s.o.EmptyMaps != EmptyObject {
		spec["authentication"] = nil
		if s.o.EmptyMaps != EmptyNull {
			delete(spec, "authentication")
		}
	}
}

// viewMap applies the options for header names and empty maps to a map of a
// spec.
func (s *Server) viewMap(in map[string]any, field string, headers bool) {
	m, ok := in[field].(map[string]any)
	if !ok && in[field] != nil {
		return
	}
	if len(m) > 0 {
		if headers {
			in[field] = s.viewHeaders(m)
		}
		return
	}
	switch s.o.EmptyMaps {
	case EmptyNull:
		in[field] = nil
	case EmptyObject:
		in[field] = map[string]any{}
	default:
		delete(in, field)
	}
}

func (s *Server) viewHeaders(m map[string]any) map[string]any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		as := name
		switch s.o.HeaderCase {
		case CaseLower:
			as = strings.ToLower(name)
		case CaseCanonical:
			as = textproto.CanonicalMIMEHeaderKey(name)
		}
		out[as] = m[name]
	}
	return out
}

func (s *Server) viewEvents(events []any) []any {
	switch s.o.EventOrder {
	case EventsReversed:
		slices.Reverse(events)
	case EventsSorted:
		slices.SortFunc(events, func(a, b any) int {
			x, _ := a.(string)
			y, _ := b.(string)
			return strings.Compare(x, y)
		})
	}
	return events
}

func normalURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"https": ":443", "http": ":80"} {
		if u.Scheme == scheme {
			u.Host = strings.TrimSuffix(u.Host, port)
		}
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
