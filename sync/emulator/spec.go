package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// eventTypes are the event types of the vendor's document.
var eventTypes = []string{
	"MediaKind.JobStarted",
	"MediaKind.JobFinished",
	"MediaKind.StreamingLocatorCreated",
	"MediaKind.ChannelInstanceStarted",
	"MediaKind.ChannelInstanceStopped",
	"MediaKind.ChannelInstanceError",
	"MediaKind.ScheduledOperationAccepted",
	"MediaKind.ScheduledOperationCompleted",
	"MediaKind.ScheduledOperationError",
	"MediaKind.ScheduledOperationOngoing",
}

const scheduledPrefix = "MediaKind.ScheduledOperation"

// markerHeader is the header that TrimMarker drops, in lower case.
const markerHeader = "x-mkhooks"

func invalidf(format string, args ...any) *failure {
	return newFailure(http.StatusBadRequest, "BadRequest", format, args...)
}

// decodeObject reads one JSON object and nothing after it. Numbers keep their
// digits.
func decodeObject(data []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, errors.New("it is null")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	return out, nil
}

// checkSpec validates a spec as the service does.
func (s *Server) checkSpec(spec map[string]any) *failure {
	if url, ok := spec["url"].(string); !ok || url == "" {
		return invalidf("spec.url is required, and a string")
	}
	if _, ok := spec["enabled"].(bool); !ok {
		return invalidf("spec.enabled is required, and true or false")
	}
	if f := s.checkEvents(spec["events"]); f != nil {
		return f
	}
	for _, name := range []string{"headers", "queryParams"} {
		if f := checkMap("spec."+name, spec[name]); f != nil {
			return f
		}
	}
	auth, ok := spec["authentication"].(map[string]any)
	if spec["authentication"] != nil && !ok {
		return invalidf("spec.authentication is no object")
	}
	for _, name := range []string{"headers", "queryParams"} {
		if f := checkMap("spec.authentication."+name, auth[name]); f != nil {
			return f
		}
	}
	headers, _ := spec["headers"].(map[string]any)
	for name := range headers {
		for _, refused := range s.o.RefuseHeaders {
			if strings.EqualFold(name, refused) {
				return invalidf("spec.headers: %s is not allowed", name)
			}
		}
	}
	if s.o.UnknownFields == UnknownRefused {
		for _, name := range slices.Sorted(maps.Keys(spec)) {
			if !slices.Contains(specFields, name) {
				return invalidf("spec.%s is not known", name)
			}
		}
	}
	return nil
}

var specFields = []string{"url", "enabled", "events", "headers", "queryParams", "authentication"}

func (s *Server) checkEvents(v any) *failure {
	events, ok := v.([]any)
	if !ok {
		return invalidf("spec.events is required, and an array")
	}
	for i, e := range events {
		name, _ := e.(string)
		known := slices.Contains(eventTypes, name)
		if !known || s.o.NoScheduledEvents && strings.HasPrefix(name, scheduledPrefix) {
			return invalidf("spec.events[%d] is no event type of this organization: %v", i, e)
		}
	}
	return nil
}

func checkMap(path string, v any) *failure {
	m, ok := v.(map[string]any)
	if v != nil && !ok {
		return invalidf("%s is no object", path)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if _, ok := m[name].(string); !ok {
			return invalidf("%s.%s is no string", path, name)
		}
	}
	return nil
}

// dropUnstored drops the parts of a sent spec that this service does not store.
func (s *Server) dropUnstored(spec map[string]any) {
	if s.o.UnknownFields == UnknownDropped {
		maps.DeleteFunc(spec, func(name string, _ any) bool { return !slices.Contains(specFields, name) })
	}
	if headers, ok := spec["headers"].(map[string]any); ok && s.o.TrimMarker {
		maps.DeleteFunc(headers, func(name string, _ any) bool { return strings.ToLower(name) == markerHeader })
	}
}

// cloneJSON copies a JSON value. It also converts Go values of the same form.
func cloneJSON(spec map[string]any) map[string]any {
	data, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("emulator: a spec that is no JSON: %v", err))
	}
	out, err := decodeObject(data)
	if err != nil {
		panic(fmt.Sprintf("emulator: a spec that is no JSON object: %v", err))
	}
	return out
}
