package github

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReleaseWorkflow: the job that builds a release can only read. The job
// that publishes it runs no code of this repository or of a module.
func TestReleaseWorkflow(t *testing.T) {
	w := called(t, "release")
	if w.Permissions == nil || len(w.Permissions) > 0 {
		t.Errorf("permissions of all jobs are %v, expected none", w.Permissions)
	}
	if got := slices.Sorted(maps.Keys(w.Jobs)); !slices.Equal(got, []string{"build", "publish"}) {
		t.Fatalf("the jobs are %v, want build and publish", got)
	}
	build, publish := w.Jobs["build"], w.Jobs["publish"]
	if !maps.Equal(build.Permissions, map[string]string{"contents": "read"}) || !maps.Equal(publish.Permissions, map[string]string{"contents": "write"}) {
		t.Errorf("permissions are %v and %v", build.Permissions, publish.Permissions)
	}
	if publish.Needs != "build" || publish.Environment != "release" || build.Environment != "" {
		t.Errorf("publish needs %q and waits for the environment %q, build for %q", publish.Needs, publish.Environment, build.Environment)
	}
	for name, j := range w.Jobs {
		if j.Timeout == 0 || len(j.Env) > 0 {
			t.Errorf("job %s: time-out %d, environment of all steps %v", name, j.Timeout, j.Env)
		}
		for i, s := range j.Steps {
			checkStep(t, "release.yml", s)
			token := false
			for _, value := range slices.Concat(slices.Collect(maps.Values(s.Env)), slices.Collect(maps.Values(s.With))) {
				token = token || strings.Contains(value, "token") || strings.Contains(value, "secrets.")
			}
			if publishes := name == "publish" && i == len(j.Steps)-1; token != publishes {
				t.Errorf("job %s, step %d, %q: gets a token: %v", name, i+1, s.Name, token)
			}
		}
	}
	// Three steps have the right to write: GitHub's download action, a
	// comparison, and gh.
	if n := len(publish.Steps); n != 3 || !strings.HasPrefix(publish.Steps[0].Uses, "actions/download-artifact@") {
		t.Fatalf("publish has %d steps, the first uses %s", n, publish.Steps[0].Uses)
	}
	for _, s := range publish.Steps[1:] {
		for line := range strings.Lines(s.Run) {
			command, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !slices.Contains([]string{"cd", "sha256sum", "test", "gh"}, command) {
				t.Errorf("publish runs %q", line)
			}
		}
	}
	if last := publish.Steps[2].Run; !strings.HasPrefix(last, "gh release create ") || !strings.Contains(last, " --draft ") {
		t.Errorf("what publishes is %q", last)
	}
}

// releaseStep returns the step of a job in release.yml whose name has this
// prefix.
func releaseStep(t *testing.T, job, name string) step {
	t.Helper()
	for _, s := range called(t, "release").Jobs[job].Steps {
		if strings.HasPrefix(s.Name, name) {
			return s
		}
	}
	t.Fatalf("job %s has no step %q", job, name)
	return step{}
}

