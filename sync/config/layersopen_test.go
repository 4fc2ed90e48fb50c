package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const commonRule = `metadata:
  name: jobs
spec:
  url: https://hooks.example.com/jobs
  enabled: true
  events: [MediaKind.JobFinished]
  authentication:
    headers:
      X-Secret: common-secret-one
      X-Common: common-secret-two
      X-Old: common-secret-three
    queryParams:
      code: common-secret-four
`

const prodRule = `metadata:
  name: jobs
spec:
  enabled: false
  authentication:
    # none of the old receivers is left
    headers:
      X-Secret: prod-secret-one
      X-Old: null
`

// twoLayers writes the two files, each encrypted for a different key by the real
// command. It returns the layers and the keys.
func twoLayers(t *testing.T) (paths []string, identities []string) {
	t.Helper()
	dir := t.TempDir()
	for _, l := range []struct{ folder, text string }{{"common", commonRule}, {"prod", prodRule}} {
		recipient, identity := sopstest.AgeKey(t)
		path := filepath.Join(dir, l.folder)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		encrypted := sopstest.EncryptRule(t, l.text, append([]string{"--age", recipient}, sopstest.Usual...)...)
		if err := os.Rename(encrypted, filepath.Join(path, "jobs.yaml")); err != nil {
			t.Fatal(err)
		}
		paths, identities = append(paths, path), append(identities, identity)
	}
	return paths, identities
}

func loadJobs(t *testing.T, paths ...string) (*config.Rule, []schema.Problem) {
	t.Helper()
	rules, problems, err := config.LoadRules(t.Context(), paths, config.Options{Layered: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(rules.Rules) != 1 {
		t.Fatalf("%d rules, problems %v", len(rules.Rules), problems)
	}
	return &rules.Rules[0], problems
}

// revealed returns the auth values by path.
func revealed(auth secrets.Auth) map[string]string {
	out := map[string]string{}
	_, values := auth.Values()
	for path, v := range values {
		out[path] = v.Reveal()
	}
	return out
}

// TestLayersOpen decrypts a rule of two files that are encrypted for two keys. It
// expects the values in force from both files. SOPS does not encrypt null.
func TestLayersOpen(t *testing.T) {
	paths, identities := twoLayers(t)
	prod := read(t, paths[1]+"/jobs.yaml")
	if !strings.Contains(prod, "X-Old: null\n") || !strings.Contains(prod, "X-Secret: ENC[") {
		t.Fatalf("sops wrote\n%s", prod)
	}
	jobs, problems := loadJobs(t, paths...)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	if diff := cmp.Diff(webhook.AuthNames{Headers: []string{"X-Common", "X-Secret"}, QueryParams: []string{"code"}}, jobs.Spec.Auth); diff != "" {
		t.Errorf("names, -want +got:\n%s", diff)
	}
	t.Setenv("SOPS_AGE_KEY", strings.Join(identities, "\n"))
	auth, err := sops.New(sops.Options{}).Auth(t.Context(), jobs.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"headers/X-Secret": "prod-secret-one", "headers/X-Common": "common-secret-two", "queryParams/code": "common-secret-four"}
	if diff := cmp.Diff(want, revealed(auth)); diff != "" {
		t.Errorf("values, -want +got:\n%s", diff)
	}

	// With only one key, the error names the file that can't be decrypted.
	t.Setenv("SOPS_AGE_KEY", identities[1])
	if _, err := sops.New(sops.Options{}).Auth(t.Context(), jobs.Sealed); err == nil || !strings.Contains(err.Error(), filepath.Join("common", "jobs.yaml")) {
		t.Errorf("opened without the key of common: %v", err)
	}

	// The real command edits the layer and keeps everything else.
	t.Setenv("SOPS_AGE_KEY", strings.Join(identities, "\n"))
	before := jobs.AuthDigest
	sopstest.Sops(t, nil, paths[0], "set", "jobs.yaml", `["spec"]["authentication"]["headers"]["X-Old"]`, `"another"`)
	if jobs, _ := loadJobs(t, paths...); jobs.AuthDigest != before {
		t.Error("a value that is not in force changes the digest")
	}
	sopstest.Sops(t, nil, paths[0], "set", "jobs.yaml", `["spec"]["authentication"]["headers"]["X-Common"]`, `"another"`)
	jobs, _ = loadJobs(t, paths...)
	if jobs.AuthDigest == before {
		t.Error("a value that is in force does not change the digest")
	}
	want["headers/X-Common"] = "another"
	if auth, err = sops.New(sops.Options{}).Auth(t.Context(), jobs.Sealed); err != nil || !maps.Equal(want, revealed(auth)) {
		t.Errorf("values %v, error %v", slices.Sorted(maps.Keys(revealed(auth))), err)
	}
}

// TestLayersTampered checks that a layer with a broken MAC is never decrypted.
func TestLayersTampered(t *testing.T) {
	paths, identities := twoLayers(t)
	t.Setenv("SOPS_AGE_KEY", strings.Join(identities, "\n"))
	file := paths[0] + "/jobs.yaml"
	var kept []string
	for l := range strings.Lines(read(t, file)) {
		if !strings.Contains(l, "X-Old:") { // not even in force
			kept = append(kept, l)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(kept, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	jobs, _ := loadJobs(t, paths...)
	_, err := sops.New(sops.Options{}).Auth(t.Context(), jobs.Sealed)
	if err == nil || !strings.HasPrefix(err.Error(), file+": has a MAC that does not fit") {
		t.Errorf("error %v", err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
