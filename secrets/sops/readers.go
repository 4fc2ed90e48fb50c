package sops

import (
	"slices"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/keys"

	"github.com/mkhooks/mkhooks/sync/shell"
)

// nameOf returns a key for messages: its kind and its public part.
func nameOf(k keys.MasterKey) string { return serviceName(k) + " " + k.ToString() }

// readerOf returns a key for comparisons. Only spellings that mean the same key
// are equal. Base64 in SSH keys keeps its case: an RSA key that differs from
// another in case alone can be made.
func readerOf(k keys.MasterKey) string {
	name := k.ToString()
	if k.TypeToIdentifier() == "pgp" {
		name = strings.ToLower(strings.ReplaceAll(name, " ", ""))
	}
	return serviceName(k) + " " + name
}

// hasReader reports whether a group contains a key.
func hasReader(group sops.KeyGroup, k keys.MasterKey) bool {
	return slices.ContainsFunc(group, func(other keys.MasterKey) bool { return readerOf(other) == readerOf(k) })
}

// checkReaders returns an error if a file can be read by a key, or by a
// combination of keys, that the .sops.yaml does not name. Anyone who can change
// the file can add recipients, because no MAC covers them.
func (s *sealer) checkReaders(m, named *sops.Metadata) error {
	all := sops.KeyGroup{}
	for _, g := range named.KeyGroups {
		all = append(all, g...)
	}
	var unnamed sops.KeyGroup
	for _, g := range m.KeyGroups {
		for _, k := range g {
			if !hasReader(all, k) && !hasReader(unnamed, k) {
				unnamed = append(unnamed, k)
			}
		}
	}
	if len(unnamed) > 0 {
		return &Error{File: s.File, Kind: Unnamed,
			Message: "can be read by " + listRecipients([]sops.KeyGroup{unnamed}) + ", which the nearest .sops.yaml does not name; nothing was changed",
			hint:    "add the key to .sops.yaml, or take it out of the file with sops updatekeys; to find out who added it, and whose key it is",
			command: "git log -p -- " + shell.Path(s.File)}
	}
	if !isAsStrict(m, named) {
		return &Error{File: s.File, Kind: Unnamed,
			Message: "can be read with fewer keys than the key groups of the nearest .sops.yaml ask for; nothing was changed",
			hint:    "take over the groups of .sops.yaml with sops updatekeys; to find out who changed them",
			command: "git log -p -- " + shell.Path(s.File)}
	}
	return nil
}

// isAsStrict reports whether all keys that together read a file also satisfy
// the key groups of the .sops.yaml. All keys of the file are named there.
func isAsStrict(m, named *sops.Metadata) bool {
	if len(named.KeyGroups) < 2 {
		return true
	}
	if len(m.KeyGroups) != len(named.KeyGroups) || threshold(m) < threshold(named) {
		return false
	}
	for i, g := range m.KeyGroups {
		for _, k := range g {
			if !hasReader(named.KeyGroups[i], k) {
				return false
			}
		}
	}
	return true
}

// threshold returns how many groups are needed to read a file.
func threshold(m *sops.Metadata) int {
	if m.ShamirThreshold == 0 {
		return len(m.KeyGroups)
	}
	return m.ShamirThreshold
}
