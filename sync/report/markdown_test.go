package report

import (
	"bytes"
	"io"
	"maps"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"

	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// hostileMarkdown contains texts that a renderer might take for more than text.
var hostileMarkdown = map[string]string{
	"cells":        "a|b|c",
	"escaped cell": `a\|b\\|c\\\|d|`,
	"backslash":    `\`,
	"ticks":        "a`b``c```d````e",
	"only ticks":   "```",
	"many ticks":   strings.Repeat("`", 90),
	"tick cell":    "`|` ``|``",
	"fence":        "```\n\n# h\n\n~~~",
	"html":         "<script>alert(1)</script><img src=x onerror=alert(1)>",
	"entities":     "&lt;b&gt; &amp;#64;x &#x26;",
	"details":      "</details></summary></code></pre></td></table>",
	"comment":      "<!-- x --> --> <!--",
	"cdata":        "<![CDATA[ x ]]> <?php ?>",
	"mention":      "@octocat @org/team a@example.com",
	"reference":    "#1 GH-2 org/repo#3 fixes #4 1f3c9a0b5d7e42c68811a0b2c3d4e5f612345678 deadbee",
	"links":        "[x](https://e.example) ![i](https://e.example/i.png) https://e.example www.e.example <https://e.example> [a]: https://e.example",
	"emphasis":     "**b** __b__ *i* _i_ ~~s~~ $x$ :tada: [^1]",
	"blocks":       "# h\n\n- l\n\n1. n\n\n> q\n\n    code\n\n---\n===",
	"alert":        "> [!CAUTION]\n> x",
	"table":        "| a | b |\n| --- | --- |\n| c | d |",
	"spaces":       "  a  ",
	"blank":        "   ",
	"quoted":       `"a b" c "d`,
	"task":         "[ ] [x]",
	"pieces":       "(a, b): c; d! e? (f)",
	"ordinary":     "https://hooks.example.com/mkio?a=1&b=2",
}

// everyHostile returns the hostile texts of all documents.
func everyHostile() map[string]string {
	all := maps.Clone(hostile)
	for name, s := range hostileMarkdown {
		all["md "+name] = s
	}
	return all
}

func markdownPlans() map[string]*plan.Plan {
	return map[string]*plan.Plan{"mixed": mixedPlan(), "guards": guardsPlan(), "projects": twoProjects(), "quiet": quietPlan(), "loose": loosenedPlan(), "failing": failingPlan(), "unread": unreadPlan()}
}

// markdownDocuments writes each Markdown document with s in all positions.
func markdownDocuments(t testing.TB, s string, words bool) map[string]string {
	t.Helper()
	advice := Advice{Next: []string{"mkhooks " + s}, Commands: Commands{
		Apply:  func(_, rule string) string { return "mkhooks apply --only " + rule },
		Import: func(_, rule string) string { return "mkhooks import " + rule },
	}}
	out := map[string]string{}
	keep := func(name string, write func(io.Writer) error) {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		out[name] = b.String()
	}
	for _, drift := range []bool{false, true} {
		o := MarkdownOptions{Drift: drift, Advice: advice, Show: s}
		suffix := map[bool]string{true: " drift"}[drift]
		for name, p := range markdownPlans() {
			poison(reflect.ValueOf(p), s, words)
			keep(name+suffix, func(w io.Writer) error { return PlanMarkdown(w, p, o) })
		}
	}
	r := mixedResult()
	poison(reflect.ValueOf(r), s, words)
	keep("result", func(w io.Writer) error { return ResultMarkdown(w, r, MarkdownOptions{Advice: advice, Show: s}) })
	settings := someSettings()
	for i := range settings.Projects {
		settings.Projects[i].Name = s
		settings.Projects[i].Settings = []Setting{{Name: "protect", Value: []string{s}, From: []string{s}}}
	}
	keep("settings", func(w io.Writer) error { return SettingsMarkdown(w, settings, MarkdownOptions{}) })
	unread := unreadResult()
	poison(reflect.ValueOf(unread), s, words)
	keep("unread result", func(w io.Writer) error { return ResultMarkdown(w, unread, MarkdownOptions{Advice: advice, Show: s}) })
	doc := someHistory()
	poison(reflect.ValueOf(doc), s, words)
	keep("history", func(w io.Writer) error { return HistoryMarkdown(w, doc, MarkdownOptions{Show: s}) })
	problems := someProblems()
	poison(reflect.ValueOf(problems), s, words)
	keep("problems", func(w io.Writer) error {
		return ProblemsMarkdown(w, problems, MarkdownOptions{Advice: advice, Show: s})
	})
	return out
}

// markdown renders GitHub's Markdown with goldmark. It passes raw HTML through,
// so that smuggled HTML is seen.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote), goldmark.WithRendererOptions(goldmarkhtml.WithUnsafe()))

// renderer converts Markdown to HTML.
type renderer func(source string) ([]byte, error)

func byGoldmark(source string) ([]byte, error) {
	var out bytes.Buffer
	err := markdown.Convert([]byte(source), &out)
	return out.Bytes(), err
}

// byGitHub renders with the program on which GitHub's renderer is based.
func byGitHub(source string) ([]byte, error) {
	cmd := exec.Command("cmark-gfm", "--unsafe", "-e", "table", "-e", "autolink", "-e", "strikethrough", "-e", "tasklist")
	cmd.Stdin = strings.NewReader(source)
	return cmd.Output()
}

// ours are the elements that documents have.
var ours = strings.Fields("html head body h3 h4 p br blockquote strong b code pre table thead tbody tr th td ul li details summary")

// page contains the parts of a rendered document that a test inspects.
type page struct {
	skeleton []string // elements in their order, without code and lines
	outside  string   // text outside of code
	codes    []string // texts of code spans
}

func look(t testing.TB, root *html.Node) page {
	t.Helper()
	var p page
	var outside strings.Builder
	var walk func(n *html.Node, inCode bool)
	walk = func(n *html.Node, inCode bool) {
		switch n.Type {
		case html.CommentNode:
			t.Errorf("a comment: %.100q", n.Data)
		case html.TextNode:
			if !inCode {
				outside.WriteString(n.Data)
			}
		case html.ElementNode:
			if !slices.Contains(ours, n.Data) {
				t.Errorf("an element <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key != "open" && (a.Key != "class" || !strings.HasPrefix(a.Val, "language-")) {
					t.Errorf("<%s> has an attribute %s=%.100q", n.Data, a.Key, a.Val)
				}
			}
			if n.Data == "code" && !inCode {
				p.codes = append(p.codes, textIn(n))
			}
			if n.Data != "code" && n.Data != "br" {
				p.skeleton = append(p.skeleton, n.Data)
			}
			inCode = inCode || n.Data == "code"
			outside.WriteByte(' ')
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, inCode)
		}
	}
	walk(root, false)
	p.outside = outside.String()
	return p
}

