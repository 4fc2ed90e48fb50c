package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// TestRemovedAuditLog takes the audit log away while a run writes. No output may name
// a head of a file that lacks this run.
func TestRemovedAuditLog(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(path string) error{
		"removed": os.Remove,
		"renamed": func(path string) error { return os.Rename(path, path+".1") },
		"replaced": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			r.writeRule("rules", "jobs", "jobs", "")
			s := serveEmulator(t, emulator.Options{})
			s.Fault(emulator.Fault{Method: "PUT", After: func() {
				if err := take(filepath.Join(r.dir, "audit.jsonl")); err != nil {
					t.Error(err)
				}
			}})
			stdout, stderr, code := r.runMkhooks(s, "apply", "--owner", "team", "--yes", "--audit", "audit.jsonl", "--report", "markdown=r.md", "--report", "json=r.json", "rules")
			if code == 0 || !strings.Contains(stderr, "audit.jsonl is lost") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			all := stdout + readFile(t, r.dir, "r.md") + readFile(t, r.dir, "r.json")
			if strings.Contains(all, ", head") || strings.Contains(all, `"head"`) {
				t.Errorf("names a head:\n%s", all)
			}
		})
	}
}
