package emulator

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// rule is a stored rule, with the real authentication values.
type rule struct {
	id, name string
	seq      uint64
	spec     map[string]any
	history  []record // oldest first
}

func (s *Server) nextSeq() uint64 {
	s.lastSeq++
	return s.lastSeq
}

// newRule stores a new rule. Its id is a new UUID.
func (s *Server) newRule(name string, spec map[string]any) *rule {
	r := &rule{name: name, seq: s.nextSeq(), spec: spec}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d", s.o.Project, name, r.seq))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	r.id = strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	s.rules[name] = r
	return r
}

func (s *Server) ruleNotFound(name string) *failure {
	return newFailure(http.StatusNotFound, "NotFound", "webhook rule %q was not found", name)
}

// viewRule returns the rule in the form of a response.
func (s *Server) viewRule(r *rule) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"id": r.id, "name": r.name},
		"spec":     s.viewSpec(r.name, r.spec),
	}
}

func (x *exchange) listRules() (response, *failure) {
	s := x.s
	keep, f := parseFilter(x.r.URL.Query().Get("$filter"))
	if f != nil {
		return response{}, f
	}
	order, desc, f := parseOrder(x.r.URL.Query().Get("$orderby"), s.o.RulesOrder)
	if f != nil {
		return response{}, f
	}
	key := func(r *rule) string {
		if order == RulesByCreated {
			return seqKey(r.seq)
		}
		return r.name
	}
	var rules []*rule
	for _, r := range s.rules {
		if keep(r.name) {
			rules = append(rules, r)
		}
	}
	slices.SortFunc(rules, func(a, b *rule) int {
		if desc {
			a, b = b, a
		}
		return cmp.Compare(key(a), key(b))
	})
	p := page{end: len(rules), total: len(rules)}
	if !s.o.WholeList {
		p, f = x.findPage(listing{n: len(rules), total: len(rules), desc: desc, key: func(i int) string { return key(rules[i]) }})
		if f != nil {
			return response{}, f
		}
	}
	value := []any{}
	for _, r := range rules[p.start:p.end] {
		value = append(value, s.viewRule(r))
	}
	return jsonResponse(http.StatusOK, p.responseBody("webhookRule", value, len(value), s.o.ListPaging && !s.o.WholeList)), nil
}

func (x *exchange) getRule() (response, *failure) {
	r := x.s.rules[x.at.rule]
	if r == nil {
		return response{}, x.s.ruleNotFound(x.at.rule)
	}
	return jsonResponse(http.StatusOK, x.s.viewRule(r)), nil
}

// putRule replaces the whole spec: a field that is not sent is deleted. A mask is
// stored like any other value.
func (x *exchange) putRule() (response, *failure) {
	s := x.s
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return response{}, invalidf("the body's Content-Type is %q, expected application/json", x.r.Header.Get("Content-Type"))
	}
	body, err := decodeObject(x.body)
	if err != nil {
		return response{}, invalidf("the body is not a JSON object: %v", err)
	}
	spec, ok := body["spec"].(map[string]any)
	if !ok {
		return response{}, invalidf("spec is required, and an object")
	}
	if f := s.checkSpec(spec); f != nil {
		return response{}, f
	}
	s.dropUnstored(spec)
	status := http.StatusOK
	r := s.rules[x.at.rule]
	if r == nil {
		status = http.StatusCreated
		r = s.newRule(x.at.rule, spec)
	}
	r.spec = spec
	return jsonResponse(status, s.viewRule(r)), nil
}

// deleteRule deletes a rule and its history.
func (x *exchange) deleteRule() (response, *failure) {
	s := x.s
	if s.rules[x.at.rule] == nil {
		if s.o.DeleteMissing404 {
			return response{}, s.ruleNotFound(x.at.rule)
		}
		return response{status: http.StatusNoContent}, nil
	}
	delete(s.rules, x.at.rule)
	return response{status: http.StatusOK}, nil
}

// parseFilter parses the two supported forms of $filter, which both select by
// name.
func parseFilter(filter string) (func(name string) bool, *failure) {
	if filter == "" {
		return func(string) bool { return true }, nil
	}
	if rest, ok := strings.CutPrefix(filter, "name eq "); ok {
		if want, ok := unquoteOData(rest); ok {
			return func(name string) bool { return name == want }, nil
		}
	}
	if rest, ok := strings.CutPrefix(filter, "startswith(name,"); ok && strings.HasSuffix(rest, ")") {
		if want, ok := unquoteOData(strings.TrimSpace(strings.TrimSuffix(rest, ")"))); ok {
			return func(name string) bool { return strings.HasPrefix(name, want) }, nil
		}
	}
	return nil, invalidf("$filter is %q, expected name eq '...' or startswith(name,'...')", filter)
}

// unquoteOData parses an OData string, in which a quote is doubled.
func unquoteOData(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return "", false
	}
	inner := s[1 : len(s)-1]
	if strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
		return "", false
	}
	return strings.ReplaceAll(inner, "''", "'"), true
}

func parseOrder(orderby string, order RulesOrder) (_ RulesOrder, desc bool, _ *failure) {
	switch orderby {
	case "":
		return order, false, nil
	case "name", "name asc":
		return RulesByName, false, nil
	case "name desc":
		return RulesByName, true, nil
	}
	return "", false, invalidf("$orderby is %q, expected name, name asc or name desc", orderby)
}
