package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/archive/bucket/buckettest"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// TestArchiveInBuckets deletes a rule with its history in an object store, and
// restores it from there. It runs whole commands under CI, where a directory is
// not enough.
func TestArchiveInBuckets(t *testing.T) {
	for name, value := range buckettest.Env() {
		t.Setenv(name, value)
	}
	for _, kind := range buckettest.Kinds {
		t.Run(kind, func(t *testing.T) {
			bucket := buckettest.New(t, kind)
			s := serveEmulator(t, emulator.Options{})
			r := newRepo(t)
			r.writeRule("rules", "jobs", "jobs", "")
			r.writeRule("rules", "stays", "stays", "")
			r.mustRun(s, 0, "apply", "--owner", "team", "--yes", "rules")
			s.AddEvents("jobs", emulator.Event{Created: time.Now(), Type: "MediaKind.JobFinished", Status: "Sent"})
			if err := os.Remove(filepath.Join(r.dir, "rules", "jobs.yaml")); err != nil {
				t.Fatal(err)
			}
			remove := func(location string) []string {
				return []string{"apply", "--owner", "team", "--prune", "owned", "--max-deletes", "1", "--audit", "audit.jsonl", "--yes", "--archive", location, "rules"}
			}

			// A missing bucket is detected before the rule is paused.
			other := strings.Replace(bucket.Location("mkhooks"), bucket.Name, "other-"+bucket.Name, 1)
			stdout, _ := r.mustRun(s, 1, remove(other)...)
			if !strings.Contains(stdout, "there is no ") || !strings.Contains(stdout, "make it, or correct the archive location") {
				t.Errorf("without a bucket:\n%s", stdout)
			}
			if rule, ok := s.Rule("jobs"); !ok || rule.Spec["enabled"] != true {
				t.Fatalf("without a bucket, the rule is %v", rule.Spec)
			}

			t.Setenv("CI", "true")
			cmd := r.newProcess(s, remove(bucket.Location("mkhooks"))...)
			cmd.Env = append(cmd.Env, "CI=true")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if _, ok := s.Rule("jobs"); ok {
				t.Error("the rule is still there")
			}
			// The note about the rule before its pause, the records, the
			// manifest.
			if got := bucket.Names(t); len(got) != 3 || !strings.HasPrefix(got[0], "mkhooks/demo_jobs_") || !strings.HasSuffix(got[0], ".paused.json") {
				t.Fatalf("the bucket holds %q", got)
			}
			location := archivedAt(t, filepath.Join(r.dir, "audit.jsonl"))
			if !strings.HasPrefix(location, kind+"://"+bucket.Name+"/mkhooks/demo_jobs_") {
				t.Errorf("the record says that the archive is at %s", location)
			}

			r.mustRun(s, 0, "audit", "verify", location)
			// The audit log is a file, so it may name any server. The verifying
			// person may name any server also, with --archive.
			verify := func(code int, flags ...string) string {
				stdout, _ := r.mustRun(s, code, append([]string{"audit", "verify", "--archives", "audit.jsonl"}, flags...)...)
				return stdout
			}
			if out := verify(3); !strings.Contains(out, "is not looked at, because a record may name no server: pass --archive") {
				t.Errorf("audit verify --archives:\n%s", out)
			}
			if out := verify(0, "--archive", bucket.Location("mkhooks")); !strings.Contains(out, `: 1 record of rule "jobs"`) {
				t.Errorf("audit verify --archive:\n%s", out)
			}
			// A store that can't be reached is not a fault of the audit log.
			nobody := regexp.MustCompile(`127\.0\.0\.1:[0-9]+|127\.0\.0\.1%3A[0-9]+`).ReplaceAllString(bucket.Location("mkhooks"), "127.0.0.1:9")
			if out := verify(1, "--archive", nobody); strings.Contains(out, "record of rule") {
				t.Errorf("audit verify of a store that is not there:\n%s", out)
			}
			r.mustRun(nil, 0, "restore", "--out", "rules", strings.Replace(location, ".jsonl.gz", ".manifest.json", 1))
			if _, err := os.Stat(filepath.Join(r.dir, "rules", "jobs.yaml")); err != nil {
				t.Error(err)
			}

			r.writeFile("mkhooks.yaml", "owner: team\narchive: "+bucket.Location("mkhooks")+"\nprojects:\n  demo:\n    rules: [rules]\n")
			_, stderr := r.mustRun(s, 3, "plan")
			if !strings.Contains(stderr, "taken from the command line alone") || !strings.Contains(stderr, "hint: pass it with --archive") {
				t.Errorf("a config file with a server in it:\n%s", stderr)
			}
			r.writeFile("mkhooks.yaml", "owner: team\narchive: "+kind+"://"+bucket.Name+"/mkhooks\nprojects:\n  demo:\n    rules: [rules]\n")
			r.mustRun(s, 0, "plan")
		})
	}
}

// archivedAt returns the location of the archive in an audit log.
func archivedAt(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"location":("[^"]*")`).FindSubmatch(data)
	if found == nil {
		t.Fatalf("the record names no archive:\n%s", data)
	}
	var location string
	if err := json.Unmarshal(found[1], &location); err != nil {
		t.Fatal(err)
	}
	return location
}
