package report

import (
	"html"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/mkhooks/mkhooks/sync/diag"
)

// Rules of the Markdown, which the tests check with hostile input and a real
// renderer:
//
//   - Text from files and from the service is in code: spans, fenced blocks, or
//     <code> of an HTML block. There it can't become a link, a mention, a reference,
//     emphasis or HTML, and [Escape] has already removed line ends.
//   - In sentences (the reason of a guard, an error) plain words stay words, and all
//     other text becomes code: [prose].
//   - In a row of a table a | that is not a column's border is escaped.
//   - A part is never cut: a change's details, a row or a list item is complete or
//     omitted, and omitted parts are counted.

// MaxMarkdown is the largest size of a document in bytes, and so in characters.
// A comment on GitHub may have 65,536 characters, and a workflow adds
// some more.
const MaxMarkdown = 60_000

// MarkdownOptions are the additions to a document. The zero value is ready for
// use.
type MarkdownOptions struct {
	// Drift selects the words of the drift command: which side changed.
	Drift bool
	Advice
	// Show is the command line that shows the complete document. It appears if
	// parts are omitted.
	Show string
	// Limit is the largest size in bytes; 0 means [MaxMarkdown].
	Limit int
}

// maxClip is the largest number of characters of a name, a message or a list
// item.
const maxClip = 600

// truncateText escapes s, and cuts it if it is too long to read.
func truncateText(s string) string {
	if runes := []rune(s); len(runes) > maxClip {
		s = string(runes[:maxClip]) + "… (" + formatCount(len(runes)-maxClip) + " more characters)"
	}
	return Escape(s)
}

// lazyRegexp returns an expression that is compiled on first use: most runs write
// no Markdown, and start-up must not pay for it.
func lazyRegexp(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// longTicks matches runs of backticks that renderers do not handle.
var longTicks = lazyRegexp("`{9,}")

func escapeTicks(s string) string {
	return longTicks().ReplaceAllStringFunc(s, func(run string) string { return strings.Repeat(`\u{60}`, len(run)) })
}

// fenceTicks returns a run of backticks longer than any in s, of at least least.
func fenceTicks(s string, least int) string {
	longest, run := least-1, 0
	for i := range len(s) {
		if run++; s[i] != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	return strings.Repeat("`", longest+1)
}

// code returns s as a code span.
func code(s string) string {
	s = escapeTicks(truncateText(s))
	if s == "" {
		s = `""`
	}
	fence := fenceTicks(s, 1)
	if strings.ContainsAny(s[:1]+s[len(s)-1:], "` ") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// shortCode returns a name as code, without the middle of a long name.
func shortCode(s string) string { return code(quoteName(omitMiddle(s))) }

// codes lists names as code, at most limit of them, and counts the rest.
func codes(names []string, limit int) string {
	var b strings.Builder
	for i, n := range names {
		if i >= limit && len(names) > limit+1 {
			b.WriteString(" and " + formatCount(len(names)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(shortCode(n))
	}
	return b.String()
}

// codeBlock returns lines as a code block; language may be empty.
func codeBlock(language string, lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(escapeTicks(Escape(l)), " ") + "\n")
	}
	fence := fenceTicks(b.String(), 3)
	return fence + language + "\n" + b.String() + fence + "\n"
}

// htmlCode returns s for a line of an HTML block, in which Markdown has no
// effect.
func htmlCode(s string) string { return "<code>" + html.EscapeString(truncateText(s)) + "</code>" }

var (
	tokens    = lazyRegexp(`"(?:[^"\\]|\\.)*"[,.;:!?)]*|[^ ]+`)
	plainWord = lazyRegexp(`^(?:[A-Za-z]+(?:['-][A-Za-z]+)*|[0-9]{1,3}(?:,[0-9]{3}){0,3}%?)$`)
	hexWord   = lazyRegexp(`^[0-9a-fA-F]{7,40}$`)
)

// prose formats a sentence that may contain foreign names and values. Plain
// words and numbers stay unchanged; the rest becomes code. A word of seven or
// more hex digits may be a commit.
func prose(s string) string {
	var out []string
	for _, t := range tokens().FindAllString(truncateText(s), -1) {
		core := strings.TrimPrefix(t, "(")
		before := t[:len(t)-len(core)]
		core = strings.TrimRight(core, ",.;:!?)")
		after := t[len(before)+len(core):]
		switch {
		case core == "":
			out = append(out, code(t))
		case plainWord().MatchString(core) && !hexWord().MatchString(core):
			out = append(out, t)
		default:
			out = append(out, before+code(core)+after)
		}
	}
	if len(out) == 0 {
		return code("")
	}
	return strings.Join(out, " ")
}

// hintProse formats a hint. Its command stays in one piece, to be copied.
func hintProse(h diag.Hint) string {
	switch {
	case h.Command == "":
		return prose(h.Text)
	case h.Text == "":
		return code(h.Command)
	}
	return prose(h.Text+":") + " " + code(h.Command)
}

// tableRow returns a row of a table. All | in cells are in code. Renderers do
// not agree on a backslash before a |, so it is replaced.
func tableRow(cells ...string) string {
	var b strings.Builder
	for _, c := range cells {
		c = strings.ReplaceAll(c, `\|`, `\\u{7c}`)
		b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
	}
	return b.String() + "|\n"
}

// tableHead returns the first two lines of a table.
func tableHead(cells ...string) string {
	return tableRow(cells...) + strings.Repeat("| --- ", len(cells)) + "|\n"
}

// details returns a part that is folded below a line of HTML.
func details(summary, body string, open bool) string {
	tag := "<details>"
	if open {
		tag = "<details open>"
	}
	return tag + "\n<summary>" + summary + "</summary>\n\n" + body + "\n</details>\n\n"
}

// alert returns a block that GitHub and GitLab show in a coloured box.
func alert(kind string, lines ...string) string {
	return "> [!" + kind + "]\n> " + strings.Join(lines, "\n> ") + "\n\n"
}

// bullets returns a list, or "" without items.
func bullets(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return "- " + strings.Join(items, "\n- ") + "\n\n"
}

// maxCommand is the largest size of a command line in bytes. A cut command is
// useless, so a longer command is omitted.
const maxCommand = 2000

// commandLines returns a block of command lines, to be copied.
func commandLines(title string, commands ...string) string {
	commands = slices.DeleteFunc(slices.Clone(commands), func(c string) bool { return len(c) > maxCommand })
	if len(commands) == 0 {
		return ""
	}
	return title + "\n" + strings.Repeat("\n", min(1, len(title))) + codeBlock("sh", commands) + "\n"
}

// maxNext limits the command lines that come next: they are never omitted.
const maxNext = 3

// nextLines returns the command lines that come next.
func nextLines(next []string) string { return commandLines("**Next:**", firstOf(next, maxNext)...) }

func writeAll(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}
