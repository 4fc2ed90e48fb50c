package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// eventTypes are those of the vendor's document.
var eventTypes = []string{
	"MediaKind.JobStarted", "MediaKind.JobFinished", "MediaKind.StreamingLocatorCreated",
	"MediaKind.ChannelInstanceStarted", "MediaKind.ChannelInstanceStopped", "MediaKind.ChannelInstanceError",
	"MediaKind.ScheduledOperationAccepted", "MediaKind.ScheduledOperationOngoing",
	"MediaKind.ScheduledOperationCompleted", "MediaKind.ScheduledOperationError",
}

// handle answers a request by the API's rules.
func (s *Server) handle(r *http.Request, op operation, body []byte) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait := s.limited(r.Method); wait {
		a := s.fail(r, body, http.StatusTooManyRequests, "TooManyRequests", "the rate limit of the project is exceeded")
		if s.o.RetryAfter != "" {
			a.header = http.Header{"Retry-After": {s.o.RetryAfter}}
		}
		return a
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	can, known := s.o.Tokens[token]
	if !ok || !known {
		return s.fail(r, body, http.StatusUnauthorized, "Unauthorized", "the token is not valid")
	}
	if op.Kind == KindOther {
		return s.fail(r, body, http.StatusNotFound, "NotFound", "there is no such resource")
	}
	if op.project != s.o.Project {
		return s.fail(r, body, http.StatusNotFound, "ProjectNotFound", "there is no such project")
	}
	rule := s.rules[op.rule]
	need := CanGet
	switch {
	case op.Kind == KindPut && rule == nil:
		need = CanCreate
	case op.Kind == KindPut:
		need = CanUpdate
	case op.Kind == KindDelete:
		need = CanDelete
	}
	if !slices.Contains(can, need) {
		return s.fail(r, body, http.StatusForbidden, "Forbidden", "the token lacks "+string(need))
	}
	switch op.Kind {
	case KindList:
		return s.list(r)
	case KindPut:
		return s.put(r, op.rule, body)
	case KindDelete:
		if rule == nil {
			return reply{status: http.StatusNoContent}
		}
		delete(s.rules, op.rule)
		return reply{status: http.StatusOK}
	}
	if rule == nil {
		return s.fail(r, body, http.StatusNotFound, "WebhookRuleNotFound", "there is no such rule")
	}
	if op.Kind == KindEvents {
		return s.events(r, rule)
	}
	return reply{status: http.StatusOK, body: s.show(rule)}
}

// limited counts a request and reports whether it is one too many.
func (s *Server) limited(method string) bool {
	if !s.o.RateLimit {
		return false
	}
	now := s.o.Now()
	list, limit := &s.gets, s.o.GetLimit
	if method != http.MethodGet {
		list, limit = &s.writes, s.o.WriteLimit
	}
	for len(*list) > 0 && now.Sub((*list)[0]) >= time.Minute {
		*list = (*list)[1:]
	}
	if len(*list) >= limit {
		return true
	}
	*list = append(*list, now)
	return false
}

// fail is the error body, with a ref of its own.
func (s *Server) fail(r *http.Request, body []byte, status int, code, detail string) reply {
	s.refs++
	if s.o.EchoErrors {
		quoted, _ := json.Marshal(string(body))
		detail += fmt.Sprintf("; request %s %s; escaped %s; authorization %s", body, quoted, url.QueryEscape(string(body)), r.Header.Get("Authorization"))
	}
	return reply{status: status, body: map[string]any{
		"error":  map[string]any{"code": code, "detail": detail, "extraDetail": map[string]any{}},
		"status": status,
		"ref":    fmt.Sprintf("ref-%06d", s.refs),
	}}
}

// slice cuts one page out of n records: $top caps it, $skiptoken says where it
// starts, and the next link is absolute, as the service gives it.
func (s *Server) slice(r *http.Request, n int) (start, end int, next string, err error) {
	q := r.URL.Query()
	size := s.o.PageSize
	if top := q.Get("$top"); top != "" {
		if size, err = strconv.Atoi(top); err != nil || size < 1 {
			return 0, 0, "", fmt.Errorf("$top is %q", top)
		}
	}
	size = min(size, s.o.MaxTop)
	if token := q.Get("$skiptoken"); token != "" {
		if start, err = strconv.Atoi(token); err != nil || start < 0 {
			return 0, 0, "", fmt.Errorf("$skiptoken is %q", token)
		}
	}
	start = min(start, n)
	end = min(start+size, n)
	if end < n {
		q.Set("$skiptoken", strconv.Itoa(end))
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		next = scheme + "://" + r.Host + r.URL.EscapedPath() + "?" + q.Encode()
	}
	return start, end, next, nil
}

func supplemental(kind string, start, end, total int) map[string]any {
	return map[string]any{
		"kind": kind, "count": end - start, "operation": "list",
		"pagination": map[string]any{"start": start, "end": end, "records": end - start, "total": total},
	}
}

func (s *Server) list(r *http.Request) reply {
	names := make([]string, 0, len(s.rules))
	for name := range s.rules {
		names = append(names, name)
	}
	slices.Sort(names)
	start, end, next, err := s.slice(r, len(names))
	if err != nil {
		return s.fail(r, nil, http.StatusBadRequest, "BadRequest", err.Error())
	}
	value := make([]any, 0, end-start)
	for _, name := range names[start:end] {
		value = append(value, s.show(s.rules[name]))
	}
	body := map[string]any{"value": value}
	if next != "" {
		body["@odata.nextLink"] = next
	}
	if s.o.ListPaging {
		body["supplemental"] = supplemental("WebhookRule", start, end, len(names))
	}
	return reply{status: http.StatusOK, body: body}
}

