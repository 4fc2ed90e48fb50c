package schema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

//go:embed rule.schema.json
var ruleJSON []byte

//go:embed config.schema.json
var configJSON []byte

//go:embed version.schema.json
var versionJSON []byte

// Rule returns the JSON Schema of a rule file, for editors and for "mkhooks schema
// rule".
func Rule() []byte { return bytes.Clone(ruleJSON) }

// Config returns the JSON Schema of the config file, mkhooks.yaml.
func Config() []byte { return bytes.Clone(configJSON) }

// Version returns the JSON Schema of the output of "mkhooks version --format json".
func Version() []byte { return bytes.Clone(versionJSON) }

// Violation is one mismatch between a value and a schema. It contains names and
// paths, never a value.
type Violation struct {
	// Path leads to the value: field names and list indexes.
	Path []string
	Kind ViolationKind
	// Names are the missing or unknown fields, sorted.
	Names []string
	// Allowed are the values of the schema, in its order, or its fields, sorted. For
	// [WrongType] they are the types.
	Allowed []string
	// Found describes the value found by its type, never the value itself.
	Found string
}

// ViolationKind is the kind of a violation.
type ViolationKind string

// The kinds of violations.
const (
	Missing   ViolationKind = "missing"    // required fields
	Unknown   ViolationKind = "unknown"    // fields that the schema does not know
	WrongType ViolationKind = "type"       // another type
	NotListed ViolationKind = "not listed" // none of the allowed values
	Empty     ViolationKind = "empty"      // a text or list without content
	Repeated  ViolationKind = "repeated"   // a list with a repeated item
	Misshapen ViolationKind = "form"       // a text of another form
	Forbidden ViolationKind = "forbidden"  // a name that no field of the object may have
	Malformed ViolationKind = "malformed"  // not reliable JSON; Found contains the reason
	Other     ViolationKind = "other"      // a keyword that is not described here
)

// lazySchema is a schema that is compiled on first use, to keep start-up fast.
type lazySchema struct {
	compile func() (*jsonschema.Schema, map[string]any)
}

func newSource(text []byte) *lazySchema {
	return &lazySchema{sync.OnceValues(func() (*jsonschema.Schema, map[string]any) {
		var raw map[string]any
		if err := json.Unmarshal(text, &raw); err != nil {
			panic("schema: " + err.Error()) // the schema is built in, and a test compiles it
		}
		id, _ := raw["$id"].(string)
		c := jsonschema.NewCompiler()
		if err := c.AddResource(id, bytes.NewReader(text)); err != nil {
			panic("schema: " + err.Error())
		}
		return c.MustCompile(id), raw
	})}
}

var (
	rule   = newSource(ruleJSON)
	config = newSource(configJSON)
)

// CheckRule returns the violations of the rule file schema in v, a value as
// encoding/json decodes it.
func CheckRule(v any) []Violation { return rule.findViolations(v) }

// CheckConfig returns the violations of the config file schema in v.
func CheckConfig(v any) []Violation { return config.findViolations(v) }

// findViolations returns the violations of the schema in v.
func (s *lazySchema) findViolations(v any) []Violation {
	compiled, raw := s.compile()
	err := compiled.Validate(v)
	var failure *jsonschema.ValidationError
	if err == nil {
		return nil
	}
	if !errors.As(err, &failure) {
		return []Violation{{Kind: Other}}
	}
	var out []Violation
	visitLeaves(failure, func(leaf *jsonschema.ValidationError) {
		out = append(out, newViolation(leaf, v, raw))
	})
	return out
}

// visitLeaves calls each for the causes that have no further causes.
func visitLeaves(e *jsonschema.ValidationError, each func(*jsonschema.ValidationError)) {
	if len(e.Causes) == 0 {
		each(e)
	}
	for _, c := range e.Causes {
		visitLeaves(c, each)
	}
}

