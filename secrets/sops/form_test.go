package sops_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
	"github.com/mkhooks/mkhooks/sync/config"
)

// foundByKey are the kinds of errors that only a key reveals, so validation
// does not find them.
var foundByKey = []sops.Kind{sops.WrongMAC, sops.Damaged}

// mutation replaces a node of the metadata.
type mutation struct {
	name   string
	change func(n *yaml.Node)
}

func scalar(tag, value string, style yaml.Style) func(*yaml.Node) {
	return func(n *yaml.Node) { *n = yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value, Style: style} }
}

var mutations = []mutation{
	{"null", scalar("!!null", "null", 0)},
	{"empty", scalar("!!str", "", yaml.DoubleQuotedStyle)},
	{"number", scalar("!!int", "12", 0)},
	{"negative", scalar("!!int", "-1", 0)},
	{"float", scalar("!!float", "1.5", 0)},
	{"truth", scalar("!!bool", "true", 0)},
	{"date", scalar("!!timestamp", "2026-01-02T03:04:05Z", 0)},
	{"day", scalar("!!timestamp", "2026-01-02", 0)},
	{"text", scalar("!!str", "s3cr3t text", yaml.DoubleQuotedStyle)},
	{"an odd regular expression", scalar("!!str", "(", yaml.DoubleQuotedStyle)},
	{"list", func(n *yaml.Node) {
		*n = yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "s3cr3t"}}}
	}},
	{"empty list", func(n *yaml.Node) { *n = yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle} }},
	{"mapping", func(n *yaml.Node) {
		*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "a"}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: "s3cr3t"}}}
	}},
	{"empty mapping", func(n *yaml.Node) { *n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle} }},
	{"without quotes", func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			scalar("", n.Value, 0)(n)
		}
	}},
	{"in quotes", func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
		}
	}},
	{"cut in half", func(n *yaml.Node) { n.Value = n.Value[:len(n.Value)/2]; n.Content = n.Content[:len(n.Content)/4*2] }},
	{"first character removed", func(n *yaml.Node) { n.Value = n.Value[min(1, len(n.Value)):] }},
	{"lines joined", func(n *yaml.Node) { n.Value = strings.ReplaceAll(n.Value, "\n", " ") }},
	{"text behind", func(n *yaml.Node) { n.Value += "s3cr3t" }},
	{"last of the list removed", func(n *yaml.Node) {
		if n.Kind == yaml.SequenceNode && len(n.Content) > 0 {
			n.Content = n.Content[:len(n.Content)-1]
		}
	}},
}

// nodesOf visits every node below n, with its path.
func nodesOf(n *yaml.Node, path string, visit func(path string)) {
	for i, c := range n.Content {
		at := fmt.Sprintf("%s/%d", path, i)
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		visit(at)
		nodesOf(c, at, visit)
	}
}

// nodeAt follows a path of [nodesOf]. It also returns the parent and the index
// in it.
func nodeAt(n *yaml.Node, path string) (node, parent *yaml.Node, index int) {
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		_, _ = fmt.Sscan(part, &index)
		parent, n = n, n.Content[index]
	}
	return n, parent, index
}

// TestForm changes the metadata of files that the real command encrypted, one
// node at a time. If the file then can't be decrypted although its keys are
// present, validation must report an error at the changed line.
func TestForm(t *testing.T) {
	t.Parallel()
	both := recipient + "," + second
	files := map[string]string{
		"age":        seal(t, document, usual...),
		"two keys":   seal(t, document, append([]string{"--age", both}, usual...)...),
		"key groups": sealGroups(t),
		"all keys":   withAllKeys(t, seal(t, document, usual...)),
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := decryptTree(t, text, sops.Options{}); err != nil {
				t.Fatalf("unchanged: %v\n%s", err, text)
			}
			if line, problems := validate(text); len(problems) > 0 {
				t.Fatalf("unchanged: %d: %v", line, problems)
			}
			var doc yaml.Node
			if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
				t.Fatal(err)
			}
			metadata := fmt.Sprintf("/0/%d", len(doc.Content[0].Content)-1)
			root, _, _ := nodeAt(&doc, metadata)
			refused := 0
			paths := []string{metadata}
			nodesOf(root, metadata, func(path string) { paths = append(paths, path) })
			for _, path := range paths {
				for _, m := range mutations {
					refused += tryForm(t, text, path, m.name, func(n, _ *yaml.Node, _ int) { m.change(n) })
				}
				refused += tryForm(t, text, path, "removed", func(_, parent *yaml.Node, i int) {
					from := i
					if parent.Kind == yaml.MappingNode {
						from--
					}
					parent.Content = slices.Delete(parent.Content, from, i+1)
				})
				refused += tryForm(t, text, path, "renamed", func(_, parent *yaml.Node, i int) {
					if parent.Kind == yaml.MappingNode {
						parent.Content[i-1].Value += "x"
					}
				})
			}
			if refused < 50 {
				t.Errorf("%d changes only keep the file from being opened", refused)
			}
		})
	}
}

