package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mkhooks/mkhooks/sync/atomicfile"
	"github.com/mkhooks/mkhooks/sync/report"
)

// waitMessageAfter is the wait for another command before a message is printed.
const waitMessageAfter = 2 * time.Second

// lockDirectory makes a missing directory and locks it. The lock keeps two
// commands from deciding at the same time which files are missing. The returned
// function unlocks it, and removes new directories that are still empty.
func (a *app) lockDirectory(ctx context.Context, dir string) (release func(), err error) {
	var made []string
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, os.ErrNotExist) {
			break
		}
		made = append(made, at)
	}
	removeEmpty := func() {
		for _, at := range made {
			_ = os.Remove(at) // fails if it is not empty
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		removeEmpty()
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	wait := time.AfterFunc(waitMessageAfter, func() {
		a.printMessage("hint", "another mkhooks writes to "+report.Escape(dir)+"; waiting until it ends")
	})
	unlock, err := atomicfile.LockDir(ctx, dir)
	wait.Stop()
	if err != nil {
		removeEmpty()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("lock the directory: %w", err)
	}
	return func() {
		removeEmpty()
		unlock()
	}, nil
}
