// Package manual writes the manual pages of a tree of commands, from what the
// commands say of themselves: a page a command, as man(1) shows it.
//
// It writes roff itself. What cobra brings for it goes through Markdown, which
// takes the stars and underscores of a help text for emphasis, and has no
// sections for exit codes, environment and files.
package manual

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Options are what pages say beside the commands' own texts.
type Options struct {
	// Date stands at the foot of each page. Two runs with one date write the
	// same bytes.
	Date time.Time
	// Version is that of the program, and stands beside it.
	Version string
	// Files are those that commands read or write.
	Files []File
}

// File is a file that a page names.
type File struct {
	Name, Text string
	// Flag is the flag of the commands whose pages name it; empty means that
	// the page of the program alone does.
	Flag string
}

// Page is a manual page; Name is that of its file, such as mkhooks-plan.1.
type Page struct {
	Name string
	Text []byte
}

// section is that of the manual which commands are in.
const section = "1"

// Pages returns a page for root and each command below it that is not hidden.
func Pages(root *cobra.Command, o Options) []Page {
	pages := []Page{renderPage(root, o)}
	for _, c := range root.Commands() {
		if c.Hidden || c.Deprecated != "" {
			continue
		}
		pages = append(pages, Pages(c, o)...)
	}
	return pages
}

// name is a command's as its page has it: mkhooks-audit-verify.
func name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func renderPage(c *cobra.Command, o Options) Page {
	c.InitDefaultHelpFlag()
	w := &writer{}
	w.line(fmt.Sprintf(`.TH "%s" "%s" "%s" "%s" "%s"`, escapeLiteral(strings.ToUpper(name(c))), section,
		o.Date.UTC().Format(time.DateOnly), escapeLiteral(c.Root().Name()+" "+o.Version), escapeLiteral(c.Root().Name())))
	w.macro("SH", "NAME")
	w.line(escape(name(c)) + ` \- ` + escape(c.Short))
	w.macro("SH", "SYNOPSIS")
	w.synopsis(c)
	texts := divide(c)
	w.macro("SH", "DESCRIPTION")
	w.blocks(texts.description)
	w.options(c)
	w.macro("SH", "EXIT STATUS")
	if len(texts.exit) == 0 {
		texts.exit = []string{"0 done; other codes are those of " + c.Root().Name() + "(" + section + ")."}
	}
	w.blocks(texts.exit)
	if env := environment(c); len(env) > 0 {
		w.macro("SH", "ENVIRONMENT")
		w.blocks(env)
	}
	w.files(c, o.Files)
	if c.Example != "" {
		w.macro("SH", "EXAMPLES")
		w.blocks([]string{c.Example})
	}
	w.seeAlso(c)
	return Page{Name: name(c) + "." + section, Text: w.Bytes()}
}

// texts are the parts of a command's long description.
type texts struct{ description, exit, environment []string }

// divide divides a command's long description at its headings: paragraphs that
// begin with "Exit codes:" or "Environment:".
func divide(c *cobra.Command) (t texts) {
	long := cmp.Or(strings.TrimSpace(c.Long), c.Short+".")
	for block := range strings.SplitSeq(long, "\n\n") {
		block = strings.Trim(block, "\n")
		if block == "" {
			continue
		}
		to := &t.description
		if rest, ok := strings.CutPrefix(block, "Exit codes:"); ok {
			to, block = &t.exit, strings.Trim(rest, "\n")
		} else if rest, ok := strings.CutPrefix(block, "Environment:"); ok {
			to, block = &t.environment, strings.Trim(rest, "\n")
		}
		*to = append(*to, block)
	}
	return t
}

