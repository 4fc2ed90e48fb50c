//go:build unix

package archive

import (
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

const fullEnv = "MKHOOKS_TEST_FULL_DISK"

// TestDiskFull stores in a process that may write no file beyond 100 bytes. A full
// disk looks the same: some bytes are written, then none.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if os.Getenv(fullEnv) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.count=1")
		cmd.Env = append(os.Environ(), fullEnv+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	store := open(t, dir)
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100, Max: 100}); err != nil {
		t.Fatal(err)
	}
	// The records of a small history fit, its manifest does not.
	for n, what := range map[int]string{0: manifestSuffix, 5000: recordsSuffix} {
		_, err := Save(t.Context(), store, request(), still(whole(records(n), 100)).read, patient())
		if err == nil || !strings.Contains(err.Error(), "write "+dir) || !strings.Contains(err.Error(), what) {
			t.Errorf("%d records: error %v, want one that names the file %s", n, err, what)
		}
	}
	for _, name := range names(t, dir) {
		if strings.HasSuffix(name, manifestSuffix) || strings.HasPrefix(name, tempPrefix) {
			t.Errorf("%s is left, which looks like an archive or is of no use", name)
		}
	}
}
