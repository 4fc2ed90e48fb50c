package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// deletedRules runs an apply that deletes two rules, with archives and an audit
// log.
func deletedRules(t *testing.T) *repo {
	t.Helper()
	r := newRepo(t)
	r.writeRule("rules", "jobs", "jobs", secretOne)
	r.writeRule("rules", "other", "other", secretTwo)
	r.writeRule("rules", "keep", "keep", "")
	s := serveEmulator(t, emulator.Options{})
	args := []string{"apply", "--owner", "team", "--yes", "--prune", "owned", "--max-deletes", "9", "--archive", "archive", "--audit", "audit.jsonl", "rules"}
	r.mustRun(s, 0, args...)
	for _, name := range []string{"jobs", "other"} {
		s.AddEvents(name, makeRecords(3)...)
		if err := os.Remove(filepath.Join(r.dir, "rules", name+".yaml")); err != nil {
			t.Fatal(err)
		}
	}
	r.mustRun(s, 0, args...)
	return r
}

// manifest returns the path of a rule's manifest, relative to the repository.
func (r *repo) manifest(rule string) string {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "archive", "demo_"+rule+"_*.manifest.json"))
	if err != nil || len(found) != 1 {
		r.t.Fatalf("manifests of rule %s: %q, %v", rule, found, err)
	}
	path, err := filepath.Rel(r.dir, found[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return path
}

// editFile changes a file of the repository.
func (r *repo) editFile(path string, change func(string) string) {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, path))
	if err != nil {
		r.t.Fatal(err)
	}
	changed := change(string(data))
	if changed == string(data) {
		r.t.Fatalf("nothing was changed in %s:\n%s", path, data)
	}
	r.writeFile(path, changed)
}

