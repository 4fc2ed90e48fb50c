//go:build !linux && !darwin

package atomicfile

import (
	"errors"
	"os"
)

func swap(string, string) error { return errors.ErrUnsupported }

func openUnnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func linkUnnamed(*os.File, string) error { return errors.ErrUnsupported }
