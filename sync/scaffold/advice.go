package scaffold

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// Advice returns, as lines, the settings that an existing file lacks for its
// purpose. It returns nothing if it finds no gap.
func (s Settings) Advice(e Existing) []string {
	if e.Content == nil {
		return []string{"is a link or no file of text, and was not looked at"}
	}
	switch {
	case e.Path == SOPSPath:
		return s.sopsAdvice(e.Content)
	case e.Path == ignorePath, e.Path == attributesPath:
		return linesAdvice(e)
	case e.Path == CodeOwnersPath:
		return s.ownersAdvice(e)
	case strings.HasSuffix(e.Path, ".schema.json") && !bytes.Equal(e.Content, e.Data):
		name := strings.TrimSuffix(e.Path, ".schema.json")
		return []string{fmt.Sprintf("is not that of this version: mkhooks schema %s > %s", name, e.Path)}
	}
	return nil
}

// linesAdvice reports the lines that a list of patterns lacks.
func linesAdvice(e Existing) []string {
	have := patternLines(e.Content)
	var lack []string
	for _, p := range patternLines(e.Data) {
		if !slices.Contains(have, p) {
			lack = append(lack, p)
		}
	}
	if len(lack) == 0 {
		return nil
	}
	return []string{"add these lines: " + strings.Join(lack, ", ")}
}

// patternLines returns the lines of a file that are neither empty nor a comment.
func patternLines(data []byte) []string {
	var out []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// ownersAdvice reports the paths that no line of a CODEOWNERS file seems to cover.
func (s Settings) ownersAdvice(e Existing) []string {
	var lack []string
	for _, guarded := range s.Guarded() {
		if guarded == "/"+CodeOwnersPath {
			guarded = "/" + e.At
		}
		covered := slices.ContainsFunc(patternLines(e.Content), func(line string) bool {
			f := strings.Fields(line)
			return len(f) > 1 && coversPattern(f[0], guarded)
		})
		if !covered {
			lack = append(lack, guarded)
		}
	}
	if len(lack) == 0 {
		return nil
	}
	return []string{"give these an owner, too: " + strings.Join(lack, ", ")}
}

// coversPattern reports whether a CODEOWNERS pattern matches everything that another
// pattern matches. It handles only simple patterns.
func coversPattern(pattern, guarded string) bool {
	pattern = strings.TrimPrefix(pattern, "**/")
	anchored := strings.HasPrefix(pattern, "/")
	switch {
	case pattern == "*" || pattern == "**" || pattern == guarded:
		return true
	case !strings.Contains(pattern, "/"): // this name, in every directory
		return path.Base(guarded) == pattern
	case !strings.HasSuffix(pattern, "/"):
		return !anchored && "/"+pattern == guarded
	case !anchored:
		pattern = "/" + pattern
	}
	return strings.HasPrefix(guarded, pattern)
}

// sopsAdvice reports the settings that a .sops.yaml lacks for rule files.
func (s Settings) sopsAdvice(data []byte) (out []string) {
	defer func() {
		if recover() != nil { // the YAML library panics on some inputs
			out = []string{"can't be read as YAML"}
		}
	}()
	var in struct {
		Rules []struct {
			Path    string `yaml:"path_regex"`
			Regex   string `yaml:"encrypted_regex"`
			MACOnly bool   `yaml:"mac_only_encrypted"`
		} `yaml:"creation_rules"`
	}
	if yamltext.Unmarshal(data, &in) != nil {
		return []string{"can't be read as YAML"}
	}
	file := strings.TrimSuffix(s.ruleDirectories()[0], "/") + "/example.yaml"
	for i, r := range in.Rules {
		re, err := regexp.Compile(r.Path)
		if err != nil {
			return []string{fmt.Sprintf("path_regex of creation rule %d does not compile", i+1)}
		}
		if !re.MatchString(file) {
			continue
		}
		where := fmt.Sprintf("creation rule %d, the first for rule files, lacks ", i+1)
		if strings.TrimSpace(r.Regex) != "^authentication$" {
			out = append(out, where+"encrypted_regex: ^authentication$")
		}
		if !r.MACOnly {
			out = append(out, where+"mac_only_encrypted: true")
		}
		for _, key := range s.Recipients {
			if !bytes.Contains(data, []byte(key)) {
				out = append(out, where+"the age key "+key, "with it, for each file that is encrypted: sops updatekeys FILE")
			}
		}
		return out
	}
	keys := "age1..."
	if len(s.Recipients) > 0 {
		keys = strings.Join(s.Recipients, ", ")
	}
	return []string{
		"has no creation rule for rule files; add one, with your keys:",
		"  - path_regex: " + s.PathRegex(), "    encrypted_regex: ^authentication$", "    mac_only_encrypted: true", "    age: [" + keys + "]",
	}
}
