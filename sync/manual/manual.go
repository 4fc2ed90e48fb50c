// Package manual writes the manual pages of a tree of commands from the commands'
// help texts: one page per command, in the format of man(1).
//
// It writes roff itself. Cobra's generator converts Markdown, which misreads the
// stars and underscores of a help text as emphasis. It also has no sections for exit
// codes, environment and files.
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

// Options are the contents of pages besides the commands' help texts.
type Options struct {
	// Date is printed at the foot of each page. Runs with the same date write the same
	// bytes.
	Date time.Time
	// Version is the program's version, printed beside Date.
	Version string
	// Files are the files that commands read or write.
	Files []File
	// Groups are the groups of flags, in the order of the pages.
	Groups []Group
}

// File is a file that a page describes.
type File struct {
	Name, Text string
	// Flag selects the pages of commands with this flag. If it is empty, only the
	// program's page describes the file.
	Flag string
}

// Page is a manual page. Name is its file name, such as mkhooks-plan.1.
type Page struct {
	Name string
	Text []byte
}

// section is the manual section of commands.
const section = "1"

// Pages returns a page for root and for each visible command below it.
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

// pageName returns a command's page name: mkhooks-audit-verify.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func renderPage(c *cobra.Command, o Options) Page {
	c.InitDefaultHelpFlag()
	w := &writer{}
	w.writeRoffLine(fmt.Sprintf(`.TH "%s" "%s" "%s" "%s" "%s"`, escapeLiteral(strings.ToUpper(pageName(c))), section,
		o.Date.UTC().Format(time.DateOnly), escapeLiteral(c.Root().Name()+" "+o.Version), escapeLiteral(c.Root().Name())))
	w.writeMacro("SH", "NAME")
	w.writeRoffLine(escape(pageName(c)) + ` \- ` + escape(c.Short))
	w.writeMacro("SH", "SYNOPSIS")
	w.writeSynopsis(c)
	texts := splitHelp(c)
	w.writeMacro("SH", "DESCRIPTION")
	w.writeBlocks(texts.description)
	w.writeOptions(c, o.Groups)
	w.writeMacro("SH", "EXIT STATUS")
	if len(texts.exit) == 0 {
		texts.exit = []string{"0 done; for other codes, see " + c.Root().Name() + "(" + section + ")."}
	}
	w.writeBlocks(texts.exit)
	if env := environmentLines(c); len(env) > 0 {
		w.writeMacro("SH", "ENVIRONMENT")
		w.writeBlocks(env)
	}
	w.writeFiles(c, o.Files)
	if c.Example != "" {
		w.writeMacro("SH", "EXAMPLES")
		w.writeBlocks([]string{c.Example})
	}
	w.writeSeeAlso(c)
	return Page{Name: pageName(c) + "." + section, Text: w.Bytes()}
}

// helpTexts are the parts of a command's long description.
type helpTexts struct{ description, exit, environment []string }

