package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

func TestMatchRule(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, rule string
		want          bool
	}{
		{"job", "job", true},
		{"job", "job2", false},
		{"job", "Job", false},
		{"", "job", false},
		{"", "", false},
		{"*", "job", true},
		{"*", "", true},
		{"*", "a/b", true},
		{"job-*", "job-", true},
		{"job-*", "job-a/b", true},
		{"job-*", "xjob-a", false},
		{"*-eu", "billing-eu", true},
		{"*-eu", "billing-eu2", false},
		{"a*b*c", "a1b2b3c", true},
		{"a*b*c", "a1b2b3", false},
		{"?ob", "job", true},
		{"?ob", "öob", true},
		{"?ob", "ob", false},
		{"**", "x", true},
		{"job?", "job", false},
		{"demo/job", "job", true},
		{"demo/j*", "job", true},
		{"demo/", "job", false},
		{"demo/*", "job", true},
		{"other/job", "job", false},
		{"other/*", "job", false},
		{"other/job", "other/job", true},
		{"demo/a/b", "a/b", true},
		{"de*/job", "job", false},
		{"[ab]", "a", false},
		{"[ab]", "[ab]", true},
		{"a*", "a*", true},
		{`\*`, "*", true},
		{`\*`, "job", false},
		{`demo/a\*`, "a*", true},
		{`demo/a\*`, "ab", false},
		{`a\?\\*`, `a?\x`, true},
		{`a\`, `a\`, true},
		{`a\b`, "ab", true},
	} {
		if got := MatchRule([]string{"no such rule", tt.pattern}, "demo", tt.rule); got != tt.want {
			t.Errorf("MatchRule(%q, demo, %q) = %t, want %t", tt.pattern, tt.rule, got, tt.want)
		}
	}
	if MatchRule(nil, "demo", "job") {
		t.Error("no pattern matches a rule")
	}
	// Matching must not take exponential time, whatever the pattern.
	if MatchRule([]string{strings.Repeat("*a", 200) + "b"}, "demo", strings.Repeat("a", 5000)) {
		t.Error("a pattern that ends in b matches a name that does not")
	}
}

func TestParseLimit(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Limit{
		"0": {}, "12": {Count: 12}, "007": {Count: 7}, "30%": {Percent: 30}, "0%": {}, "100%": {Percent: 100}, "2.5%": {Percent: 2.5},
	} {
		if got, err := ParseLimit(in); err != nil || got != want {
			t.Errorf("ParseLimit(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "%", "-1", "+1", "1.5", "101%", "-1%", "+1%", "1e1%", "0x1p1%", "NaN%", "Inf%", " 1", "1 %", "1_0", "ten", "30 %", "1%%", "99999999999999999999"} {
		if got, err := ParseLimit(in); err == nil {
			t.Errorf("ParseLimit(%q) = %v, want an error", in, got)
		} else if want := fmt.Sprintf("%q: expected a count such as 12, or a share of 0%% to 100%%", in); err.Error() != want {
			t.Errorf("ParseLimit(%q): error %q, want %q", in, err, want)
		}
	}
}

func TestLimitOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit string
		n     int
		want  int
	}{
		{"30%", 0, 0}, {"30%", 1, 1}, {"30%", 3, 1}, {"30%", 4, 2}, {"30%", 10, 3}, {"30%", 11, 4},
		{"100%", 7, 7}, {"0%", 7, 0}, {"12", 7, 12}, {"0", 7, 0}, {"1.1%", 1000, 11}, {"0.1%", 1, 1}, {"7%", 100, 7}, {"33.3%", 1000, 333},
	} {
		limit, err := ParseLimit(tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		if got := limit.countOf(tt.n); got != tt.want {
			t.Errorf("%s of %d = %d, want %d", tt.limit, tt.n, got, tt.want)
		}
		if again, err := ParseLimit(limit.String()); err != nil || again != limit {
			t.Errorf("%s is printed as %q, which reads as %v, %v", tt.limit, limit, again, err)
		}
	}
}

func TestFlagForCanBePasted(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"job": "--adopt job", "two words": "--adopt 'two words'", "it's": `--adopt 'it'\''s'`, "-x": "--adopt=-x",
		"-x y": "--adopt='-x y'", "": "--adopt ''", "$(id)": "--adopt '$(id)'", "a*": "--adopt 'a*'", "h:8443": "--adopt h:8443",
	} {
		if got := flagFor("adopt", value); got != want {
			t.Errorf("flagFor(adopt, %q) = %s, want %s", value, got, want)
		}
	}
}

