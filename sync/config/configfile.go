package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
)

// FileName is the config file that a run looks for in its directory.
const FileName = "mkhooks.yaml"

// File is a config file: owner, guards and projects. A key that the file lacks is
// empty here.
type File struct {
	// Name is the file name as the caller gave it.
	Name             string   `yaml:"-"`
	Owner            string   `yaml:"owner"`
	FormerOwners     []string `yaml:"formerOwners"`
	Archive          string   `yaml:"archive"`
	ArchiveIsDurable bool     `yaml:"archiveIsDurable"`
	Audit            string   `yaml:"audit"`
	Destinations     []string `yaml:"destinations"`
	KeyServices      []string `yaml:"keyServices"`
	// Projects are in file order, with defaults filled in.
	Projects []Project `yaml:"-"`
	lines    map[string]int
}

// Line returns the line of a key or list entry, given the keys that lead to it
// (owner, or projects, prod, rules, 0). It returns 0 if the file lacks it.
func (f *File) Line(path ...string) int { return f.lines[strings.Join(path, "\x00")] }

// Project contains the settings of one project in a config file.
type Project struct {
	Name string `yaml:"-"`
	// Rules are the paths as written in the file, relative to its directory.
	Rules []string `yaml:"rules"`
	// TokenEnv is the variable that contains the token. Empty means MKIO_TOKEN.
	TokenEnv string   `yaml:"tokenEnv"`
	Protect  []string `yaml:"protect"`
	settings `yaml:",inline"`
}

// settings are the keys of defaults, which a project may override.
type settings struct {
	// Prune is none, owned, all or empty. MaxDeletes is a count, a share or empty.
	Prune      string `yaml:"prune"`
	MaxDeletes string `yaml:"maxDeletes"`
}

// Dir returns the directory that the file's paths are relative to.
func (f *File) Dir() string { return filepath.Dir(f.Name) }

// Path converts a path of the file into a path that this run can open.
func (f *File) Path(path string) string { return filepath.Join(f.Dir(), filepath.FromSlash(path)) }

// Paths returns the rule paths of a project as this run can open them.
func (f *File) Paths(p *Project) []string {
	out := make([]string, 0, len(p.Rules))
	for _, r := range p.Rules {
		out = append(out, f.Path(r))
	}
	return out
}

// AllPaths returns the rule paths of all projects.
func (f *File) AllPaths() []string {
	var out []string
	for i := range f.Projects {
		out = append(out, f.Paths(&f.Projects[i])...)
	}
	return out
}

// Project returns the project with the given name, or nil.
func (f *File) Project(name string) *Project {
	for i := range f.Projects {
		if f.Projects[i].Name == name {
			return &f.Projects[i]
		}
	}
	return nil
}

// Names returns the project names in file order.
func (f *File) Names() []string {
	var out []string
	for _, p := range f.Projects {
		out = append(out, p.Name)
	}
	return out
}

// ReadFile reads the config file. It returns nil if a problem is an error.
func ReadFile(name string) (*File, []schema.Problem) {
	if IsLinkOutside(name) {
		return nil, []schema.Problem{fileProblem(name, LinkOutside, linkOutsideHint)}
	}
	data, err := readLimited(name)
	if err != nil {
		return nil, []schema.Problem{fileProblem(name, "can't be read: "+readErrorReason(err), "")}
	}
	return parseFile(name, data, true)
}

// ParseFile parses the content of a config file and reads nothing else: it does not
// follow links in its paths.
func ParseFile(name string, data []byte) (*File, []schema.Problem) {
	return parseFile(name, data, false)
}

var configFile = fileKind{
	nothing: "holds no config",
	holds:   "a config file holds projects and their rules: mkhooks schema config",
	size:    "a config file is some kilobytes; is this one?",
	depth:   "a config has four levels at most", expect: "projects",
	second: "a second document begins here; expected one config a file", secondHint: "put it into a file of its own, and name that with --config",
	alias: "write the value out",
	lists: "write a list: [...]",
	homes: map[string]string{
		"prune": "defaults, or a project", "maxDeletes": "defaults, or a project", "rules": "a project", "tokenEnv": "a project", "protect": "a project",
		"owner": "the top level", "formerOwners": "the top level", "archive": "the top level", "archiveIsDurable": "the top level", "audit": "the top level",
		"destinations": "the top level", "keyServices": "the top level", "defaults": "the top level", "projects": "the top level",
	},
}

func parseFile(name string, data []byte, follow bool) (out *File, problems []schema.Problem) {
	f := &file{kind: configFile, name: name}
	defer func() {
		if recover() != nil {
			out, problems = nil, unreadableProblem(name)
		}
	}()
	root := f.parseDocument(data)
	if root != nil {
		out = f.buildConfig(root, follow)
	}
	problems = f.sortedProblems()
	if schema.HasErrors(problems) {
		return nil, problems
	}
	return out, problems
}