func (s *Server) events(r *http.Request, rule *Rule) reply {
	n := len(rule.Events)
	start, end, next, err := s.slice(r, n)
	if err != nil {
		return s.fail(r, nil, http.StatusBadRequest, "BadRequest", err.Error())
	}
	value := make([]Event, 0, end-start)
	for i := start; i < end; i++ {
		if s.o.OldestFirst {
			value = append(value, rule.Events[i])
		} else {
			value = append(value, rule.Events[n-1-i])
		}
	}
	body := map[string]any{"value": value}
	if !s.o.NoTotals {
		body["supplemental"] = supplemental("WebhookEvent", start, end, n)
	}
	if next != "" {
		body["@odata.nextLink"] = next
	}
	return reply{status: http.StatusOK, body: body}
}

func (s *Server) put(r *http.Request, name string, body []byte) reply {
	var in struct {
		Spec map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return s.fail(r, body, http.StatusBadRequest, "BadRequest", "the body is no JSON object")
	}
	if problem := checkSpec(in.Spec); problem != "" {
		return s.fail(r, body, http.StatusBadRequest, "ValidationError", problem)
	}
	s.normalize(in.Spec)
	status := http.StatusOK
	if s.store(name, in.Spec) {
		status = http.StatusCreated
	}
	return reply{status: status, body: s.show(s.rules[name])}
}

// checkSpec says what is wrong with a spec, or "".
func checkSpec(spec map[string]any) string {
	if spec == nil {
		return "spec is missing"
	}
	address, ok := spec["url"].(string)
	if u, err := url.Parse(address); !ok || err != nil || u.Host == "" {
		return "spec.url is no URL"
	}
	if _, ok := spec["enabled"].(bool); !ok {
		return "spec.enabled is no boolean"
	}
	events, ok := spec["events"].([]any)
	if !ok {
		return "spec.events is no list"
	}
	for _, e := range events {
		if t, ok := e.(string); !ok || !slices.Contains(eventTypes, t) {
			return fmt.Sprintf("spec.events holds %v", e)
		}
	}
	check := func(at string, v any) string {
		if v == nil {
			return ""
		}
		m, ok := v.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		for name, v := range m {
			if _, ok := v.(string); !ok {
				return at + "." + name + " is no text"
			}
		}
		return ""
	}
	auth, isMap := spec["authentication"].(map[string]any)
	if spec["authentication"] != nil && !isMap {
		return "spec.authentication is no object"
	}
	for _, c := range []struct {
		at string
		v  any
	}{
		{"spec.headers", spec["headers"]}, {"spec.queryParams", spec["queryParams"]},
		{"spec.authentication.headers", auth["headers"]}, {"spec.authentication.queryParams", auth["queryParams"]},
	} {
		if problem := check(c.at, c.v); problem != "" {
			return problem
		}
	}
	return ""
}

// normalize keeps a spec in the service's own spelling.
func (s *Server) normalize(spec map[string]any) {
	if address, ok := spec["url"].(string); ok && s.o.NormalizeURL && !strings.HasSuffix(address, "/") {
		spec["url"] = address + "/"
	}
	headers, _ := spec["headers"].(map[string]any)
	for name := range headers {
		if slices.Contains(s.o.DropHeaders, strings.ToLower(name)) {
			delete(headers, name)
		}
	}
}

// show is a rule as it reads back: values under authentication masked.
func (s *Server) show(r *Rule) map[string]any {
	spec := clone(r.Spec)
	auth, _ := spec["authentication"].(map[string]any)
	for _, part := range []string{"headers", "queryParams"} {
		s.showMap(spec, part, false)
		if auth != nil {
			s.showMap(auth, part, true)
		}
	}
	if auth == nil || len(auth) == 0 {
		s.showEmpty(spec, "authentication")
	}
	if events, ok := spec["events"].([]any); ok {
		switch s.o.EventOrder {
		case "sorted":
			slices.SortFunc(events, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		case "reversed":
			slices.Reverse(events)
		}
	}
	for name, v := range s.o.ExtraFields {
		spec[name] = v
	}
	return map[string]any{"metadata": map[string]any{"id": r.ID, "name": r.Name}, "spec": spec}
}

// showMap masks and spells one map of a spec.
func (s *Server) showMap(in map[string]any, part string, mask bool) {
	m, _ := in[part].(map[string]any)
	if len(m) == 0 {
		s.showEmpty(in, part)
		return
	}
	out := make(map[string]any, len(m))
	for name, v := range m {
		if part == "headers" {
			switch s.o.HeaderCase {
			case "lower":
				name = strings.ToLower(name)
			case "canonical":
				name = textproto.CanonicalMIMEHeaderKey(name)
			}
		}
		if mask {
			v = s.o.Mask(fmt.Sprint(v))
		}
		out[name] = v
	}
	in[part] = out
}

func (s *Server) showEmpty(in map[string]any, part string) {
	switch s.o.EmptyMaps {
	case "null":
		in[part] = nil
	case "{}":
		in[part] = map[string]any{}
	default:
		delete(in, part)
	}
}
