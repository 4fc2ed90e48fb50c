// Package scaffold makes the files of a config repo from templates, and writes
// those that are missing.
//
// It overwrites nothing, follows no link, asks nobody and finds nothing out:
// what the files say is in [Settings]. It encrypts nothing; where a secret
// belongs, the example rule holds a placeholder.
package scaffold

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
)

//go:embed all:templates
var templates embed.FS

// Settings are what the files say.
type Settings struct {
	Owner, Project string
	// Branch is the one that is applied from, ToolRef the commit or tag of
	// mkhooks that the workflows run.
	Branch, ToolRef string
	// RulePaths are the folders of rule files; empty means rules.
	RulePaths []string
	// Destinations are the hosts that may receive secrets.
	Destinations []string
	// Recipients are public parts of age keys.
	Recipients []string
	// Secret gives the example rule a placeholder for a secret.
	Secret bool
	// CodeOwners are who approves a change to guards; empty leaves that open.
	CodeOwners []string
	// Below is the directory of the files in the Git repository, with slashes;
	// empty at its top.
	Below string
}

// File is one file of a config repo.
type File struct {
	// Path has slashes and is relative to the repo.
	Path string
	// Why says in some words what the file is for.
	Why  string
	Data []byte
	// Same are other places at which a file does the same, patterns in lower
	// case included: where there is one, this file is not wanted.
	Same []string
}

// The files that others ask for by name.
const (
	ConfigPath     = "mkhooks.yaml"
	ExamplePath    = "rules/example.yaml"
	SOPSPath       = ".sops.yaml"
	CodeOwnersPath = ".github/CODEOWNERS"
	ignorePath     = ".gitignore"
	attributesPath = ".gitattributes"
	WorkflowPrefix = ".github/workflows/mkhooks-"
)

// ExampleHost is where the example rule would deliver to.
const ExampleHost = "hooks.example.com"

// plan is every file that has a template of its own, the config file last: a
// run that dies before it is no config repo yet, and is gone through again.
var plan = []struct {
	File
	template string
}{
	{File{Path: ignorePath, Why: "keeps keys, plans and archives out of Git"}, "gitignore"},
	{File{Path: attributesPath, Why: "the same bytes on every machine"}, "gitattributes"},
	{File{Path: SOPSPath, Why: "who can read secrets, what is encrypted"}, "sops.yaml"},
	{File{Path: ExamplePath, Why: "an example, disabled: it does no harm"}, "rules/example.yaml"},
	{File{Path: CodeOwnersPath, Why: "who approves guards, keys, workflows", Same: []string{"codeowners", "docs/codeowners"}}, "CODEOWNERS"},
	{File{Path: "README.md", Why: "how to change a rule, how to set a secret", Same: []string{"readme*", "docs/readme*", ".github/readme*"}}, "README.md"},
	{File{Path: ConfigPath, Why: "owner, guards, projects and their rules"}, "mkhooks.yaml"},
}

// workflows says what each workflow is for.
var workflows = map[string]string{
	"plan":  "plans each pull request",
	"apply": "applies what was merged",
	"drift": "looks for drift at night",
}

// Files are all files of a config repo, in the order in which they are written.
func (s Settings) Files() ([]File, error) {
	files := []File{
		{Path: "rule.schema.json", Why: "for editors: completes and checks rules", Data: schema.Rule()},
		{Path: "config.schema.json", Why: "for editors: the same of mkhooks.yaml", Data: schema.Config()},
	}
	found, err := fs.Glob(templates, "templates/github/*.yml")
	if err != nil {
		return nil, err
	}
	for _, name := range found {
		base := path.Base(name)
		data, err := s.render(name)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: WorkflowPrefix + base, Why: workflows[strings.TrimSuffix(base, ".yml")], Data: data})
	}
	for _, p := range plan {
		if p.Data, err = s.render("templates/" + p.template); err != nil {
			return nil, err
		}
		files = append(files, p.File)
	}
	return files, nil
}

// render fills a template in.
func (s Settings) render(name string) ([]byte, error) {
	text, err := templates.ReadFile(name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Delims("[[", "]]").Funcs(template.FuncMap{"yaml": scalar}).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		return nil, fmt.Errorf("fill in %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// scalar is s as YAML, with quotes where it needs them.
func scalar(s string) (string, error) {
	out, err := yaml.Marshal(s)
	return strings.TrimSuffix(string(out), "\n"), err
}

// PathRegex matches the rule files, as SOPS names them: from the folder of
// .sops.yaml.
func (s Settings) PathRegex() string {
	var alternatives []string
	for _, p := range s.rulePaths() {
		if p = path.Clean(p); p == "." {
			return `\.ya?ml$`
		}
		alternatives = append(alternatives, regexp.QuoteMeta(p))
	}
	one := strings.Join(alternatives, "|")
	if len(alternatives) > 1 {
		one = "(" + one + ")"
	}
	return "^" + one + "(/|$)"
}

func (s Settings) rulePaths() []string {
	if len(s.RulePaths) == 0 {
		return []string{"rules"}
	}
	return s.RulePaths
}

// Guarded are the patterns of the files that code owners approve: everything
// that plan --base compares, and what runs it. They are those of the repository,
// whose top need not be the directory of the files.
func (s Settings) Guarded() []string {
	top := "/"
	if s.Below != "" {
		top = "/" + strings.ReplaceAll(s.Below, " ", `\ `) + "/"
	}
	out := []string{top + ConfigPath}
	if s.Below == "" {
		out = append(out, SOPSPath) // in every directory: one in rules/ beats that above it
	} else {
		out = append(out, top+"**/"+SOPSPath)
		for dir := path.Dir(strings.TrimSuffix(top, "/")); ; dir = path.Dir(dir) {
			out = append(out, path.Join(dir, SOPSPath)) // SOPS looks upwards, too
			if dir == "/" {
				break
			}
		}
	}
	return append(out, "/.github/workflows/", "/"+CodeOwnersPath)
}

// Approvers are the code owners of a line.
func (s Settings) Approvers() string {
	if len(s.CodeOwners) == 0 {
		return "@ORG/TEAM"
	}
	return strings.Join(s.CodeOwners, " ")
}
