package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
)

// configOptions select the config file. Flags take precedence over the
// environment, and the environment over the file. The lists protect and
// keyServices merge instead: a flag may only tighten the guards of a reviewed
// file.
type configOptions struct {
	configFile string
	file       *config.File // nil without a config file
}

func (o *configOptions) addConfig(f *pflag.FlagSet) {
	f.StringVar(&o.configFile, "config", "", "`FILE`: read this config file (default "+config.FileName+", if it exists; '' for none)")
}

// readConfig reads the config file once. Errors in it end the run.
func (o *configOptions) readConfig(a *app, f *pflag.FlagSet) error {
	if o.file != nil {
		return nil
	}
	name := o.configFile
	if !f.Changed("config") {
		name = config.FileName
	} else if name == "" {
		return nil
	}
	if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
		if !f.Changed("config") {
			return nil
		}
		return invalidf("mkhooks init writes one; --config '' is for none", "--config %s: no such file", name)
	}
	return o.loadConfig(a, name)
}

// loadConfig reads the config file with the given name.
func (o *configOptions) loadConfig(a *app, name string) error {
	file, problems := config.ReadFile(name)
	if len(problems) > 0 {
		if err := a.printProblems(problems); err != nil {
			return err
		}
	}
	if file == nil {
		return &codeError{
			code: exitInvalid, problems: problems,
			err:   fmt.Errorf("%s in the config file; nothing was sent", countNoun(countErrors(problems), "problem", "problems")),
			hints: []diag.Hint{{Command: "mkhooks schema config"}},
		}
	}
	o.file = file
	return nil
}

// printProblems prints file problems to stderr, and for GitHub also as
// annotations of their lines.
func (a *app) printProblems(problems []schema.Problem) error {
	problems = a.withholdProblems(problems)
	if err := report.ProblemsText(a.Stderr, problems, a.textOptions(a.StderrTTY)); err != nil {
		return failed(err)
	}
	return a.printAnnotations(problems)
}

// pickProjects returns the selected projects in the order of the config file. -p
// selects by name or pattern. Without -p, the environment selects a project;
// otherwise pick returns all.
func (o *configOptions) pickProjects(a *app, wanted []string) ([]*config.Project, error) {
	names, patterns := o.file.Names(), wanted
	if env := a.Getenv("MKIO_PROJECT"); len(patterns) == 0 && env != "" {
		if !slices.Contains(names, env) {
			return nil, o.unknownProjectError(env, "MKIO_PROJECT=")
		}
		patterns = []string{plan.Pattern(env)}
	}
	for _, p := range patterns {
		if slices.ContainsFunc(names, func(n string) bool { return plan.Match(p, n) }) {
			continue
		}
		return nil, o.unknownProjectError(p, "-p ")
	}
	var out []*config.Project
	for i := range o.file.Projects {
		p := &o.file.Projects[i]
		if len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool { return plan.Match(pattern, p.Name) }) {
			out = append(out, p)
		}
	}
	return out, nil
}

// unknownProjectError returns the error for a name or pattern without a project. asked is
// the flag or variable with the name.
func (o *configOptions) unknownProjectError(name, asked string) error {
	names := o.file.Names()
	hint := "-p, then MKIO_PROJECT, says which project is meant; --config '' leaves the config file out"
	if near := schema.Nearest(name, names); near != "" {
		hint = "did you mean " + asked + quotePaths([]string{near})
	}
	return invalidf(hint, "%s has no project %q; expected %s", o.file.Name, name, joinNames(names))
}

// pickProject returns the selected project for a command that works on one project.
func (o *configOptions) pickProject(a *app, wanted []string) (*config.Project, error) {
	picked, err := o.pickProjects(a, wanted)
	if err != nil {
		return nil, err
	}
	if len(picked) > 1 {
		names := projectNames(picked)
		return nil, usagef("mkhooks ... -p "+quotePaths(names[:1]), "%s has %s, %s; expected one of them with -p",
			o.file.Name, countNoun(len(picked), "project", "projects"), joinNames(names))
	}
	return picked[0], nil
}

// resolveProject sets the project of a single-project command from the config file,
// -p or the environment. It returns nil without a config file.
func (o *connectOptions) resolveProject(a *app, f *configOptions) (p *config.Project, err error) {
	if f.file != nil {
		if p, err = f.pickProject(a, o.projects); err == nil {
			o.projects, o.tokenEnv = []string{p.Name}, p.TokenEnv
		}
		return p, err
	}
	name, err := o.projectName(a)
	o.projects = []string{name}
	return nil, err
}

// projectName returns the only project of a run without a config file.
func (o *connectOptions) projectName(a *app) (string, error) {
	switch {
	case len(o.projects) == 1:
		return o.projects[0], nil
	case len(o.projects) > 1:
		return "", usagef("mkhooks help init", "-p names %s; for more than one project write a config file, which says which rules each has",
			countNoun(len(o.projects), "project", "projects"))
	}
	name := a.Getenv("MKIO_PROJECT")
	if name == "" {
		return "", invalidf("pass -p PROJECT, or set MKIO_PROJECT", "no project is given")
	}
	return name, nil
}

// joinNames lists names for a sentence, at most 8 of them.
func joinNames(names []string) string {
	const most = 8
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// archiveLocation returns the archive location of the config file. It makes a
// directory relative to the working directory of the run.
func (o *configOptions) archiveLocation() string {
	if !config.IsDirectory(o.file.Archive) || strings.HasPrefix(o.file.Archive, "file:") {
		return o.file.Archive
	}
	return o.file.Path(o.file.Archive)
}

// addKeyServices adds the key services that the config file allows.
func (o *ruleOptions) addKeyServices(file *config.File) {
	services := slices.Clone(o.keyServices)
	for _, s := range file.KeyServices {
		if !slices.Contains(services, s) {
			services = append(services, s)
		}
	}
	o.keyServices = services
}
