package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
)

// fileSet is a set of rule files that are checked together. A rule name is
// unique in its project, and layers merge only within a project.
type fileSet struct {
	paths   []string
	layered bool
	// namedPath is the path argument inside paths; "" if all paths were named.
	namedPath string
	// rules are the rules in the named files; nil means all.
	rules map[string]bool
}

// fileSets returns the file sets to check: a set for each project, or the sets of
// the path arguments.
func (o *validateOptions) fileSets(a *app, cmd *cobra.Command, args []string) ([]fileSet, error) {
	if err := o.readConfig(a, cmd.Flags()); err != nil {
		return nil, err
	}
	if o.file == nil {
		if len(o.projects) > 0 {
			return nil, invalidf("name the rule files instead: mkhooks validate PATH...", "-p %s: there is no config file %s here to say what the project's files are", quotePaths(o.projects), config.FileName)
		}
		return []fileSet{{paths: args}}, nil
	}
	o.addKeyServices(o.file)
	projects, err := o.checkedProjects(a)
	if err != nil {
		return nil, err
	}
	if len(o.projects) > 0 {
		for _, arg := range args {
			if !slices.ContainsFunc(projects, func(p *config.Project) bool { return config.IsWithin(arg, o.file.Paths(p)) }) {
				return nil, outsideError(o.file, projects, arg)
			}
		}
	}
	if len(args) > 0 {
		return o.setsOfPaths(projects, args), nil
	}
	var sets []fileSet
	for _, p := range projects {
		sets = append(sets, fileSet{paths: o.file.Paths(p), layered: true})
	}
	return sets, nil
}

// checkedProjects returns the projects of -p, or all. It ignores MKIO_PROJECT, which
// selects a project of the service, not files.
func (o *validateOptions) checkedProjects(a *app) ([]*config.Project, error) {
	if len(o.projects) > 0 {
		return o.pickProjects(a, o.projects)
	}
	return o.pickProjects(a, []string{"*"})
}

// setsOfPaths returns the file sets of path arguments. A file of a layered
// project may be only a part of a rule, so it is checked with the other layers.
func (o *validateOptions) setsOfPaths(projects []*config.Project, args []string) []fileSet {
	var sets []fileSet
	var flat, layered []string
	for _, p := range projects {
		if len(p.Rules) > 1 {
			layered = append(layered, o.file.Paths(p)...)
		}
	}
	whole := map[string]bool{}
	for _, arg := range args {
		inside, around := false, false
		for _, p := range projects {
			paths := o.file.Paths(p)
			switch {
			case len(paths) < 2:
			case config.IsWithin(arg, paths):
				inside = true
				sets = append(sets, fileSet{paths: paths, layered: true, namedPath: arg, rules: ruleNamesIn(arg)})
			case slices.ContainsFunc(paths, func(path string) bool { return config.IsWithin(path, []string{arg}) }):
				around = true
				if !whole[p.Name] {
					whole[p.Name] = true
					sets = append(sets, fileSet{paths: paths, layered: true})
				}
			}
		}
		switch {
		case inside:
		case around:
			flat = append(flat, config.FilesOutside([]string{arg}, layered)...)
		default:
			flat = append(flat, arg)
		}
	}
	if len(flat) > 0 {
		sets = append(sets, fileSet{paths: flat})
	}
	return sets
}

// ruleNamesIn returns the names of the rules below a path.
func ruleNamesIn(path string) map[string]bool {
	found, _ := config.Scan([]string{path}) // readSet reports all problems later
	names := map[string]bool{}
	for _, f := range found {
		names[f.Name] = true
	}
	return names
}

// readSets reads several file sets. A rule or problem that two sets share
// counts once.
func (o *validateOptions) readSets(ctx context.Context, a *app, sets []fileSet) (*config.Rules, []schema.Problem, error) {
	all := &config.Rules{}
	var problems []schema.Problem
	said, files, merged := map[schema.Problem]bool{}, map[string]bool{}, map[string]bool{}
	for _, set := range sets {
		rules, more, err := o.readSet(ctx, a, set)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range more {
			if !said[p] {
				said[p] = true
				problems = append(problems, p)
			}
		}
		for _, r := range rules.Rules {
			from := r.Files()
			key := quotePaths(from)
			for _, s := range r.Sealed.Sources { // layered rules may differ only in their shared files
				key += " " + s.File
			}
			if !merged[key] {
				merged[key] = true
				all.Rules = append(all.Rules, r)
			}
			for _, f := range from {
				files[f] = true
			}
		}
		all.Files += rules.Files
	}
	if len(sets) != 1 || sets[0].rules != nil {
		all.Files = len(files)
	}
	schema.SortProblems(problems)
	return all, problems, nil
}

// readSet reads one file set.
func (o *validateOptions) readSet(ctx context.Context, a *app, set fileSet) (*config.Rules, []schema.Problem, error) {
	options := o.ruleOptions
	if set.layered {
		options.layersOf = o.file
	}
	if set.rules != nil {
		options.about, options.silent = func(rule string) bool { return set.rules[rule] }, true
	}
	rules, problems, err := options.loadRules(ctx, a, set.paths)
	if err != nil {
		return nil, nil, err
	}
	if set.namedPath != "" {
		problems = append(problems, config.CheckPaths([]string{set.namedPath}, options.parseOptions(a))...)
	}
	if set.rules != nil {
		rules.Rules = slices.DeleteFunc(rules.Rules, func(r config.Rule) bool { return !set.rules[r.Name] })
	}
	return rules, problems, nil
}
