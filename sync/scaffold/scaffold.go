// Package scaffold renders the files of a config repository from templates and
// writes the missing files.
//
// It overwrites nothing, follows no link, asks no questions and detects nothing:
// [Settings] contains all inputs. It encrypts nothing; the example rule contains a
// placeholder in place of a secret.
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

// Settings are the inputs of the templates.
type Settings struct {
	Owner, Project string
	// Branch is the branch that is applied. ToolRef is the commit or tag of mkhooks that
	// the workflows run.
	Branch, ToolRef string
	// RulePaths are the directories of rule files. Empty means rules.
	RulePaths []string
	// Destinations are the hosts that may receive secrets.
	Destinations []string
	// Recipients are public parts of age keys.
	Recipients []string
	// Secret adds a placeholder for a secret to the example rule.
	Secret bool
	// CodeOwners approve changes to guards. Empty leaves them open.
	CodeOwners []string
	// Below is the directory of the files in the Git repository, with slashes. It is
	// empty at the top.
	Below string
}

// File is one file of a config repository.
type File struct {
	// Path has slashes and is relative to the config repository.
	Path string
	// Why describes the file's purpose in a few words.
	Why  string
	Data []byte
	// Same lists other paths of files with the same purpose, including patterns in lower
	// case. If such a file exists, this file is not written.
	Same []string
}

// Paths of the files that other code refers to.
const (
	ConfigPath     = "mkhooks.yaml"
	ExamplePath    = "rules/example.yaml"
	SOPSPath       = ".sops.yaml"
	CodeOwnersPath = ".github/CODEOWNERS"
	ignorePath     = ".gitignore"
	attributesPath = ".gitattributes"
	WorkflowPrefix = ".github/workflows/mkhooks-"
)

// ExampleHost is the host that the example rule delivers to.
const ExampleHost = "hooks.example.com"

// plan lists every file with a separate template, the config file last. If a run is
// interrupted before the config file, there is no config repository yet, and the
// next run starts again.
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

// workflows describes the purpose of each workflow.
var workflows = map[string]string{
	"plan":  "plans each pull request",
	"apply": "applies what was merged",
	"drift": "looks for drift at night",
}

// Files returns all files of a config repository in the order of writing.
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
		data, err := s.renderTemplate(name)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: WorkflowPrefix + base, Why: workflows[strings.TrimSuffix(base, ".yml")], Data: data})
	}
	for _, p := range plan {
		if p.Data, err = s.renderTemplate("templates/" + p.template); err != nil {
			return nil, err
		}
		files = append(files, p.File)
	}
	return files, nil
}

// renderTemplate executes a template.
func (s Settings) renderTemplate(name string) ([]byte, error) {
	text, err := templates.ReadFile(name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Delims("[[", "]]").Funcs(template.FuncMap{"yaml": yamlScalar}).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		return nil, fmt.Errorf("fill in %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// yamlScalar formats s as YAML, with quotes if it needs them.
func yamlScalar(s string) (string, error) {
	out, err := yaml.Marshal(s)
	return strings.TrimSuffix(string(out), "\n"), err
}

// PathRegex returns an expression that matches the rule files as SOPS names them:
// relative to the directory of .sops.yaml.
func (s Settings) PathRegex() string {
	var alternatives []string
	for _, p := range s.ruleDirectories() {
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

func (s Settings) ruleDirectories() []string {
	if len(s.RulePaths) == 0 {
		return []string{"rules"}
	}
	return s.RulePaths
}

// Guarded returns the patterns of files that code owners approve: everything that
// plan --base compares, and everything that runs it. The patterns are relative to
// the repository, whose top may be above the directory of the files.
func (s Settings) Guarded() []string {
	top := "/"
	if s.Below != "" {
		top = "/" + strings.ReplaceAll(s.Below, " ", `\ `) + "/"
	}
	out := []string{top + ConfigPath}
	if s.Below == "" {
		out = append(out, SOPSPath) // in every directory: rules/.sops.yaml overrides the file above it
	} else {
		out = append(out, top+"**/"+SOPSPath)
		for dir := path.Dir(strings.TrimSuffix(top, "/")); ; dir = path.Dir(dir) {
			out = append(out, path.Join(dir, SOPSPath)) // SOPS also looks upwards
			if dir == "/" {
				break
			}
		}
	}
	return append(out, "/.github/workflows/", "/"+CodeOwnersPath)
}

// Approvers returns the code owners for a line.
func (s Settings) Approvers() string {
	if len(s.CodeOwners) == 0 {
		return "@ORG/TEAM"
	}
	return strings.Join(s.CodeOwners, " ")
}