// tryForm makes one change, and compares decryption with validation. It returns
// 1 if the file can't be decrypted with any key.
func tryForm(t *testing.T, text, path, name string, change func(n, parent *yaml.Node, i int)) int {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	n, parent, i := nodeAt(&doc, path)
	key := ""
	if parent.Kind == yaml.MappingNode {
		key = parent.Content[i-1].Value
	}
	change(n, parent, i)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(4)
	if err := enc.Encode(&doc); err != nil {
		t.Fatal(err)
	}
	changed := b.String()
	_, err := decryptTree(t, changed, sops.Options{})
	if err == nil {
		return 0
	}
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var wrong *sops.Error
		if !errors.As(e, &wrong) || slices.Contains(foundByKey, wrong.Kind) {
			return 0
		}
		if wrong.Kind == sops.NotAllowed && !strings.Contains(wrong.Message, "age1") {
			return 0 // the remaining keys belong to other people
		}
	}
	_, problems := validate(changed)
	if !schema.HasErrors(problems) {
		t.Errorf("%s %s (%s): opening says %v, and validation nothing:\n%s", path, key, name, err, changed)
		return 1
	}
	for _, p := range problems {
		if strings.Contains(p.Message+p.Hint, "s3cr3t") || shown.MatchString(p.Message+p.Hint) {
			t.Errorf("%s: a value is shown: %+v", path, p)
		}
	}
	var again yaml.Node
	if err := yaml.Unmarshal(b.Bytes(), &again); err != nil {
		return 1 // YAML's own error has a different line
	}
	if name == "removed" || name == "renamed" {
		return 1 // an absent value has no line
	}
	n, parent, i = nodeAt(&again, path)
	first, last := n.Line, lastLine(n)
	if parent.Kind == yaml.MappingNode {
		first = parent.Content[i-1].Line
	}
	if !slices.ContainsFunc(problems, func(p schema.Problem) bool { return first <= p.Line && p.Line <= last }) && !wholeMissing(key, problems) {
		t.Errorf("%s %s (%s): problems %+v, want one in the lines %d to %d:\n%s", path, key, name, problems, first, last, changed)
	}
	return 1
}

func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// wholeMissing reports whether a complete part is absent. The line is then the
// line of sops.
func wholeMissing(key string, problems []schema.Problem) bool {
	return slices.ContainsFunc(problems, func(p schema.Problem) bool {
		return strings.Contains(p.Message, "sops."+key+" is missing") || strings.Contains(p.Message, "names no key") || strings.Contains(p.Message, "no sops metadata")
	})
}

// validate returns the line of the first error that a command reports for a
// file, and all problems.
func validate(text string) (int, []schema.Problem) {
	_, problems := config.ParseRule("rule.yaml", []byte(text), config.Options{CheckForm: sops.New(sops.Options{}).CheckForm})
	problems = slices.DeleteFunc(problems, func(p schema.Problem) bool { return p.Severity != schema.Error })
	if len(problems) == 0 {
		return 0, nil
	}
	return problems[0].Line, problems
}

// sealGroups encrypts for two key groups. Both are needed.
func sealGroups(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	rules := "creation_rules:\n  - encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n    shamir_threshold: 2\n    key_groups:\n      - age: [" + recipient + "]\n      - age: [" + second + "]\n"
	return sealWith(t, dir, rules)
}

// sealWith encrypts the document in a directory with a .sops.yaml.
func sealWith(t *testing.T, dir, rules string) string {
	t.Helper()
	for name, text := range map[string]string{".sops.yaml": rules, "rule.yaml": document} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sopstest.Sops(t, nil, dir, "encrypt", "--in-place", "rule.yaml")
	return parseTree(t, dir+"/rule.yaml")
}

// withAllKeys adds a key of each kind to a file that age decrypts.
func withAllKeys(t *testing.T, text string) string {
	t.Helper()
	var armored bytes.Buffer
	w, err := armor.Encode(&armored, "PGP MESSAGE", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("any bytes")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const date = `created_at: "2026-01-02T03:04:05Z", `
	keys := "    pgp: [{" + date + "enc: " + fmt.Sprintf("%q", armored.String()) + ", fp: ABCDEF}]\n" +
		"    kms: [{arn: 'arn:aws:kms:eu-north-1:1:key/x', " + date + "enc: AAAA, aws_profile: '', context: {a: b}}]\n" +
		"    gcp_kms: [{resource_id: x, " + date + "enc: AAAA}]\n" +
		"    azure_kv: [{vault_url: 'https://x.example', name: x, version: x, " + date + "enc: AAAA}]\n" +
		"    hc_vault: [{vault_address: 'https://x.example', engine_path: x, key_name: x, " + date + "enc: 'vault:v1:AAAA'}]\n" +
		"    hckms: [{key_id: 'x:y', " + date + "enc: AAAA}]\n"
	return strings.Replace(text, "    age:\n", keys+"    age:\n", 1)
}
