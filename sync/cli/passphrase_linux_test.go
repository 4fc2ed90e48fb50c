package cli

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

func init() { programs["age-plugin-mkhookstest"] = askingPlugin }

// passphrase locks the keys of these tests.
const passphrase = "open-s3cr3t-sesame"

// lockedRepo makes a repository with two projects whose rules are encrypted for
// a locked key. lock makes the key below HOME, and returns its recipient and
// the environment.
func lockedRepo(t *testing.T, lock func(t *testing.T, home string) (recipient string, env []string)) (*repo, []string) {
	t.Helper()
	r := newRepo(t)
	home := t.TempDir()
	recipient, env := lock(t, home)
	env = append(env, "HOME="+home, "XDG_CONFIG_HOME="+home, "GNUPGHOME="+home, "GPG_AGENT_INFO=", "MKIO_TOKEN="+scriptToken, "PATH="+home+":"+os.Getenv("PATH"))
	r.writeFile(".sops.yaml", "creation_rules:\n  - age: "+recipient+"\n    encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n")
	for i := range 6 {
		for _, project := range []string{"one", "two"} {
			r.writeRule("rules/"+project, fmt.Sprintf("rule-%d", i), "x", secretOne)
		}
	}
	r.writeFile("mkhooks.yaml", "owner: team\nprojects:\n  one:\n    rules: [rules/one]\n  two:\n    rules: [rules/two]\n")
	return r, env
}

func lockedSSH(t *testing.T, home string) (string, []string) {
	t.Helper()
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("needs ssh-keygen, which is not installed")
	}
	file := filepath.Join(home, "id")
	if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(public)), []string{"SOPS_AGE_KEY_FILE=", "SOPS_AGE_SSH_PRIVATE_KEY_FILE=" + file}
}

// lockedAge makes a key like age-keygen | age -p.
func lockedAge(t *testing.T, home string) (string, []string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	lock.SetWorkFactor(10)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, lock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(w, "%s\n", key); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "locked.txt")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return key.Recipient().String(), []string{"SOPS_AGE_KEY_FILE=" + file}
}

// commandAge makes a key that a command prints after a question on the
// terminal.
func commandAge(t *testing.T, home string) (string, []string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexec </dev/tty 2>/dev/tty\nstty -echo\nprintf 'Enter passphrase of the command: ' >&2\nread -r p\nstty echo\necho >&2\n" +
		"[ \"$p\" = " + passphrase + " ] || exit 1\necho " + key.String() + "\n"
	file := filepath.Join(home, "ask-for-key")
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return key.Recipient().String(), []string{"SOPS_AGE_KEY_FILE=", "SOPS_AGE_KEY_CMD=" + file}
}

// waysToLock are the kinds of keys that need a passphrase.
var waysToLock = map[string]func(*testing.T, string) (string, []string){
	"ssh": lockedSSH, "age": lockedAge, "command": commandAge,
}

const prompt = "Enter passphrase "

// serveProjects serves several projects and returns the base URL.
func serveProjects(t *testing.T, names ...string) string {
	t.Helper()
	served := emulator.Projects{}
	for _, name := range names {
		served[name] = emulator.New(emulator.Options{Project: name, Tokens: map[string][]emulator.Capability{scriptToken: emulator.AllCapabilities()}})
	}
	h := httptest.NewServer(served)
	t.Cleanup(h.Close)
	return h.URL
}