// TestRestoreChecksTheManifest changes manifests and audit logs, and swaps
// archives. Each time restore must write no file and use nothing from the
// manifest.
func TestRestoreChecksTheManifest(t *testing.T) {
	t.Parallel()
	checksum := regexp.MustCompile(`,\s*"checksum": "[0-9a-f]{64}"`)
	replace := func(from, to string) func(r *repo, path string) {
		return func(r *repo, path string) {
			r.editFile(path, func(s string) string { return strings.ReplaceAll(checksum.ReplaceAllString(s, ""), from, to) })
		}
	}
	log := func(from, to string) func(r *repo, path string) {
		return func(r *repo, _ string) {
			r.editFile("audit.jsonl", func(s string) string {
				i := strings.LastIndex(s, from)
				return s[:i] + to + s[i+len(from):]
			})
		}
	}
	const another, logged = "has another manifest than the one that line [0-9]+ of the record stored", "nothing was written"
	for name, test := range map[string]struct {
		change func(r *repo, path string)
		flags  []string
		want   string // part of the error; empty for success
	}{
		"unchanged":        {func(*repo, string) {}, nil, ""},
		"url":              {replace("hooks.example.com/jobs", "evil.example.com/jobs"), nil, another},
		"url to the host":  {replace("hooks.example.com/jobs", "hooks.example.com/jobs?x=1"), nil, another},
		"enabled":          {replace(`"wasEnabled": true`, `"wasEnabled": false`), nil, another},
		"event":            {replace("MediaKind.JobFinished", "MediaKind.JobStarted"), nil, another},
		"header":           {replace(`"X-Source": "mkio"`, `"X-Source": "evil"`), nil, another},
		"auth name":        {replace(`"X-Secret"`, `"X-Other"`), nil, another},
		"no auth":          {replace(`"X-Secret"`, ``), nil, another},
		"auth value":       {replace(`"X-Secret"`, `{"X-Secret": "s3cr3t"}`), nil, "is no manifest"},
		"plain credential": {replace(`"X-Source": "mkio"`, `"Authorization": "Bearer s3cr3t-s3cr3t-s3cr3t"`), nil, another},
		"rule":             {replace(`"name": "jobs"`, `"name": "keep2"`), nil, "its name is that of another archive"},
		"project":          {replace(`"project": "demo"`, `"project": "prod"`), nil, "its name is that of another archive"},
		"id":               {replace(`"id": "`, `"id": "0`), nil, "its name is that of another archive"},
		"count":            {replace(`"records": 3`, `"records": 2`), nil, "holds more than the 2 records that its manifest says"},
		"who":              {replace(`"commit": "`, `"commit": "0`), nil, another},
		"layout alone":     {func(r *repo, path string) { r.editFile(path, func(s string) string { return s + "\n" }) }, nil, another},
		"checksum made up": {func(r *repo, path string) {
			r.editFile(path, func(s string) string { return strings.Replace(s, "hooks.example.com", "evil.example.com", 1) })
		}, nil, "its content does not have its checksum"},
		"another rule's manifest": {func(r *repo, path string) {
			other, err := os.ReadFile(filepath.Join(r.dir, r.manifest("other")))
			if err != nil {
				r.t.Fatal(err)
			}
			r.writeFile(path, string(other))
		}, nil, "is the manifest of"},
		"another archive in its place": {func(r *repo, path string) {
			// Both objects, and all the names inside them.
			from := strings.TrimSuffix(r.manifest("other"), ".manifest.json")
			to := strings.TrimSuffix(path, ".manifest.json")
			for _, suffix := range []string{".jsonl.gz", ".manifest.json"} {
				data, err := os.ReadFile(filepath.Join(r.dir, from+suffix))
				if err != nil {
					r.t.Fatal(err)
				}
				r.writeFile(to+suffix, string(data))
			}
			r.editFile(path, func(s string) string {
				s = checksum.ReplaceAllString(s, "")
				s = strings.ReplaceAll(s, filepath.Base(from), filepath.Base(to))
				return strings.Replace(s, `"name": "other"`, `"name": "jobs"`, 1)
			})
		}, nil, "its name is that of another archive"},
		"a new archive": {func(r *repo, path string) {
			base := strings.TrimSuffix(path, ".manifest.json")
			for _, suffix := range []string{".jsonl.gz", ".manifest.json"} {
				if err := os.Rename(filepath.Join(r.dir, base+suffix), filepath.Join(r.dir, base+"0"+suffix)); err != nil {
					r.t.Fatal(err)
				}
			}
			r.editFile(base+"0.manifest.json", func(s string) string {
				return strings.Replace(checksum.ReplaceAllString(s, ""), filepath.Base(base)+".jsonl", filepath.Base(base)+"0.jsonl", 1)
			})
		}, nil, "names no archive"},
		"the line of the log": {log(`"manifest":"`, `"manifest":"0`), nil, "does not follow from the line before it|is no entry|nothing was written"},
		"a line taken out": {func(r *repo, _ string) {
			r.editFile("audit.jsonl", func(s string) string { return s[strings.Index(s, "\n")+1:] })
		}, nil, logged},
		"a log of another run":    {func(r *repo, _ string) { r.writeFile("audit.jsonl", "") }, nil, "names no archive"},
		"no log":                  {func(r *repo, _ string) { _ = os.Remove(filepath.Join(r.dir, "audit.jsonl")) }, nil, "can't be read, so the manifest can't be checked"},
		"no log, and not needed":  {func(r *repo, _ string) { _ = os.Remove(filepath.Join(r.dir, "audit.jsonl")) }, []string{"--no-audit"}, ""},
		"changed, and not looked": {replace("hooks.example.com/jobs", "evil.example.com/x?token=s3cr3t-s3cr3t-s3cr3t"), []string{"--no-audit"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := deletedRules(t)
			path := r.manifest("jobs")
			test.change(r, path)
			if name == "a new archive" {
				path = strings.Replace(path, ".manifest", "0.manifest", 1)
			}
			args := append([]string{"restore", "--out", "rules", path}, test.flags...)
			if test.flags == nil {
				args = append(args, "--audit", "audit.jsonl")
			}
			stdout, stderr, code := r.runMkhooks(nil, args...)
			file := filepath.Join(r.dir, "rules", "jobs.yaml")
			data, err := os.ReadFile(file)
			if strings.Contains(stdout+stderr+string(data), "s3cr3t") {
				t.Errorf("a credential is shown:\n%s%s%s", stdout, stderr, data)
			}
			if test.want != "" {
				if code != exitInvalid || err == nil || !regexp.MustCompile(test.want).MatchString(stderr) || !strings.Contains(stderr, "nothing was written") {
					t.Errorf("exit code %d, file written: %t, want %q:\n%s%s", code, err == nil, test.want, stdout, stderr)
				}
				return
			}
			said := "manifest as line [0-9]+ of audit.jsonl has it"
			host := "hooks.example.com"
			if test.flags != nil {
				said = "manifest not checked: --no-audit"
			}
			if strings.HasPrefix(name, "changed") {
				host = "evil.example.com"
			}
			if code != 0 || err != nil || !regexp.MustCompile(said).MatchString(stdout) || !strings.Contains(stdout, ", host "+host+"\n") {
				t.Errorf("exit code %d, %v:\n%s%s", code, err, stdout, stderr)
			}
		})
	}
}

