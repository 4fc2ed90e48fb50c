package emulator

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sigs.k8s.io/yaml"
)

// seed is the file that "mkhooks emulate --seed" reads.
type seed struct {
	Rules []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec    map[string]any `json:"spec"`
		Events  []Event        `json:"events"`
		History *history       `json:"history"`
	} `json:"rules"`
}

// history makes records instead of listing them.
type history struct {
	Count int    `json:"count"`
	Since string `json:"since"`
	Every string `json:"every"`
	// FailedEvery makes each record of that number Failed; 0 makes none.
	FailedEvery int `json:"failedEvery"`
}

// Load reads rules and their history from JSON or YAML.
func (s *Server) Load(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var in seed
	if err := yaml.UnmarshalStrict(data, &in); err != nil {
		return fmt.Errorf("expected {\"rules\": [{\"metadata\": {\"name\"}, \"spec\", \"events\" or \"history\"}]}: %w", err)
	}
	for i, rule := range in.Rules {
		name := rule.Metadata.Name
		if name == "" {
			return fmt.Errorf("rule %d has no metadata.name", i+1)
		}
		if problem := checkSpec(rule.Spec); problem != "" {
			return fmt.Errorf("rule %q: %s", name, problem)
		}
		events := rule.Events
		if rule.History != nil {
			if events, err = rule.History.events(s.o.Project, rule.Spec); err != nil {
				return fmt.Errorf("rule %q: %w", name, err)
			}
		}
		s.Put(name, rule.Spec)
		s.AddEvents(name, events...)
	}
	return nil
}

func (h *history) events(project string, spec map[string]any) ([]Event, error) {
	at, err := time.Parse(time.RFC3339, h.Since)
	if err != nil {
		return nil, fmt.Errorf("history.since is %q, expected an RFC 3339 time", h.Since)
	}
	every, err := time.ParseDuration(h.Every)
	if err != nil || every <= 0 {
		return nil, fmt.Errorf("history.every is %q, expected a time such as 10m", h.Every)
	}
	types, _ := spec["events"].([]any)
	if len(types) == 0 || h.Count < 0 {
		return nil, errors.New("history needs spec.events and a count")
	}
	events := make([]Event, 0, h.Count)
	for i := range h.Count {
		e := Event{
			Created: at.Add(time.Duration(i) * every).UTC().Format(time.RFC3339),
			Source:  fmt.Sprintf("/projects/%s/jobs/job-%05d", project, i+1),
			Type:    fmt.Sprint(types[i%len(types)]),
			Status:  "Sent",
		}
		if h.FailedEvery > 0 && (i+1)%h.FailedEvery == 0 {
			e.Status = "Failed"
		}
		events = append(events, e)
	}
	return events, nil
}
