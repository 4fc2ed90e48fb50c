package secrets

import (
	"encoding/json"
	"reflect"
)

// Mask replaces every text below v in which [Scrubber.Holds] finds a value,
// also keys of maps. It returns the number of replacements. v is a pointer to a
// document. Mask skips unexported fields and numbers.
func (s *Scrubber) Mask(v any, with string) int {
	if s == nil {
		return 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.data.shortest == 0 {
		return 0
	}
	m := masking{s: s, with: with}
	m.walk(reflect.ValueOf(v))
	return m.n
}

type masking struct {
	s    *Scrubber
	with string
	n    int
}

var rawJSON = reflect.TypeFor[json.RawMessage]()

func (m *masking) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			m.walk(v.Elem())
		}
	case reflect.Interface:
		m.inInterface(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				m.walk(f)
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type() == rawJSON {
			m.raw(v)
			return
		}
		switch v.Type().Elem().Kind() {
		case reflect.String, reflect.Pointer, reflect.Interface, reflect.Struct, reflect.Slice, reflect.Map:
			for i := range v.Len() {
				m.walk(v.Index(i))
			}
		}
	case reflect.Map:
		m.inMap(v)
	case reflect.String:
		if v.CanSet() && m.s.holds([]byte(v.String())) {
			m.n++
			v.SetString(m.with)
		}
	}
}

func (m *masking) raw(v reflect.Value) {
	if v.CanSet() && m.s.holds(v.Bytes()) {
		m.n++
		quoted, _ := json.Marshal(m.with) // never fails for a string
		v.SetBytes(quoted)
	}
}

// changed returns a masked copy of a value that can't be set in place.
func (m *masking) changed(v reflect.Value) (reflect.Value, bool) {
	before := m.n
	to := reflect.New(v.Type()).Elem()
	to.Set(v)
	m.walk(to)
	return to, m.n > before
}

func (m *masking) inInterface(v reflect.Value) {
	if v.IsNil() {
		return
	}
	if to, changed := m.changed(v.Elem()); changed && v.CanSet() {
		v.Set(to)
	}
}

func (m *masking) inMap(v reflect.Value) {
	if v.IsNil() {
		return
	}
	for _, key := range v.MapKeys() {
		name, renamed := m.changed(key)
		value, changed := m.changed(v.MapIndex(key))
		if renamed {
			v.SetMapIndex(key, reflect.Value{})
		}
		if renamed || changed {
			v.SetMapIndex(name, value)
		}
	}
}
