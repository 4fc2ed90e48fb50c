package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// Shell completions come from the command line and the files, never from the
// service. An invalid file yields no completions and no message.

// isCompletion reports whether the shell asks for completions. Other runs don't
// set them up, which saves time.
func isCompletion(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// addCompletions adds completions for each flag and argument below c.
func (a *app) addCompletions(c *cobra.Command) {
	add := func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			return
		}
		// The only possible error is a completion that the parent already
		// registered.
		_ = c.RegisterFlagCompletionFunc(f.Name, a.completeFlag(c, f))
	}
	c.PersistentFlags().VisitAll(add)
	c.Flags().VisitAll(add)
	if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 && c.HasParent() {
		c.ValidArgsFunction = a.completeArgs(c)
	}
	for _, below := range c.Commands() {
		if below.Name() != "help" && below.Name() != "completion" {
			a.addCompletions(below)
		}
	}
}

// completeFlag completes a flag by its name, else by the value name in its
// usage.
func (a *app) completeFlag(c *cobra.Command, f *pflag.Flag) cobra.CompletionFunc {
	switch f.Name {
	case "color":
		return completeValues("auto", "always", "never")
	case "prune":
		return completeValues(string(plan.PruneNone), string(plan.PruneOwned), string(plan.PruneAll))
	case "fail-on":
		return completeValues(string(history.OnFailed), string(history.OnRetrying))
	case "key-service":
		return completeValues(keyServiceNames...)
	case "format":
		if c.Name() == "version" {
			return completeValues("text", "json")
		}
		return completeValues(formatNames(c)...)
	case "report":
		return completeReport(formatNames(c))
	case "config":
		return completeFiles("yaml", "yml")
	case "plan":
		return completeFiles("json")
	case "seed":
		return completeFiles("json", "yaml", "yml")
	}
	switch value, _ := pflag.UnquoteUsage(f); value {
	case "FILE":
		return completeFiles()
	case "PATH":
		return completeFiles("yaml", "yml")
	case "DIR":
		return completeDirectories
	case "LOCATION":
		return completeFiles()
	case "PROJECT":
		return a.completeProject
	case "RULE":
		if c.Name() == "drift" && f.Name == "only" {
			return a.completeRules(liveSide)
		}
		return a.completeRules()
	}
	return cobra.NoFileCompletions
}

// completeArgs completes the arguments of c by their names in its usage.
func (a *app) completeArgs(c *cobra.Command) cobra.CompletionFunc {
	switch {
	case c.Name() == "set": // secret set RULE [PATH...]
		return a.completeSecret
	case strings.Contains(c.Use, "PATH"):
		return completeFiles("yaml", "yml")
	case strings.Contains(c.Use, "RULE"):
		return a.completeRules()
	case strings.Contains(c.Use, "DIR"):
		return limitArgs(1, completeDirectories)
	case strings.Contains(c.Use, "ARCHIVE"):
		return limitArgs(1, completeFiles("json", "gz"))
	case strings.Contains(c.Use, "FILE..."):
		return completeFiles("jsonl", "json")
	case strings.Contains(c.Use, "FILE"):
		return limitArgs(1, completeFiles("json", "jsonl"))
	}
	return cobra.NoFileCompletions
}

// limitArgs completes the first n arguments.
func limitArgs(n int, with cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return with(c, args, toComplete)
	}
}

func completeValues(values ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return matchingValues(values, toComplete), cobra.ShellCompDirectiveNoFileComp
	}
}

// matchingValues returns the values that begin with the typed text, without those
// that need quotes in some shell: see [needsNoQuotes].
func matchingValues(values []string, typed string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		return !strings.HasPrefix(v, typed) || !needsNoQuotes(v)
	})
}

// needsNoQuotes reports whether every shell reads a value as exactly that
// value. Other values are never offered.
//
// Bash inserts the common prefix of several candidates unquoted, and the next
// completion evaluates the line. So job$(id)1 and job$(id)2 would run a command
// of the files' author. A leading dash would turn a name into a flag.
func needsNoQuotes(v string) bool {
	return v != "" && !strings.ContainsRune("-=@", rune(v[0])) && !strings.ContainsFunc(v, needsQuotes)
}

// needsQuotes reports whether a character may be special in a shell, or
// invisible. Letters, digits and accents of all languages are fine.
func needsQuotes(r rune) bool {
	if unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) {
		return true
	}
	return !unicode.In(r, unicode.L, unicode.Nd, unicode.Mn, unicode.Mc) && !strings.ContainsRune("._/:@%+,=-", r)
}

