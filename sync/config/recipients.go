package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// recipients finds, for a rule file, the keys that the nearest .sops.yaml
// wants: a file that was encrypted for someone who has left is worth a word.
// Only age and PGP keys are compared.
type recipients struct {
	mu   sync.Mutex
	dirs map[string]*sopsConfig
}

func newRecipients() *recipients { return &recipients{dirs: map[string]*sopsConfig{}} }

// sopsConfig is a .sops.yaml, as far as it matters here.
type sopsConfig struct {
	dir   string
	rules []creationRule
}

type creationRule struct {
	path *regexp.Regexp // nil matches every file
	keys []string       // sorted; nil means that they can't be compared
}

// nearest returns the .sops.yaml that SOPS would use for a file of dir.
func (r *recipients) nearest(dir string) *sopsConfig {
	if c, ok := r.dirs[dir]; ok {
		return c
	}
	var c *sopsConfig
	data, err := os.ReadFile(filepath.Join(dir, ".sops.yaml"))
	switch {
	case err == nil && len(data) <= maxFile:
		c = parseSopsConfig(dir, data)
	case filepath.Dir(dir) != dir:
		c = r.nearest(filepath.Dir(dir))
	}
	r.dirs[dir] = c
	return c
}

// parseSopsConfig reads what it can; what it can't read it does not compare.
func parseSopsConfig(dir string, data []byte) *sopsConfig {
	var in struct {
		Rules []struct {
			PathRegex string    `yaml:"path_regex"`
			Age       yaml.Node `yaml:"age"`
			PGP       yaml.Node `yaml:"pgp"`
			KeyGroups yaml.Node `yaml:"key_groups"`
		} `yaml:"creation_rules"`
	}
	c := &sopsConfig{dir: dir}
	if yaml.Unmarshal(data, &in) != nil {
		return c
	}
	for _, rule := range in.Rules {
		out := creationRule{}
		if rule.PathRegex != "" {
			re, err := regexp.Compile(rule.PathRegex)
			if err != nil {
				return c
			}
			out.path = re
		}
		if rule.KeyGroups.Kind == 0 {
			out.keys = append(keysOf(&rule.Age), keysOf(&rule.PGP)...)
			slices.Sort(out.keys)
		}
		c.rules = append(c.rules, out)
	}
	return c
}

// keysOf reads a list of keys, or a text of keys with commas between.
func keysOf(n *yaml.Node) []string {
	var texts []string
	switch n.Kind {
	case yaml.ScalarNode:
		texts = strings.Split(n.Value, ",")
	case yaml.SequenceNode:
		for _, c := range n.Content {
			texts = append(texts, strings.Split(c.Value, ",")...)
		}
	}
	out := []string{}
	for _, t := range texts {
		if t = normalKey(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// normalKey is a key without what people write differently.
func normalKey(k string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(k), " ", ""))
}

// wanted are the keys that SOPS would encrypt file for; ok is false where
// nothing says.
func (r *recipients) wanted(file string) (keys []string, config string, ok bool) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, "", false
	}
	r.mu.Lock()
	c := r.nearest(filepath.Dir(abs))
	r.mu.Unlock()
	if c == nil {
		return nil, "", false
	}
	rel, err := filepath.Rel(c.dir, abs)
	if err != nil {
		return nil, "", false
	}
	for _, rule := range c.rules {
		if rule.path == nil || rule.path.MatchString(filepath.ToSlash(rel)) {
			return rule.keys, filepath.Join(c.dir, ".sops.yaml"), len(rule.keys) > 0
		}
	}
	return nil, "", false
}

// compareRecipients warns where a file is encrypted for others than the
// nearest .sops.yaml says.
func (f *file) compareRecipients(key, m *yaml.Node) {
	want, _, ok := f.recipients.wanted(f.name)
	if !ok {
		return
	}
	have := []string{}
	for _, l := range keyLists {
		if l.service != "" {
			continue
		}
		_, list := child(m, l.list)
		if list == nil {
			continue
		}
		for _, k := range list.Content {
			if _, id := child(k, l.id); id != nil {
				have = append(have, normalKey(id.Value))
			}
		}
	}
	slices.Sort(have)
	if !slices.Equal(slices.Compact(have), slices.Compact(want)) {
		f.warn(key, "sops updatekeys "+shellQuote(f.name), "the file is encrypted for other keys than the nearest .sops.yaml names")
	}
}
