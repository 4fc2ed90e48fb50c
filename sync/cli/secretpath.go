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

// paths checks the PATHs of a call against the names that the file has.
func (o *secretOptions) paths(found config.RuleFile, args []string) ([]string, error) {
	if o.isShared {
		return o.keys(found, args)
	}
	var paths []string
	for i, arg := range args {
		path := strings.Replace(strings.TrimPrefix(strings.TrimPrefix(arg, "spec."), "authentication."), ".", "/", 1)
		part, name, ok := strings.Cut(path, "/")
		if !ok || name == "" || part != "headers" && part != "queryParams" {
			return nil, o.noPath(i, "expected headers.NAME or queryParams.NAME", o.didYouMean(found, arg, paths))
		}
		if slices.Contains(paths, path) {
			return nil, invalidf("", "argument %d is given twice", i+2)
		}
		names := found.Auth.Headers
		if part == "queryParams" {
			names = found.Auth.QueryParams
		}
		if !slices.Contains(names, name) {
			if !isName(part, name) || mayBeSecret(name) && !o.add {
				return nil, o.noPath(i, "expected headers.NAME or queryParams.NAME, and nothing behind it", o.didYouMean(found, arg, paths))
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

// isSharedFile reports whether a path leads to a shared secrets file, and keeps
// its keys.
func (o *secretOptions) isSharedFile(path string) bool {
	data, err := readRuleFile(path)
	if err != nil {
		return false // which is said where it is read as a rule file
	}
	o.shared, _, o.isShared = config.ReadShared(path, data, config.Options{})
	return o.isShared
}

// keys checks the KEYS of a shared secrets file.
func (o *secretOptions) keys(found config.RuleFile, args []string) ([]string, error) {
	var keys []string
	for i, key := range args {
		switch {
		case key == "" || key == "sops" || key == "metadata" || key == "spec" || strings.HasPrefix(key, "$") || strings.ContainsFunc(key, unicode.IsControl):
			return nil, o.noPath(i, "it can't be the key of a shared secret", o.commandLine(o.rule, "webhookSecret"))
		case slices.Contains(keys, key):
			return nil, invalidf("", "argument %d is given twice", i+2)
		case !slices.Contains(o.shared, key) && !o.add:
			if near := schema.Nearest(key, o.shared); near != "" {
				return nil, invalidf("did you mean: "+o.commandLine(o.rule, near)+"; to add the other one, too: --add", "%s has no key %q", found.File, key)
			}
			// It may be the value, which would be written as a key.
			return nil, o.noPath(i, "expected a KEY that "+found.File+" has, or --add for a new one", o.commandLine(o.rule, append(slices.Clone(keys), o.shared[:min(len(o.shared), 1)]...)...))
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// warnOfLayers says in which projects a file of a later layer has the value
// that was set: what the plan shows there is that one.
func (o *secretOptions) warnOfLayers(a *app, found config.RuleFile, paths []string) {
	if o.file == nil {
		return
	}
	for i := range o.file.Projects {
		p := &o.file.Projects[i]
		over := config.Overridden(o.file.Paths(p), found.File, paths)
		for _, path := range slices.Sorted(maps.Keys(over)) {
			a.warn("in project %s the later layer %s says %s, too: there the value that was set is not in force", p.Name, over[path], dotted(path))
		}
	}
}

// nearestName is the name that was probably meant; of headers one that differs
// in case only, which is the same to the service.
func nearestName(part, name string, names []string) string {
	for _, n := range names {
		if part == "headers" && strings.EqualFold(n, name) {
			return n
		}
	}
	return schema.Nearest(name, names)
}

// noPath refuses an argument that is no PATH or KEY. It is never repeated: it
// may be the value.
func (o *secretOptions) noPath(i int, expected, hint string) error {
	return invalid(fmt.Errorf("argument %d is not what can be set: %s; a value is never an argument, but comes on standard input or is asked for", i+2, expected), hint, exposed)
}

// isName reports whether a name can be that of a header or parameter. NAME=VALUE
// is none.
func isName(part, name string) bool {
	if part == "queryParams" {
		return !strings.ContainsAny(name, "=&: \t")
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r)
	})
}

// didYouMean is the call with the prefix that a PATH lacks, or with names that
// the file has; before are the PATHs before it. It never repeats the argument.
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

// authPaths are the paths of authentication values, as people write them.
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

// dotted is a path as people write it.
func dotted(path string) string { return strings.Replace(path, "/", ".", 1) }
