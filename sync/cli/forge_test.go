package cli

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// scriptForge edits a saved plan and recomputes its checksum, like an attacker
// who has the source. Usage: forge FILE TO PATH JSON, for example forge
// plan.json forged.json projects/0/changes/0/after/url '"https://x/"'.
func scriptForge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: forge FILE TO PATH JSON")
	}
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	var value any
	ts.Check(json.Unmarshal([]byte(args[3]), &value))
	parts := strings.Split(args[2], "/")
	at := doc
	for i, part := range parts {
		switch v := at.(type) {
		case map[string]any:
			if i == len(parts)-1 {
				v[part] = value
			}
			at = v[part]
		case []any:
			n, err := strconv.Atoi(part)
			ts.Check(err)
			if i == len(parts)-1 {
				v[n] = value
			}
			at = v[n]
		default:
			ts.Fatalf("%s leads nowhere", args[2])
		}
	}
	delete(doc.(map[string]any), "checksum")
	raw, err := json.Marshal(doc)
	ts.Check(err)
	var p plan.Plan
	ts.Check(json.Unmarshal(raw, &p))
	sum, err := p.ComputeChecksum()
	ts.Check(err)
	doc.(map[string]any)["checksum"] = sum
	raw, err = json.MarshalIndent(doc, "", "  ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), raw, 0o600))
}
