package rulefile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// maxBase is how long a file's name may be without digest and ending.
const maxBase = 80

// FileName is the name of the file for a rule's name: safe on every file
// system, and none of those taken, letters of either case being the same. It
// is the rule's name where that is possible; a name that had to be changed ends
// in a part of its digest, so that it says of which rule it is.
func FileName(rule string, taken func(file string) bool) (string, error) {
	base := safe(rule)
	if file := base + ".yaml"; base == rule && rule != "" && !taken(file) {
		return file, nil
	}
	sum := sha256.Sum256([]byte(rule))
	digest := hex.EncodeToString(sum[:])
	base = strings.TrimRight(base, "-")
	if reserved(base) { // a device's name is one also before a dot
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

// safe replaces what some file system or program takes for something else. A
// name that differs from what it was made of is not unique any more.
func safe(name string) string {
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
	if reserved(s) {
		s += "-"
	}
	return s
}

// reserved reports whether a file of this name is a device for Windows, or a
// file that is no rule.
func reserved(name string) bool {
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
