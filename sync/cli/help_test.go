package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/sync/manual"
)

// TestHelp checks the layout of every help text: it fits 80 columns, all flags
// have a group and a text, and no text repeats the value name.
func TestHelp(t *testing.T) {
	t.Parallel()
	a := &app{Env: Env{Getenv: func(string) string { return "" }}}
	root := a.newRootCommand()
	shown := 0
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		for _, g := range manual.FlagGroups(c, flagGroups) {
			for _, f := range g.Flags {
				value, text := manual.FlagText(f)
				if g.Title == manual.OtherFlags {
					t.Errorf("%s: --%s has no group in flagGroups", c.CommandPath(), f.Name)
				}
				if text == "" || value != "" && strings.Contains(" "+text+" ", " "+value+" ") {
					t.Errorf("%s: --%s %s: the text repeats the value name, or is empty: %q", c.CommandPath(), f.Name, value, text)
				}
			}
		}
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		var out bytes.Buffer
		if code := Main(t.Context(), Env{Args: args, Stdout: &out, Stderr: &out, Now: time.Now, Getenv: a.Getenv}); code != 0 {
			t.Errorf("%q: exit code %d: %s", args, code, &out)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > helpWidth {
				t.Errorf("%s: longer than %d columns: %q", c.CommandPath(), helpWidth, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s: space at the end of %q", c.CommandPath(), line)
			}
		}
		shown++
		for _, below := range c.Commands() {
			check(below)
		}
	}
	check(root)
	if shown < 20 {
		t.Errorf("checked %d help texts, expected more", shown)
	}
}

func TestWrapText(t *testing.T) {
	t.Parallel()
	if got := strings.Join(wrapText("one two three-and-more", 7), "|"); got != "one two|three-and-more" {
		t.Errorf("got %q", got)
	}
}
