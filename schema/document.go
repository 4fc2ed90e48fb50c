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

// Plan returns the JSON Schema of a plan document, for programs that read plans and
// for "mkhooks schema plan".
func Plan() []byte { return bytes.Clone(planJSON) }

// Result returns the JSON Schema of a result document.
func Result() []byte { return bytes.Clone(resultJSON) }

// Problems returns the JSON Schema of a problems document.
func Problems() []byte { return bytes.Clone(problemsJSON) }

// Record returns the JSON Schema of a record document: some runs of an audit log.
func Record() []byte { return bytes.Clone(recordJSON) }

// History returns the JSON Schema of a history document.
func History() []byte { return bytes.Clone(historyJSON) }

// Settings returns the JSON Schema of the settings in force for a run.
func Settings() []byte { return bytes.Clone(settingsJSON) }

// RuleOrigins returns the JSON Schema of a rule's origins.
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

var documents = map[string]*lazySchema{
	PlanDocument:     newSource(planJSON),
	ResultDocument:   newSource(resultJSON),
	ProblemsDocument: newSource(problemsJSON),
	RecordDocument:   newSource(recordJSON),
	HistoryDocument:  newSource(historyJSON),
	SettingsDocument: newSource(settingsJSON),
	OriginsDocument:  newSource(ruleOriginsJSON),
}

// DocumentKind returns the kind of a document, identified by a field that only this
// kind has. It returns "" for other data.
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

// CheckDocument returns the violations of the schema of a document kind, or nil if
// JSON is valid. Data that is not JSON, or repeats a key, is one violation of kind
// [Malformed]: readers disagree on a repeated key.
func CheckDocument(kind string, data []byte) []Violation {
	doc := documents[kind]
	if doc == nil {
		panic("schema: no schema of a document " + strconv.Quote(kind))
	}
	v, path, err := decodeStrictly(data)
	if err != nil {
		return []Violation{{Path: path, Kind: Malformed, Found: err.Error()}}
	}
	out := doc.findViolations(v)
	slices.SortStableFunc(out, func(a, b Violation) int {
		return cmp.Or(slices.CompareFunc(a.Path, b.Path, compareNames), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// compareNames orders field names by letters and indexes by number.
func compareNames(a, b string) int {
	i, errA := strconv.Atoi(a)
	j, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a, b)
}

// Message describes the violation: path, value found, value expected. It contains
// texts of the document only if they are field names.
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

// formatPath formats the path as programs do: projects[0].changes[2].rule.
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

// isPlain reports whether a name needs no quotes: a letter, then up to 63 letters,
// digits, _ and -.
func isPlain(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return name != "" && len(name) <= 64 && strings.Trim(name[:1], letters) == "" && strings.Trim(name, letters+"0123456789_-") == ""
}

// shortNames quotes names. It shows at most 5 names of at most 64 characters.
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

// describeType describes the type of a JSON value, with its article.
func describeType(v any) string {
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

// decodeStrictly decodes one JSON value and rejects a repeated key in an object. It
// returns the path of an error.
func decodeStrictly(data []byte) (v any, path []string, err error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil, errors.New("is empty; expected JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // a field may have any number
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

// maxDepth limits the nesting of values. Our documents have ten levels. Unknown
// fields of the service are not much deeper.
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
