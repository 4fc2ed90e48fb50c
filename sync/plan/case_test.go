package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A case is a txtar archive. desired.json and live.json hold rules in a short
// form (see shortRule). Each options/NAME.json gives a plan: as lines in
// plan/NAME.txt, and as the document in plan/NAME.json if that file exists.

// shortRule is a rule in a case. Omitted fields come from baseRule.
type shortRule struct {
	Name, ID    string
	URL         string
	Enabled     bool
	Events      []webhook.EventType
	Headers     map[string]string
	QueryParams map[string]string
	AuthHeaders []string
	AuthParams  []string
	// Auth is a word in place of the ciphertext; "plaintext" for none.
	Auth string

	// The following fields are for live rules.
	Unknown map[string]json.RawMessage
	Marker  *shortMarker
	// MarkerText is written verbatim.
	MarkerText string
}

// shortMarker is a marker in a case.
type shortMarker struct {
	Owner string          // default: "video"
	Rule  string          // the rule it was made for; default: this rule
	Auth  string          // as in shortRule; default: the rule's Auth
	Spec  json.RawMessage // difference between the applied spec and the live spec
	Kept  json.RawMessage // difference between the service's spelling and the live spec
	// AuthNames are the headers as they were applied; default: the live headers.
	AuthNames []string
}

func baseRule() shortRule {
	return shortRule{
		URL: "https://hooks.example.com/mkio", Enabled: true,
		Events: []webhook.EventType{"MediaKind.JobFinished", "MediaKind.JobStarted"},
	}
}

func (s shortRule) spec() webhook.Spec {
	return webhook.Spec{
		URL: s.URL, Enabled: s.Enabled, Events: s.Events, Headers: s.Headers, QueryParams: s.QueryParams,
		Auth: webhook.AuthNames{Headers: s.AuthHeaders, QueryParams: s.AuthParams}, Unknown: s.Unknown,
	}
}

func (s shortRule) authDigest(word string) webhook.Digest {
	if word == "plaintext" {
		return webhook.AuthUnknown
	}
	return webhook.AuthDigest(s.sealedValues(word))
}

// sealedValues returns the values of a rule. A word represents their ciphertext.
// Words separated by commas are for single values, in the order of the names.
// The prefix shared: makes a value belong to a shared secrets file.
func (s shortRule) sealedValues(words string) []webhook.SealedValue {
	if words == "plaintext" {
		return nil
	}
	var out []webhook.SealedValue
	list := strings.Split(words, ",")
	add := func(path string) {
		word, shared := strings.CutPrefix(list[min(len(out), len(list)-1)], "shared:")
		out = append(out, webhook.SealedValue{Path: path, Ciphertext: word, Shared: shared})
	}
	for _, name := range s.AuthHeaders {
		add("headers/" + name)
	}
	for _, name := range s.AuthParams {
		add("queryParams/" + name)
	}
	return out
}

func (s shortRule) desired() webhook.Desired {
	return webhook.Desired{
		Rule: webhook.Rule{Name: s.Name, Spec: s.spec()}, AuthDigest: s.authDigest(s.Auth), Values: s.sealedValues(s.Auth), File: "rules/" + s.Name + ".yaml", Line: 2,
	}
}

func (s shortRule) live(t *testing.T, project string) webhook.Rule {
	t.Helper()
	r := webhook.Rule{ID: "id-" + s.Name, Name: s.Name, Spec: s.spec()}
	if s.ID != "" {
		r.ID = s.ID
	}
	if s.MarkerText != "" {
		r.Spec = r.Spec.Clone()
		if r.Spec.Headers == nil {
			r.Spec.Headers = map[string]string{}
		}
		r.Spec.Headers[webhook.MarkerHeader] = s.MarkerText
	}
	if s.Marker == nil {
		return r
	}
	m := *s.Marker
	applied := s.withFields(t, m.Spec)
	if m.AuthNames != nil {
		applied.AuthHeaders = m.AuthNames
	}
	marker := webhook.Marker{Owner: "video", ID: webhook.RuleID(project, s.Name), Spec: webhook.SpecDigest(applied.spec()), Auth: applied.authDigest(s.Auth)}
	if m.Owner != "" {
		marker.Owner = m.Owner
	}
	if m.Rule != "" {
		marker.ID = webhook.RuleID(project, m.Rule)
	}
	if m.Auth != "" {
		marker.Auth = applied.authDigest(m.Auth)
	}
	if m.Kept != nil {
		marker.Kept = webhook.SpecDigest(s.withFields(t, m.Kept).spec())
	}
	r.Spec = r.Spec.WithMarker(marker)
	return r
}

// withFields returns the rule with the given fields replaced; an empty header is
// removed.
func (s shortRule) withFields(t *testing.T, fields json.RawMessage) shortRule {
	t.Helper()
	s.Headers = s.spec().Clone().Headers
	if len(fields) > 0 {
		decode(t, fields, &s)
	}
	for name, value := range s.Headers {
		if value == "" {
			delete(s.Headers, name)
		}
	}
	return s
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
}