// buildConfig checks a document and builds its config. The result is valid only if no
// problem is an error.
func (f *file) buildConfig(root *yaml.Node, follow bool) *File {
	f.checkConfigShape(root)
	_, defaults := child(root, "defaults")
	_, projects := child(root, "projects")
	f.checkMaxDeletes(defaults)
	f.checkLocations(root, follow)
	f.checkDestinations(root)
	f.checkOwnership(root)
	eachEntry(projects, func(key, value *yaml.Node) {
		f.checkName(key, "the name of a project", "a name such as my-project, as MK.IO has it")
		f.checkMaxDeletes(value)
		f.checkRulePaths(value, follow)
	})
	if schema.HasErrors(f.problems) {
		return nil
	}
	var common settings
	out := &File{Name: f.name, lines: map[string]int{}}
	recordLines(out.lines, root, "")
	if !f.decodeNode(root, out) || defaults != nil && !f.decodeNode(defaults, &common) {
		return nil
	}
	eachEntry(projects, func(key, value *yaml.Node) {
		p := Project{Name: key.Value}
		if !f.decodeNode(value, &p) {
			return
		}
		p.Prune, p.MaxDeletes = cmp.Or(p.Prune, common.Prune), cmp.Or(p.MaxDeletes, common.MaxDeletes)
		out.Projects = append(out.Projects, p)
	})
	return out
}

// NamedAt returns FILE:LINE of a rule path of any project, or "" if no project has
// the path.
func (f *File) NamedAt(path string) string {
	for i := range f.Projects {
		p := &f.Projects[i]
		if k := slices.Index(f.Paths(p), path); k >= 0 {
			return fmt.Sprintf("%s:%d", f.Name, f.Line("projects", p.Name, "rules", strconv.Itoa(k)))
		}
	}
	return ""
}

// recordLines records the line of each key of nested mappings, and of each list entry
// in them.
func recordLines(lines map[string]int, n *yaml.Node, above string) {
	if n.Kind == yaml.SequenceNode {
		for i, entry := range n.Content {
			lines[above+strconv.Itoa(i)] = entry.Line
		}
	}
	eachEntry(n, func(key, value *yaml.Node) {
		lines[above+key.Value] = key.Line
		recordLines(lines, value, above+key.Value+"\x00")
	})
}

// decodeNode decodes a node whose shape was checked before.
func (f *file) decodeNode(n *yaml.Node, v any) bool {
	if n.Decode(v) != nil {
		f.fail(n, configFile.holds, "can't be read")
		return false
	}
	return true
}

// checkOwnership reports keys that have no effect without an owner.
func (f *file) checkOwnership(root *yaml.Node) {
	if key, _ := child(root, "owner"); key != nil {
		return
	}
	if key, list := child(root, "formerOwners"); key != nil && len(list.Content) > 0 {
		f.fail(key, "add owner: NAME", "formerOwners stands without owner; expected the name of now, too")
	}
	pruned := func(_, n *yaml.Node) {
		if _, value := child(n, "prune"); value != nil && value.Value == "owned" {
			f.fail(value, "add owner: NAME, or say prune: none", "prune is owned and there is no owner: without one nothing says which rules are ours")
		}
	}
	pruned(child(root, "defaults"))
	_, projects := child(root, "projects")
	eachEntry(projects, pruned)
}

// leadsIntoGit reports whether a path has a component .git, in any case: an audit
// log named .git/hooks/pre-push or .git/config would be written there.
func leadsIntoGit(path string) bool {
	return slices.ContainsFunc(strings.Split(filepath.ToSlash(path), "/"), func(name string) bool {
		return strings.EqualFold(strings.TrimRight(name, ". "), ".git")
	})
}

// outsideReason returns why a path leaves the file's directory, or "" if it stays inside.
// It resolves links only if follow is set.
func (f *file) outsideReason(path string, follow bool) (why string) {
	local := filepath.FromSlash(path)
	switch {
	case filepath.IsAbs(local) || strings.HasPrefix(path, "/"):
		return "is absolute; expected one inside the folder of the config file"
	case !filepath.IsLocal(local):
		return "leads out of the folder of the config file"
	case leadsIntoGit(local):
		return "leads into the directory of Git, whose files Git obeys"
	case !follow:
		return ""
	}
	dir := realPath(filepath.Dir(f.name))
	if !isBelow(realPath(filepath.Join(dir, local)), dir) {
		return "is a link that leads out of the folder of the config file"
	}
	return ""
}