// bash runs the script of a step like a runner.
func bash(t *testing.T, dir, script string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("bash", "-e", "-c", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestReleaseHandsOver runs the scripts before and after the transfer of the
// files: the publishing job accepts exactly the built files.
func TestReleaseHandsOver(t *testing.T) {
	t.Parallel()
	collect, check := releaseStep(t, "build", "Collect"), releaseStep(t, "publish", "Check")
	for name, tamper := range map[string]func(dir string) error{
		"as they were": nil,
		"one changed": func(dir string) error {
			return os.WriteFile(dir+"/mkhooks_1_linux_amd64.tar.gz", []byte("another"), 0o600)
		},
		"one missing":   func(dir string) error { return os.Remove(dir + "/mkhooks_1_windows_amd64.zip") },
		"one more":      func(dir string) error { return os.WriteFile(dir+"/mkhooks_2_linux_amd64.tar.gz", []byte("x"), 0o600) },
		"one hidden":    func(dir string) error { return os.WriteFile(dir+"/.x", []byte("x"), 0o600) },
		"a folder":      func(dir string) error { return os.Mkdir(dir+"/x", 0o700) },
		"other notes":   func(dir string) error { return os.WriteFile(dir+"/notes.md", []byte("x"), 0o600) },
		"sums that fit": func(dir string) error { return os.WriteFile(dir+"/checksums.txt", []byte("x"), 0o600) },
		"one by another": func(dir string) error {
			return os.Rename(dir+"/mkhooks_1_windows_amd64.zip", dir+"/mkhooks_1_linux_amd64.tar.gz")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			setup := "git init -q . && git -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m work && " +
				"git -c user.name=x -c user.email=x@example.com tag -a v1.2.3 -m 'What is new' && mkdir dist && cd dist && " +
				"for f in mkhooks_1_linux_amd64.tar.gz mkhooks_1_windows_amd64.zip mkhooks_1_linux_amd64.cdx.json checksums.txt; do echo \"$f\" >\"$f\"; done"
			if out, err := bash(t, dir, setup); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			output := filepath.Join(dir, "output")
			if out, err := bash(t, dir, collect.Run, "TAG=v1.2.3", "GITHUB_OUTPUT="+output); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			text, err := os.ReadFile(output)
			if err != nil {
				t.Fatal(err)
			}
			sums, ok := strings.CutPrefix(string(text), "checksums<<END\n")
			sums, end := strings.CutSuffix(sums, "\nEND\n")
			if !ok || !end || strings.Count(sums, "\n") != 4 {
				t.Fatalf("the output is %q", text)
			}
			if notes, err := os.ReadFile(filepath.Join(dir, "release", "notes.md")); err != nil || strings.TrimSpace(string(notes)) != "What is new" {
				t.Errorf("the notes are %q: %v", notes, err)
			}
			if tamper != nil {
				if err := tamper(filepath.Join(dir, "release")); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := bash(t, dir, check.Run, "CHECKSUMS="+sums); (err == nil) != (tamper == nil) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestReleaseBuild: the build covers all platforms and is independent of place
// and time. It uses the flags that .ci/reproducible checks.
func TestReleaseBuild(t *testing.T) {
	var c struct {
		Builds []struct {
			Env, Flags, Ldflags, Goos, Goarch []string
			ModTimestamp                      string `yaml:"mod_timestamp"`
		}
		Release struct{ Disable bool }
	}
	unmarshal(t, "goreleaser.yml", read(t, ".github", "goreleaser.yml"), &c)
	if len(c.Builds) != 1 {
		t.Fatalf("got %d builds, want 1", len(c.Builds))
	}
	b := c.Builds[0]
	if !slices.Equal(b.Goos, []string{"linux", "darwin", "windows"}) || !slices.Equal(b.Goarch, []string{"amd64", "arm64"}) {
		t.Errorf("platforms are %v on %v", b.Goos, b.Goarch)
	}
	if b.ModTimestamp != "{{ .CommitTimestamp }}" || !c.Release.Disable {
		t.Errorf("mod_timestamp is %q, release.disable %v", b.ModTimestamp, c.Release.Disable)
	}
	want := strings.Join(slices.Concat([]string{"CGO_ENABLED=0 go build"}, b.Flags), " ") + " -ldflags='" + strings.Join(b.Ldflags, " ") + "'"
	if got := string(read(t, ".ci", "extras")); !slices.Contains(b.Env, "CGO_ENABLED=0") || !strings.Contains(got, want) {
		t.Errorf(".ci/extras does not build as releases are built: %s", want)
	}
	if !strings.Contains(string(read(t, "examples", "container", "Dockerfile")), strings.TrimPrefix(want, "CGO_ENABLED=0 ")) {
		t.Errorf("the image is not built as releases are: %s", want)
	}
}