// TestPassphrase checks that one person is asked once on a terminal, for every
// kind of key and command. Nothing else uses the terminal meanwhile, and
// nothing shows the passphrase.
func TestPassphrase(t *testing.T) {
	t.Parallel()
	for name, lock := range waysToLock {
		for _, command := range [][]string{
			{"validate", "--decrypt"},
			{"plan", "--decrypt", "-v"},
			{"apply", "--yes", "-v"},
			{"secret", "set", "rules/one/rule-1.yaml", "headers.X-Secret"},
		} {
			t.Run(name+"/"+command[0], func(t *testing.T) {
				t.Parallel()
				r, env := lockedRepo(t, lock)
				s := serveProjects(t, "one", "two")
				cmd := r.newProcess(nil, command...)
				cmd.Env = append(cmd.Env, append(env, "MKIO_PROJECT=", "MKIO_BASE_URL="+s)...)
				if command[0] == "secret" {
					cmd.Stdin = strings.NewReader("a-new-value")
				}
				screen := onTerminal(t, cmd)
				screen.waitForText(prompt, 1)
				screen.waitForNoEcho()
				before := screen.String()
				time.Sleep(700 * time.Millisecond) // longer than the delay of the progress bar
				if after := screen.String(); after != before {
					t.Errorf("while a passphrase was awaited, the terminal got\n%q", strings.TrimPrefix(after, before))
				}
				screen.typed(passphrase + "\n")
				text := screen.waitForEnd(exitOK)
				if n := strings.Count(text, prompt); n != 1 {
					t.Errorf("somebody was asked %d times:\n%s", n, text)
				}
				if strings.Contains(text, "s3cr3t") {
					t.Errorf("the passphrase or a secret is on the terminal:\n%s", text)
				}
			})
		}
	}
}