// baseInput returns an input with one change of each kind.
func baseInput() Input {
	spec := webhook.Spec{URL: "https://hooks.example.com/", Enabled: true, Events: []webhook.EventType{"a"}}
	marked := func(name string, s webhook.Spec) webhook.Rule {
		return webhook.Rule{ID: "id-" + name, Name: name, Spec: s.WithMarker(webhook.Marker{
			Owner: "video", ID: webhook.RuleID("demo", name), Spec: webhook.SpecDigest(s), Auth: webhook.AuthDigest(nil)})}
	}
	other := spec.Clone()
	other.Enabled = false
	third := spec.Clone()
	third.URL += "gone"
	file := func(name string) webhook.Desired {
		return webhook.Desired{Rule: webhook.Rule{Name: name, Spec: spec}, AuthDigest: webhook.AuthDigest(nil), File: name + ".yaml"}
	}
	return Input{
		Project: "demo", BaseURL: "https://app.mk.io", Owner: "video",
		Desired: []webhook.Desired{file("new"), file("moved"), file("same")},
		Live:    []webhook.Rule{marked("moved", other), marked("same", spec), marked("gone", third)},
		Options: Options{Prune: PruneOwned, MaxDeletes: Limit{Percent: 100}, ArchiveSet: true, AllowEmpty: true, Adopt: []string{"b", "a"}},
	}
}

