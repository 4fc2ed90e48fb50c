package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// checkConfigShape checks a document against the JSON Schema of the config file. It
// reports violations in its own words.
func (f *file) checkConfigShape(root *yaml.Node) {
	for _, v := range schema.CheckConfig(jsonOf(root)) {
		key, node := f.findPath(root, v.Path)
		at := "the file"
		if len(v.Path) > 0 {
			at = indexedPath(v.Path)
		}
		switch v.Kind {
		case schema.Missing:
			if key == nil {
				key = node
			}
			for _, name := range v.Names {
				where := name
				if len(v.Path) > 0 {
					where = at + "." + name
				}
				f.fail(key, missingHints[name], "%s is missing", where)
			}
		case schema.Unknown:
			f.reportUnknownKeys(node, v, at, false)
		case schema.WrongType:
			if v.Path[len(v.Path)-1] != "maxDeletes" { // see checkMaxDeletes
				f.reportWrongType(node, v, at, false)
			}
		case schema.NotListed:
			if isText(node) {
				hint := ""
				if near := schema.Nearest(node.Value, v.Allowed); near != "" {
					hint = fmt.Sprintf("did you mean %s?", near)
				}
				f.fail(node, hint, "%s is %q, expected %s", at, f.printableValue(v.Path, node), joinAlternatives(v.Allowed))
			}
		case schema.Misshapen:
			f.reportWrongForm(node, v, at)
		case schema.Empty:
			f.fail(node, "", "%s is empty", at)
		case schema.Repeated:
			f.reportRepeated(node, at)
		default:
			f.fail(node, configFile.holds, "%s does not fit the schema", at)
		}
	}
}

var missingHints = map[string]string{
	"projects": "for example projects: {my-project: {rules: [rules]}}",
	"rules":    "name the project's folders of rule files: rules: [rules]",
}

// indexedPath formats a path for messages, with list indexes in brackets.
func indexedPath(path []string) string {
	var b strings.Builder
	for i, p := range path {
		switch {
		case i > 0 && p != "" && strings.Trim(p, "0123456789") == "" && path[i-1] != "projects":
			b.WriteString("[" + p + "]")
		case i > 0:
			b.WriteString("." + shorten(p))
		default:
			b.WriteString(shorten(p))
		}
	}
	return b.String()
}

// printableValue redacts a value for a message: users may put tokens in the wrong field.
func (f *file) printableValue(path []string, n *yaml.Node) string {
	return shorten(webhook.RedactValue(path[len(path)-1], n.Value))
}

// reportWrongForm reports the expected form of a text.
func (f *file) reportWrongForm(n *yaml.Node, v schema.Violation, at string) {
	name := v.Path[0]
	if len(v.Path) > 2 {
		name = v.Path[2]
	}
	switch {
	case !isText(n):
		return // the schema check reports the wrong type
	case name == "tokenEnv":
		// Do not print the value: it may be the token.
		f.fail(n, "the name of the variable, never the token itself: MKIO_TOKEN_PROD", "%s is no name of a token variable; expected MKIO_TOKEN, or one that begins with MKIO_TOKEN_", at)
	case name == "owner" || name == "formerOwners":
		f.fail(n, "a name such as video-platform", "%s is %q, expected 1 to 64 characters of a-z 0-9 . _ / -, the first a letter or digit", at, f.printableValue(v.Path, n))
	}
}

// reportRepeated reports every repeated item of a list of texts. The schema library stops
// at the first pair.
func (f *file) reportRepeated(list *yaml.Node, at string) {
	seen := map[string]int{}
	for _, n := range list.Content {
		if first, ok := seen[n.Value]; ok {
			f.fail(n, "remove one of them", "%s names %q twice, first on line %d", at, shorten(webhook.RedactValue("", n.Value)), first)
			continue
		}
		seen[n.Value] = n.Line
	}
}

// limitForm is compiled on first use, to keep start-up fast.
var limitForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([0-9]{1,9}|([0-9]{1,2}([.][0-9]+)?|100)%)$`)
})

// checkMaxDeletes checks maxDeletes of a project or of the defaults.
func (f *file) checkMaxDeletes(n *yaml.Node) {
	_, value := child(n, "maxDeletes")
	switch {
	case value == nil:
	case value.Kind != yaml.ScalarNode:
		f.fail(value, "for example 30%, or 5", "maxDeletes is %s, expected a count or a share of 0%% to 100%%", kindOf(value))
	case !limitForm().MatchString(value.Value):
		f.fail(value, "for example 30%, or 5", "maxDeletes is %q, expected a count or a share of 0%% to 100%%", shorten(webhook.RedactValue("", value.Value)))
	}
}

// checkRulePaths checks the rule paths of a project.
func (f *file) checkRulePaths(project *yaml.Node, follow bool) {
	_, rules := child(project, "rules")
	if rules == nil {
		return // the schema check reports it
	}
	for _, n := range rules.Content {
		if why := f.outsideReason(n.Value, follow); why != "" {
			f.fail(n, "a path such as rules, relative to the config file", "a path of rules %s", why)
		}
	}
}

// checkLocations checks the locations of the archive and the audit log.
func (f *file) checkLocations(root *yaml.Node, follow bool) {
	if _, n := child(root, "audit"); isText(n) {
		if why := f.outsideReason(n.Value, follow); why != "" {
			f.fail(n, "a path such as ./audit/applies.jsonl", "the path of audit %s", why)
		}
	}
	_, n := child(root, "archive")
	if !isText(n) {
		return
	}
	if scheme, _, isURL := strings.Cut(n.Value, "://"); isURL && !slices.Contains(archiveSchemes, strings.ToLower(scheme)) {
		f.fail(n, "a folder such as ./archive, or s3://BUCKET/PREFIX", "archive has the scheme %q, expected a folder, s3, azblob or gs", shorten(webhook.RedactValue("", scheme)))
		return
	}
	if !IsDirectory(n.Value) {
		return
	}
	path := strings.TrimPrefix(n.Value, "file:")
	if slashes := strings.TrimLeft(path, "/"); len(path)-len(slashes) >= 2 {
		path = "/" + slashes
	}
	if why := f.outsideReason(path, follow); why != "" {
		f.fail(n, "name a folder elsewhere with --archive DIR", "the path of archive %s", why)
	}
}

// archiveSchemes are the URL schemes that an archive location may have.
var archiveSchemes = []string{"file", "s3", "azblob", "gs"}

// IsDirectory reports whether an archive location is a directory, not an object store.
func IsDirectory(location string) bool {
	scheme, _, ok := strings.Cut(location, "://")
	return !ok || strings.EqualFold(scheme, "file")
}

// checkDestinations checks the hosts that may receive secrets.
func (f *file) checkDestinations(root *yaml.Node) {
	_, list := child(root, "destinations")
	if list == nil || list.Kind != yaml.SequenceNode {
		return
	}
	for _, n := range list.Content {
		if err := webhook.CheckDestination(n.Value); err != nil {
			f.fail(n, "a host, *.host or host:port, such as hooks.example.com", "destinations: %s", shorten(webhook.RedactValue("", err.Error())))
		}
	}
	if len(list.Content) == 0 {
		f.fail(list, "name the hosts, or remove the key: without it only a change of host is blocked", "destinations is empty")
	}
}