// environment is what the program's environment means for c: of the root's
// lines those whose flags, if they name one, c has as well; nothing for a
// command without a config file, which reads none of it.
func environment(c *cobra.Command) []string {
	if c != c.Root() && c.Flags().Lookup("config") == nil {
		return nil
	}
	var lines []string
	for _, block := range divide(c.Root()).environment {
		for l := range strings.Lines(block) {
			if c == c.Root() || allFlags(c, l) {
				lines = append(lines, strings.TrimRight(l, "\n"))
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return []string{strings.Join(lines, "\n")}
}

// allFlags reports whether c has every flag that a text names.
func allFlags(c *cobra.Command, text string) bool {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;:()\n", r) }) {
		switch {
		case strings.HasPrefix(word, "--"):
			if c.Flags().Lookup(word[2:]) == nil {
				return false
			}
		case strings.HasPrefix(word, "-") && len(word) == 2:
			if c.Flags().ShorthandLookup(word[1:]) == nil {
				return false
			}
		}
	}
	return true
}

// writer writes roff.
type writer struct{ bytes.Buffer }

func (w *writer) line(text string) { w.WriteString(text + "\n") }

// macro writes a request with its arguments.
func (w *writer) macro(name string, args ...string) {
	for _, a := range args {
		name += ` "` + escapeLiteral(a) + `"`
	}
	w.line("." + name)
}

// synopsis is the command in bold, what is to be filled in in italics.
func (w *writer) synopsis(c *cobra.Command) {
	w.line(`.B "` + escapeLiteral(c.CommandPath()) + `"`)
	words := strings.Fields(c.Use)[1:]
	if c.HasAvailableSubCommands() {
		words = append(words, "COMMAND")
	}
	if c.HasAvailableFlags() {
		words = append(words, "[OPTION...]")
	}
	for _, word := range words {
		w.line(`.I "` + escapeLiteral(word) + `"`)
	}
}

// blocks writes paragraphs. What is indented is literal text, or a list where
// each line has a term and, two spaces on, its meaning.
func (w *writer) blocks(blocks []string) {
	for i, b := range blocks {
		lines := strings.Split(b, "\n")
		switch {
		case terms(lines):
			w.list(lines)
		case indented(lines):
			if i > 0 {
				w.macro("PP")
			}
			w.literal(lines)
		default:
			if i > 0 {
				w.macro("PP")
			}
			w.paragraph(lines)
		}
	}
}

// paragraph writes text, and what is indented in the midst of it as a list.
func (w *writer) paragraph(lines []string) {
	for i, l := range lines {
		if i > 0 && indented(lines[i:]) && terms(lines[i:]) {
			w.blocks([]string{strings.Join(lines[i:], "\n")})
			return
		}
		if rest, ok := strings.CutPrefix(l, "#### "); ok { // as cobra's own texts have it
			w.line(`\fB` + escape(rest) + `\fR`)
			continue
		}
		w.line(escape(strings.TrimSpace(l)))
	}
}

// list writes terms and their meanings.
func (w *writer) list(lines []string) {
	at := indent(lines)
	for _, l := range lines {
		if indent([]string{l}) > at { // the line above goes on
			w.line(escape(strings.TrimSpace(l)))
			continue
		}
		term, meaning, _ := strings.Cut(strings.TrimSpace(l), "  ")
		w.macro("TP")
		w.line(`\fB` + escapeLiteral(term) + `\fR`)
		w.line(escape(strings.TrimSpace(meaning)))
	}
}

// literal writes lines as they are, less the indent that all of them have.
func (w *writer) literal(lines []string) {
	at := indent(lines)
	w.macro("RS", "4")
	w.macro("nf")
	for _, l := range lines {
		w.line(`\fB` + escapeLiteral(l[at:]) + `\fR`)
	}
	w.macro("fi")
	w.macro("RE")
}

// indent is how many spaces or tabs all lines begin with.
func indent(lines []string) int {
	least := len(lines[0])
	for _, l := range lines {
		least = min(least, len(l)-len(strings.TrimLeft(l, " \t")))
	}
	return least
}

func indented(lines []string) bool {
	return !slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "  ") && !strings.HasPrefix(l, "\t") })
}

// terms reports whether indented lines are a list of terms: each has a term
// and, two spaces on, its meaning, or stands further to the right and goes on.
func terms(lines []string) bool {
	if !indented(lines) || strings.HasPrefix(lines[0], "\t") {
		return false
	}
	at := indent(lines)
	return indent(lines[:1]) == at && !slices.ContainsFunc(lines, func(l string) bool {
		_, meaning, _ := strings.Cut(strings.TrimSpace(l), "  ")
		return meaning == "" && indent([]string{l}) == at
	})
}

// options writes the command's own flags, then those of every command.
func (w *writer) options(c *cobra.Command) {
	for _, group := range []struct {
		macro, title string
		flags        *pflag.FlagSet
	}{
		{"SH", "OPTIONS", c.NonInheritedFlags()},
		{"SS", "Options of every command", c.InheritedFlags()},
	} {
		if !group.flags.HasAvailableFlags() {
			continue
		}
		w.macro(group.macro, group.title)
		group.flags.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && f.Deprecated == "" {
				w.flag(f)
			}
		})
	}
}

func (w *writer) flag(f *pflag.Flag) {
	value, usage := pflag.UnquoteUsage(f)
	head := `\fB\-\-` + escapeLiteral(f.Name) + `\fR`
	if f.Shorthand != "" {
		head = `\fB\-` + f.Shorthand + `\fR, ` + head
	}
	if value != "" {
		head += `=\fI` + escapeLiteral(value) + `\fR`
	}
	if !slices.Contains([]string{"", "false", "[]", "0", "0s"}, f.DefValue) && !strings.Contains(usage, "(default") {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	w.macro("TP")
	w.line(head)
	w.line(escape(usage))
}

func (w *writer) files(c *cobra.Command, files []File) {
	first := true
	for _, f := range files {
		if c != c.Root() && (f.Flag == "" || c.Flags().Lookup(f.Flag) == nil) {
			continue
		}
		if first {
			w.macro("SH", "FILES")
			first = false
		}
		w.macro("TP")
		w.line(`\fI` + escapeLiteral(f.Name) + `\fR`)
		w.line(escape(f.Text))
	}
}

// seeAlso names the program, the command above and those below.
func (w *writer) seeAlso(c *cobra.Command) {
	var names []string
	for up := c.Parent(); up != nil; up = up.Parent() {
		names = append(names, name(up))
	}
	for _, below := range c.Commands() {
		if !below.Hidden && below.Deprecated == "" {
			names = append(names, name(below))
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	w.macro("SH", "SEE ALSO")
	for i, n := range names {
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		w.line(fmt.Sprintf(`.BR "%s" (%s)%s`, escapeLiteral(n), section, comma))
	}
}
