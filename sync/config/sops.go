package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// keyList describes one type of key.
type keyList struct {
	list    string   // the list of keys in a file's metadata
	service string   // the service called; "" for age and PGP, which call none
	id      string   // the field that names a key
	config  []string // the lists in a .sops.yaml
}

// keyLists are the types of keys that SOPS supports.
var keyLists = []keyList{
	{"age", "", "recipient", []string{"age"}},
	{"pgp", "", "fp", []string{"pgp"}},
	{"kms", "awskms", "arn", []string{"kms"}},
	{"gcp_kms", "gcpkms", "resource_id", []string{"gcp_kms"}},
	{"azure_kv", "azkv", "vault_url", []string{"azure_keyvault"}},
	{"hc_vault", "hcvault", "vault_address", []string{"hc_vault_transit_uri", "hc_vault"}},
	{"hckms", "hckms", "key_id", []string{"hckms"}},
}

// checkMetadata checks a file's metadata as far as no key is needed.
func (f *file) checkMetadata(root, key, m *yaml.Node, sealed []webhook.SealedValue) {
	if m.Kind != yaml.MappingNode {
		return // the schema reports it
	}
	again := diag.Hint{
		Text:    "bring the file back from Git; where that can't be, remove sops, write the values in clear and encrypt the file",
		Command: f.encryptCommand(),
	}
	whole := f.checkMetadataTypes(m, again)
	for _, name := range []string{"lastmodified", "mac", "version"} {
		if _, n := child(m, name); n == nil || isNull(n) || n.Kind == yaml.ScalarNode && n.Value == "" {
			f.fail(key, "", "sops.%s is missing", name).SetHint(again)
			whole = false
		}
	}
	if !whole {
		return
	}
	if _, mac := child(m, "mac"); secrets.SealedProblem(mac.Value) != "" {
		f.fail(mac, "", "sops.mac is damaged").SetHint(again)
	}
	if _, n := child(m, "lastmodified"); !isRFC3339(n.Value) {
		f.fail(n, "", "sops.lastmodified is no time as SOPS writes it").SetHint(again)
	}
	switch {
	case f.kind.shared:
		f.checkSharedSelector(key, m, sealed)
	case f.sealed == nil: // otherwise reportEncryptedOutside reports the file
		f.checkSelector(root, key, m, sealed)
	}
	f.checkKeyGroups(key, m)
	// A shared secrets file has no plaintext field.
	if _, n := child(m, "mac_only_encrypted"); !f.kind.shared && (n == nil || n.Value != "true") && f.sealed == nil {
		f.reencrypt = f.encryptAgainCommand(m)
		f.warn(key, "", "sops.mac_only_encrypted is not set, so a hand edit of a clear field breaks the file's MAC").SetHint(f.reencrypt)
	}
	if f.recipients != nil {
		f.compareRecipients(key, m)
	}
	f.checkForm(root, key, again)
}

