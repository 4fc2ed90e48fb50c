package config

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// sopsConfigName is the file that lists the recipients of SOPS.
const sopsConfigName = ".sops.yaml"

// sopsConfig contains the parts of a .sops.yaml that mkhooks compares.
type sopsConfig struct {
	dir   string
	rules []creationRule
	// rest contains all other top-level fields, by name.
	rest map[string]string
	// odd: SOPS would reject the file, so nothing is compared.
	invalid bool
	// tooLarge is set, with odd, if the file is beyond the limits of
	// [yamltext.Unmarshal].
	tooLarge bool
}

type creationRule struct {
	pattern string
	path    *regexp.Regexp // nil matches every file
	keys    []string       // sorted; nil means that they can't be compared
	fields  map[string]string
}

// parseSopsConfig parses the parts that it can read. Other parts are not compared.
func parseSopsConfig(dir string, data []byte) (c *sopsConfig) {
	odd := &sopsConfig{dir: dir, invalid: true}
	defer func() {
		if recover() != nil { // the YAML library panics on some inputs
			c = odd
		}
	}()
	// Decoding and encoding expands aliases and merge keys: an anchor can be changed far
	// from the rule that uses it.
	var flat map[string]any
	var root yaml.Node
	err := yamltext.Unmarshal(data, &flat)
	odd.tooLarge = errors.Is(err, yamltext.ErrTooLarge)
	if err != nil || root.Encode(flat) != nil {
		return odd
	}
	c = &sopsConfig{dir: dir, rest: fieldsOf(&root)}
	delete(c.rest, "creation_rules")
	delete(c.rest, "keys") // it contains anchors; SOPS does not read it
	_, rules := child(&root, "creation_rules")
	if rules == nil {
		return c
	}
	for _, rule := range rules.Content {
		r, ok := parseCreationRule(rule)
		if !ok {
			return odd
		}
		c.rules = append(c.rules, r)
	}
	return c
}

func parseCreationRule(rule *yaml.Node) (out creationRule, ok bool) {
	out.fields = fieldsOf(rule)
	if _, n := child(rule, "path_regex"); n != nil && n.Value != "" {
		re, err := regexp.Compile(n.Value)
		if err != nil {
			return out, false
		}
		out.pattern, out.path = n.Value, re
	}
	groups := []*yaml.Node{rule}
	if _, list := child(rule, "key_groups"); list != nil && len(list.Content) > 0 {
		groups = list.Content // SOPS then ignores the lists of the rule itself
	}
	for _, g := range groups {
		if _, merge := child(g, "merge"); merge != nil {
			out.keys = nil // merged groups are not compared
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
	out.keys = slices.Compact(out.keys)
	return out, true
}

// fieldsOf returns the fields of a mapping as YAML, by name.
func fieldsOf(n *yaml.Node) map[string]string {
	out := map[string]string{}
	eachEntry(n, func(key, value *yaml.Node) {
		text, err := yaml.Marshal(value)
		if err != nil {
			text = []byte(value.Value)
		}
		out[key.Value] = string(text)
	})
	return out
}

// isKeyList reports whether a field of a creation rule lists keys.
func isKeyList(name string) bool {
	return slices.ContainsFunc(keyLists, func(l keyList) bool { return slices.Contains(l.config, name) })
}

// differingNames lists the names whose values differ, sorted.
func differingNames(a, b map[string]string) []string {
	var out []string
	for name := range maps.Keys(a) {
		if a[name] != b[name] {
			out = append(out, name)
		}
	}
	for name := range maps.Keys(b) {
		if _, ok := a[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// configKeys reads a list of keys of a .sops.yaml: comma-separated text, a list of
// texts, or a list of mappings as in a file's metadata.
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
			if text = normalizeKey(text); text != "" {
				out = append(out, text)
			}
		}
	}
	return out
}