// readRules reads rules in short form: one JSON object a line, with blank lines
// and # comments between them.
func readRules(t *testing.T, data []byte) []shortRule {
	t.Helper()
	var rules []shortRule
	for _, line := range strings.Split(string(data), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r := baseRule()
		decode(t, []byte(line), &r)
		rules = append(rules, r)
	}
	return rules
}

// caseOptions is the content of options/NAME.json.
type caseOptions struct {
	Owner        string
	FormerOwners []string
	MaxDeletes   string
	Warnings     []string
	Options
}

const project = "demo"

func caseInput(t *testing.T, desired, live []shortRule, o caseOptions) Input {
	t.Helper()
	in := Input{
		Project: project, BaseURL: "https://app.mk.io", Owner: o.Owner, FormerOwners: o.FormerOwners,
		Paths: []string{"rules"}, Options: o.Options, Warnings: o.Warnings,
		Now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Tool: Tool{Name: "mkhooks", Version: "test"}, Source: Source{Commit: "c0ffee"},
	}
	in.Options.MaxDeletes = Limit{Percent: 100}
	if o.MaxDeletes != "" {
		limit, err := ParseLimit(o.MaxDeletes)
		if err != nil {
			t.Fatal(err)
		}
		in.Options.MaxDeletes = limit
	}
	for _, r := range desired {
		in.Desired = append(in.Desired, r.desired())
	}
	for _, r := range live {
		in.Live = append(in.Live, r.live(t, project))
	}
	return in
}

func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			archive := txtar.Parse(data)
			runCase(t, archive)
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func runCase(t *testing.T, archive *txtar.Archive) {
	sections := map[string]*[]byte{}
	for i := range archive.Files {
		sections[archive.Files[i].Name] = &archive.Files[i].Data
	}
	section := func(name string) []byte {
		if sections[name] == nil {
			return nil
		}
		return *sections[name]
	}
	desired, live := readRules(t, section("desired.json")), readRules(t, section("live.json"))
	for _, f := range archive.Files {
		name, ok := strings.CutPrefix(f.Name, "options/")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, ".json")
		var o caseOptions
		decode(t, f.Data, &o)
		p := New(caseInput(t, desired, live, o))
		document(t, p) // checks it against its schema
		got := map[string][]byte{"plan/" + name + ".txt": []byte(planLines(p))}
		if section("plan/"+name+".json") != nil {
			doc, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got["plan/"+name+".json"] = append(doc, '\n')
		}
		for file, data := range got {
			switch {
			case *update && sections[file] != nil:
				*sections[file] = data
			case *update:
				archive.Files = append(archive.Files, txtar.File{Name: file, Data: data})
			default:
				if diff := cmp.Diff(string(section(file)), string(data)); diff != "" {
					t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
				}
			}
		}
	}
}

// planLines returns a plan in lines, without the digests.
func planLines(p *Plan) string {
	var b strings.Builder
	project := p.Projects[0]
	fmt.Fprintf(&b, "prune %s\n", project.Guards.Prune)
	if len(project.Guards.Lifted) > 0 {
		fmt.Fprintf(&b, "lifted: %s\n", strings.Join(project.Guards.Lifted, ", "))
	}
	for _, c := range project.Changes {
		fmt.Fprintf(&b, "%s %s: %s, auth %s\n", c.Action, c.Rule, c.Direction, c.Auth)
		for _, f := range c.Fields {
			fmt.Fprintf(&b, "    %s %s", f.Op, f.Path)
			if f.Before != nil {
				fmt.Fprintf(&b, " before %v", f.Before)
			}
			if f.After != nil {
				fmt.Fprintf(&b, " after %v", f.After)
			}
			b.WriteByte('\n')
		}
		if c.SecretTo != "" {
			fmt.Fprintf(&b, "    secret to %s\n", c.SecretTo)
		}
		if c.RenameOf != "" {
			fmt.Fprintf(&b, "    rename of %s\n", c.RenameOf)
		}
		if c.Blocked != nil {
			if c.Blocked.Guard == GuardDestination && (c.Blocked.Lift != "" || !strings.Contains(c.Blocked.Reason, "confirm the host") && !strings.Contains(c.Blocked.Reason, "plain ASCII")) {
				fmt.Fprintf(&b, "    THE HOST IS OFFERED, OR NOBODY IS ASKED TO DECIDE\n")
			}
			fmt.Fprintf(&b, "    BLOCKED %s: %s\n", c.Blocked.Guard, c.Blocked.Reason)
			if c.Blocked.Lift != "" {
				fmt.Fprintf(&b, "      lift with %s\n", c.Blocked.Lift)
			}
		}
	}
	for _, u := range project.Unmanaged {
		fmt.Fprintf(&b, "unmanaged %s: %s\n", u.Rule, u.Reason)
	}
	for _, u := range project.Uncertain {
		fmt.Fprintf(&b, "unsettled %s: auth %t, unknown %v\n", u.Rule, u.Auth, u.Unknown)
	}
	for _, w := range project.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	s := p.Summary
	fmt.Fprintf(&b, "%d create, %d update, %d delete, %d blocked, %d in sync, %d unmanaged\n",
		s.Create, s.Update, s.Delete, s.Blocked, s.InSync, s.Unmanaged)
	return b.String()
}
