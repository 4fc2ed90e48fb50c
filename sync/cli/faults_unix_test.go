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

// What is wrong with the world of mkhooks-odd, by environment variables.
const (
	oddDisk   = "MKHOOKS_TEST_DISK"   // no file grows beyond so many bytes
	oddClock  = "MKHOOKS_TEST_CLOCK"  // the time jumps by so much, back and forth
	oddMemory = "MKHOOKS_TEST_MEMORY" // a file to write the most memory taken to
)

func init() { programs["mkhooks-odd"] = oddMain }

// oddMain is mkhooks in an odd world.
func oddMain() {
	if limit, err := strconv.ParseUint(os.Getenv(oddDisk), 10, 64); err == nil {
		// This is how a full disk shows: some bytes go, then none.
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
		status, _ := os.ReadFile("/proc/self/status") // there is none but on Linux
		if kib := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status); kib != nil {
			_ = os.WriteFile(file, kib[1], 0o600) // whoever reads it finds it missing
		}
	}
	os.Exit(code)
}