func textIn(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(textIn(c))
	}
	return b.String()
}

// alive matches text that GitHub does more with outside of code.
var alive = regexp.MustCompile("[@#<>`|*_~$\\\\\\[\\]{}]|://|www\\.|:[a-z0-9+-]+:|GH-|\\b[0-9a-f]{7,40}\\b")

// alertMark begins the boxes, which goldmark does not know.
var alertMark = regexp.MustCompile(`\[!(WARNING|CAUTION|IMPORTANT)\]`)

// checkMarkdown checks the rules of the Markdown.
func checkMarkdown(t testing.TB, render renderer, source string) page {
	t.Helper()
	if len(source) > MaxMarkdown || !utf8.ValidString(source) {
		t.Fatalf("%d bytes, valid UTF-8 %v", len(source), utf8.ValidString(source))
	}
	for line := range strings.Lines(source) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") || strings.Contains(line, "##vso") {
			t.Errorf("a runner would obey: %.200q", line)
		}
		if strings.ContainsFunc(line, isHidden) {
			t.Errorf("a hidden character in a line: %.200q", line)
		}
	}
	out, err := render(source)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	p := look(t, root)
	if found := alive.FindString(alertMark.ReplaceAllString(p.outside, "")); found != "" {
		i := strings.Index(p.outside, found)
		t.Errorf("%q stands outside of code: %.200q", found, p.outside[max(0, i-80):])
	}
	return p
}

// inCell returns s as a table cell shows it.
func inCell(s string) string {
	s = escapeTicks(truncateText(quoteName(s)))
	return strings.ReplaceAll(s, `\|`, `\\u{7c}`)
}

// TestHostileMarkdown: with any text, the page has the same structure as with
// plain text, and shows the text as text.
func TestHostileMarkdown(t *testing.T) {
	t.Parallel()
	hostilePages(t, byGoldmark)
}

