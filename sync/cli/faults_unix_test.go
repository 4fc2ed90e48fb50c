//go:build unix

package cli

import (
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// Environment variables that set the faults of mkhooks-odd.
const (
	oddDisk   = "MKHOOKS_TEST_DISK"   // limits the size of every file, in bytes
	oddClock  = "MKHOOKS_TEST_CLOCK"  // the time jumps by this much, back and forth
	oddMemory = "MKHOOKS_TEST_MEMORY" // a file for the peak memory
)

func init() { programs["mkhooks-odd"] = oddMain }

// oddMain runs mkhooks with these faults.
func oddMain() {
	if limit, err := strconv.ParseUint(os.Getenv(oddDisk), 10, 64); err == nil {
		// This acts like a full disk: some bytes are written, then none.
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			panic(err)
		}
	}
	now := time.Now
	if jump, err := time.ParseDuration(os.Getenv(oddClock)); err == nil {
		var n atomic.Int64
		now = func() time.Time { return time.Now().Add(jump * time.Duration(n.Add(1)%3-1)) }
	}
	code := runForTest(now)
	if file := os.Getenv(oddMemory); file != "" {
		status, _ := os.ReadFile("/proc/self/status") // only Linux has it
		if kib := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status); kib != nil {
			_ = os.WriteFile(file, kib[1], 0o600) // the reader detects a missing file
		}
	}
	os.Exit(code)
}
