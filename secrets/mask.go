package secrets

import (
	"encoding/json"
	"reflect"
)

// Mask replaces every text below v in which [Scrubber.Reveals] finds a value or
// a part of it, also keys of maps. It returns the number of replacements. v is a
// pointer to a document that is only shown. Mask skips unexported fields and
// numbers.
func (s *Scrubber) Mask(v any, with string) int {
	return s.mask(v, with, (*Scrubber).reveals)
}

// MaskWhole does the same for a document that is data, such as the manifest of an
// archive: only complete values count ([Scrubber.Holds]).
func (s *Scrubber) MaskWhole(v any, with string) int {
	return s.mask(v, with, (*Scrubber).holdsLocked)
}

func (s *Scrubber) mask(v any, with string, found func(*Scrubber, []byte) bool) int {
	if s == nil {
		return 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.data.raw.shortest == 0 {
		return 0
	}
	m := masking{found: func(text []byte) bool { return found(s, text) }, with: with}
	m.maskValue(reflect.ValueOf(v))
	return m.n
}

type masking struct {
	found func([]byte) bool
	with  string
	n     int
}

var rawJSON = reflect.TypeFor[json.RawMessage]()

func (m *masking) maskValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			m.maskValue(v.Elem())
		}
	case reflect.Interface:
		m.maskInterface(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				m.maskValue(f)
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type() == rawJSON {
			m.maskRawJSON(v)
			return
		}
		switch v.Type().Elem().Kind() {
		case reflect.String, reflect.Pointer, reflect.Interface, reflect.Struct, reflect.Slice, reflect.Map:
			for i := range v.Len() {
				m.maskValue(v.Index(i))
			}
		}
	case reflect.Map:
		m.maskMap(v)
	case reflect.String:
		if v.CanSet() && m.found([]byte(v.String())) {
			m.n++
			v.SetString(m.with)
		}
	}
}

func (m *masking) maskRawJSON(v reflect.Value) {
	if v.CanSet() && m.found(v.Bytes()) {
		m.n++
		quoted, _ := json.Marshal(m.with) // never fails for a string
		v.SetBytes(quoted)
	}
}

// maskedCopy returns a masked copy of a value that can't be set in place.
func (m *masking) maskedCopy(v reflect.Value) (reflect.Value, bool) {
	before := m.n
	to := reflect.New(v.Type()).Elem()
	to.Set(v)
	m.maskValue(to)
	return to, m.n > before
}

func (m *masking) maskInterface(v reflect.Value) {
	if v.IsNil() {
		return
	}
	if to, changed := m.maskedCopy(v.Elem()); changed && v.CanSet() {
		v.Set(to)
	}
}

func (m *masking) maskMap(v reflect.Value) {
	if v.IsNil() {
		return
	}
	for _, key := range v.MapKeys() {
		name, renamed := m.maskedCopy(key)
		value, changed := m.maskedCopy(v.MapIndex(key))
		if renamed {
			v.SetMapIndex(key, reflect.Value{})
		}
		if renamed || changed {
			v.SetMapIndex(name, value)
		}
	}
}

// Copy returns a copy of a document to mask. It copies all that
// [Scrubber.Mask] can replace; unexported fields still share their content.
func Copy[T any](v T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	out.Set(copyOf(reflect.ValueOf(v)))
	return out.Interface().(T)
}

func copyOf(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Invalid || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface || v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.IsNil() {
		return v
	}
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(copyOf(v.Elem()))
	case reflect.Interface:
		out.Set(copyOf(v.Elem()))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := out.Field(i); f.CanSet() {
				f.Set(copyOf(v.Field(i)))
			}
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		reflect.Copy(out, v)
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			out.Index(i).Set(copyOf(v.Index(i)))
		}
	case reflect.Map:
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for _, key := range v.MapKeys() {
			out.SetMapIndex(key, copyOf(v.MapIndex(key)))
		}
	}
	return out
}
