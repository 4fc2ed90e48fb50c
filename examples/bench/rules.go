package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// makeKey makes the age key of this run, and a rule file that the real sops
// command encrypts for this key.
func (b *bench) makeKey() error {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	b.identity = filepath.Join(b.dir, "age-key.txt")
	if err := os.WriteFile(b.identity, []byte(key.String()+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(b.programPath("sealed.yaml"), []byte(ruleText(0, true)), 0o600); err != nil {
		return err
	}
	out, err := exec.CommandContext(b.ctx, "go", "tool", "sops", "--encrypt", "--age", key.Recipient().String(),
		"--encrypted-regex", "^authentication$", "--mac-only-encrypted", b.programPath("sealed.yaml")).Output()
	if err != nil {
		return fmt.Errorf("sops encrypt: %w", err)
	}
	b.sealed = string(out)
	return nil
}

// ruleText returns a plaintext rule file of usual size.
func ruleText(n int, auth bool) string {
	text := fmt.Sprintf(`# Tells the planner of this channel when a job starts and ends.
metadata:
    name: rule-%05d
spec:
    url: https://hooks.example.com/mkio/channels/00000
    enabled: true
    events:
        - MediaKind.JobStarted
        - MediaKind.JobFinished
        - MediaKind.ChannelInstanceError
    headers:
        X-Source: mkio
        X-Team: video-platform
    queryParams:
        region: eu-north
`, n)
	if auth {
		text += `    authentication:
        headers:
            X-Webhook-Secret: a-secret-of-some-length-0123456789
        queryParams:
            code: another-secret-of-some-length
`
	}
	return text
}

// writeRules writes n rule files into a new directory. Sealed files are copies of
// the file that sops encrypted, each with a different name and path: with
// mac_only_encrypted the plaintext fields may differ.
func (b *bench) writeRules(name string, n int, auth bool) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	for i := range n {
		text := ruleText(i, false)
		if auth {
			id := fmt.Sprintf("%05d", i)
			text = strings.NewReplacer("name: rule-00000", "name: rule-"+id, "channels/00000", "channels/"+id).Replace(b.sealed)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("rule-%05d.yaml", i)), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// medianOf returns the median.
func medianOf[T any](sorted []T) T { return sorted[len(sorted)/2] }
