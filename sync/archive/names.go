package archive

import (
	"strings"

	"github.com/mkhooks/mkhooks/sync/archive/bucket"
)

// IsArchive reports whether the name in a path or location belongs to the records
// or the manifest of an archive.
func IsArchive(location string) bool {
	if bucket.IsLocation(location) {
		location, _, _ = strings.Cut(location, "?")
	}
	return strings.HasSuffix(location, recordsSuffix) || strings.HasSuffix(location, manifestSuffix)
}

// ObjectName returns the name of the object at a location. The object keeps this name
// when it is moved. The location may be from another machine or operating system.
func ObjectName(location string) string {
	if bucket.IsLocation(location) {
		location, _, _ = strings.Cut(location, "?")
	}
	return location[strings.LastIndexAny(location, `/\`)+1:]
}
