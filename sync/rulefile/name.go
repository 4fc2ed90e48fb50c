package rulefile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// maxBase limits a file name without digest and extension, in bytes.
const maxBase = 80

// FileName returns a file name for a rule: safe on every file system and not taken,
// regardless of case. It is the rule's name if possible. A name that had to be
// changed ends in part of the name's digest, which identifies the rule.
func FileName(rule string, taken func(file string) bool) (string, error) {
	base := safeName(rule)
	if file := base + ".yaml"; base == rule && rule != "" && !taken(file) {
		return file, nil
	}
	sum := sha256.Sum256([]byte(rule))
	digest := hex.EncodeToString(sum[:])
	base = strings.TrimRight(base, "-")
	if isReserved(base) { // a device name is also reserved before a dot
		base = strings.ReplaceAll(base, ".", "-")
	}
	if base != "" {
		base += "-"
	}
	for n := 8; n <= len(digest)/2; n += 8 {
		if file := base + digest[:n] + ".yaml"; !taken(file) {
			return file, nil
		}
	}
	return "", errors.New("every file name that could be made of it is taken")
}

// safeName replaces characters with a special meaning for some file system or program. A
// changed name may no longer be unique.
func safeName(name string) string {
	var b strings.Builder
	for _, r := range name {
		ok := '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_' || r == '.' || r == '-'
		if ok {
			b.WriteRune(r)
		} else if !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
		if b.Len() > maxBase {
			break
		}
	}
	s := b.String()
	s = strings.Trim(s[:min(len(s), maxBase)], ".-")
	if isReserved(s) {
		s += "-"
	}
	return s
}

// isReserved reports whether a file with this name is a device on Windows or the
// config file.
func isReserved(name string) bool {
	name = strings.ToLower(name)
	if name == "mkhooks" {
		return true
	}
	device, _, _ := strings.Cut(name, ".")
	if len(device) == 4 && (device[:3] == "com" || device[:3] == "lpt") {
		return '0' <= device[3] && device[3] <= '9'
	}
	return slices.Contains([]string{"con", "prn", "aux", "nul"}, device)
}
