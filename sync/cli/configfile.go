package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/report"
)

// configOptions say which config file is in force. Flags beat the environment,
// the environment beats the file; protect, keyServices and what a project says
// of them add up, because a flag is to narrow what a reviewed file guards.
type configOptions struct {
	configFile string
	file       *config.File // nil where there is none
}

func (o *configOptions) addConfig(f *pflag.FlagSet) {
	f.StringVar(&o.configFile, "config", "", "config `FILE` (default "+config.FileName+" where there is one; '' for none)")
}

// readConfig reads the config file; problems that are errors end the run.
func (o *configOptions) readConfig(a *app, f *pflag.FlagSet) error {
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
	return o.load(a, name)
}

// load reads the config file of that name.
func (o *configOptions) load(a *app, name string) error {
	file, problems := config.ReadFile(name)
	if len(problems) > 0 {
		if err := a.printProblems(problems); err != nil {
			return err
		}
	}
	if file == nil {
		return &codeError{
			code: exitInvalid, problems: problems,
			err:   fmt.Errorf("%s in the config file; nothing was sent", count(errorsAmong(problems), "problem", "problems")),
			hints: []string{"mkhooks schema config"},
		}
	}
	o.file = file
	return nil
}

// printProblems prints problems of files on stderr, and for GitHub as
// annotations of their lines.
func (a *app) printProblems(problems []schema.Problem) error {
	if err := report.ProblemsText(a.Stderr, problems, a.textOptions(a.StderrTTY)); err != nil {
		return failed(err)
	}
	return a.annotate(problems)
}

// pick returns the project of the config file that is meant: the one that has
// the name, or the only one.
func (o *configOptions) pick(name string) (*config.Project, error) {
	names := o.file.Names()
	if name == "" {
		if len(names) == 1 {
			return &o.file.Projects[0], nil
		}
		return nil, invalidf("mkhooks ... -p "+quotePaths(names[:1]), "%s has %s, %s; expected one of them with -p", o.file.Name, count(len(names), "project", "projects"), list(names))
	}
	if p := o.file.Project(name); p != nil {
		return p, nil
	}
	hint := "-p, then MKIO_PROJECT, says which project is meant; --config '' leaves the config file out"
	if near := schema.Nearest(name, names); near != "" {
		hint = "did you mean -p " + quotePaths([]string{near})
	}
	return nil, invalidf(hint, "%s has no project %q; expected %s", o.file.Name, name, list(names))
}

// list is a list of names in a sentence, cut where nobody would read on.
func list(names []string) string {
	const most = 8
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// settle fills in what the config file says and no flag does, and returns the
// paths to read. Arguments narrow the run to some of the project's files.
func (o *runOptions) settle(a *app, cmd *cobra.Command, args []string) (paths []string, err error) {
	f := cmd.Flags()
	if err := o.readConfig(a, f); err != nil || o.file == nil {
		return args, err
	}
	p, err := o.pick(o.projectName(a))
	if err != nil {
		return nil, err
	}
	o.project, o.tokenEnv = p.Name, p.TokenEnv
	for _, s := range []struct {
		flag  string
		to    *string
		value string
	}{
		{"owner", &o.owner, o.file.Owner},
		{"prune", &o.prune, p.Prune},
	} {
		if s.value != "" && !f.Changed(s.flag) {
			*s.to = s.value
		}
	}
	o.fileMaxDeletes = p.MaxDeletes
	o.formerOwners = o.file.FormerOwners
	o.protect = slices.Concat(p.Protect, o.protect)
	if !f.Changed("destination") {
		o.destinations = o.file.Destinations
	}
	if !f.Changed("archive") && o.file.Archive != "" {
		o.archive, o.archiveIsShared = o.archiveOfFile(), true
	}
	if !f.Changed("archive-is-durable") {
		o.archiveIsDurable = o.file.ArchiveIsDurable
	}
	o.takeKeyServices(o.file)
	if o.file.Audit != "" && !f.Changed("audit") {
		o.audit = o.file.Path(o.file.Audit)
	}
	return o.narrow(p, args)
}

// archiveOfFile is the archive location of the config file as this run can
// open it.
func (o *configOptions) archiveOfFile() string {
	if !config.IsFolder(o.file.Archive) || strings.HasPrefix(o.file.Archive, "file:") {
		return o.file.Archive
	}
	return o.file.Path(o.file.Archive)
}

// takeKeyServices adds the key services that the config file allows.
func (o *ruleOptions) takeKeyServices(file *config.File) {
	for _, s := range file.KeyServices {
		if !slices.Contains(o.keyServices, s) {
			o.keyServices = append(o.keyServices, s)
		}
	}
}

// narrow takes paths as those of the project's files that the run is about. All
// files are read all the same: what guards look at must not depend on it.
func (o *runOptions) narrow(p *config.Project, args []string) ([]string, error) {
	paths := o.file.Paths(p)
	if len(args) == 0 {
		return paths, nil
	}
	if err := within(o.file, p, args); err != nil {
		return nil, err
	}
	found, problems := config.Find(args)
	if schema.HasErrors(problems) {
		return nil, invalid(errors.New(problems[0].Position.String()+": "+problems[0].Message), problems[0].Hint)
	}
	o.narrowed, o.shown = map[string]bool{}, args
	for _, r := range found {
		o.narrowed[r.Name] = true
	}
	return paths, nil
}

// within refuses a path that is not among the project's rule files.
func within(file *config.File, p *config.Project, args []string) error {
	for _, arg := range args {
		if !config.Within(arg, file.Paths(p)) {
			return invalidf("name one of them, or add the path to rules in "+file.Name,
				"%s is not among the rule files of project %q: %s", arg, p.Name, list(p.Rules))
		}
	}
	return nil
}