// TestDigestIsPinned: the expected digest is written by hand, because pipelines
// store digests. The coverage and computation of a digest must not change
// unnoticed.
func TestDigestIsPinned(t *testing.T) {
	t.Parallel()
	in := baseInput()
	in.Options.ArchiveSet, in.Options.Protect = false, []string{"moved"}
	in.Desired[0].Spec.Auth.Headers, in.Desired[0].AuthDigest = []string{"X-Secret"}, "0123456789abcdef0123456789abcdef"
	p := New(in)
	c := p.Projects[0].Changes
	if len(c) != 3 {
		t.Fatalf("%d changes", len(c))
	}
	text := "mkhooks plan v2\n" + `[["https://app.mk.io","demo","video","owned",["adopt=a","adopt=b","allow-empty"],` +
		`{"archive":"","destinations":[],"formerOwners":[],"keyServices":[],"maxDeletes":"100%","protect":["moved"]},[` +
		`["gone","delete","absent","` + string(c[0].LiveDigest) + `","archive",""],` +
		`["moved","update","` + string(c[1].DesiredDigest) + `","` + string(c[1].LiveDigest) + `","",""],` +
		`["new","create","` + string(c[2].DesiredDigest) + `","absent","","hooks.example.com"]]]]`
	sum := sha256.Sum256([]byte(text))
	if got, want := p.Digest, webhook.Digest(hex.EncodeToString(sum[:])[:32]); got != want {
		t.Errorf("digest %s, want %s of %s", got, want, text)
	}
	if got, want := p.Digest, webhook.Digest("cd04df1eec91693eb438c705178b8504"); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestDigestCovers(t *testing.T) {
	t.Parallel()
	base := New(baseInput()).Digest
	for name, tt := range map[string]struct {
		change func(*Input)
		same   bool
	}{
		"nothing":       {func(*Input) {}, true},
		"time":          {func(in *Input) { in.Now = time.Unix(1, 0) }, true},
		"tool":          {func(in *Input) { in.Tool.Version = "2" }, true},
		"commit":        {func(in *Input) { in.Source = Source{Commit: "x", Dirty: true} }, true},
		"paths":         {func(in *Input) { in.Paths = []string{"x"} }, true},
		"CI":            {func(in *Input) { in.Options.CI = true }, true},
		"words":         {func(in *Input) { in.Options.Several = true }, true},
		"block":         {func(in *Input) { in.Options.ArchiveSet = false }, false},
		"block in CI":   {func(in *Input) { in.Options.ArchiveLocal, in.Options.CI = true, true }, false},
		"placeholder":   {func(in *Input) { in.Desired[0].Placeholders = []string{"spec.url"} }, false},
		"file":          {func(in *Input) { in.Desired[0].File = "x.yaml" }, true},
		"warnings":      {func(in *Input) { in.Warnings = []string{"x"} }, true},
		"in-sync rule":  {func(in *Input) { in.Live[1].ID = "another" }, true},
		"order":         {func(in *Input) { in.Options.Adopt = []string{"a", "b"} }, true},
		"base URL":      {func(in *Input) { in.BaseURL += "/" }, false},
		"owner":         {func(in *Input) { in.Owner, in.FormerOwners = "audio", []string{"video"} }, false},
		"prune":         {func(in *Input) { in.Options.Prune = PruneAll }, false},
		"lifted guard":  {func(in *Input) { in.Options.DropUnknown = true }, false},
		"lifted limit":  {func(in *Input) { in.Options.MaxDeletesLifted = true }, false},
		"lifted name":   {func(in *Input) { in.Options.Adopt = []string{"a", "c"} }, false},
		"live rule":     {func(in *Input) { in.Live[0].ID = "another" }, false},
		"desired rule":  {func(in *Input) { in.Desired[0].Spec.URL += "x" }, false},
		"ciphertext":    {func(in *Input) { in.Desired[0].AuthDigest = "x" }, false},
		"another rule":  {func(in *Input) { in.Desired = in.Desired[1:] }, false},
		"unknown field": {func(in *Input) { in.Live[0].Spec.Unknown = map[string]json.RawMessage{"x": json.RawMessage(`1`)} }, false},
	} {
		in := baseInput()
		tt.change(&in)
		if got := New(in).Digest; (got == base) != tt.same {
			t.Errorf("%s changed: digest is the same: %t, want %t", name, got == base, tt.same)
		}
	}
}

// TestDigestCoversEverySetting: a change of any single guard setting changes
// the digest, even if no change of the plan depends on it. Add a new setting to
// one of the two lists.
func TestDigestCoversEverySetting(t *testing.T) {
	t.Parallel()
	notCovered := map[string]string{
		"Narrowed": "picks changes, which are covered", "Only": "picks changes, which are covered",
		"Several": "words of a hint", "ResendAuth": "adds changes, which are covered",
		"CI": "of the machine; what it blocks is covered", "ArchiveSet": "Archive is covered, and what is blocked",
		"ArchiveLocal": "Archive is covered, and what is blocked",
	}
	base := baseInput()
	base.Desired, base.Live, base.Options = nil, nil, Options{}
	options := reflect.TypeFor[Options]()
	for i := range options.NumField() {
		field := options.Field(i)
		in := base
		switch v := reflect.ValueOf(&in.Options).Elem().Field(i); v.Interface().(type) {
		case bool:
			v.SetBool(true)
		case string, Prune:
			v.SetString("all")
		case []string:
			v.Set(reflect.ValueOf([]string{"x"}))
		case map[string]bool:
			v.Set(reflect.ValueOf(map[string]bool{"x": true}))
		case Limit:
			v.Set(reflect.ValueOf(Limit{Count: 7}))
		default:
			t.Errorf("%s is of a kind that this test does not change", field.Name)
		}
		_, left := notCovered[field.Name]
		if same := New(in).Digest == New(base).Digest; same != left {
			t.Errorf("%s changed: digest is the same: %t, want %t", field.Name, same, left)
		}
	}
	in := base
	in.FormerOwners = []string{"former"}
	if New(in).Digest == New(base).Digest {
		t.Error("a former owner gives the same digest")
	}
}

// TestDigestOfLists: the order of a list and duplicate entries do not change
// the digest. One name can't pass for two.
func TestDigestOfLists(t *testing.T) {
	t.Parallel()
	with := func(set func(*Options, []string), list ...string) webhook.Digest {
		in := baseInput()
		set(&in.Options, list)
		return New(in).Digest
	}
	for name, set := range map[string]func(*Options, []string){
		"protect":           func(o *Options, l []string) { o.Protect = l },
		"destinations":      func(o *Options, l []string) { o.Destinations = l },
		"key services":      func(o *Options, l []string) { o.KeyServices = l },
		"allow-destination": func(o *Options, l []string) { o.AllowDestinations = l },
		"drop-auth":         func(o *Options, l []string) { o.DropAuth = l },
		"take-over":         func(o *Options, l []string) { o.TakeOver = l },
		"adopt":             func(o *Options, l []string) { o.Adopt = l },
	} {
		if with(set, "x", "y") != with(set, "y", "x", "y") {
			t.Errorf("%s: another order gives another digest", name)
		}
		for _, one := range []string{"x,y", `x","y`, "x y", "x\ny", "x\x00y", "x, y"} {
			if with(set, "x", "y") == with(set, one) {
				t.Errorf("%s: the one entry %q gives the digest of x and y", name, one)
			}
		}
	}
	a, b := baseInput(), baseInput()
	b.Project = "other"
	one, other := Join([]*Plan{New(a), New(b)}), Join([]*Plan{New(b), New(a)})
	if one.Digest != other.Digest {
		t.Error("another order of the projects gives another digest")
	}
	a.Options.Adopt, a.Options.TakeOver = []string{"take-over=x"}, nil
	b = baseInput()
	b.Options.Adopt, b.Options.TakeOver = nil, []string{"x"}
	if New(a).Digest == New(b).Digest {
		t.Error("a pattern passes for another flag")
	}
}

// TestDigestOfGuards: a plan whose guards no longer block has another digest
// than the reviewed plan, whichever setting lifted them.
func TestDigestOfGuards(t *testing.T) {
	t.Parallel()
	secret := func(in *Input) {
		in.Desired[0].Spec.Auth.Headers, in.Desired[0].AuthDigest = []string{"X-Secret"}, "0123456789abcdef0123456789abcdef"
	}
	for name, tt := range map[string]struct{ reviewed, since func(*Input) }{
		"destinations removed": {func(in *Input) { secret(in); in.Options.Destinations = []string{"a.example"} }, secret},
		"destinations widened": {func(in *Input) { secret(in); in.Options.Destinations = []string{"a.example"} },
			func(in *Input) { secret(in); in.Options.Destinations = []string{"a.example", "*.example.com"} }},
		"protect removed":   {func(in *Input) { in.Options.Protect = []string{"gone"} }, func(*Input) {}},
		"maxDeletes raised": {func(in *Input) { in.Options.MaxDeletes = Limit{} }, func(in *Input) { in.Options.MaxDeletes = Limit{Count: 4} }},
		"archive set":       {func(in *Input) { in.Options.ArchiveSet = false }, func(*Input) {}},
		"archive durable": {func(in *Input) { in.Options.ArchiveLocal, in.Options.CI = true, true },
			func(in *Input) {
				in.Options.ArchiveLocal, in.Options.CI, in.Options.ArchiveDurable = true, true, true
			}},
		"out of CI":         {func(in *Input) { in.Options.ArchiveLocal, in.Options.CI = true, true }, func(in *Input) { in.Options.ArchiveLocal = true }},
		"former owner":      {func(in *Input) { in.Owner = "audio" }, func(in *Input) { in.Owner, in.FormerOwners = "audio", []string{"video"} }},
		"a file that waits": {func(in *Input) { in.Desired[0].Placeholders = []string{"spec.url"} }, func(*Input) {}},
		"a create that holds deletes back": {func(in *Input) { secret(in); in.Options.Destinations = []string{"a.example"} },
			func(in *Input) {
				secret(in)
				in.Options.Destinations, in.Options.AllowDestinations = []string{"a.example"}, []string{"hooks.example.com"}
			}},
	} {
		before, after := baseInput(), baseInput()
		tt.reviewed(&before)
		tt.since(&after)
		p, q := New(before), New(after)
		if p.Summary.Blocked <= q.Summary.Blocked {
			t.Errorf("%s: %d blocked before and %d after; the case shows nothing", name, p.Summary.Blocked, q.Summary.Blocked)
		}
		if p.Digest == q.Digest {
			t.Errorf("%s: the digest that was reviewed fits the plan that blocks less", name)
		}
		if again, err := Read(savedDocument(t, q)); err != nil || again.Digest != q.Digest {
			t.Errorf("%s: read again: %v", name, err)
		}
	}
}

func TestSetHistory(t *testing.T) {
	t.Parallel()
	p := New(baseInput())
	digest := p.Digest
	p.SetHistory("other", "gone", History{Records: 9}, false)
	p.SetHistory("demo", "new", History{Records: 9}, false)
	p.SetHistory("demo", "moved", History{Records: 9}, false)
	p.SetHistory("demo", "gone", History{Records: 120, Pending: 2}, true)
	gone := p.Projects[0].Changes[0]
	if diff := cmp.Diff(&History{Records: 120, Pending: 2}, gone.History); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	for _, c := range p.Projects[0].Changes {
		if c.Blocked != nil || c.Rule != "gone" && c.History != nil {
			t.Errorf("%s %s: history %v, blocked %v", c.Action, c.Rule, c.History, c.Blocked)
		}
	}

	p.SetHistory("demo", "gone", History{}, false)
	gone = p.Projects[0].Changes[0]
	if gone.Blocked == nil || gone.Blocked.Guard != GuardArchive {
		t.Errorf("a history without a total: blocked %v, want by %s", gone.Blocked, GuardArchive)
	}
	if p.Summary.Blocked != 1 {
		t.Errorf("summary counts %d blocked, want 1", p.Summary.Blocked)
	}
	if p.Digest != digest || Join([]*Plan{p}).Digest != digest {
		t.Error("a history changed the digest")
	}
	if again, err := Read(savedDocument(t, p)); err != nil || again.Digest != digest {
		t.Errorf("a saved plan with a block by the history: %v", err)
	}
	was := gone.Blocked
	p.Projects[0].Changes[0].Blocked = newBlocked(GuardProtect, "protected")
	p.SetHistory("demo", "gone", History{}, false)
	if got := p.Projects[0].Changes[0].Blocked; got.Guard != GuardProtect || was.Guard == got.Guard {
		t.Errorf("a guard that was told before is told no more: %v", got)
	}
}

// TestOnly: a run on some rules reports nothing about the others, deletes
// nothing, and still knows the secrets of the others.
func TestOnly(t *testing.T) {
	t.Parallel()
	in := baseInput()
	in.Options.Only = []string{"demo/mov*", "gone"}
	p := New(in).Projects[0]
	if len(p.Changes) != 1 || p.Changes[0].Rule != "moved" {
		t.Errorf("changes %+v, want the one of moved", p.Changes)
	}
	if len(p.Unmanaged) != 1 || p.Unmanaged[0] != (Unmanaged{"gone", ReasonKept}) {
		t.Errorf("unmanaged %+v, want gone, which this run does not delete", p.Unmanaged)
	}
	for rule, d := range p.InSyncRules {
		if d != nil {
			t.Errorf("rule %s counts as settled, and was not asked for", rule)
		}
	}
	if p.InSync != 0 {
		t.Errorf("%d in sync; want nothing of rules that were not asked for", p.InSync)
	}

	// A secret copied from a rule outside the selection is found.
	in = baseInput()
	in.Desired[0].Spec.Auth.Headers = []string{"X-Secret"}
	in.Desired[0].AuthDigest = "0123456789abcdef0123456789abcdef"
	in.Desired[2].Spec = in.Desired[0].Spec.Clone()
	in.Desired[2].Spec.URL = "https://other.example.com/"
	in.Desired[2].AuthDigest = in.Desired[0].AuthDigest
	in.Options.Only = []string{"new"}
	if c := New(in).Projects[0].Changes[0]; c.Blocked == nil || c.Blocked.Guard != GuardDestination {
		t.Errorf("a create with another rule's ciphertext: blocked %+v, want by the guard destination", c.Blocked)
	}
}

// TestPathPart: only unambiguous names have no quotes.
func TestPathPart(t *testing.T) {
	t.Parallel()
	for _, plain := range []string{"0", "9", "a", "z", "A", "Z", "-", "_", "X-Source_1"} {
		if got := pathPart(plain); got != "."+plain {
			t.Errorf("pathPart(%q) = %s", plain, got)
		}
	}
	for name, want := range map[string]string{
		"": `[""]`, "/": `["/"]`, ":": `[":"]`, "`": "[\"`\"]", "{": `["{"]`, "@": `["@"]`, "[": `["["]`, ".": `["."]`, `"`: `["\""]`, "ü": `["ü"]`,
	} {
		if got := pathPart(name); got != want {
			t.Errorf("pathPart(%q) = %s, want %s", name, got, want)
		}
	}
}

// TestPattern: a pattern that a hint suggests for a rule matches no other rule.
func TestPattern(t *testing.T) {
	t.Parallel()
	names := []string{"job", "*", "?", `\`, `\*`, "a*b", "a?b", `a\b`, "ab", "axb", "demo/x", "x", "**", `\\`}
	for _, a := range names {
		for _, b := range names {
			if got := MatchRule([]string{Pattern(a)}, "demo", b); got != (a == b) && !(a == "demo/x" && b == "x") {
				t.Errorf("the pattern of %q, %q, names %q: %v", a, Pattern(a), b, got)
			}
		}
	}
}

// TestHasDifferences: a single change of any kind is a difference.
func TestHasDifferences(t *testing.T) {
	t.Parallel()
	for _, s := range []Summary{{Create: 1}, {Update: 1}, {Delete: 1}, {Create: 1, Blocked: 1}} {
		if p := (&Plan{Summary: s}); !p.HasDifferences() {
			t.Errorf("%+v is no difference", s)
		}
	}
	if p := (&Plan{Summary: Summary{InSync: 3, Unmanaged: 2}}); p.HasDifferences() {
		t.Error("rules in sync are a difference")
	}
}
