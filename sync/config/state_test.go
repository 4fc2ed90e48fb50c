package config

import (
	"errors"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// memory is a state of the repository in a map.
type memory map[string]string

func (m memory) File(file string) ([]byte, error) {
	if text, ok := m[file]; ok {
		if text == "outside" {
			return nil, errors.New("is a link that leads out of the repository")
		}
		return []byte(text), nil
	}
	return nil, nil
}

func (m memory) Find(dir, name string) ([]string, error) {
	var out []string
	for file := range m {
		if path.Base(file) == name && (dir == "." || strings.HasPrefix(file, dir+"/")) {
			out = append(out, file)
		}
	}
	slices.Sort(out)
	return out, nil
}

const (
	keyOne  = "age1one"
	keyTwo  = "age1two"
	keyEvil = "age1evil"
)

func creationRules(rules ...string) string { return "creation_rules:\n" + strings.Join(rules, "") }

// TestCompareRecipients checks that every change of .sops.yaml that lets another key
// read new secrets is reported. It covers every file that applies to rule files.
func TestCompareRecipients(t *testing.T) {
	t.Parallel()
	one := "- {path_regex: ^rules/, age: " + keyOne + "}\n"
	both := "- {path_regex: ^rules/, age: '" + keyOne + "," + keyEvil + "'}\n"
	plain := creationRules(one)
	added := func(file, where string) string {
		return file + `: "` + keyEvil + `" was added` + where + ": it can read new secrets"
	}
	for _, tt := range []struct {
		name        string
		before, now memory
		want        []string
	}{
		{"nothing", memory{".sops.yaml": plain}, memory{".sops.yaml": plain}, nil},
		{"a comment", memory{".sops.yaml": plain}, memory{".sops.yaml": "# Who can read\n" + plain}, nil},
		{"a key more", memory{".sops.yaml": plain}, memory{".sops.yaml": creationRules(both)}, []string{added(".sops.yaml", " (creation rule 1)")}},
		{"a key less", memory{".sops.yaml": creationRules(both)}, memory{".sops.yaml": plain}, nil},
		{"in another list", memory{".sops.yaml": plain}, memory{".sops.yaml": creationRules("- {path_regex: ^rules/, age: " + keyOne + ", pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21}\n")},
			[]string{`.sops.yaml: "85d77543b3d624b63cea9e6dbc17301b491b3f21" was added (creation rule 1): it can read new secrets`}},
		{"a secret in the place of a key", memory{".sops.yaml": plain}, memory{".sops.yaml": creationRules("- {path_regex: ^rules/, age: [" + keyOne + ", AGE-SECRET-KEY-1QQ]}\n")},
			[]string{".sops.yaml: a key that is not shown, because it does not look like a public one was added (creation rule 1): it can read new secrets"}},
		{"below the rules", memory{"rules/deep/.sops.yaml": plain}, memory{"rules/deep/.sops.yaml": creationRules(both)}, []string{added("rules/deep/.sops.yaml", " (creation rule 1)")}},
		{"a file more, below the one that counted", memory{".sops.yaml": plain}, memory{".sops.yaml": plain, "rules/.sops.yaml": creationRules(both)}, []string{
			"rules/.sops.yaml: is new, and says who can read new secrets in rules, in place of .sops.yaml", added("rules/.sops.yaml", "")}},
		{"the first file", memory{}, memory{".sops.yaml": creationRules("- age: " + keyEvil + "\n")}, []string{
			".sops.yaml: is new, and says who can read new secrets in the repository", added(".sops.yaml", "")}},
		{"a file less, so that another one counts", memory{".sops.yaml": creationRules(both), "rules/.sops.yaml": plain}, memory{".sops.yaml": creationRules(both)}, []string{
			"rules/.sops.yaml: was removed: .sops.yaml says who can read new secrets in rules", added("rules/.sops.yaml", "")}},
		{"all files less", memory{".sops.yaml": plain}, memory{}, []string{".sops.yaml: was removed: nothing says who can read new secrets in the repository"}},
		{"an anchor that a rule uses", memory{".sops.yaml": "keys: [&k " + keyOne + "]\n" + creationRules("- age: [*k]\n")}, memory{".sops.yaml": "keys: [&k " + keyEvil + "]\n" + creationRules("- age: [*k]\n")},
			[]string{added(".sops.yaml", " (creation rule 1)")}},
		{"a merge key", memory{".sops.yaml": "x: &k {age: " + keyOne + "}\n" + creationRules("- {<<: *k}\n")}, memory{".sops.yaml": "x: &k {age: " + keyEvil + "}\n" + creationRules("- {<<: *k}\n")},
			[]string{added(".sops.yaml", " (creation rule 1)"), ".sops.yaml: x was changed: SOPS may do other than before"}},
		{"a key of another rule", memory{".sops.yaml": creationRules("- {path_regex: dev, age: "+keyEvil+"}\n", one)}, memory{".sops.yaml": creationRules("- {path_regex: dev, age: "+keyEvil+"}\n", both)},
			[]string{added(".sops.yaml", " (creation rule 2)")}},
		{"another order", memory{".sops.yaml": creationRules(one, "- {age: "+keyEvil+"}\n")}, memory{".sops.yaml": creationRules("- {age: "+keyEvil+"}\n", one)},
			[]string{".sops.yaml: creation rules were added, removed or moved, or their path_regex was changed: other keys may read new secrets of a file"}},
		{"another path_regex", memory{".sops.yaml": creationRules(one, "- {age: "+keyEvil+"}\n")}, memory{".sops.yaml": creationRules("- {path_regex: ^nowhere/, age: "+keyOne+"}\n", "- {age: "+keyEvil+"}\n")},
			[]string{".sops.yaml: creation rules were added, removed or moved, or their path_regex was changed: other keys may read new secrets of a file"}},
		{"a rule more", memory{".sops.yaml": plain}, memory{".sops.yaml": creationRules("- {age: "+keyEvil+"}\n", one)}, []string{
			".sops.yaml: creation rules were added, removed or moved, or their path_regex was changed: other keys may read new secrets of a file", added(".sops.yaml", "")}},
		{"fewer of a group", memory{".sops.yaml": creationRules("- {shamir_threshold: 2, key_groups: [{age: [a]}, {age: [b]}]}\n")}, memory{".sops.yaml": creationRules("- {shamir_threshold: 1, key_groups: [{age: [a]}, {age: [b]}]}\n")},
			[]string{".sops.yaml: shamir_threshold was changed (creation rule 1): what is encrypted, and who can read it, may have changed"}},
		{"groups that are joined", memory{".sops.yaml": creationRules("- {key_groups: [{age: [a]}, {age: [b]}]}\n")}, memory{".sops.yaml": creationRules("- {key_groups: [{age: [a, b]}]}\n")},
			[]string{".sops.yaml: key_groups was changed (creation rule 1): what is encrypted, and who can read it, may have changed"}},
		{"groups of groups", memory{".sops.yaml": creationRules("- {key_groups: [{merge: [{age: [a]}]}]}\n")}, memory{".sops.yaml": creationRules("- {key_groups: [{merge: [{age: [b]}]}]}\n")},
			[]string{".sops.yaml: key_groups was changed (creation rule 1): what is encrypted, and who can read it, may have changed"}},
		{"less is encrypted", memory{".sops.yaml": creationRules("- {age: a, encrypted_regex: ^authentication$}\n")}, memory{".sops.yaml": creationRules("- {age: a, encrypted_regex: ^nothing$}\n")},
			[]string{".sops.yaml: encrypted_regex was changed (creation rule 1): what is encrypted, and who can read it, may have changed"}},
		{"no YAML", memory{".sops.yaml": plain}, memory{".sops.yaml": "a: ["}, []string{".sops.yaml: was changed, and cannot be read as a .sops.yaml: it is not known who can read new secrets"}},
		{"a new file that is no YAML", memory{}, memory{"rules/.sops.yaml": "a: ["}, []string{
			"rules/.sops.yaml: is new, and says who can read new secrets in rules", "rules/.sops.yaml: cannot be read as a .sops.yaml: it is not known who can read new secrets"}},
		{"elsewhere", memory{"other/.sops.yaml": plain}, memory{"other/.sops.yaml": creationRules(both)}, nil},
	} {
		c := parseConfig(t, "{owner: a, projects: {p: {rules: [rules]}}}")
		got, err := Compare(State{Config: c, Name: FileName, Files: tt.before}, State{Config: c, Name: FileName, Files: tt.now})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, loosenings(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func loosenings(list []Loosening) []string {
	var out []string
	for _, l := range list {
		out = append(out, strings.TrimSpace(l.Project+" "+l.What+": "+l.Text))
	}
	return out
}

// TestComparePlaces checks that the .sops.yaml files of the rule paths of either
// state apply, wherever the config file is.
func TestComparePlaces(t *testing.T) {
	t.Parallel()
	const sops = "creation_rules: [{age: age1evil}]\n"
	for name, tt := range map[string]struct {
		config, at string
		paths      []string
		file       string
		want       bool
	}{
		"in a rule path":                   {config: "{projects: {p: {rules: [r]}}}", at: "mkhooks.yaml", file: "r/x/.sops.yaml", want: true},
		"above one":                        {config: "{projects: {p: {rules: [a/b/r]}}}", at: "mkhooks.yaml", file: "a/.sops.yaml", want: true},
		"above the config file":            {config: "{projects: {p: {rules: [r]}}}", at: "sub/deep/mkhooks.yaml", file: "sub/.sops.yaml", want: true},
		"at the top, and the config below": {config: "{projects: {p: {rules: [r]}}}", at: "sub/mkhooks.yaml", file: ".sops.yaml", want: true},
		"in a rule path below the config":  {config: "{projects: {p: {rules: [r]}}}", at: "sub/mkhooks.yaml", file: "sub/r/.sops.yaml", want: true},
		"of a path of the same name above": {config: "{projects: {p: {rules: [r]}}}", at: "sub/mkhooks.yaml", file: "r/.sops.yaml"},
		"without a config file":            {paths: []string{"a/r"}, at: "mkhooks.yaml", file: "a/.sops.yaml", want: true},
		"all rules at the top":             {config: "{projects: {p: {rules: [.]}}}", at: "mkhooks.yaml", file: "deep/er/.sops.yaml", want: true},
	} {
		s := State{Config: parseConfig(t, tt.config), Name: tt.at, Paths: tt.paths, Files: memory{}}
		now := s
		now.Files = memory{tt.file: sops}
		got, err := Compare(s, now)
		if (len(got) > 0) != tt.want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if now.Files = (memory{tt.file: "outside"}); tt.want {
			if _, err := Compare(s, now); err == nil || !strings.Contains(err.Error(), tt.file+": is a link that leads out") {
				t.Errorf("%s, a link: %v", name, err)
			}
		}
	}
}

// TestEveryKeyIsCompared fails if no comparison knows a key of the config file: it
// could be loosened unseen. Each key is set, changed and removed. The table states
// which changes loosen a guard.
func TestEveryKeyIsCompared(t *testing.T) {
	t.Parallel()
	project := func(fields string) string {
		return "{owner: o, archive: ./a, audit: ./l, projects: {p: {rules: [r], " + fields + "}}}"
	}
	top := func(fields string) string { return "{" + fields + "projects: {p: {rules: [r]}}}" }
	// set, changed and removed report whether that loosens a guard.
	type row struct {
		none, one, two        string
		set, changed, removed bool
	}
	rows := map[string]row{
		"owner":            {top(""), top("owner: a, "), top("owner: b, "), true, true, true},
		"formerOwners":     {top("owner: o, "), top("owner: o, formerOwners: [a], "), top("owner: o, formerOwners: [b], "), true, true, false},
		"archive":          {top(""), top("archive: ./a, "), top("archive: ./b, "), true, true, true},
		"archiveIsDurable": {top(""), top("archiveIsDurable: true, "), top("archiveIsDurable: true, "), true, false, false},
		"audit":            {top(""), top("audit: ./a, "), top("audit: ./b, "), true, true, true},
		"destinations":     {top(""), top("destinations: [a.example], "), top("destinations: [b.example], "), false, true, true},
		"keyServices":      {top(""), top("keyServices: [awskms], "), top("keyServices: [azkv], "), true, true, false},
		"rules":            {project(""), "{owner: o, archive: ./a, audit: ./l, projects: {p: {rules: [r, s]}}}", "{owner: o, archive: ./a, audit: ./l, projects: {p: {rules: [s, r]}}}", true, true, true},
		"tokenEnv":         {project(""), project("tokenEnv: MKIO_TOKEN_A"), project("tokenEnv: MKIO_TOKEN_B"), true, true, true},
		"protect":          {project(""), project("protect: [a]"), project("protect: [b]"), false, true, true},
		"prune":            {project(""), project("prune: owned"), project("prune: all"), true, true, false},
		"maxDeletes":       {project(""), project("maxDeletes: 40%"), project("maxDeletes: 50%"), true, true, false},
	}
	seen := map[string]bool{}
	for _, of := range []reflect.Type{reflect.TypeFor[File](), reflect.TypeFor[Project](), reflect.TypeFor[settings]()} {
		for f := range of.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if key == "" || key == "-" {
				continue
			}
			seen[key] = true
			r, ok := rows[key]
			if !ok {
				t.Errorf("the key %s is not compared: say what loosens it", key)
				continue
			}
			for what, pair := range map[string]struct {
				before, now string
				want        bool
			}{"set": {r.none, r.one, r.set}, "changed": {r.one, r.two, r.changed}, "removed": {r.one, r.none, r.removed}} {
				got := CompareConfigs(parseConfig(t, pair.before), parseConfig(t, pair.now))
				if (len(got) > 0) != pair.want || len(got) > 0 && !slices.ContainsFunc(got, func(l Loosening) bool { return l.What == key }) {
					t.Errorf("%s is %s: %v, expected that it loosens: %t", key, what, got, pair.want)
				}
			}
		}
	}
	for key := range rows {
		if !seen[key] {
			t.Errorf("there is no key %s", key)
		}
	}
}
