package emulator

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sigs.k8s.io/yaml"
)

// seed is the content of a seed file: the initial live rules.
type seed struct {
	Rules []seedRule `json:"rules"`
}

// seedRule has the form of the API's response, and also a history. The history
// is a list of records or a generator.
type seedRule struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec    map[string]any `json:"spec"`
	Events  []seedEvent    `json:"events"`
	History *seedHistory   `json:"history"`
}

type seedEvent struct {
	Created time.Time `json:"created"`
	Source  string    `json:"source"`
	Type    string    `json:"type"`
	Status  string    `json:"status"`
}

// seedHistory generates Count records: the first at Since, then a record at
// each interval of Every.
type seedHistory struct {
	Count int       `json:"count"`
	Since time.Time `json:"since"`
	Every string    `json:"every"`
	// FailedEvery makes each record Failed whose number is a multiple of it; 0
	// makes none.
	FailedEvery int `json:"failedEvery"`
}

// LoadSeed adds the rules of a seed file, JSON or YAML:
//
//	{"rules": [{"metadata": {"name"}, "spec": {...}, "events": [...] or "history": {...}}]}
//
// An unknown key is an error, and so is a spec that the service would refuse.
// After an error nothing is added.
func (s *Server) LoadSeed(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var in seed
	if err := yaml.UnmarshalStrict(data, &in); err != nil {
		return fmt.Errorf("the seed is no list of rules: %w", err)
	}
	histories := make([][]Event, len(in.Rules))
	for i, rule := range in.Rules {
		if rule.Metadata.Name == "" {
			return fmt.Errorf("rule %d has no metadata.name", i+1)
		}
		if f := s.checkSpec(rule.Spec); f != nil {
			return fmt.Errorf("rule %q: %s", rule.Metadata.Name, f.detail)
		}
		if histories[i], err = rule.parseEvents(); err != nil {
			return fmt.Errorf("rule %q: %w", rule.Metadata.Name, err)
		}
	}
	for i, rule := range in.Rules {
		s.Put(rule.Metadata.Name, rule.Spec)
		s.AddEvents(rule.Metadata.Name, histories[i]...)
	}
	return nil
}

// parseEvents returns the records of a rule, oldest first.
func (r seedRule) parseEvents() ([]Event, error) {
	var out []Event
	for _, e := range r.Events {
		out = append(out, Event(e))
	}
	h := r.History
	if h == nil {
		return out, nil
	}
	every, err := time.ParseDuration(h.Every)
	switch {
	case err != nil || every <= 0:
		return nil, fmt.Errorf("history.every is %q, expected a time such as 10m", h.Every)
	case h.Count < 0 || h.FailedEvery < 0:
		return nil, errors.New("history.count and history.failedEvery: expected no negative number")
	case h.Since.IsZero():
		return nil, errors.New("history.since is missing, expected a time such as 2026-01-01T00:00:00Z")
	}
	types, _ := r.Spec["events"].([]any)
	for i := range h.Count {
		e := Event{Created: h.Since.Add(time.Duration(i) * every)}
		if len(types) > 0 {
			e.Type, _ = types[i%len(types)].(string)
		}
		if h.FailedEvery > 0 && (i+1)%h.FailedEvery == 0 {
			e.Status = Failed
		}
		out = append(out, e)
	}
	return out, nil
}
