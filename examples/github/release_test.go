package github

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestReleaseWorkflow: what builds a release has no token, and what publishes it
// runs nothing of this repository or of a module.
func TestReleaseWorkflow(t *testing.T) {
	w := called(t, "release")
	if w.Permissions == nil || len(w.Permissions) > 0 {
		t.Errorf("permissions of all jobs are %v, expected none", w.Permissions)
	}
	if len(w.Jobs) != 1 {
		t.Fatalf("got %d jobs, want 1", len(w.Jobs))
	}
	j := w.Jobs["release"]
	if !maps.Equal(j.Permissions, map[string]string{"contents": "write"}) {
		t.Errorf("permissions %v", j.Permissions)
	}
	for i, s := range j.Steps {
		checkStep(t, "release.yml", s)
		token := false
		for _, value := range slices.Concat(slices.Collect(maps.Values(s.Env)), slices.Collect(maps.Values(j.Env))) {
			token = token || strings.Contains(value, "token") || strings.Contains(value, "secrets.")
		}
		if last := i == len(j.Steps)-1; token != last {
			t.Errorf("step %d, %q: gets a token: %v", i+1, s.Name, token)
		}
	}
	publish := j.Steps[len(j.Steps)-1].Run
	if !strings.HasPrefix(publish, "gh release create ") || strings.Contains(publish, ".ci/") || strings.Contains(publish, "go ") {
		t.Errorf("what publishes is %q", publish)
	}
}

// TestReleaseBuild: all platforms, nothing that would make a build depend on
// where and when it is made, and the flags that .ci/reproducible shows this of.
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
