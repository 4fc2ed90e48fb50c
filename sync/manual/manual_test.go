package manual

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestPages checks that roff shows any help text unchanged.
func TestPages(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "tool", Short: "Do things", Long: "Does things.\n\nEnvironment:\n  A  is read with --all\n  B  is always read\n\nExit codes:\n  0  fine\n  1  not, and\n     that is it"}
	below := &cobra.Command{
		Use: "do-it [PATH...]", Short: "Do it", Run: func(*cobra.Command, []string) {},
		Long:    ".TH is no request here\n'and neither is this; a *.yaml, a \\backslash, \"quotes\", it's -p, well-known\n\n\tliteral --text\n\n  one  first\n       and more\n  two  second",
		Example: "  tool do-it 'a b' ~/x …",
	}
	below.Flags().Bool("all", false, "take `all`")
	below.Flags().Int("n", 3, "how many")
	below.Flags().String("config", "", "config `FILE`")
	hidden := &cobra.Command{Use: "hidden", Hidden: true, Run: func(*cobra.Command, []string) {}}
	root.AddCommand(below, hidden)
	pages := Pages(root, Options{Date: time.Unix(0, 0), Version: "v1", Files: []File{{Name: "f.yaml", Text: "a file", Flag: "config"}, {Name: "g", Text: "of the root"}}})
	if len(pages) != 2 || pages[0].Name != "tool.1" || pages[1].Name != "tool-do-it.1" {
		t.Fatalf("got %d pages, want those of tool and tool do-it", len(pages))
	}
	text := string(pages[1].Text)
	for _, want := range []string{
		`.TH "TOOL\-DO\-IT" "1" "1970-01-01" "tool v1" "tool"` + "\n",
		"\n" + `\&.TH is no request here` + "\n",
		"\n" + `\(aqand neither is this; a *.yaml, a \ebackslash, \(dqquotes\(dq, it\(aqs \-p, well-known` + "\n",
		".nf\n" + `\fBliteral \-\-text\fR` + "\n.fi",
		".TP\n" + `\fBone\fR` + "\nfirst\nand more\n.TP\n" + `\fBtwo\fR` + "\nsecond\n",
		`\fBtool do\-it \(aqa b\(aq \(ti/x \[u2026]\fR`,
		`\fB\-\-n\fR=\fIint\fR` + "\nhow many (default 3)\n",
		`.I "[PATH...]"` + "\n",
		".SH \"EXIT STATUS\"\n0 done",
		`\fBA\fR` + "\n", `\fBB\fR` + "\n",
		`\fIf.yaml\fR`,
		`.BR "tool" (1)` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "of the root") {
		t.Error("the page names a file of the root alone")
	}
	if got := string(pages[0].Text); !strings.Contains(got, ".TP\n\\fB1\\fR\nnot, and\nthat is it\n") || strings.Contains(got, "hidden") {
		t.Errorf("the page of the root:\n%s", got)
	}
}

func TestEnvironmentByFlags(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "tool", Long: "Tool.\n\nEnvironment:\n  A  is read with --all\n  B  where -p is not given\n  C  always"}
	c := &cobra.Command{Use: "c", Run: func(*cobra.Command, []string) {}}
	c.Flags().String("config", "", "")
	c.Flags().StringP("project", "p", "", "")
	none := &cobra.Command{Use: "none", Run: func(*cobra.Command, []string) {}}
	root.AddCommand(c, none)
	if got := strings.Join(environmentLines(c), "\n"); got != "  B  where -p is not given\n  C  always" {
		t.Errorf("got %q", got)
	}
	if got := environmentLines(none); got != nil {
		t.Errorf("a command without a config file: got %q, want nothing", got)
	}
	if got := strings.Join(environmentLines(root), "\n"); !strings.Contains(got, "--all") {
		t.Errorf("the root: got %q, want all", got)
	}
}
