//go:build unix

package config

import (
	"syscall"
	"testing"
)

// TestPipe checks that a pipe is rejected, because reading it would block forever.
func TestPipe(t *testing.T) {
	t.Parallel()
	pipes := t.TempDir()
	if err := syscall.Mkfifo(pipes+"/pipe.yaml", 0o600); err != nil {
		t.Skipf("no pipes on this file system: %v", err)
	}
	_, problems := load(t, pipes)
	wantProblem(t, problems, "pipe.yaml: is no regular file")
	_, problems = load(t, pipes+"/pipe.yaml")
	wantProblem(t, problems, "pipe.yaml: is neither a file nor a folder")
}