// safeFish corrects a fault in cobra's completion script for fish. The script
// evaluates the words before the cursor without their quotes. A rule named
// x(id), quoted on the line, would run id at the next TAB.
func safeFish(script string) (string, error) {
	const words = "    set -l args (commandline -opc)\n"
	if strings.Count(script, words) != 1 {
		return "", errors.New("the completion script for fish is not as expected, so it was not made safe")
	}
	return strings.Replace(script, words, words+`    if set -q args[2]
        set args $args[1] (string escape -- $args[2..-1])
    end
`, 1), nil
}

// writeFish replaces cobra's command that writes the script for fish.
func writeFish(cmd *cobra.Command, _ []string) error {
	bare, err := cmd.Flags().GetBool("no-descriptions")
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := cmd.Root().GenFishCompletion(&b, !bare); err != nil {
		return err
	}
	script, err := safeFish(b.String())
	if err != nil {
		return failed(err)
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), script); err != nil {
		return failed(fmt.Errorf("write standard output: %w", err))
	}
	return nil
}

// completeFiles completes file names, limited to the extensions if any are
// given.
func completeFiles(extensions ...string) cobra.CompletionFunc {
	if len(extensions) == 0 {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		}
	}
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

func completeDirectories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// formatNames returns the formats of c.
func formatNames(c *cobra.Command) []string {
	var names []string
	for _, f := range formatsOf(c) {
		names = append(names, string(f))
	}
	return names
}

// completeReport completes FORMAT=FILE: the format, then any file.
func completeReport(names []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(toComplete, "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var out []string
		for _, n := range matchingValues(names, toComplete) {
			out = append(out, n+"=")
		}
		return out, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}

// completionConfig returns the config file of the typed command line; nil if there is
// no readable config file.
func completionConfig(c *cobra.Command) *config.File {
	name := config.FileName
	if f := c.Flags().Lookup("config"); f != nil && f.Changed {
		name = f.Value.String()
	}
	if name == "" {
		return nil
	}
	if _, err := os.Stat(name); err != nil {
		return nil
	}
	file, _ := config.ReadFile(name)
	return file
}

func (a *app) completeProject(c *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	file := completionConfig(c)
	if file == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return matchingValues(file.Names(), toComplete), cobra.ShellCompDirectiveNoFileComp
}

// flagValues returns the values of a repeatable flag so far.
func flagValues(c *cobra.Command, flag string) []string {
	if f := c.Flags().Lookup(flag); f != nil && f.Changed {
		if list, ok := f.Value.(pflag.SliceValue); ok {
			return list.GetSlice()
		}
	}
	return nil
}

// completionPaths returns the rule paths of the typed command line. With a config
// file, these are the paths of the selected projects. Otherwise they come from
// --rules, then from path arguments; the default is the directory that init
// makes.
func (a *app) completionPaths(c *cobra.Command, args []string) []string {
	if file := completionConfig(c); file != nil {
		picked, err := (&configOptions{file: file}).pickProjects(a, flagValues(c, "project"))
		if err != nil {
			return file.AllPaths()
		}
		var paths []string
		for _, p := range picked {
			paths = append(paths, file.Paths(p)...)
		}
		return paths
	}
	if rules := flagValues(c, "rules"); len(rules) > 0 {
		return rules
	}
	if strings.Contains(c.Use, "[PATH...]") && c.Name() != "set" && len(args) > 0 {
		return args
	}
	return []string{"rules"}
}

// completionRules returns the rules in the readable files of the command line.
func (a *app) completionRules(c *cobra.Command, args []string) []config.RuleFile {
	found, _ := config.Scan(a.completionPaths(c, args))
	return found
}

// completeRules completes rule names and the given extra words.
func (a *app) completeRules(words ...string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		names := slices.Clone(words)
		for _, r := range a.completionRules(c, args) {
			if r.Name != "" && !slices.Contains(args, r.Name) {
				names = append(names, r.Name)
			}
		}
		slices.Sort(names)
		return matchingValues(slices.Compact(names), toComplete), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeSecret completes a rule, then the paths of its auth values. If no
// path of the file matches, it offers the path prefixes.
func (a *app) completeSecret(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		names, _ := a.completeRules()(c, args, toComplete)
		if len(names) > 0 {
			return names, cobra.ShellCompDirectiveNoFileComp
		}
		return completeFiles("yaml", "yml")(c, args, toComplete) // a file can also identify a rule
	}
	var places []string
	for _, r := range a.completionRules(c, nil) {
		if r.Name != args[0] && r.File != args[0] {
			continue
		}
		for _, h := range r.Auth.Headers {
			places = append(places, "headers."+h)
		}
		for _, q := range r.Auth.QueryParams {
			places = append(places, "queryParams."+q)
		}
	}
	places = slices.DeleteFunc(matchingValues(places, toComplete), func(p string) bool { return slices.Contains(args[1:], p) })
	if len(places) > 0 {
		return places, cobra.ShellCompDirectiveNoFileComp
	}
	return matchingValues([]string{"headers.", "queryParams."}, toComplete), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}
