package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// recipients finds, for a rule file, the keys that the nearest .sops.yaml requires.
// A file that is still encrypted for someone who has left deserves a warning. Keys
// are compared, not their groups.
type recipients struct {
	mu   sync.Mutex
	dirs map[string]*sopsConfig
	// problems are the problems of .sops.yaml files themselves.
	problems []schema.Problem
}

func newRecipients() *recipients { return &recipients{dirs: map[string]*sopsConfig{}} }

// nearestConfig returns the .sops.yaml that SOPS would use for a file in dir. outside: dir
// is above the repository of that file.
func (r *recipients) nearestConfig(dir string, outside bool) *sopsConfig {
	if c, ok := r.dirs[dir]; ok {
		return c
	}
	var c *sopsConfig
	name := filepath.Join(dir, sopsConfigName)
	switch info, err := os.Stat(name); {
	case !outside && IsLinkOutside(name):
		c = &sopsConfig{dir: dir, invalid: true}
		r.problems = append(r.problems, fileProblem(shortPath(name), LinkOutside, linkOutsideHint))
	case err == nil && info.Mode().IsRegular():
		c = &sopsConfig{dir: dir, invalid: true}
		if data, err := readLimited(name); err == nil {
			c = parseSopsConfig(dir, data)
		}
		if c.tooLarge {
			r.problems = append(r.problems, fileProblem(shortPath(name), yamltext.ErrTooLarge.Error(), "a .sops.yaml has some kilobytes; is this one?"))
		}
	case filepath.Dir(dir) != dir:
		c = r.nearestConfig(filepath.Dir(dir), outside || isTop(dir))
	}
	r.dirs[dir] = c
	return c
}

// shortPath shortens a path below the current directory to a relative path.
func shortPath(name string) string {
	if rel, err := filepath.Rel(realPath("."), name); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return name
}

// checkConfigs looks for the .sops.yaml of each file, even if the file has no secrets yet.
// It returns the problems of the .sops.yaml files.
func (r *recipients) checkConfigs(files []sourceFile) []schema.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range files {
		if abs, err := filepath.Abs(f.file); err == nil {
			r.nearestConfig(filepath.Dir(abs), false)
		}
	}
	return r.problems
}

// fileKey returns a key of a file's metadata in the notation of .sops.yaml.
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
			return normalizeKey(field("arn") + "+" + role)
		}
	case "azure_kv":
		return normalizeKey(strings.TrimSuffix(field("vault_url|vaultUrl"), "/") + "/keys/" + field("name|key") + "/" + field("version"))
	case "hc_vault":
		return normalizeKey(strings.TrimSuffix(field("vault_address"), "/") + "/v1/" + field("engine_path") + "/keys/" + field("key_name"))
	}
	return normalizeKey(field(l.id))
}

// normalizeKey removes differences in spelling from a key: spaces, case, a final slash.
// SSH keys keep their case: an RSA key that differs from another in case alone can be
// made.
func normalizeKey(k string) string {
	k = strings.ReplaceAll(strings.TrimSpace(k), " ", "")
	if strings.HasPrefix(k, "ssh-") {
		return k
	}
	return strings.TrimSuffix(strings.ToLower(k), "/")
}

// wantedKeys returns the .sops.yaml of a file and the keys that SOPS would encrypt it
// for. Both are nil if no .sops.yaml applies.
func (r *recipients) wantedKeys(file string) (c *sopsConfig, keys []string) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, nil
	}
	r.mu.Lock()
	c = r.nearestConfig(filepath.Dir(abs), false)
	r.mu.Unlock()
	if c == nil || c.invalid {
		return nil, nil
	}
	rel, err := filepath.Rel(c.dir, abs)
	if err != nil {
		return nil, nil
	}
	for _, rule := range c.rules {
		if rule.path == nil || rule.path.MatchString(rel) {
			return c, rule.keys
		}
	}
	return nil, nil
}

// readersOf returns the keys that can read a file, and its key groups as SOPS reads
// them: it ignores the groups if the metadata also lists keys outside of groups.
func readersOf(m *yaml.Node) (keys []string, groups [][]string) {
	list := []*yaml.Node{m}
	if _, n := child(m, "key_groups"); n != nil && len(n.Content) > 0 && !hasKeys(m) {
		list = n.Content
	}
	for _, g := range list {
		var group []string
		for _, l := range keyLists {
			_, list := child(g, l.list)
			if list == nil {
				continue
			}
			for _, k := range list.Content {
				group = append(group, fileKey(l, k))
			}
		}
		slices.Sort(group)
		keys, groups = append(keys, group...), append(groups, group)
	}
	return keys, groups
}

// compareReaders returns the keys that the nearest .sops.yaml names and the file
// lacks, and the keys of the file that the .sops.yaml does not name. c is nil if no
// .sops.yaml says who may read the file.
func (f *file) compareReaders(m *yaml.Node) (c *sopsConfig, lacking, unnamed []string) {
	if f.recipients == nil {
		return nil, nil, nil
	}
	c, want := f.recipients.wantedKeys(f.name)
	if len(want) == 0 {
		return nil, nil, nil
	}
	have, _ := readersOf(m)
	return c, keysOnlyIn(want, have), keysOnlyIn(have, want)
}

// compareRecipients warns if a file's recipients differ from the keys in the nearest
// .sops.yaml. An attacker may have added a key to either: a key of the .sops.yaml gets
// every secret of the file with sops updatekeys, and a key of the file gets every
// value that is set later. The warnings name these keys, and a person decides.
func (f *file) compareRecipients(key, m *yaml.Node) {
	c, lacking, unnamed := f.compareReaders(m)
	if c == nil {
		return
	}
	const differ = "the file is encrypted for other keys than the nearest .sops.yaml names"
	from := shell.Path(shortPath(filepath.Join(c.dir, sopsConfigName)))
	if len(unnamed) > 0 {
		f.warn(key, "", "%s: the file can be read by %s, which .sops.yaml does not name", differ, quoteKeys(unnamed)).SetHint(f.whoReads())
	}
	if len(lacking) > 0 {
		f.warn(key, "find out who added it, and whose key it is",
			"%s: that one also names %s, which cannot read the secrets of this file until somebody runs sops updatekeys", differ, quoteKeys(lacking)).Run("git log -p -- " + from)
	}
}

// whoReads returns the hint for a file that a key can read which .sops.yaml does not
// name. It encrypts nothing: who may read the file is for a person to decide.
func (f *file) whoReads() diag.Hint {
	return diag.Hint{Text: "find out who added it, and whose key it is", Command: "git log -p -- " + shell.Path(f.name)}
}

// keysOnlyIn returns the elements of a that b lacks, sorted and unique.
func keysOnlyIn(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// quoteKeys formats a few keys for a message.
func quoteKeys(keys []string) string {
	const most = 4
	var out []string
	for i, k := range keys {
		if i == most {
			out = append(out, fmt.Sprintf("%d more", len(keys)-most))
			break
		}
		if !publicKey().MatchString(k) {
			out = append(out, "a key that is not shown, because it does not look like a public one")
			continue
		}
		out = append(out, strconv.Quote(shorten(k)))
	}
	return strings.Join(out, ", ")
}

// publicKey matches keys that may be shown. Users may put the secret part of an age
// key in place of the public part.
var publicKey = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(age1[a-z0-9]+|(0x)?[0-9a-f]{8,40}|ssh-(rsa|ed25519)[A-Za-z0-9+/=]+|arn:[a-z0-9:/_.+-]+|projects/[a-z0-9/_.:-]+|https://[a-z0-9./_:-]+|[a-z0-9-]+:[0-9a-f-]{36})$`)
})