func isRFC3339(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

// metadataTypes are the YAML types of the metadata's fields. null counts as absent.
var metadataTypes = map[string][]string{
	"mac": {"!!str"}, "lastmodified": {"!!str"}, "version": {"!!str"},
	"encrypted_regex": {"!!str"}, "unencrypted_regex": {"!!str"}, "encrypted_suffix": {"!!str"}, "unencrypted_suffix": {"!!str"},
	"encrypted_comment_regex": {"!!str"}, "unencrypted_comment_regex": {"!!str"},
	"mac_only_encrypted": {"!!bool"}, "shamir_threshold": {"!!int"},
	"age": {"!!seq"}, "pgp": {"!!seq"}, "kms": {"!!seq"}, "gcp_kms": {"!!seq"}, "azure_kv": {"!!seq"}, "hc_vault": {"!!seq"}, "hckms": {"!!seq"}, "key_groups": {"!!seq"},
}

// checkMetadataTypes checks the types of the fields that SOPS would read.
func (f *file) checkMetadataTypes(m *yaml.Node, hint diag.Hint) bool {
	whole := true
	eachEntry(m, func(key, value *yaml.Node) {
		types, known := metadataTypes[key.Value]
		if !known || isNull(value) {
			return
		}
		if value.Tag == "!!timestamp" {
			f.fail(value, quoteDate(value), "sops.%s is a date without quotes, expected text", key.Value)
			whole = false
			return
		}
		if !slices.Contains(types, value.Tag) {
			f.fail(value, "", "sops.%s is %s, which SOPS does not write there", key.Value, kindOf(value)).SetHint(hint)
			whole = false
			return
		}
		if types[0] != "!!seq" {
			return
		}
		for _, item := range value.Content {
			if item.Kind != yaml.MappingNode {
				f.fail(item, "", "sops.%s holds %s, which SOPS does not write there", key.Value, kindOf(item)).SetHint(hint)
				whole = false
			}
		}
	})
	return whole
}

// encryptAgainCommand returns the command that encrypts only authentication. There is no
// command unless the nearest .sops.yaml names exactly the keys of the file: it would
// give the secrets to another key. The command repeats these keys and does not read
// the .sops.yaml: if its selector differs, SOPS would refuse and leave the file in
// plaintext. Only keys of cloud services need the .sops.yaml.
func (f *file) encryptAgainCommand(m *yaml.Node) diag.Hint {
	switch c, lacking, unnamed := f.compareReaders(m); {
	case c == nil:
		return diag.Hint{Text: "name those who may read the file in a .sops.yaml, which mkhooks init -p PROJECT --age writes; then", Command: "mkhooks validate " + shell.Path(f.name)}
	case len(lacking)+len(unnamed) > 0:
		hint := f.whoReads()
		hint.Text = "its keys are not those of .sops.yaml: " + hint.Text
		return hint
	}
	config, keys := " --config /dev/null", ""
	for _, l := range keyLists {
		_, list := child(m, l.list)
		if list == nil || len(list.Content) == 0 {
			continue
		}
		var ids []string
		for _, k := range list.Content {
			if _, id := child(k, l.id); id != nil && l.service == "" {
				ids = append(ids, id.Value)
			}
		}
		if len(ids) < len(list.Content) {
			config = ""
		}
		keys += " --" + l.list + " " + shell.Path(strings.Join(ids, ","))
	}
	if keys == "" || config == "" {
		config, keys = "", ""
	}
	q := shell.Path(f.name)
	return diag.Hint{Command: "sops decrypt --in-place " + q + " && sops" + config + " --encrypt --in-place --encrypted-regex '^authentication$' --mac-only-encrypted" + keys + " " + q}
}

// selectors are the fields by which SOPS picks the values to encrypt. They match the
// keys that lead to a value.
var selectors = []string{"encrypted_regex", "unencrypted_regex", "encrypted_suffix", "unencrypted_suffix"}

// checkSelector checks that SOPS would encrypt exactly authentication on the next edit.
func (f *file) checkSelector(root, key, m *yaml.Node, sealed []webhook.SealedValue) {
	// The hint is an edit by hand: SOPS decrypts no file whose selector does not fit.
	const set = "under sops, write encrypted_regex: ^authentication$ instead"
	at, name, covers := f.findSelector(key, m, set, "expected encrypted_regex: ^authentication$")
	if covers == nil {
		return
	}
	for _, v := range sealed {
		part, field, _ := strings.Cut(v.Path, "/")
		if !covers("spec", "authentication", part, field) {
			f.fail(at, set, "sops.%s does not cover spec.authentication.%s.%s, so SOPS would leave it in clear text", name, part, printableKey(field, true))
			return
		}
	}
	for _, path := range append(clearPaths(root), []string{"spec", "headers", "X-A"}) {
		if covers(path...) {
			f.fail(at, set, "sops.%s covers more than spec.authentication, so SOPS expects %s to be encrypted, too", name, strings.Join(path[:min(2, len(path))], "."))
			return
		}
	}
	// An empty probe represents names that may be added later.
	if !covers("spec", "authentication", "headers", "") || !covers("spec", "authentication", "queryParams", "") {
		f.fail(at, set, "sops.%s does not cover all of spec.authentication", name)
	}
}

// findSelector returns the selector of SOPS, its node, and the function that reports
// whether it covers a path. If that can't be determined, findSelector reports the
// problem and covers is nil.
func (f *file) findSelector(key, m *yaml.Node, hint, expected string) (at *yaml.Node, name string, covers func(path ...string) bool) {
	for _, name := range []string{"encrypted_comment_regex", "unencrypted_comment_regex"} {
		if k, n := child(m, name); n != nil && n.Value != "" {
			f.fail(k, hint, "sops.%s picks values by comments; %s", name, expected)
			return nil, "", nil
		}
	}
	at = key
	for _, s := range selectors {
		if _, n := child(m, s); n != nil && !isNull(n) && n.Value != "" {
			if at != key {
				f.fail(n, hint, "sops.%s stands beside another selector, and SOPS takes one of them only; %s", s, expected)
				return nil, "", nil
			}
			at = n
		}
	}
	name, _ = selectorField(m)
	covers, ok := selectorCoverage(m)
	if !ok {
		f.fail(at, hint, "sops.%s does not compile as a regular expression", name)
		return nil, "", nil
	}
	return at, name, covers
}

// selectorField returns the name and value of the metadata field by which SOPS picks
// values.
func selectorField(m *yaml.Node) (name, value string) {
	for _, s := range selectors {
		if _, n := child(m, s); n != nil && !isNull(n) && n.Value != "" {
			return s, n.Value
		}
	}
	return "unencrypted_suffix", "_unencrypted"
}

// selectorCoverage returns a function that takes the keys that lead to a value. It reports
// whether SOPS would encrypt that value. ok is false if the metadata is absent or
// its expression does not compile.
func selectorCoverage(m *yaml.Node) (covers func(path ...string) bool, ok bool) {
	if m == nil {
		return nil, false
	}
	name, value := selectorField(m)
	matches, ok := selectorMatcher(name, value)
	return func(path ...string) bool {
		return slices.ContainsFunc(path, matches) != strings.HasPrefix(name, "unencrypted")
	}, ok
}

// clearPaths returns the paths of all values outside authentication.
func clearPaths(root *yaml.Node) [][]string {
	var out [][]string
	eachEntry(root, func(top, value *yaml.Node) {
		if top.Value == "sops" {
			return
		}
		eachEntry(value, func(key, value *yaml.Node) {
			if key.Value == "authentication" {
				return
			}
			out = append(out, []string{top.Value, key.Value})
			eachEntry(value, func(name, _ *yaml.Node) { out = append(out, []string{top.Value, key.Value, name.Value}) })
		})
	})
	return out
}

func selectorMatcher(name, value string) (func(string) bool, bool) {
	if strings.HasSuffix(name, "_suffix") {
		return func(s string) bool { return strings.HasSuffix(s, value) }, true
	}
	if value == "^authentication$" {
		return func(s string) bool { return s == "authentication" }, true
	}
	re, err := regexp.Compile(value)
	if err != nil {
		return nil, false
	}
	return re.MatchString, true
}

// checkKeyGroups checks that the allowed keys can decrypt the file.
func (f *file) checkKeyGroups(key, m *yaml.Node) {
	groups := []*yaml.Node{m}
	threshold := 1
	if _, list := child(m, "key_groups"); list != nil && list.Kind == yaml.SequenceNode && len(list.Content) > 0 && !hasKeys(m) {
		groups = list.Content
		threshold = len(groups)
		if _, n := child(m, "shamir_threshold"); n != nil && len(groups) > 1 {
			if t, err := strconv.Atoi(n.Value); err == nil && t > 0 {
				threshold = max(2, t)
			}
			if threshold > len(groups) {
				f.fail(n, "bring the file back from Git", "sops.shamir_threshold is %d and there are %d key groups, so nobody can open the file", threshold, len(groups))
				return
			}
		}
	}
	usable, keys := 0, 0
	var refused []string
	var bare []*yaml.Node // groups without a key
	for _, g := range groups {
		ok, n, services := f.inspectGroup(g)
		if keys += n; n == 0 {
			bare = append(bare, g)
		}
		if ok {
			usable++
		}
		for _, s := range services {
			if !slices.Contains(refused, s) {
				refused = append(refused, s)
			}
		}
	}
	switch {
	case keys == 0:
		f.fail(key, "encrypt the file for a key", "sops names no key, so nobody can open the file").Run(f.encryptCommand())
	case usable >= threshold:
	case len(groups)-len(bare) < threshold:
		for _, g := range bare {
			f.fail(g, "bring the file back from Git", "the key group names no key, and it takes %d of the %d groups to open the file", threshold, len(groups))
		}
	default:
		var flags []string
		for _, s := range refused {
			if !slices.Contains(f.options.KeyServices, s) {
				flags = append(flags, "--key-service "+s)
			}
		}
		if len(flags) == 0 {
			f.fail(key, "set VAULT_ADDR to the Vault you trust", "can be opened by a Vault only, and the file names another address than VAULT_ADDR")
			return
		}
		f.fail(key, "if you trust the address in the file: "+strings.Join(flags, " "),
			"can be opened by %s only, which is not allowed: a file may name any address, and your credentials would go there", strings.Join(refused, ", "))
	}
}

// hasKeys reports whether metadata lists keys outside key_groups: SOPS then ignores
// the groups.
func hasKeys(m *yaml.Node) bool {
	return slices.ContainsFunc(keyLists, func(l keyList) bool {
		_, list := child(m, l.list)
		return list != nil && list.Kind == yaml.SequenceNode && len(list.Content) > 0
	})
}

// inspectGroup reports whether one key of a group may be used, how many keys the
// group has, and which services are refused.
func (f *file) inspectGroup(g *yaml.Node) (ok bool, keys int, refused []string) {
	for _, l := range keyLists {
		_, list := child(g, l.list)
		if list == nil || list.Kind != yaml.SequenceNode {
			continue
		}
		for _, k := range list.Content {
			keys++
			allowed := l.service == "" || slices.Contains(f.options.KeyServices, l.service)
			if l.service == "hcvault" && allowed {
				_, address := child(k, "vault_address")
				allowed = address != nil && address.Value == f.options.VaultAddr
			}
			if allowed {
				ok = true
			} else {
				refused = append(refused, l.service)
			}
		}
	}
	return ok, keys, refused
}