// splitHelp splits a command's long description at its headings: paragraphs that begin
// with "Exit codes:" or "Environment:".
func splitHelp(c *cobra.Command) (t helpTexts) {
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

// environmentLines returns the lines of the root's environment section that apply to c. A
// line that names flags applies only if c has these flags. A command without a
// config file reads no environment, so it gets no lines.
func environmentLines(c *cobra.Command) []string {
	if c != c.Root() && c.Flags().Lookup("config") == nil {
		return nil
	}
	var lines []string
	for _, block := range splitHelp(c.Root()).environment {
		for l := range strings.Lines(block) {
			if c == c.Root() || hasAllFlags(c, l) {
				lines = append(lines, strings.TrimRight(l, "\n"))
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return []string{strings.Join(lines, "\n")}
}

// hasAllFlags reports whether c has every flag that a text names.
func hasAllFlags(c *cobra.Command, text string) bool {
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

func (w *writer) writeRoffLine(text string) { w.WriteString(text + "\n") }

// writeMacro writes a request with its arguments.
func (w *writer) writeMacro(name string, args ...string) {
	for _, a := range args {
		name += ` "` + escapeLiteral(a) + `"`
	}
	w.writeRoffLine("." + name)
}

// writeSynopsis writes the command in bold and its arguments in italics.
func (w *writer) writeSynopsis(c *cobra.Command) {
	w.writeRoffLine(`.B "` + escapeLiteral(c.CommandPath()) + `"`)
	words := strings.Fields(c.Use)[1:]
	if c.HasAvailableSubCommands() {
		words = append(words, "COMMAND")
	}
	if c.HasAvailableFlags() {
		words = append(words, "[OPTION...]")
	}
	for _, word := range words {
		w.writeRoffLine(`.I "` + escapeLiteral(word) + `"`)
	}
}

// writeBlocks writes paragraphs. Indented text is literal, or a list in which each line
// has a term and, after two spaces, its meaning.
func (w *writer) writeBlocks(blocks []string) {
	for i, b := range blocks {
		lines := strings.Split(b, "\n")
		switch {
		case isTermList(lines):
			w.writeList(lines)
		case isIndented(lines):
			if i > 0 {
				w.writeMacro("PP")
			}
			w.writeLiteral(lines)
		default:
			if i > 0 {
				w.writeMacro("PP")
			}
			w.writeParagraph(lines)
		}
	}
}

// writeParagraph writes text. An indented tail becomes a list.
func (w *writer) writeParagraph(lines []string) {
	for i, l := range lines {
		if i > 0 && isIndented(lines[i:]) && isTermList(lines[i:]) {
			w.writeBlocks([]string{strings.Join(lines[i:], "\n")})
			return
		}
		if rest, ok := strings.CutPrefix(l, "#### "); ok { // as in cobra's texts
			w.writeRoffLine(`\fB` + escape(rest) + `\fR`)
			continue
		}
		w.writeRoffLine(escape(strings.TrimSpace(l)))
	}
}

// writeList writes terms and their meanings.
func (w *writer) writeList(lines []string) {
	at := commonIndent(lines)
	for _, l := range lines {
		if commonIndent([]string{l}) > at { // continues the line above
			w.writeRoffLine(escape(strings.TrimSpace(l)))
			continue
		}
		term, meaning, _ := strings.Cut(strings.TrimSpace(l), "  ")
		w.writeMacro("TP")
		w.writeRoffLine(`\fB` + escapeLiteral(term) + `\fR`)
		w.writeRoffLine(escape(strings.TrimSpace(meaning)))
	}
}

// writeLiteral writes lines unchanged except for their common indent.
func (w *writer) writeLiteral(lines []string) {
	at := commonIndent(lines)
	w.writeMacro("RS", "4")
	w.writeMacro("nf")
	for _, l := range lines {
		w.writeRoffLine(`\fB` + escapeLiteral(l[at:]) + `\fR`)
	}
	w.writeMacro("fi")
	w.writeMacro("RE")
}

// commonIndent returns the common indent of lines, in bytes.
func commonIndent(lines []string) int {
	least := len(lines[0])
	for _, l := range lines {
		least = min(least, len(l)-len(strings.TrimLeft(l, " \t")))
	}
	return least
}

func isIndented(lines []string) bool {
	return !slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "  ") && !strings.HasPrefix(l, "\t") })
}

// isTermList reports whether indented lines are a list of terms. Each line has a term
// and, after two spaces, its meaning, or continues the line above with a deeper
// indent.
func isTermList(lines []string) bool {
	if !isIndented(lines) || strings.HasPrefix(lines[0], "\t") {
		return false
	}
	at := commonIndent(lines)
	return commonIndent(lines[:1]) == at && !slices.ContainsFunc(lines, func(l string) bool {
		_, meaning, _ := strings.Cut(strings.TrimSpace(l), "  ")
		return meaning == "" && commonIndent([]string{l}) == at
	})
}

// writeOptions writes the command's flags by group.
func (w *writer) writeOptions(c *cobra.Command, groups []Group) {
	w.writeMacro("SH", "OPTIONS")
	found := FlagGroups(c, groups)
	for _, g := range found {
		if len(found) > 1 {
			w.writeMacro("SS", g.Title)
		}
		for _, f := range g.Flags {
			w.writeFlag(f)
		}
	}
}

func (w *writer) writeFlag(f *pflag.Flag) {
	value, text := FlagText(f)
	head := `\fB\-\-` + escapeLiteral(f.Name) + `\fR`
	if f.Shorthand != "" {
		head = `\fB\-` + f.Shorthand + `\fR, ` + head
	}
	if value != "" {
		head += `=\fI` + escapeLiteral(value) + `\fR`
	}
	w.writeMacro("TP")
	w.writeRoffLine(head)
	w.writeRoffLine(escape(text))
}

func (w *writer) writeFiles(c *cobra.Command, files []File) {
	first := true
	for _, f := range files {
		if c != c.Root() && (f.Flag == "" || c.Flags().Lookup(f.Flag) == nil) {
			continue
		}
		if first {
			w.writeMacro("SH", "FILES")
			first = false
		}
		w.writeMacro("TP")
		w.writeRoffLine(`\fI` + escapeLiteral(f.Name) + `\fR`)
		w.writeRoffLine(escape(f.Text))
	}
}

// writeSeeAlso names the program, the commands above and the commands below.
func (w *writer) writeSeeAlso(c *cobra.Command) {
	var names []string
	for up := c.Parent(); up != nil; up = up.Parent() {
		names = append(names, pageName(up))
	}
	for _, below := range c.Commands() {
		if !below.Hidden && below.Deprecated == "" {
			names = append(names, pageName(below))
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	w.writeMacro("SH", "SEE ALSO")
	for i, n := range names {
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		w.writeRoffLine(fmt.Sprintf(`.BR "%s" (%s)%s`, escapeLiteral(n), section, comma))
	}
}
