package schema

import "encoding/json"

// The kinds of documents that mkhooks writes.
const (
	PlanDocument     = "plan"
	ResultDocument   = "result"
	ProblemsDocument = "problems"
)

// DocumentKind says which kind of document data is, by what only that kind
// has; "" where it is none of them.
func DocumentKind(data []byte) string {
	var head struct {
		Projects json.RawMessage `json:"projects"`
		Outcome  json.RawMessage `json:"outcome"`
		Problems json.RawMessage `json:"problems"`
	}
	if json.Unmarshal(data, &head) != nil {
		return ""
	}
	switch {
	case head.Projects != nil:
		return PlanDocument
	case head.Outcome != nil:
		return ResultDocument
	case head.Problems != nil:
		return ProblemsDocument
	}
	return ""
}
