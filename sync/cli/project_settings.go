package cli

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// projectSettings are the options of one project of a run, with all its
// settings filled in.
type projectSettings struct {
	runOptions
	name         string
	paths        []string     // its rule paths, in the order of the layers
	planSettings plan.Options // options of its plan
}

// resolveSettings fills in the settings that no flag sets from the config file.
// It returns the projects of the run in file order.
func (o *runOptions) resolveSettings(a *app, cmd *cobra.Command, args []string) ([]*projectSettings, error) {
	f := cmd.Flags()
	if f.Lookup("parallel") == nil {
		o.parallel = 1 // a single-project command
	} else if o.parallel < 1 || o.parallel > 256 {
		return nil, invalidf("", "--parallel %d: expected 1 to 256", o.parallel)
	}
	if err := o.readConfig(a, f); err != nil {
		return nil, err
	}
	if o.file == nil {
		name, err := o.projectName(a)
		if err != nil && len(args) == 0 && cmd.Name() != "config" {
			err = noPathsError() // a first call usually lacks paths
		}
		if err != nil {
			return nil, err
		}
		t := &projectSettings{runOptions: *o, name: name, paths: args}
		return []*projectSettings{t}, t.checkSettings(a)
	}
	picked, err := o.pickProjects(a, o.projects)
	if err != nil {
		return nil, err
	}
	picked, err = o.projectsOfPaths(picked, args)
	if err != nil {
		return nil, err
	}
	targets := make([]*projectSettings, 0, len(picked))
	for _, p := range picked {
		t := &projectSettings{runOptions: *o, name: p.Name}
		t.fillFromConfig(p, f)
		if t.keepOwnFlags(); len(o.only) > 0 && len(t.only) == 0 {
			continue // --only names rules of other projects
		}
		if t.paths, err = t.narrowToPaths(p, args); err != nil {
			return nil, err
		}
		if err := t.checkSettings(a); err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	if len(targets) == 0 {
		return nil, invalidf("", "%s%q: its project is not one that this run is about: %s", o.ruleLabel(), o.only[0], joinNames(projectNames(picked)))
	}
	for _, t := range targets {
		t.planSettings.Several = o.isAmbiguous(cmd, len(targets))
	}
	return targets, nil
}

func projectNames(projects []*config.Project) []string {
	var names []string
	for _, p := range projects {
		names = append(names, p.Name)
	}
	return names
}

// fillFromConfig takes the settings that no flag sets from the config file.
func (t *projectSettings) fillFromConfig(p *config.Project, f *pflag.FlagSet) {
	t.tokenEnv = p.TokenEnv
	for _, s := range []struct {
		flag  string
		to    *string
		value string
	}{
		{"owner", &t.owner, t.file.Owner},
		{"prune", &t.prune, p.Prune},
	} {
		if s.value != "" && !f.Changed(s.flag) {
			*s.to = s.value
		}
	}
	t.fileMaxDeletes = p.MaxDeletes
	t.formerOwners = t.file.FormerOwners
	t.fileProtect, t.protect = p.Protect, slices.Concat(p.Protect, t.protect)
	if !f.Changed("destination") {
		t.destinations = t.file.Destinations
	}
	if !f.Changed("archive") && t.file.Archive != "" {
		t.archive, t.archiveIsShared = t.archiveLocation(), true
	}
	if !f.Changed("archive-is-durable") {
		t.archiveIsDurable = t.file.ArchiveIsDurable
	}
	t.addKeyServices(t.file)
	t.layersOf = t.file
	if t.file.Audit != "" && !f.Changed("audit") {
		t.audit = t.file.Path(t.file.Audit)
	}
}

// checkSettings checks how settings combine, and defines the rules that the run
// covers.
func (t *projectSettings) checkSettings(a *app) (err error) {
	if t.planSettings, err = t.planOptions.checkedOptions(a); err != nil {
		return err
	}
	if t.archiveIsShared { // the file's own text, because the resolved path differs between machines
		t.planSettings.Archive = t.file.Archive
	}
	t.planSettings.KeyServices = t.keyServices
	t.planSettings.AllowPlaintextAuth, t.planSettings.AllowPlainCredentials = t.allowPlaintextAuth, t.allowPlainCredentials
	t.planSettings.AllowEmpty = t.allowEmpty
	if len(t.only) > 0 || t.narrowedRules != nil {
		t.about = func(rule string) bool {
			return (t.narrowedRules == nil || t.narrowedRules[rule]) && (len(t.only) == 0 || plan.MatchRule(t.only, t.name, rule))
		}
	}
	return nil
}

// projectsOfPaths returns the projects whose rule files contain the paths, or all
// projects without paths. It refuses a path that belongs to none of them.
func (o *runOptions) projectsOfPaths(projects []*config.Project, args []string) ([]*config.Project, error) {
	if len(args) == 0 {
		return projects, nil
	}
	has := func(p *config.Project, arg string) bool { return config.IsWithin(arg, o.file.Paths(p)) }
	for _, arg := range args {
		if !slices.ContainsFunc(projects, func(p *config.Project) bool { return has(p, arg) }) {
			return nil, outsideError(o.file, projects, arg)
		}
	}
	return slices.DeleteFunc(slices.Clone(projects), func(p *config.Project) bool {
		return !slices.ContainsFunc(args, func(arg string) bool { return has(p, arg) })
	}), nil
}

// outsideError returns the error for a path outside the rule files of the selected
// projects.
func outsideError(file *config.File, projects []*config.Project, arg string) error {
	const hint = "name one of them, or add the path to rules in "
	if len(projects) == 1 {
		return invalidf(hint+file.Name, "%s is not among the rule files of project %q: %s", arg, projects[0].Name, joinNames(projects[0].Rules))
	}
	var rules []string
	for _, p := range projects {
		for _, r := range p.Rules {
			if !slices.Contains(rules, r) {
				rules = append(rules, r)
			}
		}
	}
	return invalidf(hint+file.Name, "%s is not among the rule files of any project: %s", arg, joinNames(rules))
}

// narrowToPaths limits the run to the rules in the given paths. It still reads all
// files: guards must not depend on it.
func (t *projectSettings) narrowToPaths(p *config.Project, args []string) ([]string, error) {
	paths := t.file.Paths(p)
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return !config.IsWithin(arg, paths) })
	if len(args) == 0 {
		return paths, nil
	}
	t.narrowedRules, t.namedPaths = map[string]bool{}, args
	for _, arg := range args {
		found, problems := config.Scan([]string{arg})
		if schema.HasErrors(problems) {
			return nil, invalidFile(problems[0])
		}
		// For a shared secrets file, "nothing to do" could look as if the
		// secret was sent. Unreadable files are reported later, with all their
		// problems.
		unread := slices.ContainsFunc(problems, func(p schema.Problem) bool { return p.File != arg || directoryOf(arg) != arg })
		if len(found) == 0 && !unread {
			return nil, invalidf("leave the path out: plan names each rule that a shared secret goes to, and --only RULE picks some of them",
				"%s holds no rule, and a run is narrowed to rules", arg)
		}
		for _, r := range found {
			t.narrowedRules[r.Name] = true
		}
	}
	return paths, nil
}