// newViolation converts an error of the library. It takes only the path and the keyword
// from the library and describes the violation itself. The library's texts contain
// values, and list names in random order.
func newViolation(leaf *jsonschema.ValidationError, v any, raw map[string]any) Violation {
	out := Violation{Path: splitPointer(leaf.InstanceLocation), Kind: Other}
	_, keyword, _ := strings.Cut(leaf.AbsoluteKeywordLocation, "#") // after every $ref
	at := splitPointer(keyword)
	if len(at) == 0 {
		return out
	}
	parent, _ := lookupPath(raw, at[:len(at)-1]).(map[string]any)
	value := lookupPath(v, out.Path)
	found, _ := value.(map[string]any)
	out.Found = describeType(value)
	switch at[len(at)-1] {
	case "required":
		out.Kind = Missing
		for _, name := range stringsOf(parent["required"]) {
			if _, ok := found[name]; !ok {
				out.Names = append(out.Names, name)
			}
		}
		slices.Sort(out.Names)
	case "additionalProperties":
		out.Kind = Unknown
		properties, _ := parent["properties"].(map[string]any)
		out.Allowed = slices.Sorted(maps.Keys(properties))
		for name := range found {
			if _, ok := properties[name]; !ok {
				out.Names = append(out.Names, name)
			}
		}
		slices.Sort(out.Names)
	case "type":
		out.Kind = WrongType
		out.Allowed = stringsOf(parent["type"])
	case "enum":
		out.Kind = NotListed
		out.Allowed = stringsOf(parent["enum"])
	case "const":
		out.Kind = NotListed
		out.Allowed = stringsOf(parent["const"])
	case "pattern":
		out.Kind = Misshapen
		out.Allowed = stringsOf(parent["pattern"])
	case "minimum", "maximum":
		out.Kind = NotListed
		out.Allowed = allowedBounds(parent)
	case "minLength", "minItems", "minProperties":
		out.Kind = Empty
	case "uniqueItems":
		out.Kind = Repeated
	case "not":
		out.Kind = Forbidden
	}
	return out
}

// allowedBounds returns the minimum and the maximum that a schema allows.
func allowedBounds(schema map[string]any) []string {
	var out []string
	for _, b := range []struct{ keyword, words string }{{"minimum", "at least "}, {"maximum", "at most "}} {
		if n := stringsOf(schema[b.keyword]); n != nil {
			out = append(out, b.words+n[0])
		}
	}
	return out
}

// stringsOf converts a text, a number or a list of texts.
func stringsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		out := make([]string, 0, len(v))
		for _, x := range v {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// splitPointer splits a JSON pointer.
func splitPointer(p string) []string {
	p = strings.TrimPrefix(p, "/")
	if p == "" {
		return nil
	}
	parts := strings.Split(p, "/")
	for i, part := range parts {
		// The library percent-encodes the tokens of its pointers.
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts
}

// lookupPath follows a path into decoded JSON. It returns nil if the path does not
// exist.
func lookupPath(v any, path []string) any {
	for _, name := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// Nearest returns the candidate that a misspelled word was probably meant to be, or
// "". It ignores letter case and a missing prefix up to a dot. At most a third of
// the letters may differ.
func Nearest(word string, candidates []string) string {
	if len(word) > 100 { // words come from files, and the cost is quadratic
		return ""
	}
	bare := func(s string) string {
		if i := strings.LastIndexByte(s, '.'); i >= 0 {
			s = s[i+1:]
		}
		return strings.ToLower(s)
	}
	best, bestDistance := "", max(1, len(bare(word))/3)+1
	for _, c := range candidates {
		d := min(editDistance(strings.ToLower(word), strings.ToLower(c)), editDistance(bare(word), bare(c)))
		if d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance counts the letters to change, add, remove or swap with a neighbour.
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([]int, 3*(len(y)+1))
	before, row, next := rows[:len(y)+1], rows[len(y)+1:2*(len(y)+1)], rows[2*(len(y)+1):]
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		next[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(y)]
}

// IsNear reports whether at most n letters must be changed, added, removed or
// swapped with a neighbour to turn one word into the other.
func IsNear(a, b string, n int) bool { return len(a) < 100 && editDistance(a, b) <= n }
