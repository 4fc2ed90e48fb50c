package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// screen is a process on a new terminal, and all its output.
type screen struct {
	*heard
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	tty    *os.File // kept open to read its mode at the end
}

// onTerminal starts a command on a new terminal. Streams that the command
// already has stay unchanged.
func onTerminal(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stdin == nil {
		cmd.Stdin = tty
	}
	if cmd.Stdout == nil {
		cmd.Stdout = tty
	}
	if cmd.Stderr == nil {
		cmd.Stderr = tty
	}
	cmd.Env = append(cmd.Env, "GPG_TTY="+tty.Name(), "TERM=xterm")
	cmd.ExtraFiles = []*os.File{tty} // number 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	s := &screen{newHeard(), t, cmd, master, tty}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A process that waits forever would block the whole test.
	watchdog := time.AfterFunc(time.Minute, func() {
		_ = cmd.Process.Kill()
		s.markEnd()
	})
	go func() {
		defer s.markEnd()
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			_, _ = s.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		watchdog.Stop()
		_ = cmd.Process.Kill() // it may have ended
		_, _ = tty.Close(), master.Close()
	})
	return s
}

// waitForText waits until a text was shown n times.
func (s *screen) waitForText(text string, n int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.over && bytes.Count(s.text.Bytes(), []byte(text)) < n {
		s.more.Wait()
	}
	if got := bytes.Count(s.text.Bytes(), []byte(text)); got < n {
		s.t.Fatalf("the terminal shows %q %d times, want %d:\n%q", text, got, n, s.text.String())
	}
}

// waitForNoEcho waits until the terminal stops echoing input.
func (s *screen) waitForNoEcho() {
	s.t.Helper()
	for {
		mode, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
		if err != nil {
			s.t.Fatal(err)
		}
		if mode.Lflag&unix.ECHO == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *screen) typed(text string) {
	s.t.Helper()
	if _, err := s.master.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// waitForEnd waits for the end of the process. It checks the exit code and that the
// terminal echoes input, and returns the complete output.
func (s *screen) waitForEnd(code int) string {
	s.t.Helper()
	_ = s.cmd.Wait() // only the exit code matters
	const last = "what is typed after the end"
	s.typed(last + "\n")
	s.waitForText(last, 1)
	text := strings.ReplaceAll(s.String(), last, "")
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit code %d, want %d\n%s", got, code, text)
	}
	return text
}
