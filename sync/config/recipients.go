package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/sync/shell"
)

// recipients finds, for a rule file, the keys that the nearest .sops.yaml
// wants: a file that was encrypted for someone who has left is worth a word.
// Keys are compared, not how they are grouped.
type recipients struct {
	mu   sync.Mutex
	dirs map[string]*sopsConfig
}

func newRecipients() *recipients { return &recipients{dirs: map[string]*sopsConfig{}} }

// sopsConfig is a .sops.yaml, as far as it matters here.
type sopsConfig struct {
	dir   string
	rules []creationRule
	// odd says that SOPS would not take the file: nothing is compared then.
	odd bool
}

type creationRule struct {
	path *regexp.Regexp // nil matches every file
	keys []string       // sorted; none means that they can't be compared
}

// nearest returns the .sops.yaml that SOPS would use for a file of dir.
func (r *recipients) nearest(dir string) *sopsConfig {
	if c, ok := r.dirs[dir]; ok {
		return c
	}
	var c *sopsConfig
	if info, err := os.Stat(filepath.Join(dir, ".sops.yaml")); err == nil && info.Mode().IsRegular() {
		c = &sopsConfig{dir: dir, odd: true}
		if data, err := readSome(filepath.Join(dir, ".sops.yaml")); err == nil && len(data) <= maxFile {
			c = parseSopsConfig(dir, data)
		}
	} else if filepath.Dir(dir) != dir {
		c = r.nearest(filepath.Dir(dir))
	}
	r.dirs[dir] = c
	return c
}

// parseSopsConfig reads what it can; what it can't read it does not compare.
func parseSopsConfig(dir string, data []byte) (c *sopsConfig) {
	odd := &sopsConfig{dir: dir, odd: true}
	defer func() {
		if recover() != nil { // the YAML library panics on some inputs
			c = odd
		}
	}()
	var in struct {
		Rules []yaml.Node `yaml:"creation_rules"`
	}
	if yaml.Unmarshal(data, &in) != nil {
		return odd
	}
	c = &sopsConfig{dir: dir}
	for i := range in.Rules {
		rule := &in.Rules[i]
		out := creationRule{}
		if _, n := child(rule, "path_regex"); n != nil && n.Value != "" {
			re, err := regexp.Compile(n.Value)
			if err != nil {
				return odd
			}
			out.path = re
		}
		groups := []*yaml.Node{rule}
		if _, list := child(rule, "key_groups"); list != nil && len(list.Content) > 0 {
			groups = list.Content // SOPS then leaves the lists of the rule itself out
		}
		for _, g := range groups {
			if _, merge := child(g, "merge"); merge != nil {
				out.keys = nil // groups made of groups are not compared
				break
			}
			for _, l := range keyLists {
				for _, name := range l.config {
					_, n := child(g, name)
					out.keys = append(out.keys, configKeys(l, n)...)
				}
			}
		}
		slices.Sort(out.keys)
		c.rules = append(c.rules, out)
	}
	return c
}

// configKeys reads a list of keys of a .sops.yaml: a text with commas between,
// a list of texts, or a list of mappings as in the metadata of a file.
func configKeys(l keyList, n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	var out []string
	for _, item := range items {
		if item.Kind == yaml.MappingNode {
			out = append(out, fileKey(l, item))
			continue
		}
		for text := range strings.SplitSeq(item.Value, ",") {
			if text = normalKey(text); text != "" {
				out = append(out, text)
			}
		}
	}
	return out
}

// fileKey is a key of a file's metadata as a .sops.yaml names it.
func fileKey(l keyList, n *yaml.Node) string {
	field := func(name string) string {
		for _, name := range strings.Split(name, "|") {
			if _, v := child(n, name); v != nil && v.Value != "" {
				return v.Value
			}
		}
		return ""
	}
	switch l.list {
	case "kms":
		if role := field("role"); role != "" {
			return normalKey(field("arn") + "+" + role)
		}
	case "azure_kv":
		return normalKey(strings.TrimSuffix(field("vault_url|vaultUrl"), "/") + "/keys/" + field("name|key") + "/" + field("version"))
	case "hc_vault":
		return normalKey(strings.TrimSuffix(field("vault_address"), "/") + "/v1/" + field("engine_path") + "/keys/" + field("key_name"))
	}
	return normalKey(field(l.id))
}

// normalKey is a key without what people write differently.
func normalKey(k string) string {
	return strings.TrimSuffix(strings.ToLower(strings.ReplaceAll(strings.TrimSpace(k), " ", "")), "/")
}

// wanted are the keys that SOPS would encrypt file for; ok is false where
// nothing says.
func (r *recipients) wanted(file string) (keys []string, ok bool) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, false
	}
	r.mu.Lock()
	c := r.nearest(filepath.Dir(abs))
	r.mu.Unlock()
	if c == nil || c.odd {
		return nil, false
	}
	rel, err := filepath.Rel(c.dir, abs)
	if err != nil {
		return nil, false
	}
	for _, rule := range c.rules {
		if rule.path == nil || rule.path.MatchString(rel) {
			return rule.keys, len(rule.keys) > 0
		}
	}
	return nil, false
}

// compareRecipients warns where a file is encrypted for others than the
// nearest .sops.yaml says.
func (f *file) compareRecipients(key, m *yaml.Node) {
	want, ok := f.recipients.wanted(f.name)
	if !ok {
		return
	}
	groups := []*yaml.Node{m}
	if _, list := child(m, "key_groups"); list != nil && len(list.Content) > 0 {
		groups = list.Content
	}
	var have []string
	for _, g := range groups {
		for _, l := range keyLists {
			_, list := child(g, l.list)
			if list == nil {
				continue
			}
			for _, k := range list.Content {
				have = append(have, fileKey(l, k))
			}
		}
	}
	slices.Sort(have)
	if !slices.Equal(slices.Compact(have), slices.Compact(want)) {
		f.warn(key, "sops updatekeys "+shell.Path(f.name), "the file is encrypted for other keys than the nearest .sops.yaml names")
	}
}
