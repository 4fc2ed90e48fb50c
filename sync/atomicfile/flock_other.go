//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package atomicfile

import (
	"errors"
	"os"
)

// tryFlock returns [errors.ErrUnsupported]: a lock of Windows would also keep
// readers out, and an open file can't be replaced.
func tryFlock(*os.File) (taken bool, err error) { return false, errors.ErrUnsupported }

const (
	hasFlock = false
	noFollow = 0
)
