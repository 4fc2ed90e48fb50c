package config

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Snapshot contains the files of one state of the repository: a commit or the work
// tree. Paths have slashes and begin at the top of the repository.
type Snapshot interface {
	// File returns the content of a regular file, or nil if it is absent.
	File(path string) ([]byte, error)
	// Find lists the files with the given name in a directory and below it.
	Find(dir, name string) ([]string, error)
}

// State contains the files that guard the rules in one state of the repository.
type State struct {
	// Config is the config file, or nil if it is absent. Name is its path.
	Config *File
	Name   string
	// Paths are the rule paths if the config file is absent.
	Paths []string
	Files Snapshot
}

// repositoryRulePaths returns the rule paths from the top of the repository.
func (s State) repositoryRulePaths() []string {
	if s.Config == nil {
		return s.Paths
	}
	var out []string
	for _, p := range s.Config.Projects {
		for _, r := range p.Rules {
			out = append(out, path.Join(path.Dir(s.Name), r))
		}
	}
	return out
}

// Compare lists the guards that are weaker now than before. It compares the config
// file and the .sops.yaml files in rule paths and above them, up to the top of the
// repository. The error is a read error.
func Compare(before, now State) ([]Loosening, error) {
	l := &guardDiff{}
	if before.Config != nil && now.Config != nil && before.Name != now.Name {
		l.addLoosening("", "config file", strconv.Quote(before.Name)+" became "+strconv.Quote(now.Name)+": what the first one guarded was compared with the second")
	}
	l.list = append(l.list, CompareConfigs(before.Config, now.Config)...)
	paths := slices.Concat(before.repositoryRulePaths(), now.repositoryRulePaths())
	for _, s := range []State{before, now} {
		if s.Config != nil {
			paths = append(paths, path.Dir(s.Name)) // the usual working directory of sops
		}
	}
	old, err := sopsConfigs(before.Files, paths, before.repositoryRulePaths())
	if err != nil {
		return nil, err
	}
	current, err := sopsConfigs(now.Files, paths, slices.Concat(before.repositoryRulePaths(), now.repositoryRulePaths()))
	if err != nil {
		return nil, err
	}
	l.compareSOPSConfigs(old, current)
	return l.list, nil
}

// sopsConfigs reads the .sops.yaml files above paths and in rule paths.
func sopsConfigs(files Snapshot, above, rules []string) (map[string][]byte, error) {
	names := map[string]bool{}
	for _, p := range above {
		for dir := path.Clean(p); ; dir = path.Dir(dir) {
			names[path.Join(dir, sopsConfigName)] = true
			if dir == "." || dir == "/" {
				break
			}
		}
	}
	for _, dir := range rules {
		found, err := files.Find(dir, sopsConfigName)
		if err != nil {
			return nil, fmt.Errorf("look for .sops.yaml in %s: %w", dir, err)
		}
		for _, name := range found {
			names[name] = true
		}
	}
	out := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		data, err := files.File(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if data != nil {
			out[name] = data
		}
	}
	return out, nil
}

// nearestAbove returns the .sops.yaml that applies in dir, and its name.
func nearestAbove(configs map[string][]byte, dir string) (data []byte, name string) {
	for ; ; dir = path.Dir(dir) {
		name := path.Join(dir, sopsConfigName)
		if data, ok := configs[name]; ok {
			return data, name
		}
		if dir == "." || dir == "/" {
			return nil, ""
		}
	}
}

// compareSOPSConfigs reports who can read new secrets now but could not before.
func (l *guardDiff) compareSOPSConfigs(before, now map[string][]byte) {
	names := slices.Collect(maps.Keys(before))
	for name := range now {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		old, had := before[name]
		data, has := now[name]
		dir := path.Dir(name)
		switch {
		case had && has:
			if !bytes.Equal(old, data) {
				l.compareSOPSConfig(name, parseSopsConfig("", old), parseSopsConfig("", data))
			}
		case has:
			above, from := nearestAbove(before, dir)
			text := "is new, and says who can read new secrets in " + directoryName(dir)
			if from != "" {
				text += ", in place of " + from
			}
			l.addLoosening("", name, text)
			l.reportAddedKeys(name, allKeys(parseSopsConfig("", above)), parseSopsConfig("", data))
		default:
			below, from := nearestAbove(now, dir)
			if from == "" {
				l.addLoosening("", name, "was removed: nothing says who can read new secrets in "+directoryName(dir))
				continue
			}
			l.addLoosening("", name, "was removed: "+from+" says who can read new secrets in "+directoryName(dir))
			l.reportAddedKeys(name, allKeys(parseSopsConfig("", old)), parseSopsConfig("", below))
		}
	}
}

func directoryName(dir string) string {
	if dir == "." {
		return "the repository"
	}
	return dir
}

func allKeys(c *sopsConfig) []string {
	var out []string
	for _, r := range c.rules {
		out = append(out, r.keys...)
	}
	return out
}

// reportAddedKeys reports the keys of a .sops.yaml that before lacks.
func (l *guardDiff) reportAddedKeys(name string, before []string, now *sopsConfig) {
	if now.invalid {
		l.addLoosening("", name, "cannot be read as a .sops.yaml: it is not known who can read new secrets")
	}
	for _, key := range keysOnlyIn(allKeys(now), before) {
		l.addLoosening("", name, quoteKeys([]string{key})+" was added: it can read new secrets")
	}
}

// compareSOPSConfig compares two versions of a .sops.yaml. It names each added key. For
// all other changes it reports only the position: their effect depends on the order
// of the creation rules and on future files.
func (l *guardDiff) compareSOPSConfig(name string, before, now *sopsConfig) {
	if before.invalid || now.invalid {
		l.addLoosening("", name, "was changed, and cannot be read as a .sops.yaml: it is not known who can read new secrets")
		return
	}
	patterns := func(c *sopsConfig) (out []string) {
		for _, r := range c.rules {
			out = append(out, r.pattern)
		}
		return out
	}
	if !slices.Equal(patterns(before), patterns(now)) {
		l.addLoosening("", name, "creation rules were added, removed or moved, or their path_regex was changed: other keys may read new secrets of a file")
		l.reportAddedKeys(name, allKeys(before), now)
		return
	}
	for i := range now.rules {
		a, b := before.rules[i], now.rules[i]
		of := fmt.Sprintf(" (creation rule %d)", i+1)
		for _, key := range keysOnlyIn(b.keys, a.keys) {
			l.addLoosening("", name, quoteKeys([]string{key})+" was added"+of+": it can read new secrets")
		}
		fields := slices.DeleteFunc(differingNames(a.fields, b.fields), isKeyList) // removed keys guard more
		if len(fields) > 0 {
			l.addLoosening("", name, strings.Join(fields, ", ")+" was changed"+of+": what is encrypted, and who can read it, may have changed")
		}
	}
	if fields := differingNames(before.rest, now.rest); len(fields) > 0 {
		l.addLoosening("", name, strings.Join(fields, ", ")+" was changed: SOPS may do other than before")
	}
}
