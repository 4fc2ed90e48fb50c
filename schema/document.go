package schema

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

//go:embed plan.schema.json
var planJSON []byte

//go:embed result.schema.json
var resultJSON []byte

//go:embed problems.schema.json
var problemsJSON []byte

//go:embed record.schema.json
var recordJSON []byte

//go:embed history.schema.json
var historyJSON []byte

//go:embed settings.schema.json
var settingsJSON []byte

//go:embed rule-origins.schema.json
var ruleOriginsJSON []byte

// Plan is the JSON Schema of a plan document, for those who read one and for
// "mkhooks schema plan".
func Plan() []byte { return bytes.Clone(planJSON) }

// Result is the JSON Schema of a result document.
func Result() []byte { return bytes.Clone(resultJSON) }

// Problems is the JSON Schema of a problems document.
func Problems() []byte { return bytes.Clone(problemsJSON) }

// Record is the JSON Schema of what an audit file says of some runs.
func Record() []byte { return bytes.Clone(recordJSON) }

// History is the JSON Schema of a history document.
func History() []byte { return bytes.Clone(historyJSON) }

// Settings is the JSON Schema of what is in force for a run.
func Settings() []byte { return bytes.Clone(settingsJSON) }

// RuleOrigins is the JSON Schema of a rule's origins.
func RuleOrigins() []byte { return bytes.Clone(ruleOriginsJSON) }

// The kinds of documents that mkhooks writes.
const (
	PlanDocument     = "plan"
	ResultDocument   = "result"
	ProblemsDocument = "problems"
	RecordDocument   = "record"
	HistoryDocument  = "history"
	SettingsDocument = "settings"
	OriginsDocument  = "rule-origins"
)

var documents = map[string]*source{
	PlanDocument:     newSource(planJSON),
	ResultDocument:   newSource(resultJSON),
	ProblemsDocument: newSource(problemsJSON),
	RecordDocument:   newSource(recordJSON),
	HistoryDocument:  newSource(historyJSON),
	SettingsDocument: newSource(settingsJSON),
	OriginsDocument:  newSource(ruleOriginsJSON),
}

// DocumentKind says which kind of document data is, by what only that kind
// has; "" where it is none of them.
func DocumentKind(data []byte) string {
	var head struct {
		Projects json.RawMessage `json:"projects"`
		Outcome  json.RawMessage `json:"outcome"`
		Problems json.RawMessage `json:"problems"`
		Runs     json.RawMessage `json:"runs"`
		Rules    json.RawMessage `json:"rules"`
		Settings json.RawMessage `json:"settings"`
		Fields   json.RawMessage `json:"fields"`
	}
	if json.Unmarshal(data, &head) != nil {
		return ""
	}
	switch {
	case head.Settings != nil:
		return SettingsDocument
	case head.Projects != nil:
		return PlanDocument
	case head.Outcome != nil:
		return ResultDocument
	case head.Problems != nil:
		return ProblemsDocument
	case head.Runs != nil:
		return RecordDocument
	case head.Rules != nil:
		return HistoryDocument
	case head.Fields != nil:
		return OriginsDocument
	}
	return ""
}

