package cli

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/mkhooks/mkhooks/schema"
)

func TestBuildOf(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{
			{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: commit},
			{Key: "vcs.time", Value: "2026-10-01T10:00:00+02:00"}, {Key: "vcs.modified", Value: modified},
		}
	}
	on := "go, platform)"
	tests := map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"go install of a version":        {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "mkhooks v1.2.3 (" + on},
		"a checkout of a tag":            {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: vcs("false")}, "mkhooks v1.2.3 (commit 0123456789ab of 2026-10-01, " + on},
		"a changed checkout":             {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3+dirty"}, Settings: vcs("true")}, "mkhooks v1.2.3+dirty (commit 0123456789ab with changes of 2026-10-01, " + on},
		"a test, which has no version":   {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs("true")}, "mkhooks devel-0123456789ab-dirty (commit 0123456789ab with changes of 2026-10-01, " + on},
		"without a checkout":             {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "mkhooks devel (" + on},
		"without anything":               {debug.BuildInfo{}, "mkhooks devel (" + on},
		"a time that can't be read":      {debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.time", Value: "soon"}}}, "mkhooks devel (" + on},
		"a commit that is no git's own":  {debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "12"}}}, "mkhooks devel (commit 12, " + on},
		"a checkout without its changes": {debug.BuildInfo{Settings: vcs("")}, "mkhooks devel-0123456789ab (commit 0123456789ab of 2026-10-01, " + on},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := strings.Replace(tt.want, "go, platform", runtime.Version()+", "+runtime.GOOS+"/"+runtime.GOARCH, 1)
			if got := buildOf(&tt.info).String(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestVersionDocument checks the JSON against its schema. The text must be one
// line, because workflows keep it in a variable.
func TestVersionDocument(t *testing.T) {
	t.Parallel()
	var out, text bytes.Buffer
	if code := Main(t.Context(), Env{Args: []string{"version", "--format", "json"}, Stdout: &out, Stderr: &out, Now: time.Now, Getenv: func(string) string { return "" }}); code != 0 {
		t.Fatalf("exit code %d: %s", code, &out)
	}
	var v any
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	s, err := jsonschema.CompileString("version.schema.json", string(schema.Version()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
	if err := s.Validate(map[string]any{"version": "v1"}); err == nil {
		t.Error("the schema takes a document without its fields")
	}
	if code := Main(t.Context(), Env{Args: []string{"version"}, Now: time.Now, Stdout: &text, Stderr: &text, Getenv: func(string) string { return "" }}); code != 0 || strings.Count(text.String(), "\n") != 1 {
		t.Errorf("exit code %d: got %q, want one line", code, &text)
	}
	var bad bytes.Buffer
	if code := Main(t.Context(), Env{Args: []string{"version", "--format", "yaml"}, Stdout: &bad, Stderr: &bad, Now: time.Now, Getenv: func(string) string { return "" }}); code != exitInvalid || !strings.Contains(bad.String(), "expected text or json") {
		t.Errorf("--format yaml: exit code %d: %s", code, &bad)
	}
}
