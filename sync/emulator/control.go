package emulator

import "fmt"

// Rule is a stored rule.
type Rule struct {
	ID, Name string
	// Spec is the stored spec, with the real authentication values.
	Spec map[string]any
	// Events is the delivery history, oldest first.
	Events []Event
}

// Headers returns spec.headers.
func (r Rule) Headers() map[string]string { return stringMap(r.Spec["headers"]) }

// Auth returns the stored authentication values by their path below
// authentication, such as "headers.X-Secret".
func (r Rule) Auth() map[string]string {
	out := map[string]string{}
	auth, _ := r.Spec["authentication"].(map[string]any)
	for _, part := range []string{"headers", "queryParams"} {
		for name, value := range stringMap(auth[part]) {
			out[part+"."+name] = value
		}
	}
	return out
}

func stringMap(v any) map[string]string {
	out := map[string]string{}
	m, _ := v.(map[string]any)
	for name, value := range m {
		out[name], _ = value.(string)
	}
	return out
}

// snapshot returns a deep copy for callers. The caller holds s.mu.
func (r *rule) snapshot() Rule {
	out := Rule{ID: r.id, Name: r.name, Spec: cloneJSON(r.spec)}
	for _, e := range r.history {
		out.Events = append(out.Events, e.Event)
	}
	return out
}

// Rules returns all rules by name.
func (s *Server) Rules() map[string]Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Rule{}
	for name, r := range s.rules {
		out[name] = r.snapshot()
	}
	return out
}

// Rule returns one rule; ok is false if it is absent.
func (s *Server) Rule(name string) (_ Rule, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rules[name]
	if r == nil {
		return Rule{}, false
	}
	return r.snapshot(), true
}

// Put creates or changes a rule without a request and without a check. An
// existing rule keeps its id and history.
func (s *Server) Put(name string, spec map[string]any) {
	spec = cloneJSON(spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rules[name]; r != nil {
		r.spec = spec
		return
	}
	s.newRule(name, spec)
}

// Edit changes a rule in place without a request.
func (s *Server) Edit(name string, change func(spec map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.mustRule(name)
	spec := cloneJSON(r.spec)
	change(spec)
	r.spec = cloneJSON(spec)
}

// Delete deletes a rule and its history without a request.
func (s *Server) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rules, name)
}

// Recreate deletes a rule and creates it again with the same spec: the new rule
// has another id and no history.
func (s *Server) Recreate(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newRule(name, s.mustRule(name).spec)
}

// AddEvents appends records to the history of a rule, oldest first.
func (s *Server) AddEvents(name string, events ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appendRecords(s.mustRule(name), events)
}

// Allow replaces the capabilities of a token from the next request on.
func (s *Server) Allow(token string, can ...Capability) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.Tokens == nil {
		s.o.Tokens = map[string][]Capability{}
	}
	s.o.Tokens[token] = can
}

// EditEvents calls change with each record of a rule's history, oldest first.
// Records keep their position, as deliveries do when they finish.
func (s *Server) EditEvents(name string, change func(e *Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.mustRule(name)
	for i := range r.history {
		change(&r.history[i].Event)
	}
}

// mustRule returns a rule, and panics if it is absent. The caller holds s.mu.
func (s *Server) mustRule(name string) *rule {
	r := s.rules[name]
	if r == nil {
		panic(fmt.Sprintf("emulator: there is no rule %q", name))
	}
	return r
}