// CheckDocument says how JSON differs from the schema of a kind of document;
// nil where it fits. What is no JSON, or holds a key twice, which readers take
// for different things, is one violation of the kind [Malformed].
func CheckDocument(kind string, data []byte) []Violation {
	doc := documents[kind]
	if doc == nil {
		panic("schema: no schema of a document " + strconv.Quote(kind))
	}
	v, path, err := decodeStrictly(data)
	if err != nil {
		return []Violation{{Path: path, Kind: Malformed, Found: err.Error()}}
	}
	out := doc.check(v)
	slices.SortStableFunc(out, func(a, b Violation) int {
		return cmp.Or(slices.CompareFunc(a.Path, b.Path, compareNames), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// compareNames orders names of fields by letters and indexes by number.
func compareNames(a, b string) int {
	i, errA := strconv.Atoi(a)
	j, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a, b)
}

// Message says in words what is wrong: where, what was found, and what was
// expected. Texts of the document are in it only where they are names of fields.
func (v Violation) Message() string {
	at := v.formatPath()
	switch v.Kind {
	case Missing:
		return at + " lacks " + strings.Join(v.Names, ", ")
	case Unknown:
		return at + " has unknown " + plural(len(v.Names), "field ", "fields ") + shortNames(v.Names) + "; expected " + strings.Join(v.Allowed, ", ")
	case WrongType:
		return at + " is " + v.Found + "; expected " + strings.Join(v.Allowed, " or ")
	case NotListed:
		return at + " is " + v.Found + " that has no place here; expected " + strings.Join(v.Allowed, ", ")
	case Misshapen:
		return at + " is " + v.Found + " that does not match " + strings.Join(v.Allowed, " ")
	case Empty:
		return at + " is empty"
	case Repeated:
		return at + " holds an item twice"
	case Malformed:
		return at + " " + v.Found
	}
	return at + " does not fit the schema"
}

// formatPath is the path in the words of a program: projects[0].changes[2].rule.
func (v Violation) formatPath() string {
	var b strings.Builder
	for _, name := range v.Path {
		switch {
		case name != "" && strings.Trim(name, "0123456789") == "":
			b.WriteString("[" + name + "]")
		case isPlain(name):
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(name)
		default:
			b.WriteString("[" + shortNames([]string{name}) + "]")
		}
	}
	if b.Len() == 0 {
		return "the document"
	}
	return b.String()
}

// isPlain reports whether a name stands without quotes: a letter, then up to 63
// letters, digits, _ and -.
func isPlain(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return name != "" && len(name) <= 64 && strings.Trim(name[:1], letters) == "" && strings.Trim(name, letters+"0123456789_-") == ""
}

// shortNames quotes names and cuts what nobody would read.
func shortNames(names []string) string {
	const most = 5
	var out []string
	for i, n := range names {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		if r := []rune(n); len(r) > 64 {
			n = string(r[:64]) + "…"
		}
		out = append(out, strconv.QuoteToASCII(n))
	}
	return strings.Join(out, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// typeOf is what a JSON value is, with its article.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return "a number"
}

// decodeStrictly reads one JSON value, in which no object has a key twice. With
// an error comes the path to the place.
func decodeStrictly(data []byte) (v any, path []string, err error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil, errors.New("is empty; expected JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // a number of a field's value may be any
	v, path, err = decodeValue(dec, nil)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			return nil, nil, fmt.Errorf("goes on behind its end, at byte %d", dec.InputOffset())
		}
		return v, nil, nil
	}
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return nil, nil, fmt.Errorf("is cut short: the JSON ends in the middle, after %d bytes", len(data))
	case errors.As(err, &syntax):
		return nil, nil, fmt.Errorf("is no JSON: what stands at byte %d can't be read", syntax.Offset)
	}
	return nil, path, err
}

// maxDepth is how deep values may be nested: ours are ten levels deep, and
// what the service keeps in fields that we don't know is not much deeper.
const maxDepth = 200

func decodeValue(dec *json.Decoder, path []string) (any, []string, error) {
	if len(path) > maxDepth {
		return nil, nil, fmt.Errorf("is nested deeper than %d levels", maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return nil, path, err
	}
	switch token {
	case json.Delim('{'):
		out := map[string]any{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, path, err
			}
			name, _ := key.(string)
			at := append(slices.Clip(path), name)
			if _, twice := out[name]; twice {
				return nil, at, errors.New("stands there twice")
			}
			value, place, err := decodeValue(dec, at)
			if err != nil {
				return nil, place, err
			}
			out[name] = value
		}
		_, err := dec.Token()
		return out, path, err
	case json.Delim('['):
		out := []any{}
		for dec.More() {
			value, place, err := decodeValue(dec, append(slices.Clip(path), strconv.Itoa(len(out))))
			if err != nil {
				return nil, place, err
			}
			out = append(out, value)
		}
		_, err := dec.Token()
		return out, path, err
	}
	return token, path, nil
}