func TestHostileMarkdownOnGitHub(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cmark-gfm"); err != nil {
		t.Skip("cmark-gfm is not installed")
	}
	hostilePages(t, byGitHub)
}

func hostilePages(t *testing.T, render renderer) {
	plainPages := map[string]page{}
	for name, source := range markdownDocuments(t, "word", false) {
		plainPages[name] = checkMarkdown(t, render, source)
	}
	for name, s := range everyHostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for doc, source := range markdownDocuments(t, s, false) {
				p := checkMarkdown(t, render, source)
				if strings.Contains(source, "Left out") || len(s) > 10_000 || s == "" {
					continue // the document omits parts
				}
				if d := cmp.Diff(plainPages[doc].skeleton, p.skeleton); d != "" {
					t.Errorf("%s is built in another way (-plain +hostile):\n%s", doc, d)
				}
				if strings.HasPrefix(doc, "mixed") && !slices.Contains(p.codes, inCell(s)) {
					t.Errorf("%s does not show %.200q: %.500q", doc, inCell(s), p.codes)
				}
			}
			if len(s) > 10_000 {
				return
			}
			for _, source := range markdownDocuments(t, s, true) {
				checkMarkdown(t, render, source)
			}
		})
	}
}

// TestProse: readable text stays a sentence.
func TestProse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "`\"\"`",
		"14 rules would be deleted, the limit is 1,203 (30%).": "14 rules would be deleted, the limit is 1,203 (30%).",
		`owner "video platform", not yours`:                    "owner `\"video platform\"`, not yours",
		"send it to https://h.example:8443/x?a=b.":             "send it to `https://h.example:8443/x?a=b`.",
		"can't be verified; write-only":                        "can't be verified; write-only",
		"see #12, @x and deadbeef":                             "see `#12`, `@x` and `deadbeef`",
		"... !":                                                "`...` `!`",
		"a `b` c":                                              "a `` `b` `` c",
		"a\nb":                                                 "`a\\u{a}b`",
	} {
		if got := prose(in); got != want {
			t.Errorf("prose(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestHintProse(t *testing.T) {
	t.Parallel()
	for want, in := range map[string]diag.Hint{
		"`sops encrypt --in-place rules/a.yaml`":            {Command: "sops encrypt --in-place rules/a.yaml"},
		"make it again: `mkhooks plan --out FILE`":          {Text: "make it again", Command: "mkhooks plan --out FILE"},
		"mkhooks plan shows what differs":                   {Text: "mkhooks plan shows what differs"},
		"a: ``git log `x` -- 'b|c'``":                       {Text: "a", Command: "git log `x` -- 'b|c'"},
		"did you mean `\"MediaKind.JobFinished\"`?":         {Text: `did you mean "MediaKind.JobFinished"?`},
		"quote `a.b` and encrypt it again: `sops edit a.b`": {Text: "quote a.b and encrypt it again", Command: "sops edit a.b"},
	} {
		if got := hintProse(in); got != want {
			t.Errorf("hintProse(%+v) = %s, want %s", in, got, want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range everyHostile() {
		if len(s) < 2000 {
			f.Add(s, true)
		}
	}
	f.Fuzz(func(t *testing.T, s string, words bool) {
		for _, source := range markdownDocuments(t, s, words) {
			checkMarkdown(t, byGoldmark, source)
		}
	})
}

// TestTakeable: a command without an effect is not suggested.
func TestTakeable(t *testing.T) {
	t.Parallel()
	c := Commands{
		Import:  func(_, rule string) string { return "import " + rule },
		Origins: func(_, rule string) string { return "show-rule " + rule },
	}
	names := []plan.Field{{Path: "spec.authentication.headers.X-A", Op: plan.OpRemove}}
	for want, fields := range map[int][]plan.Field{0: names, 1: append(names, plan.Field{Path: "spec.url", Op: plan.OpReplace})} {
		change := &plan.Change{Rule: "a", Action: plan.Update, Direction: plan.DirDrift, Fields: fields}
		if got := c.driftRemedies("demo", change); len(got) != want {
			t.Errorf("%d fields: %v, want %d commands", len(fields), got, want)
		}
		change.Over = []string{"base.yaml"} // import does not edit layered files
		if got := c.driftRemedies("demo", change); len(got) != want || want > 0 && got[0].command != "show-rule a" {
			t.Errorf("%d fields, several files: %v, want %d commands", len(fields), got, want)
		}
	}
}
