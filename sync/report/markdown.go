package report

import (
	"html"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Rules of the Markdown, which the tests hold for hostile input with a real
// renderer:
//
//   - Text of files and of the service stands in code: spans, fenced blocks, or
//     <code> of an HTML block. There nothing is a link, a mention, a reference,
//     emphasis or HTML, and [Escape] has taken line ends out before.
//   - In sentences (what a guard says, an error) plain words stay words, and
//     everything else is code: [prose].
//   - In a row of a table a | that is not a column's border is escaped.
//   - Nothing is cut within a piece: a change's details, a row, a list item are
//     there whole or not at all, and what is left out is counted.

// MaxMarkdown is the most bytes, and so the most characters, of a document. A
// comment on GitHub may have 65,536 characters, and a workflow adds a few of
// its own.
const MaxMarkdown = 60_000

// MarkdownOptions says what a Markdown document is to say beside its plan or
// result. The zero value is fit for use.
type MarkdownOptions struct {
	// Drift words a plan as the drift command does: which side moved.
	Drift bool
	Advice
	// Show is the command line that shows the whole document; it is named
	// where something is left out.
	Show string
	// Limit is the most bytes; 0 means [MaxMarkdown].
	Limit int
}

// maxClip is the most characters of a name, a message or a list's item.
const maxClip = 600

// truncateText is s escaped, and cut where it is too long for anybody to read.
func truncateText(s string) string {
	if runes := []rune(s); len(runes) > maxClip {
		s = string(runes[:maxClip]) + "… (" + count(len(runes)-maxClip) + " more characters)"
	}
	return Escape(s)
}

// lazily is an expression that is compiled when it is first needed: most runs
// write no Markdown, and start-up must not pay for it.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// longTicks are runs of backticks that renderers give up on.
var longTicks = lazily("`{9,}")

func fewTicks(s string) string {
	return longTicks().ReplaceAllStringFunc(s, func(run string) string { return strings.Repeat(`\u{60}`, len(run)) })
}

// ticks is a run of backticks longer than any in s, and than least.
func ticks(s string, least int) string {
	longest, run := least-1, 0
	for i := range len(s) {
		if run++; s[i] != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	return strings.Repeat("`", longest+1)
}

// code is s as a code span.
func code(s string) string {
	s = fewTicks(truncateText(s))
	if s == "" {
		s = `""`
	}
	fence := ticks(s, 1)
	if strings.ContainsAny(s[:1]+s[len(s)-1:], "` ") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// short is a name as code, without the middle of a long one.
func short(s string) string { return code(quoteName(middle(s))) }

// codes lists names as code, at most limit of them, and counts the rest.
func codes(names []string, limit int) string {
	var b strings.Builder
	for i, n := range names {
		if i >= limit && len(names) > limit+1 {
			b.WriteString(" and " + count(len(names)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(short(n))
	}
	return b.String()
}

// fenced is a code block of lines; language may be empty.
func fenced(language string, lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(fewTicks(Escape(l)), " ") + "\n")
	}
	fence := ticks(b.String(), 3)
	return fence + language + "\n" + b.String() + fence + "\n"
}

// htmlCode is s for a line of an HTML block, where Markdown counts for nothing.
func htmlCode(s string) string { return "<code>" + html.EscapeString(truncateText(s)) + "</code>" }

var (
	tokens    = lazily(`"(?:[^"\\]|\\.)*"[,.;:!?)]*|[^ ]+`)
	plainWord = lazily(`^(?:[A-Za-z]+(?:['-][A-Za-z]+)*|[0-9]{1,3}(?:,[0-9]{3}){0,3}%?)$`)
	hexWord   = lazily(`^[0-9a-fA-F]{7,40}$`)
)

// prose is a sentence that may hold names and values of others: plain words
// and numbers stay as they are, all else is set as code. A word of seven or
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

// commandAtEnd finds the command line that a hint is, or ends with. It has a flag
// or a path; what begins like one and has none is a sentence.
var commandAtEnd = lazily(`^(.*: )?((?:mkhooks|sops|git|export|chmod|age-keygen) .*(?: -[^ ]|/|[^ ][.=][^ ]).*)$`)

// hintProse is a hint; a command line in it stands as one piece, to be copied.
func hintProse(hint string) string {
	m := commandAtEnd().FindStringSubmatch(hint)
	switch {
	case m == nil:
		return prose(hint)
	case m[1] == "":
		return code(m[2])
	}
	return prose(m[1]) + " " + code(m[2])
}

// tableRow is a row of a table. All | in cells stand in code. A backslash before
// one can't be written in a way that all renderers read alike.
func tableRow(cells ...string) string {
	var b strings.Builder
	for _, c := range cells {
		c = strings.ReplaceAll(c, `\|`, `\\u{7c}`)
		b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
	}
	return b.String() + "|\n"
}

// tableHead is the first two lines of a table.
func tableHead(cells ...string) string {
	return tableRow(cells...) + strings.Repeat("| --- ", len(cells)) + "|\n"
}

// details is a part that is folded away below a line of HTML.
func details(summary, body string, open bool) string {
	tag := "<details>"
	if open {
		tag = "<details open>"
	}
	return tag + "\n<summary>" + summary + "</summary>\n\n" + body + "\n</details>\n\n"
}

// alert is a block that GitHub and GitLab show in a box of a colour.
func alert(kind string, lines ...string) string {
	return "> [!" + kind + "]\n> " + strings.Join(lines, "\n> ") + "\n\n"
}

// bullets is a list; none where there are no items.
func bullets(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return "- " + strings.Join(items, "\n- ") + "\n\n"
}

// maxCommand is the most bytes of a command line; half of one is of no use.
const maxCommand = 2000

// commandLines is a block of command lines, to be copied.
func commandLines(title string, commands ...string) string {
	commands = slices.DeleteFunc(slices.Clone(commands), func(c string) bool { return len(c) > maxCommand })
	if len(commands) == 0 {
		return ""
	}
	return title + "\n" + strings.Repeat("\n", min(1, len(title))) + fenced("sh", commands) + "\n"
}

// maxNext is the most command lines that come next: they are never left out.
const maxNext = 3

// nextLines are the command lines that come next.
func nextLines(next []string) string { return commandLines("**Next:**", firstOf(next, maxNext)...) }

func writeAll(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}
