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
