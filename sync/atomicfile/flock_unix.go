//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// tryFlock locks an open file or folder for this open file alone, until it is
// closed, also by the end of the process. It does not wait: taken says that
// somebody else holds the lock. The error is [errors.ErrUnsupported] where the
// file system has no such locks.
func tryFlock(f *os.File) (taken bool, err error) {
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	switch err {
	case nil:
		return false, nil
	case syscall.EWOULDBLOCK:
		return true, nil
	case syscall.EBADF, syscall.EINVAL, syscall.ENOLCK, syscall.ENOSYS, syscall.EOPNOTSUPP:
		// NFS locks nothing that is open for reading alone, such as a folder.
		return false, errors.ErrUnsupported
	}
	return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}

// hasFlock says that [tryFlock] is known here.
const hasFlock = true

// noFollow has an open fail if the path is a link.
const noFollow = syscall.O_NOFOLLOW
