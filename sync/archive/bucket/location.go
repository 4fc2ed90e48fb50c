package bucket

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// The schemes of locations, and their query parameters.
//
// A location in a config file can be changed by anyone who can open a pull request.
// A bucket's name there defines where histories are stored, and a reviewer sees it
// change. It must not define more: not the server that receives credentials, not
// the credentials, not an unencrypted connection. Those parameters are taken only
// from the command line ([CheckShared]).

// parameterSource names who may set a parameter.
type parameterSource int

const (
	anyone parameterSource = iota
	caller                 // only the command line
)

var parameters = map[string]map[string]parameterSource{
	"s3": {
		"region": anyone, "prefix": anyone, "conditional": anyone,
		"use_path_style": anyone, "s3ForcePathStyle": anyone, "accelerate": anyone, "dualstack": anyone, "fips": anyone,
		"ssetype": anyone, "kmskeyid": anyone,
		"request_checksum_calculation": anyone, "response_checksum_validation": anyone,
		"endpoint": caller, "hostname_immutable": caller, "anonymous": caller, "profile": caller, "role": caller,
	},
	"azblob": {
		"prefix": anyone, "conditional": anyone, "storage_account": anyone,
		"domain": caller, "protocol": caller, "cdn": caller, "localemu": caller,
	},
	"gs": {
		"prefix": anyone, "conditional": anyone,
		"endpoint": caller, "anonymous": caller,
	},
}

// switches are the parameters that are true or false.
var switches = []string{
	"conditional", "use_path_style", "s3ForcePathStyle", "accelerate", "dualstack", "fips", "hostname_immutable", "anonymous", "cdn", "localemu",
}

// IsLocation reports whether a location names a bucket: whether it has the scheme of an
// object store.
func IsLocation(location string) bool {
	_, ok := parameters[schemeOf(location)]
	return ok
}

func schemeOf(location string) string {
	scheme, _, _ := strings.Cut(location, ":")
	return strings.ToLower(scheme)
}

// CheckShared returns why a location is not allowed in a file that other people may
// change. Such a location must also be valid for [New].
func CheckShared(location string) error {
	l, err := parseLocation(location)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(l.query)) {
		if parameters[l.scheme][name] == caller {
			return fmt.Errorf("archive location %s: the parameter %s says to which server or with which credentials histories are sent, so it is taken from the command line alone", l, name)
		}
	}
	return nil
}

// parsedLocation is a parsed location.
type parsedLocation struct {
	scheme, bucket string
	prefix         string // empty, or ends with a slash
	query          url.Values
}

// parseLocation parses a location. Its errors repeat only the scheme and the names of
// parameters: anything else may be a key.
func parseLocation(location string) (parsedLocation, error) {
	scheme := schemeOf(location)
	wrong := func(format string, args ...any) (parsedLocation, error) {
		return parsedLocation{}, fmt.Errorf("archive location %s:// %s; expected one such as %s://bucket/folder", scheme, fmt.Sprintf(format, args...), scheme)
	}
	known, ok := parameters[scheme]
	if !ok {
		return parsedLocation{}, errors.New("archive location names no object store; expected s3://, azblob:// or gs://")
	}
	u, err := url.Parse(location)
	if err != nil {
		return wrong("is no URL")
	}
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case u.User != nil:
		return wrong("holds credentials, which come from the environment and never from a location")
	case u.Fragment != "" || strings.Contains(location, "#"):
		return wrong("has a fragment (#)")
	case u.Opaque != "" || u.Host == "":
		return wrong("names no bucket")
	case strings.Contains(u.Host, ":"):
		return wrong("has a port; the server is the parameter endpoint, on the command line")
	case err != nil:
		return wrong("has parameters that can't be read")
	}
	l := parsedLocation{scheme: scheme, bucket: u.Host, query: query}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if _, ok := known[name]; !ok {
			return wrong("has a parameter that it can't have, %s; it can have %s", printableName(name), strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if values := query[name]; len(values) != 1 || values[0] == "" {
			return wrong("has the parameter %s without a value, or more than once", name)
		}
		if v := query.Get(name); slices.Contains(switches, name) && v != "true" && v != "false" {
			return wrong("has the parameter %s, which must be true or false", name)
		}
		if name == "endpoint" && !isServer(query.Get(name)) {
			return wrong("has a parameter endpoint that is not the URL of a server alone, such as https://host:9000")
		}
	}
	path := strings.Trim(u.Path, "/")
	if p := query.Get("prefix"); p != "" {
		if path != "" {
			return wrong("has a path and the parameter prefix, which are two ways of saying the same")
		}
		path = strings.Trim(p, "/")
		query.Del("prefix")
	}
	if path == "" {
		return l, nil
	}
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) {
			return wrong("has a path with an empty part, a part of dots, a backslash or a control character")
		}
	}
	l.prefix = path + "/"
	return l, nil
}

// printableName returns the name of an unknown parameter, unless it may be a key in
// the wrong position.
func printableName(name string) string {
	if len(name) > 24 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") != "" {
		return "whose name is not repeated here"
	}
	return name
}

// isServer reports whether a text is the URL of a server, without credentials.
func isServer(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && !strings.ContainsAny(text, "@?#")
}

// String returns the location, in one spelling.
func (l parsedLocation) String() string { return l.objectLocation("") }

// objectLocation returns the location of an object.
func (l parsedLocation) objectLocation(name string) string {
	u := url.URL{Scheme: l.scheme, Host: l.bucket, Path: "/" + l.prefix + name, RawQuery: l.query.Encode()}
	if u.Path == "/" {
		u.Path = ""
	}
	return u.String()
}

// SplitLocation splits the location of an object into the location of its bucket and
// folder, and its name.
func SplitLocation(location string) (dir, name string, err error) {
	l, err := parseLocation(location)
	if err != nil {
		return "", "", err
	}
	path := strings.TrimSuffix(l.prefix, "/")
	cut := strings.LastIndexByte(path, '/') + 1
	l.prefix, name = path[:cut], path[cut:]
	if name == "" {
		return "", "", fmt.Errorf("archive location %s names no object", l)
	}
	return l.String(), name, nil
}
