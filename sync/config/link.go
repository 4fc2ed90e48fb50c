package config

import (
	"os"
	"path/filepath"
)

// LinkOutside is the problem of a file that is a link out of the repository.
const LinkOutside = "is a link that leads out of the repository"

// linkOutsideHint says what to do about it.
const linkOutsideHint = "put the file itself in the place of the link"

// IsLinkOutside reports whether a file, links followed, lies outside the
// repository that it is named in: a pull request can put a link in the place of
// any file. The repository is every work tree of Git on the way up, or else the
// file's own directory. A file that is absent is not outside.
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
			if !below(real, realPath(dir)) {
				return true
			}
			within = true
		}
		if filepath.Dir(dir) == dir {
			break
		}
	}
	return !within && !below(real, realPath(filepath.Dir(abs)))
}

// isTop reports whether a directory is the top of a work tree of Git.
func isTop(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}
