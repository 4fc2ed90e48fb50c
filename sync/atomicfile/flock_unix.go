//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// tryFlock locks an open file or directory exclusively until it is closed or the
// process ends. It does not wait: taken means that another process holds the lock.
// The error is [errors.ErrUnsupported] if the file system has no such locks.
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
		// NFS locks nothing that is open only for reading, such as a directory.
		return false, errors.ErrUnsupported
	}
	return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}

// hasFlock is true if [tryFlock] is supported.
const hasFlock = true

// noFollow makes an open fail if the path is a link.
const noFollow = syscall.O_NOFOLLOW
