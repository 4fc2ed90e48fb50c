package sops

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/azkv"
	"github.com/getsops/sops/v3/gcpkms"
	"github.com/getsops/sops/v3/hckms"
	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/kms"
	"github.com/getsops/sops/v3/pgp"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// creationRule is a rule of a .sops.yaml, reduced to its keys. It does not
// decide which values to encrypt: mkhooks always encrypts all of authentication
// and nothing else.
type creationRule struct {
	PathRegex  string     `yaml:"path_regex"`
	Age        textList   `yaml:"age"`
	PGP        textList   `yaml:"pgp"`
	KMS        textList   `yaml:"kms"`
	AWSProfile string     `yaml:"aws_profile"`
	GCPKMS     textList   `yaml:"gcp_kms"`
	AzureKV    textList   `yaml:"azure_keyvault"`
	Vault      textList   `yaml:"hc_vault_transit_uri"`
	HCKMS      textList   `yaml:"hckms"`
	KeyGroups  []keyGroup `yaml:"key_groups"`
	Threshold  int        `yaml:"shamir_threshold"`
}

// keyGroup is a group of keys in Shamir's scheme, which needs keys of several
// groups.
type keyGroup struct {
	Merge []keyGroup `yaml:"merge"`
	Age   textList   `yaml:"age"`
	PGP   textList   `yaml:"pgp"`
	KMS   []struct {
		ARN     string             `yaml:"arn"`
		Role    string             `yaml:"role"`
		Context map[string]*string `yaml:"context"`
		Profile string             `yaml:"aws_profile"`
	} `yaml:"kms"`
	GCPKMS []struct {
		ID string `yaml:"resource_id"`
	} `yaml:"gcp_kms"`
	AzureKV []struct {
		URL     string `yaml:"vaultUrl"`
		Key     string `yaml:"key"`
		Version string `yaml:"version"`
	} `yaml:"azure_keyvault"`
	Vault textList `yaml:"hc_vault"`
	HCKMS []struct {
		ID string `yaml:"key_id"`
	} `yaml:"hckms"`
}

// textList is a list of texts, or one text that separates them with commas.
type textList []string

// UnmarshalYAML reads either form.
func (t *textList) UnmarshalYAML(n *yaml.Node) error {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	for _, item := range items {
		if item.Kind != yaml.ScalarNode {
			return errKeys
		}
		for part := range strings.SplitSeq(item.Value, ",") {
			if part = strings.TrimSpace(part); part != "" && item.Tag != "!!null" {
				*t = append(*t, part)
			}
		}
	}
	return nil
}

var errKeys = fmt.Errorf("expected keys as text, or a list of texts")

// ruleFor returns the first creation rule of a .sops.yaml that matches a path.
// The path is relative to the directory of the .sops.yaml.
func ruleFor(config []byte, path string) (r *creationRule, problem string) {
	defer func() {
		if recover() != nil { // the YAML library panics on some inputs
			r, problem = nil, "can't be read"
		}
	}()
	var in struct {
		Rules []creationRule `yaml:"creation_rules"`
	}
	switch err := yamltext.Unmarshal(config, &in); {
	case errors.Is(err, yamltext.ErrTooLarge):
		return nil, err.Error()
	case err != nil:
		return nil, "can't be read"
	}
	for i, r := range in.Rules {
		if r.PathRegex != "" {
			re, err := regexp.Compile(r.PathRegex)
			if err != nil {
				return nil, fmt.Sprintf("has a path_regex that does not compile (creation rule %d)", i+1)
			}
			if !re.MatchString(path) {
				continue
			}
		}
		return &r, ""
	}
	return nil, "has no creation rule for this file"
}

// readKeyGroups returns the keys of a creation rule, as SOPS reads it. problem does
// not quote an invalid key: it may be a secret key.
func (r *creationRule) readKeyGroups() (groups []sops.KeyGroup, problem string) {
	defer func() {
		if recover() != nil {
			groups, problem = nil, "names a key that can't be read"
		}
	}()
	list := r.KeyGroups
	if len(list) == 0 {
		list = []keyGroup{{Age: r.Age, PGP: r.PGP, Vault: r.Vault}}
	}
	for _, g := range list {
		var b groupBuilder
		b.addGroup(g)
		if len(r.KeyGroups) == 0 {
			for _, k := range kms.MasterKeysFromArnString(strings.Join(r.KMS, ","), nil, r.AWSProfile) {
				b.addKey(k, nil, "kms")
			}
			for _, k := range gcpkms.MasterKeysFromResourceIDString(strings.Join(r.GCPKMS, ",")) {
				b.addKey(k, nil, "gcp_kms")
			}
			for _, u := range r.AzureKV {
				// SOPS's own function calls Azure if the version is absent.
				m := azureURL.FindStringSubmatch(u)
				if m == nil {
					m = []string{"", "", "", ""}
				}
				b.addAzureKey(m[1], m[2], m[3])
			}
			for _, id := range r.HCKMS {
				k, err := hckms.NewMasterKey(id)
				b.addKey(k, err, "hckms")
			}
		}
		switch {
		case b.problem != "":
			return nil, b.problem
		case len(b.group) == 0:
			return nil, "names no key to encrypt for"
		}
		groups = append(groups, b.group)
	}
	return groups, ""
}

// groupBuilder collects the distinct keys of a group.
type groupBuilder struct {
	group   sops.KeyGroup
	problem string
}

func (b *groupBuilder) addKey(k keys.MasterKey, err error, kind string) {
	if err != nil {
		b.problem = "names a key of " + kind + " that can't be read"
		return
	}
	for _, other := range b.group {
		if other.TypeToIdentifier() == k.TypeToIdentifier() && other.ToString() == k.ToString() {
			return
		}
	}
	b.group = append(b.group, k)
}

// azureURL matches an Azure key in a .sops.yaml.
var azureURL = regexp.MustCompile(`^(https://[^/]+)/keys/([^/]+)(?:/([^/]*))?$`)

func (b *groupBuilder) addAzureKey(vault, name, version string) {
	if vault == "" || name == "" || version == "" {
		b.problem = "names a key of azure_keyvault without its vault, name or version; expected https://VAULT/keys/NAME/VERSION"
		return
	}
	b.addKey(azkv.NewMasterKey(vault, name, version), nil, "azure_keyvault")
}

func (b *groupBuilder) addGroup(g keyGroup) {
	for _, m := range g.Merge {
		b.addGroup(m)
	}
	for _, r := range g.Age {
		k, err := age.MasterKeyFromRecipient(r)
		b.addKey(k, err, "age")
	}
	for _, fp := range g.PGP {
		b.addKey(pgp.NewMasterKeyFromFingerprint(fp), nil, "pgp")
	}
	for _, k := range g.KMS {
		b.addKey(kms.NewMasterKeyWithProfile(k.ARN, k.Role, k.Context, k.Profile), nil, "kms")
	}
	for _, k := range g.GCPKMS {
		b.addKey(gcpkms.NewMasterKeyFromResourceID(k.ID), nil, "gcp_kms")
	}
	for _, k := range g.AzureKV {
		b.addAzureKey(k.URL, k.Key, k.Version)
	}
	for _, u := range g.Vault {
		k, err := hcvault.NewMasterKeyFromURI(u)
		b.addKey(k, err, "hc_vault")
	}
	for _, k := range g.HCKMS {
		key, err := hckms.NewMasterKey(k.ID)
		b.addKey(key, err, "hckms")
	}
}
