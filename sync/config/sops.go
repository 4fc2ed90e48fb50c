package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// keyLists are SOPS's names of the lists of keys in its metadata, with the
// name of the key service; age and pgp call nobody.
var keyLists = []struct{ list, service, id string }{
	{"age", "", "recipient"}, {"pgp", "", "fp"}, {"kms", "awskms", "arn"}, {"gcp_kms", "gcpkms", "resource_id"},
	{"azure_kv", "azkv", "vault_url"}, {"hc_vault", "hcvault", "vault_address"}, {"hckms", "hckms", "key_id"},
}

// sopsMetadata checks what a file's metadata says, as far as no key is needed.
func (f *file) sopsMetadata(key, m *yaml.Node, sealed []webhook.SealedValue) {
	if m.Kind != yaml.MappingNode {
		return // the schema says so
	}
	again := "bring the file back from Git, or encrypt it anew: sops encrypt --in-place " + shellQuote(f.name)
	for _, name := range []string{"lastmodified", "mac", "version"} {
		if _, n := child(m, name); n == nil || n.Kind != yaml.ScalarNode || n.Value == "" {
			f.fail(key, again, "sops.%s is missing", name)
			return
		}
	}
	if _, mac := child(m, "mac"); secrets.SealedProblem(mac.Value) != "" {
		f.fail(mac, again, "sops.mac is damaged")
	}
	f.selector(key, m, sealed)
	f.keyGroups(key, m)
	if _, n := child(m, "mac_only_encrypted"); n == nil || n.Value != "true" {
		f.warn(key, "set mac_only_encrypted: true in .sops.yaml, then: sops decrypt --in-place "+shellQuote(f.name)+" && sops encrypt --in-place "+shellQuote(f.name),
			"sops.mac_only_encrypted is not set, so a hand edit of a clear field breaks the file's MAC")
	}
	if f.recipients != nil {
		f.compareRecipients(key, m)
	}
}

// selectors are the ways in which SOPS picks what to encrypt, by the keys on
// the way to a value.
var selectors = []string{"encrypted_regex", "unencrypted_regex", "encrypted_suffix", "unencrypted_suffix"}

// selector checks that what SOPS would encrypt on the next edit is the whole
// of authentication.
func (f *file) selector(key, m *yaml.Node, sealed []webhook.SealedValue) {
	set := "set encrypted_regex: ^authentication$ in .sops.yaml, then: sops decrypt --in-place " + shellQuote(f.name) + " && sops encrypt --in-place " + shellQuote(f.name)
	for _, name := range []string{"encrypted_comment_regex", "unencrypted_comment_regex"} {
		if k, n := child(m, name); n != nil && n.Value != "" {
			f.fail(k, set, "sops.%s picks values by comments; expected encrypted_regex: ^authentication$", name)
			return
		}
	}
	name, value, at := "unencrypted_suffix", "_unencrypted", key
	for _, s := range selectors {
		if _, n := child(m, s); n != nil && n.Value != "" {
			name, value, at = s, n.Value, n
			break
		}
	}
	matches, ok := matcher(name, value)
	if !ok {
		f.fail(at, set, "sops.%s does not compile as a regular expression", name)
		return
	}
	covers := func(path ...string) bool {
		return slices.ContainsFunc(path, matches) != strings.HasPrefix(name, "unencrypted")
	}
	for _, v := range sealed {
		part, field, _ := strings.Cut(v.Path, "/")
		if !covers("spec", "authentication", part, field) {
			f.fail(at, set, "sops.%s does not cover spec.authentication.%s.%s, so SOPS would leave it in clear text", name, part, shortened(field))
			return
		}
	}
	for _, path := range [][]string{{"metadata", "name"}, {"spec", "url"}, {"spec", "headers", "X-A"}} {
		if covers(path...) {
			f.fail(at, set, "sops.%s covers more than spec.authentication, so SOPS expects %s to be encrypted, too", name, strings.Join(path[:2], "."))
			return
		}
	}
	// An empty probe stands for names that are still to come.
	if !covers("spec", "authentication", "headers", "") || !covers("spec", "authentication", "queryParams", "") {
		f.fail(at, set, "sops.%s does not cover all of spec.authentication", name)
	}
}

func matcher(name, value string) (func(string) bool, bool) {
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

// keyGroups checks that a file can be opened with the keys that are allowed.
func (f *file) keyGroups(key, m *yaml.Node) {
	groups := []*yaml.Node{m}
	threshold := 1
	if _, list := child(m, "key_groups"); list != nil && list.Kind == yaml.SequenceNode && len(list.Content) > 0 {
		groups = list.Content
		threshold = len(groups)
		if _, n := child(m, "shamir_threshold"); n != nil {
			if t, err := strconv.Atoi(n.Value); err == nil && t > 0 {
				threshold = t
			}
		}
	}
	usable, keys := 0, 0
	var refused []string
	for _, g := range groups {
		ok, n, services := f.groupUsable(g)
		keys += n
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
		f.fail(key, "encrypt the file for a key: sops encrypt --in-place "+shellQuote(f.name), "sops names no key, so nobody can open the file")
	case usable >= threshold:
	default:
		var flags []string
		for _, s := range refused {
			if !slices.Contains(f.o.KeyServices, s) {
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

// groupUsable reports whether one key of a group may be used, how many keys it
// has, and which services are refused.
func (f *file) groupUsable(g *yaml.Node) (ok bool, keys int, refused []string) {
	for _, l := range keyLists {
		_, list := child(g, l.list)
		if list == nil || list.Kind != yaml.SequenceNode {
			continue
		}
		for _, k := range list.Content {
			keys++
			allowed := l.service == "" || slices.Contains(f.o.KeyServices, l.service)
			if l.service == "hcvault" && allowed {
				_, address := child(k, "vault_address")
				allowed = address != nil && address.Value == f.o.VaultAddr
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