// TestOnePlanDigest checks that result, audit log, manifest and text name the
// same digest: the saved plan's, else the fresh plan's.
func TestOnePlanDigest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		saved bool
		edit  func(r *repo, s *served) // runs after the plan was saved
		flags []string
		code  int
	}{
		"fresh":                       {false, nil, nil, 0},
		"saved":                       {true, nil, nil, 0},
		"saved, and files moved on":   {true, func(r *repo, _ *served) { r.writeRule("rules", "late", "late", "") }, nil, 4},
		"saved, and the rule moved":   {true, func(_ *repo, s *served) { s.Edit("gone", func(spec map[string]any) { spec["enabled"] = false }) }, nil, 4},
		"saved, expected is another":  {true, nil, []string{"--expect", strings.Repeat("0", 32)}, 4},
		"fresh, expected is another":  {false, nil, []string{"--expect", strings.Repeat("0", 32)}, 4},
		"fresh, for one rule":         {false, nil, []string{"--only", "new"}, 0},
		"saved, nothing is left":      {true, func(r *repo, s *served) { r.mustRun(s, 0, r.applyArgs("first.jsonl")...) }, nil, 0},
		"saved, blocked by in flight": {true, func(_ *repo, s *served) { s.AddEvents("gone", emulator.Event{Status: "Pending"}) }, nil, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			r.writeRule("rules", "keep", "keep", "")
			r.writeRule("rules", "gone", "gone", "")
			s := serveEmulator(t, emulator.Options{})
			r.mustRun(s, 0, r.applyArgs("before.jsonl")...)
			if err := os.Remove(filepath.Join(r.dir, "rules", "gone.yaml")); err != nil {
				t.Fatal(err)
			}
			r.writeRule("rules", "new", "new", "")
			args := append(r.applyArgs("audit.jsonl"), "--report", "json=result.json")
			args = append(args, test.flags...)
			var want struct{ Digest string }
			if test.saved {
				r.mustRun(s, 0, append([]string{"plan", "--out", "plan.json"}, r.applyArgs("")[1:]...)...)
				r.decodeFile("plan.json", &want)
				args = append(args, "--plan", "plan.json")
			}
			if test.edit != nil {
				test.edit(r, s)
			}
			stdout, _ := r.mustRun(s, test.code, args...)
			var result struct{ Digest string }
			r.decodeFile("result.json", &result)
			if !test.saved {
				want = result
			}
			chain, err := readChain(filepath.Join(r.dir, "audit.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			start := chain.Entries[0].Start.PlanDigest
			if result.Digest != want.Digest || start != want.Digest || strings.Contains(stdout, "Digest ") && !strings.Contains(stdout, "Digest "+want.Digest) {
				t.Errorf("plan %s, result %s, audit log %s\n%s", want.Digest, result.Digest, start, stdout)
			}
			found, err := filepath.Glob(filepath.Join(r.dir, "audit-archive", "*.manifest.json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range found {
				var m struct{ PlanDigest string }
				r.decodeFile(filepath.Join("audit-archive", filepath.Base(path)), &m)
				if m.PlanDigest != want.Digest {
					t.Errorf("the manifest has %s", m.PlanDigest)
				}
			}
		})
	}
}

// applyArgs returns the arguments of an apply with an audit log and a separate
// archive.
func (r *repo) applyArgs(log string) []string {
	args := []string{"apply", "--owner", "team", "--prune", "owned", "--max-deletes", "9", "--archive", strings.TrimSuffix(log, ".jsonl") + "-archive", "rules"}
	if log == "" {
		return args
	}
	return append(args, "--yes", "--drain", "0s", "--audit", log)
}

// decodeFile reads a JSON file of the repository.
func (r *repo) decodeFile(name string, v any) {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		r.t.Fatal(err)
	}
}
