package config

import (
	"os"
	"path/filepath"
)

// LinkOutside is the problem of a file that is a link out of the repository.
const LinkOutside = "is a link that leads out of the repository"

// linkOutsideHint is the hint for LinkOutside.
const linkOutsideHint = "put the file itself in the place of the link"

// IsLinkOutside reports whether a file, with links resolved, leaves the repository
// that it is named in. A pull request can replace any file with a link. The file
// must stay in every Git work tree above it, or in its directory if there is none.
// An absent file is not outside.
func IsLinkOutside(name string) bool {
	abs := name
	if !filepath.IsAbs(name) {
		abs = filepath.Join(realPath("."), name)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil || real == abs {
		return false
	}
	within := false
	for dir := filepath.Dir(abs); ; dir = filepath.Dir(dir) {
		if isTop(dir) {
			if !isBelow(real, realPath(dir)) {
				return true
			}
			within = true
		}
		if filepath.Dir(dir) == dir {
			break
		}
	}
	return !within && !isBelow(real, realPath(filepath.Dir(abs)))
}

// isTop reports whether a directory is the top of a Git work tree.
func isTop(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}
