package archive

import "strings"

// IsArchive reports whether a path or location is, by its name, the records or
// the manifest of an archive.
func IsArchive(location string) bool {
	return strings.HasSuffix(location, recordsSuffix) || strings.HasSuffix(location, manifestSuffix)
}
