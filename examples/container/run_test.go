package container

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

// mostMiB is the maximum size of the image in MiB. A jump above it means a
// dependency that nobody decided on.
const mostMiB = 80

// TestImage builds and inspects the image. It runs the image as a numeric user,
// with a read-only root file system, without capabilities.
func TestImage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("images are built and run on Linux: not tested on " + runtime.GOOS)
	}
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
		t.Skip("this machine has no /etc/ssl/certs/ca-certificates.crt to put into an image: NOT TESTED")
	}
	w := citest.New(t)
	w.Apply()
	dir := image(t)
	checkImage(t, dir)
	e := start(t, dir)

	// The container gets the repository and two secrets to read, and a volume
	// to write. Everybody has the rights that user 65532 needs.
	run := t.TempDir()
	secrets, volume := filepath.Join(run, "secrets"), filepath.Join(run, "volume")
	for _, d := range []string{secrets, volume} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"read": citest.ReadToken, "write": citest.WriteToken, "age": w.Key} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(volume, 0o777); err != nil {
		t.Fatal(err)
	}
	readable(t, w.Dir)
	e.mounts = []string{w.Dir + ":/repo:ro", secrets + ":/run/secrets:ro", volume + ":/volume"}
	env := []string{"MKIO_BASE_URL=" + w.URL, "SOPS_AGE_KEY_FILE=/run/secrets/age"}

	e.want(0, "mkhooks ", "none", nil, "version")
	e.want(0, "2 valid rules", "none", nil, "validate")
	e.want(0, "2 valid rules", "none", env, "validate", "--decrypt")
	e.want(0, "2 in sync", "host", env, "drift", "--token-file", "/run/secrets/read")

	w.Emulator.Edit("jobs", func(spec map[string]any) { spec["enabled"] = false })
	e.want(2, "1 drifted", "host", env, "drift", "--token-file", "/run/secrets/read", "--report", "json=/volume/drift.json")
	e.want(3, "read-only file system", "host", env, "plan", "--token-file", "/run/secrets/read", "--out", "/plan.json")
	e.want(0, "1 applied", "host", env, "apply", "--yes", "--token-file", "/run/secrets/write", "--audit", "/volume/applies.jsonl")
	e.want(0, "2 in sync", "host", env, "drift", "--token-file", "/run/secrets/read")
	e.want(0, "", "none", nil, "audit", "verify", "/volume/applies.jsonl")
	if data, err := os.ReadFile(filepath.Join(volume, "drift.json")); err != nil || !strings.Contains(string(data), `"drift"`) {
		t.Errorf("the report in the volume: %v\n%s", err, data)
	}

	// The image contains no other program.
	shell := e.image
	args := append(append([]string{}, e.command[1:]...), "run", "--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", "none", "--entrypoint", "/bin/sh", shell, "-c", "true")
	if out, err := exec.Command(e.command[0], args...).CombinedOutput(); err == nil {
		t.Errorf("the image has a shell: %s", out)
	}
	out, err := exec.Command(e.command[0], "image", "inspect", "--format", "{{.Size}}", e.image).Output()
	size, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || size == 0 || size > mostMiB<<20 {
		t.Errorf("the image has %d bytes (%v), want at most %d MiB", size, err, mostMiB)
	}
	t.Logf("run with %s; the image has %.1f MiB", e.command[0], float64(size)/(1<<20))
}

// readable makes a repository readable for everybody.
func readable(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
