package archive

import (
	"strings"

	"github.com/mkhooks/mkhooks/sync/archive/bucket"
)

// IsArchive reports whether a path or location is, by its name, the records or
// the manifest of an archive.
func IsArchive(location string) bool {
	if bucket.Is(location) {
		location, _, _ = strings.Cut(location, "?")
	}
	return strings.HasSuffix(location, recordsSuffix) || strings.HasSuffix(location, manifestSuffix)
}

// Name returns the name of the object at a location, which it keeps wherever it
// is moved. The location may be of another machine, and another system.
func Name(location string) string {
	if bucket.Is(location) {
		location, _, _ = strings.Cut(location, "?")
	}
	return location[strings.LastIndexAny(location, `/\`)+1:]
}
