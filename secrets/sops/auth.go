package sops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getsops/sops/v3"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// Auth decrypts the authentication of one rule. It decrypts every source
// document, checks the MAC and every value, and joins the values. The error
// joins an [*Error] for each problem, or is the context's.
//
// A document with a selection of values is decrypted once, however many rules
// use it.
func (d *Decrypter) Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error) {
	var auth secrets.Auth
	var errs []error
	from := map[string]string{} // files, by path
	add := func(file, path string, value secrets.String) {
		switch first, twice := from[path]; {
		case twice:
			errs = append(errs, &Error{File: s.File, Kind: Malformed, Paths: []string{pathOf(path)},
				Message: fmt.Sprintf("has a value from two places, %s and %s, which is a fault in mkhooks", first, file)})
		case !auth.Add(path, value):
			errs = append(errs, &Error{File: s.File, Kind: Malformed, Paths: []string{pathOf(path)}, Message: "is no place for a value, which is a fault in mkhooks"})
		}
		from[path] = file
	}
	paths, plain := s.Plain.Values()
	for _, p := range paths {
		errs = append(errs, d.checkValue(s.File, pathOf(p), plain[p]))
		add(s.File, p, plain[p])
	}
	for _, source := range s.Sources {
		values, err := d.openSource(ctx, source)
		if ctx.Err() != nil {
			return secrets.Auth{}, ctx.Err()
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		take := source.Take
		if take == nil {
			take = values.selectAuth()
		}
		for _, path := range slices.Sorted(maps.Keys(take)) {
			at := strings.Join(take[path], ".")
			value, ok := values[joinKeys(take[path]...)]
			if !ok {
				errs = append(errs, &Error{File: source.File, Kind: Malformed, Paths: []string{at},
					Message: "is not there, though it was when the file was read", command: "mkhooks validate " + shell.Path(source.File)})
				continue
			}
			errs = append(errs, d.checkValue(source.File, at, value))
			add(source.File, path, value)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return secrets.Auth{}, err
	}
	return auth, nil
}

// values are the secrets of a decrypted document by their [joinKeys].
type values map[string]secrets.String

// joinKeys returns the location of a value in a document as one text.
func joinKeys(keys ...string) string { return strings.Join(keys, "\x00") }

// selectAuth selects all values of spec.authentication of a rule file, in
// the form of [secrets.Source].
func (v values) selectAuth() map[string][]string {
	take := map[string][]string{}
	for at := range v {
		if keys := strings.Split(at, "\x00"); len(keys) == 4 {
			take[keys[2]+"/"+keys[3]] = keys
		}
	}
	return take
}

// openSource decrypts a source. If other rules may also use the document, it
// keeps the result.
func (d *Decrypter) openSource(ctx context.Context, s secrets.Source) (values, error) {
	if s.Take == nil {
		return d.openDocument(ctx, s.File, s.Document)
	}
	return d.shared.openOnce(ctx, s.File, s.Document, d.openDocument)
}

// openDocument decrypts a document, checks its MAC, and returns all its
// secrets.
func (d *Decrypter) openDocument(ctx context.Context, file string, document []byte) (values, error) {
	tree, err := parseSealed(file, document)
	if err != nil {
		return nil, err
	}
	key, err := d.decryptDataKey(ctx, file, &tree.Metadata)
	if err != nil {
		return nil, err
	}
	if err := decryptTree(file, tree, key); err != nil {
		return nil, err
	}
	return valuesOf(file, tree)
}

// parseSealed reads a file and makes all checks that need no key.
func parseSealed(file string, document []byte) (*sops.Tree, error) {
	tree, err := parseFile(file, document)
	if err != nil {
		return nil, err
	}
	return tree, checkSealed(file, tree)
}

// secretsOf returns the mappings that hold the secrets of a tree, and the keys
// that lead to each. In a rule file these are the two parts of
// spec.authentication. A shared secrets file is one such mapping. wrong is nil,
// or leads to a value that should be a mapping and is not.
func secretsOf(tree *sops.Tree) (branches []sops.TreeBranch, ways [][]string, wrong []string) {
	if isShared(tree.Branches[0]) {
		return tree.Branches[:1], [][]string{nil}, nil
	}
	for _, part := range []string{"headers", "queryParams"} {
		way := []string{"spec", "authentication", part}
		branch, ok := authBranch(tree, part)
		if !ok {
			return nil, nil, way
		}
		branches, ways = append(branches, branch), append(ways, way)
	}
	return branches, ways, nil
}

// isShared reports whether a document is a shared secrets file. Such a file has
// neither of the two keys that every rule file has.
func isShared(branch sops.TreeBranch) bool {
	return !slices.ContainsFunc(branch, func(item sops.TreeItem) bool { return item.Key == "metadata" || item.Key == "spec" })
}

// valuesOf returns the secrets of a decrypted tree.
func valuesOf(file string, tree *sops.Tree) (values, error) {
	out := values{}
	branches, ways, _ := secretsOf(tree)
	for i, branch := range branches {
		for _, item := range branch {
			name, isText := item.Key.(string)
			if !isText || item.Value == nil {
				continue
			}
			keys := append(slices.Clone(ways[i]), name)
			value, isText := item.Value.(string)
			if !isText {
				return nil, &Error{File: file, Kind: BadValue, Paths: []string{strings.Join(keys, ".")},
					Message: "holds a value that is no text", hint: "set it anew, as text", command: setAnew(file, keys)}
			}
			out[joinKeys(keys...)] = secrets.NewString(value)
		}
	}
	return out, nil
}

// authBranch returns spec.authentication.PART of a tree. ok is false if this
// value, or a parent, is neither a mapping nor empty. Values in it would
// otherwise be skipped.
func authBranch(tree *sops.Tree, part string) (branch sops.TreeBranch, ok bool) {
	branch = tree.Branches[0]
	for _, key := range []string{"spec", "authentication", part} {
		var next sops.TreeBranch
		for _, item := range branch {
			if item.Key != key || item.Value == nil {
				continue
			}
			if next, ok = item.Value.(sops.TreeBranch); !ok {
				return nil, false
			}
		}
		branch = next
	}
	return branch, true
}

// checkSealed refuses, before any key is decrypted, values that SOPS accepts
// but never writes. It skips the values at the locations skip.
func checkSealed(file string, tree *sops.Tree, skip ...[]string) error {
	branches, ways, wrong := secretsOf(tree)
	if wrong != nil {
		return &Error{File: file, Kind: Malformed, Paths: []string{strings.Join(wrong, ".")}, Message: "does not hold names and values",
			hint: "bring the file back from Git, or encrypt it again"}
	}
	for i, branch := range branches {
		for _, item := range branch {
			if _, isComment := item.Key.(sops.Comment); isComment || item.Value == nil {
				continue
			}
			name, isText := item.Key.(string)
			if !isText {
				e := &Error{File: file, Kind: Malformed, Message: "has a name that is no text",
					hint: "quote the name and encrypt the value again", command: "sops edit " + shell.Path(file)}
				if len(ways[i]) > 0 {
					e.Paths = []string{strings.Join(ways[i], ".")}
				}
				return e
			}
			way := append(slices.Clone(ways[i]), name)
			if slices.ContainsFunc(skip, func(s []string) bool { return slices.Equal(s, way) }) {
				continue
			}
			value, isText := item.Value.(string)
			problem := "is no text"
			if isText {
				problem = secrets.SealedProblem(value)
			}
			if problem != "" {
				return &Error{File: file, Kind: Malformed, Paths: []string{strings.Join(way, ".")}, Message: problem,
					hint: "set it anew, as text", command: setAnew(file, way)}
			}
		}
	}
	return nil
}

// checkValue returns an error if a value must not be sent. path is the location of
// the value in the file.
func (d *Decrypter) checkValue(file, path string, value secrets.String) error {
	problem, odd := d.problemAt(path, value)
	if problem == "" {
		return nil
	}
	e := &Error{File: file, Kind: BadValue, Paths: []string{path}, Message: problem, hint: "set it anew", command: setAnew(file, strings.SplitN(path, ".", 4))}
	if odd {
		e.hint, e.command = e.Hint()+"; "+OddHint, ""
	}
	return e
}

// setAnew returns the command that sets one value.
func setAnew(file string, keys []string) string {
	if len(keys) == 4 && keys[0] == "spec" {
		keys = keys[2:]
	}
	return "mkhooks secret set " + shell.Path(file) + " " + shell.Word(strings.Join(keys, "."))
}

// OddHint ends the hints about a value that does not look like a secret.
const OddHint = "if it really is the secret: --allow-odd-secrets"

// Problem returns the problem of a value that is to be sealed or sent, or "".
// The text never contains the value.
func (d *Decrypter) Problem(value secrets.String) string {
	if d.o.IsToken != nil && d.o.IsToken(value) {
		return isToken
	}
	if d.o.AllowOddSecrets {
		return value.CheckForm()
	}
	return value.Check()
}

// isToken has no flag that lifts it: the token is for the service alone.
const isToken = "is the token of MK.IO, which each receiver of deliveries would get"

// problemAt is [Decrypter.Problem] for a value at a path. odd reports whether
// AllowOddSecrets accepts the value.
func (d *Decrypter) problemAt(path string, value secrets.String) (problem string, odd bool) {
	if problem = d.Problem(value); problem != "" {
		return problem, problem != isToken && value.IsOdd()
	}
	name := path[strings.LastIndexAny(path, "/.")+1:]
	if !d.o.AllowOddSecrets && value.Is(name) {
		return "is the name of the value, not the value itself", true
	}
	return "", false
}
