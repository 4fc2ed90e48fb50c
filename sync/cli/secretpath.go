package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// checkPaths checks the PATH arguments against the auth names in the file.
func (o *secretOptions) checkPaths(found config.RuleFile, args []string) ([]string, error) {
	if o.isShared {
		return o.checkKeys(found, args)
	}
	var paths []string
	for i, arg := range args {
		path := strings.Replace(strings.TrimPrefix(strings.TrimPrefix(arg, "spec."), "authentication."), ".", "/", 1)
		part, name, ok := strings.Cut(path, "/")
		if !ok || name == "" || part != "headers" && part != "queryParams" {
			return nil, o.pathError(i, "expected headers.NAME or queryParams.NAME", o.didYouMean(found, arg, paths))
		}
		if slices.Contains(paths, path) {
			return nil, invalidf("", "argument %d is given twice", i+2)
		}
		names := found.Auth.Headers
		if part == "queryParams" {
			names = found.Auth.QueryParams
		}
		if !slices.Contains(names, name) {
			if !isAuthName(part, name) || mayBeSecret(name) && !o.add {
				return nil, o.pathError(i, "expected headers.NAME or queryParams.NAME, and nothing behind it", o.didYouMean(found, arg, paths))
			}
			near := nearestName(part, name, names)
			same := part == "headers" && strings.EqualFold(near, name)
			if near != "" && (same || !o.add) {
				hint := "did you mean: " + o.commandLine(o.rule, part+"."+near)
				if !same {
					hint += "; to add the other one, too: --add"
				}
				return nil, invalidf(hint, "rule %q has no %s", found.Name, part+"."+name)
			}
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// isSharedFile reports whether path is a shared secrets file, and stores its
// keys.
func (o *secretOptions) isSharedFile(path string) bool {
	data, err := readRuleFile(path)
	if err != nil {
		return false // the rule file reader reports it
	}
	o.sharedKeys, _, o.isShared = config.ReadShared(path, data, config.Options{})
	return o.isShared
}

// checkKeys checks the KEY arguments for a shared secrets file.
func (o *secretOptions) checkKeys(found config.RuleFile, args []string) ([]string, error) {
	var keys []string
	for i, key := range args {
		switch {
		case key == "" || key == "sops" || key == "metadata" || key == "spec" || strings.HasPrefix(key, "$") || strings.ContainsFunc(key, unicode.IsControl):
			return nil, o.pathError(i, "it can't be the key of a shared secret", o.commandLine(o.rule, "webhookSecret"))
		case slices.Contains(keys, key):
			return nil, invalidf("", "argument %d is given twice", i+2)
		case !slices.Contains(o.sharedKeys, key) && !o.add:
			if near := schema.Nearest(key, o.sharedKeys); near != "" {
				return nil, invalidf("did you mean: "+o.commandLine(o.rule, near)+"; to add the other one, too: --add", "%s has no key %q", found.File, key)
			}
			// The argument may be the value. It would then be written as a key.
			return nil, o.pathError(i, "expected a KEY that "+found.File+" has, or --add for a new one", o.commandLine(o.rule, append(slices.Clone(keys), o.sharedKeys[:min(len(o.sharedKeys), 1)]...)...))
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// warnOfLayers warns about projects where a later layer overrides the new
// value.
func (o *secretOptions) warnOfLayers(a *app, found config.RuleFile, paths []string) {
	if o.file == nil {
		return
	}
	for i := range o.file.Projects {
		p := &o.file.Projects[i]
		over := config.FindOverridden(o.file.Paths(p), found.File, paths)
		for _, path := range slices.Sorted(maps.Keys(over)) {
			a.warn("in project %s the later layer %s says %s, too: there the value that was set is not in force", p.Name, over[path], dottedPath(path))
		}
	}
}

// nearestName returns the most similar name. For headers, a name that differs
// only in case comes first: the service treats both as the same.
func nearestName(part, name string, names []string) string {
	for _, n := range names {
		if part == "headers" && strings.EqualFold(n, name) {
			return n
		}
	}
	return schema.Nearest(name, names)
}

// pathError refuses an argument that is not a PATH or KEY. It never repeats the
// argument, which may be the value.
func (o *secretOptions) pathError(i int, expected, hint string) error {
	return invalid(fmt.Errorf("argument %d is not what can be set: %s; a value is never an argument, but comes on standard input or is asked for", i+2, expected), hint, exposedHint)
}

// isAuthName reports whether a name is valid for a header or parameter. NAME=VALUE
// is not valid.
func isAuthName(part, name string) bool {
	if part == "queryParams" {
		return !strings.ContainsAny(name, "=&: \t")
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r)
	})
}

// didYouMean suggests a call: with the prefix that a PATH lacks, or with names
// in the file. before are the preceding PATHs. It never repeats the argument.
func (o *secretOptions) didYouMean(found config.RuleFile, arg string, before []string) string {
	name := arg[strings.LastIndexByte(arg, '.')+1:]
	for _, part := range []struct {
		name  string
		names []string
	}{{"headers", found.Auth.Headers}, {"queryParams", found.Auth.QueryParams}} {
		if near := nearestName(part.name, name, part.names); near != "" {
			return "did you mean: " + o.commandLine(o.rule, part.name+"."+near)
		}
	}
	if len(before) > 0 {
		return "did you mean: " + o.commandLine(o.rule, before...)
	}
	if names := authPaths(found.Auth); len(names) > 0 {
		return "did you mean: " + o.commandLine(o.rule, names[0])
	}
	return "mkhooks help secret set"
}

// authPaths returns the paths of auth values in the form that people write.
func authPaths(auth webhook.AuthNames) []string {
	var out []string
	for _, n := range auth.Headers {
		out = append(out, "headers."+n)
	}
	for _, n := range auth.QueryParams {
		out = append(out, "queryParams."+n)
	}
	return out
}

// dottedPath returns a path in the form that people write.
func dottedPath(path string) string { return strings.Replace(path, "/", ".", 1) }
