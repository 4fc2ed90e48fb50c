package cli

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/report"
)

const configLong = `Config prints the settings of a run and the source of each value: a flag, an
environment variable, a line of the config file, or the default. It takes the
flags of plan and apply. It reads no rule files and sends no requests. It shows
whether a token is set, but not its value.

Exit codes: 0 done, 3 invalid input.`

type configCommandOptions struct{ runOptions }

func newConfigCommand(a *app) *cobra.Command {
	var o configCommandOptions
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Print the settings and the source of each value",
		Long:    configLong,
		Example: "  mkhooks config\n  mkhooks config -p prod --max-deletes 5",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runConfig(a, o, cmd) },
	}
	o.AddFlags(cmd.Flags())
	o.addAudit(cmd.Flags())
	a.addFormat(cmd.Flags())
	return cmd
}

func runConfig(a *app, o configCommandOptions, cmd *cobra.Command) error {
	targets, err := o.resolveSettings(a, cmd, nil)
	if err != nil {
		return err
	}
	in := settingSources{a: a, f: cmd.Flags(), file: o.file}
	doc := &report.Settings{FormatVersion: 1, Settings: in.runSettings(targets[0])}
	if o.file != nil {
		doc.Config = o.file.Name
	}
	for _, t := range targets {
		doc.Projects = append(doc.Projects, report.ProjectSettings{Name: t.name, Settings: in.projectSettings(t)})
	}
	return a.writeDocument(document{
		text:     func(w io.Writer, o report.TextOptions) error { return report.SettingsText(w, doc, o) },
		json:     func(w io.Writer) error { return report.SettingsJSON(w, doc) },
		markdown: func(w io.Writer) error { return report.SettingsMarkdown(w, doc, report.MarkdownOptions{}) },
	})
}

// settingSources finds the sources of settings.
type settingSources struct {
	a    *app
	f    *pflag.FlagSet
	file *config.File // nil without a config file
}

// runSettings returns the settings that all projects share.
func (in settingSources) runSettings(t *projectSettings) []report.Setting {
	return []report.Setting{
		in.firstSource("base URL", cmp.Or(t.baseURL, in.a.Getenv("MKIO_BASE_URL"), defaultBaseURL), "base-url", "MKIO_BASE_URL"),
		in.firstSource("owner", t.owner, "owner", "", "owner"),
		in.mergedSources("formerOwners", t.formerOwners, "", "formerOwners"),
		in.firstSource("archive", t.archive, "archive", "", "archive"),
		in.firstSource("archiveIsDurable", t.archiveIsDurable, "archive-is-durable", "", "archiveIsDurable"),
		in.firstSource("audit", t.audit, "audit", "", "audit"),
		in.firstSource("destinations", orEmpty(t.destinations), "destination", "", "destinations"),
		in.mergedSources("keyServices", t.keyServices, "key-service", "keyServices"),
		in.firstSource("parallel", t.parallel, "parallel", ""),
		in.firstSource("retry-for", t.retryFor.String(), "retry-for", ""),
		in.firstSource("timeout", t.timeout.String(), "timeout", ""),
	}
}

// projectSettings returns the settings of one project.
func (in settingSources) projectSettings(t *projectSettings) []report.Setting {
	at := func(key string) []string { return []string{"projects", t.name, key} }
	rules := []string{}
	if p := in.fileProject(t.name); p != nil {
		rules = p.Rules
	}
	out := []report.Setting{
		in.firstSource("rules", rules, "", "", at("rules")...),
		in.tokenSetting(t, at("tokenEnv")),
		in.fallbackSource(in.firstSource("prune", t.prune, "prune", "", at("prune")...), "defaults", "prune"),
		in.fallbackSource(in.firstSource("maxDeletes", cmp.Or(t.maxDeletes, t.fileMaxDeletes, config.DefaultMaxDeletes), "max-deletes", "", at("maxDeletes")...), "defaults", "maxDeletes"),
		in.mergedSources("protect", t.protect, "protect", at("protect")...),
	}
	return out
}

func (in settingSources) fileProject(project string) *config.Project {
	if in.file == nil {
		return nil
	}
	return in.file.Project(project)
}

// firstSource returns a setting with its source: the first of flag,
// environment, config file and default that sets it.
func (in settingSources) firstSource(name string, value any, flag, env string, path ...string) report.Setting {
	from := "default"
	switch {
	case flag != "" && in.f.Changed(flag):
		from = "--" + flag
	case env != "" && in.a.Getenv(env) != "":
		from = env
	case in.lineOfKey(path) != "":
		from = in.lineOfKey(path)
	}
	return report.Setting{Name: name, Value: value, From: []string{from}}
}

// fallbackSource sets the source of a default value to its second key in the
// config file, if that key exists.
func (in settingSources) fallbackSource(s report.Setting, path ...string) report.Setting {
	if line := in.lineOfKey(path); s.From[0] == "default" && line != "" {
		s.From[0] = line
	}
	return s
}

// mergedSources returns a list setting. The config file and the flag both add
// to the list.
func (in settingSources) mergedSources(name string, value []string, flag string, path ...string) report.Setting {
	var from []string
	if line := in.lineOfKey(path); line != "" {
		from = append(from, line)
	}
	if flag != "" && in.f.Changed(flag) {
		from = append(from, "--"+flag)
	}
	if from == nil {
		from = []string{"default"}
	}
	return report.Setting{Name: name, Value: orEmpty(value), From: from}
}

// tokenSetting returns the source of the token and whether the variable is set.
func (in settingSources) tokenSetting(t *projectSettings, path []string) report.Setting {
	if t.tokenFile != "" {
		return report.Setting{Name: "token", Value: t.tokenFile, From: []string{"--token-file"}}
	}
	env := cmp.Or(t.tokenEnv, "MKIO_TOKEN")
	value := env + " (not set)"
	if in.a.Getenv(env) != "" {
		value = env + " (set)"
	}
	return in.firstSource("token", value, "", "", path...)
}

// lineOfKey returns file and line of a key in the config file; "" if the key is
// absent.
func (in settingSources) lineOfKey(path []string) string {
	if in.file == nil || len(path) == 0 {
		return ""
	}
	n := in.file.Line(path...)
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", in.file.Name, n)
}

// orEmpty turns a nil list into an empty list, so that JSON never contains
// null.
func orEmpty(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}
