package archive

import (
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestSameSnapshot checks that a single difference means that the history changed.
func TestSameSnapshot(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	event := webhook.Event{Created: at, Source: "a", Type: "MediaKind.JobFinished", Status: "Sent"}
	shot := func(edit func(*snapshot)) snapshot {
		s := snapshot{total: 2, hasTotal: true, first: []webhook.Event{event, event}}
		edit(&s)
		return s
	}
	was := shot(func(*snapshot) {})
	if !was.isEqual(shot(func(s *snapshot) { s.first[1].Created = at.In(time.FixedZone("east", 3600)) })) {
		t.Error("the same moment in another zone counts as another one")
	}
	for name, edit := range map[string]func(*snapshot){
		"total":    func(s *snapshot) { s.total = 3 },
		"no total": func(s *snapshot) { s.hasTotal = false },
		"empty":    func(s *snapshot) { s.first = nil },
		"time":     func(s *snapshot) { s.first[1].Created = at.Add(time.Nanosecond) },
		"source":   func(s *snapshot) { s.first[1].Source = "b" },
		"type":     func(s *snapshot) { s.first[1].Type = "b" },
		"status":   func(s *snapshot) { s.first[1].Status = "Failed" },
	} {
		if now := shot(edit); was.isEqual(now) || now.isEqual(was) {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func TestSanitize(t *testing.T) {
	t.Parallel()
	// Directly beside the letters and digits are other characters.
	if got := sanitize("09azAZ-/:@[`{.ü", 99); got != "09azAZ---------" {
		t.Errorf("%q", got)
	}
	if got := sanitize("", 4) + sanitize("abcdef", 4); got != "-abcd" {
		t.Errorf("%q", got)
	}
}