// TestNoPassphrase checks that a wrong passphrase is asked for again. A user
// who gives up, or has no terminal, gets a reason and no question for the next
// file. The terminal's echo is on again.
func TestNoPassphrase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		locks []string
		typed []string
		code  int
		says  []string
		asked int
	}{
		{"once wrong", []string{"ssh", "age"}, []string{"wr0ng-s3cr3t\n", passphrase + "\n"}, exitOK, []string{"the passphrase is wrong; type it again"}, 2},
		{"three times wrong", []string{"ssh", "age"}, []string{"wr0ng-s3cr3t\n", "wr0ng-s3cr3t\n", "wr0ng-s3cr3t\n"}, exitInvalid, []string{"the passphrase of its key was wrong"}, 3},
		{"nothing typed", []string{"age"}, []string{"\n"}, exitInvalid, []string{"its key is locked with a passphrase, and none was given", "run it again and type the passphrase"}, 1},
		{"Ctrl-C", []string{"ssh", "age", "command"}, []string{"\x03"}, exitInterrupted, []string{"interrupted"}, 1},
		{"Ctrl-C after some letters", []string{"ssh", "age"}, []string{"s3cr3t\x03"}, exitInterrupted, []string{"interrupted"}, 1},
	} {
		for _, lock := range c.locks {
			for _, command := range [][]string{{"validate", "--decrypt"}, {"apply", "--yes"}} {
				t.Run(c.name+"/"+lock+"/"+command[0], func(t *testing.T) {
					t.Parallel()
					r, env := lockedRepo(t, waysToLock[lock])
					cmd := r.newProcess(nil, command...)
					cmd.Env = append(cmd.Env, append(env, "MKIO_PROJECT=", "MKIO_BASE_URL="+serveProjects(t, "one", "two"))...)
					screen := onTerminal(t, cmd)
					for i, text := range c.typed {
						screen.waitForText(prompt, i+1)
						screen.waitForNoEcho()
						screen.typed(text)
					}
					text := screen.waitForEnd(c.code)
					if n := strings.Count(text, prompt); n != c.asked {
						t.Errorf("somebody was asked %d times, want %d:\n%s", n, c.asked, text)
					}
					for _, want := range c.says {
						if !strings.Contains(text, want) {
							t.Errorf("the terminal does not show %q:\n%s", want, text)
						}
					}
					if strings.Contains(text, "s3cr3t") {
						t.Errorf("the passphrase or a secret is on the terminal:\n%s", text)
					}
				})
			}
		}
	}
	for _, lock := range []string{"ssh", "age"} {
		t.Run("no terminal/"+lock, func(t *testing.T) {
			t.Parallel()
			r, env := lockedRepo(t, waysToLock[lock])
			cmd := r.newProcess(nil, "validate", "--decrypt")
			cmd.Env = append(cmd.Env, env...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			out, _ := cmd.CombinedOutput() // only the exit code matters
			if code := cmd.ProcessState.ExitCode(); code != exitInvalid || !strings.Contains(string(out), "there is no terminal to ask for it") {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}

// askingPlugin is an age plugin that shows a message and asks each time, like a
// plugin for a hardware key.
func askingPlugin() {
	p, err := plugin.New("mkhookstest")
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) { return age.ParseX25519Recipient(string(data)) })
	p.HandleIdentity(func(data []byte) (age.Identity, error) {
		key, err := age.ParseX25519Identity(string(data))
		return asking{p, key}, err
	})
	os.Exit(p.Main())
}

type asking struct {
	p   *plugin.Plugin
	key *age.X25519Identity
}

func (a asking) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if err := a.p.DisplayMessage("touch your key"); err != nil {
		return nil, err
	}
	given, err := a.p.RequestValue(prompt+"of the plugin:", true)
	if err != nil || given != passphrase {
		return nil, errors.New("no passphrase")
	}
	return a.key.Unwrap(stanzas)
}

// TestPassphraseOfPlugin checks that a plugin that asks for every file has the
// terminal alone each time. Its messages must be shown.
func TestPassphraseOfPlugin(t *testing.T) {
	t.Parallel()
	r, env := lockedRepo(t, func(t *testing.T, home string) (string, []string) {
		t.Helper()
		key, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(home, "plugin.txt")
		if err := os.WriteFile(file, []byte(plugin.EncodeIdentity("mkhookstest", []byte(key.String()))+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return plugin.EncodeRecipient("mkhookstest", []byte(key.Recipient().String())), []string{"SOPS_AGE_KEY_FILE=" + file}
	})
	cmd := r.newProcess(nil, "validate", "--decrypt")
	cmd.Env = append(cmd.Env, env...)
	screen := onTerminal(t, cmd)
	const files = 12
	for i := range files {
		screen.waitForText(prompt, i+1)
		screen.waitForNoEcho()
		if n := strings.Count(screen.String(), prompt); n != i+1 {
			t.Errorf("%d prompts at once", n-i)
		}
		screen.typed(passphrase + "\n")
	}
	text := screen.waitForEnd(exitOK)
	if n := strings.Count(text, "mkhookstest plugin: touch your key"); n != files {
		t.Errorf("the message of the plugin is shown %d times, want %d", n, files)
	}
	if strings.Contains(text, "s3cr3t") {
		t.Errorf("the passphrase or a secret is on the terminal:\n%s", text)
	}
}

// TestPassphraseOfPGP checks a pinentry that draws directly on the terminal. It
// must have the terminal alone.
func TestPassphraseOfPGP(t *testing.T) {
	for _, program := range []string{"gpg", "gpg-agent", "pinentry-curses"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s, which is not installed", program)
		}
	}
	home, err := os.MkdirTemp("", "gpg") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	gpg := func(args ...string) string {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	t.Cleanup(func() {
		gpg("gpgconf", "--kill", "all")
		_ = os.RemoveAll(home)
	})
	pinentry, _ := exec.LookPath("pinentry-curses")
	if err := os.WriteFile(filepath.Join(home, "gpg-agent.conf"), []byte("pinentry-program "+pinentry+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gpg("gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase, "--quick-gen-key", "test@example.com", "default", "default", "never")
	fingerprint := ""
	for line := range strings.Lines(gpg("gpg", "--batch", "--with-colons", "--list-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" && fingerprint == "" {
			fingerprint = fields[9]
		}
	}
	gpg("gpgconf", "--kill", "all") // the agent caches the passphrase
	r := newRepo(t)
	r.writeFile(".sops.yaml", "creation_rules:\n  - pgp: "+fingerprint+"\n    encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n")
	t.Setenv("GNUPGHOME", home)
	for i := range 4 {
		r.writeRule("rules", fmt.Sprintf("rule-%d", i), "x", secretOne)
	}
	cmd := r.newProcess(nil, "validate", "--decrypt", "rules")
	cmd.Env = append(cmd.Env, "GNUPGHOME="+home)
	screen := onTerminal(t, cmd)
	screen.waitForText("Passphrase:", 1)
	time.Sleep(700 * time.Millisecond)                                   // longer than the delay of the progress bar
	if text := screen.String(); strings.Contains(text, "open secrets") { // pinentry may still draw
		t.Errorf("while a passphrase was awaited, the terminal got\n%q", text)
	}
	screen.typed(passphrase + "\r")
	text := screen.waitForEnd(exitOK)
	if strings.Contains(text, "s3cr3t") || !strings.Contains(text, "4 files with secrets opened") {
		t.Errorf("the terminal shows\n%q", text)
	}
}
