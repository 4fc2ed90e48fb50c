package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/shell"
)

// ownFlags are those that say how one run is shown or recorded; a command line
// for the next step leaves them out.
var ownFlags = []string{"base", "color", "decrypt", "detailed-exitcode", "expect", "format", "only", "out", "plan", "report", "verbose", "yes"}

// nextCommand is the command line of another command for the same rules: with
// the flags of this run that it has, too, then extra and args, as they are
// given. It can be pasted into a shell.
func nextCommand(cmd *cobra.Command, name string, extra []string, args ...string) string {
	target, _, err := cmd.Root().Find(strings.Fields(name))
	if err != nil {
		panic("there is no command " + name)
	}
	words := append([]string{"mkhooks"}, strings.Fields(name)...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(ownFlags, f.Name) || target.Flags().Lookup(f.Name) == nil {
			return
		}
		words = append(words, flagWords(f)...)
	})
	words = append(words, extra...)
	for _, a := range args {
		words = append(words, shell.Path(a))
	}
	return strings.Join(words, " ")
}

// flagWords is a flag as it was given.
func flagWords(f *pflag.Flag) []string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var words []string
		for _, v := range list.GetSlice() {
			words = append(words, name, shell.Word(v))
		}
		return words
	}
	if f.Value.Type() == "bool" {
		if f.Value.String() == "true" {
			return []string{name}
		}
		return []string{name + "=false"}
	}
	return []string{name, shell.Word(f.Value.String())}
}
