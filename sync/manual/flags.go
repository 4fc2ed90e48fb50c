package manual

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Group is a group of flags in help texts and manual pages.
type Group struct {
	Title string
	Flags []string // names, in the order of the help text
}

// OtherFlags is the title of the flags that no group names.
const OtherFlags = "Other"

// FlagGroup contains the flags of a command that belong to one group.
type FlagGroup struct {
	Title string
	Flags []*pflag.Flag
}

// FlagGroups returns the visible flags of c, also the inherited ones, by group.
// It omits empty groups.
func FlagGroups(c *cobra.Command, groups []Group) []FlagGroup {
	c.InitDefaultHelpFlag()
	found := make([]FlagGroup, len(groups)+1)
	for i, g := range groups {
		found[i].Title = g.Title
	}
	found[len(groups)].Title = OtherFlags
	add := func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		i := slices.IndexFunc(groups, func(g Group) bool { return slices.Contains(g.Flags, f.Name) })
		if i < 0 {
			i = len(groups)
		}
		found[i].Flags = append(found[i].Flags, f)
	}
	c.NonInheritedFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	for i, g := range groups {
		slices.SortStableFunc(found[i].Flags, func(x, y *pflag.Flag) int {
			return cmp.Compare(slices.Index(g.Flags, x.Name), slices.Index(g.Flags, y.Name))
		})
	}
	return slices.DeleteFunc(found, func(g FlagGroup) bool { return len(g.Flags) == 0 })
}

// FlagText returns the name of a flag's value and the help text with the
// default. The value name is empty for booleans. The usage string of a flag
// begins with the value name in backquotes and a colon.
func FlagText(f *pflag.Flag) (value, text string) {
	value, text = pflag.UnquoteUsage(f)
	text = strings.TrimPrefix(text, value+": ")
	def := strings.Trim(f.DefValue, "[]")
	if strings.HasSuffix(def, "m0s") {
		def = strings.TrimSuffix(def, "0s")
	}
	if !slices.Contains([]string{"", "false", "0", "0s"}, def) && !strings.Contains(text, "(default") {
		text += fmt.Sprintf(" (default %s)", def)
	}
	return value, text
}
