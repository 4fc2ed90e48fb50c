package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/sync/manual"
)

// flagGroups are the groups of flags in help texts and manual pages. Each flag
// belongs to one of them.
var flagGroups = []manual.Group{
	{Title: "Selection", Flags: []string{
		"config", "project", "rules", "owner", "only", "prune", "rule", "since", "all", "records",
	}},
	{Title: "Repository", Flags: []string{"branch", "age", "age-recipient", "codeowner"}},
	{Title: "Emulator", Flags: []string{"listen", "expose", "token", "seed", "page-size", "rate-limit", "latency"}},
	{Title: "Run", Flags: []string{
		"plan", "yes", "base", "decrypt", "deliveries", "add", "resend-auth", "dry-run", "no-pause", "drain", "concurrency", "parallel",
	}},
	{Title: "Guards", Flags: []string{
		"expect", "destination", "allow-destination", "protect", "max-deletes", "archive", "archive-is-durable", "archives", "audit", "no-audit", "head",
		"key-service", "adopt", "take-over", "drop-auth", "drop-unknown", "delete-active",
		"allow-empty", "allow-placeholders", "allow-odd-secrets", "allow-plain-credentials", "allow-plaintext-auth",
	}},
	{Title: "Connection", Flags: []string{"base-url", "token-file", "retry-for", "timeout"}},
	{Title: "Output", Flags: []string{
		"format", "report", "drift", "out", "export", "metrics", "steps", "fail-on", "detailed-exitcode", "no-descriptions",
		"color", "quiet", "verbose", "help",
	}},
}

// helpWidth is the width of help texts, in columns. maxTextColumn limits the
// width of the column with the flags.
const (
	helpWidth     = 80
	maxTextColumn = 34
)

// writeUsage writes the part of a help text below the description.
func writeUsage(c *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	use := c.UseLine()
	if c.HasAvailableSubCommands() {
		use = c.CommandPath() + " COMMAND [flags]"
	}
	b.WriteString("  " + use + "\n")
	if c.HasExample() {
		b.WriteString("\nExamples:\n" + c.Example + "\n")
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, below := range c.Commands() {
			if below.IsAvailableCommand() || below.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s  %s\n", c.NamePadding(), below.Name(), below.Short)
			}
		}
	}
	writeFlags(&b, manual.FlagGroups(c, flagGroups))
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nFor help about a command: %s COMMAND --help\n", c.CommandPath())
	}
	_, err := io.WriteString(c.OutOrStderr(), b.String())
	return err
}

// writeFlags writes flags by group. All texts begin in the same column.
func writeFlags(b *strings.Builder, groups []manual.FlagGroup) {
	type row struct{ title, head, text string }
	var rows []row
	column := 0
	for _, g := range groups {
		title := g.Title
		for _, f := range g.Flags {
			value, text := manual.FlagText(f)
			head := "      --" + f.Name
			if f.Shorthand != "" {
				head = "  -" + f.Shorthand + ", --" + f.Name
			}
			if value != "" {
				head += " " + value
			}
			if n := len(head) + 2; n <= maxTextColumn {
				column = max(column, n)
			}
			rows = append(rows, row{title, head, text})
			title = ""
		}
	}
	for _, r := range rows {
		if r.title != "" {
			b.WriteString("\n" + r.title + ":\n")
		}
		lines := wrapText(r.text, helpWidth-column)
		if len(r.head)+2 > column {
			b.WriteString(r.head + "\n")
			r.head = ""
		}
		for _, l := range lines {
			fmt.Fprintf(b, "%-*s%s\n", column, r.head, l)
			r.head = ""
		}
	}
}

// wrapText breaks a text at spaces into lines of at most width characters. A text
// that fits keeps its indentation, and a longer word gets its line alone.
func wrapText(text string, width int) []string {
	if utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
