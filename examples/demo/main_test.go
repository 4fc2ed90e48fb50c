package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// start builds the demo and starts it in a new temporary directory.
func start(t *testing.T) (cmd *exec.Cmd, out io.Reader, temp string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "demo")
	build := exec.Command("go", "build", "-o", bin, ".")
	if shown, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, shown)
	}
	temp = t.TempDir()
	cmd = exec.Command(bin)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, pipe, temp
}

// wantClean checks that the demo left no files.
func wantClean(t *testing.T, temp string) {
	t.Helper()
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "mkhooks-demo-") {
			t.Errorf("the demo left %s behind", e.Name())
		}
	}
}

// TestDemo runs the demo like "make demo": every step has the expected exit
// code, the complete story is printed, and no files remain.
func TestDemo(t *testing.T) {
	cmd, out, temp := start(t)
	shown, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, shown)
	}
	at := 0
	for _, want := range []string{
		"$ mkhooks validate rules", "3 valid rules in 3 files", "$ mkhooks plan", "2 to create", "$ SOPS_AGE_KEY_FILE=age-key.txt mkhooks apply", "Applied",
		"3 in sync", "$ curl -X PUT", "$ mkhooks drift", "(exit code 2)", "sops set", "rotated", "$ rm rules/nightly-report.yaml",
		"--prune owned --archive archive", "1,240 records", `"records": 1240`, "2 in sync", "demo: done",
	} {
		i := bytes.Index(shown[at:], []byte(want))
		if i < 0 {
			t.Fatalf("%q does not follow in the demo's story:\n%s", want, shown)
		}
		at += i + len(want)
	}
	wantClean(t, temp)
}

// TestDemoInterrupted: the demo also deletes its files if it is stopped in the
// middle.
func TestDemoInterrupted(t *testing.T) {
	cmd, out, temp := start(t)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "$ mkhooks plan") {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	for lines.Scan() { // read on, so that the demo can end
	}
	if err := cmd.Wait(); err == nil {
		t.Error("an interrupted demo says that all went well")
	}
	wantClean(t, temp)
}
