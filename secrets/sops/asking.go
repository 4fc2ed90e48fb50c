package sops

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/semaphore"
)

// Terminal is the terminal on which SOPS, gpg, a plugin of age or a command
// asks a person for a passphrase. They open it themselves.
type Terminal interface {
	// Hold keeps all other output off the terminal until release is called.
	// release also restores the mode of the terminal.
	Hold() (release func())
	// Say prints a separate line while the terminal is held.
	Say(line string)
}

// maxPassphrases is the maximum number of prompts for one passphrase, the first
// included.
const maxPassphrases = 3

// Reasons why a locked key was not unlocked.
const (
	wrongPassphrase = "the passphrase of its key was wrong"
	noPassphrase    = "its key is locked with a passphrase, and none was given"
	noTerminal      = "its key is locked with a passphrase, and there is no terminal to ask for it"
)

// prompter decrypts data keys if that may ask a person: one at a time, with
// exclusive use of the terminal. An unlocked age identity stays unlocked for
// the run.
type prompter struct {
	turn *semaphore.Weighted
	// keys keeps the identities that SOPS loaded, under the empty name. If a
	// command prints the identities for a recipient, the name is the recipient.
	keys map[string]*age.MasterKey
	// refused is the reason why nobody is asked again; "" if prompts are
	// allowed.
	refused string

	getenv func(string) string
	// agePrompts reports whether an age identity is locked, belongs to a
	// plugin, or comes from a command. sshPrompts reports whether an SSH key is
	// locked.
	agePrompts, sshPrompts func() bool
}

func newPrompter(getenv func(string) string) *prompter {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	a := &prompter{turn: semaphore.NewWeighted(1), keys: map[string]*age.MasterKey{}, getenv: getenv}
	a.agePrompts, a.sshPrompts = sync.OnceValue(a.hasLockedAge), sync.OnceValue(a.hasLockedSSH)
	return a
}

// mayPrompt reports whether the decryption of a data key may ask a person. It checks
// the keys of this machine in all locations that SOPS reads.
func (g *guarded) mayPrompt(req *keyservice.DecryptRequest) bool {
	switch {
	case g.o.custom:
		return false
	case req.GetKey().GetPgpKey() != nil:
		return g.o.Terminal != nil || g.prompter.hasWindows() // otherwise gpg can't ask
	case req.GetKey().GetAgeKey() == nil:
		return false
	}
	return g.prompter.agePrompts() || g.prompter.sshPrompts() && isForSSH(req.GetCiphertext())
}

// hasWindows reports whether the GnuPG agent may ask in a window.
func (a *prompter) hasWindows() bool {
	return a.getenv("DISPLAY") != "" || a.getenv("WAYLAND_DISPLAY") != ""
}

func (a *prompter) hasLockedAge() bool {
	if a.usesCommand() || promptsFor([]byte(a.getenv(age.SopsAgeKeyEnv))) {
		return true
	}
	for _, file := range a.ageFiles() {
		if promptsFor(readHead(file)) {
			return true
		}
	}
	return false
}

// usesCommand reports whether a command prints the identities for a recipient.
func (a *prompter) usesCommand() bool {
	return a.getenv(age.SopsAgeKeyCmdEnv) != "" || a.getenv(age.SopsAgeSshPrivateKeyCmdEnv) != ""
}

// ageFiles returns the paths at which SOPS looks for age identities.
func (a *prompter) ageFiles() []string {
	files := []string{a.getenv(age.SopsAgeKeyFileEnv)}
	dir, err := os.UserConfigDir()
	if xdg := a.getenv("XDG_CONFIG_HOME"); runtime.GOOS == "darwin" && xdg != "" {
		dir, err = xdg, nil
	}
	if err == nil {
		files = append(files, filepath.Join(dir, filepath.FromSlash(age.SopsAgeKeyUserConfigPath)))
	}
	return files
}

func promptsFor(identities []byte) bool {
	return bytes.HasPrefix(identities, []byte("age-encryption")) || bytes.HasPrefix(identities, []byte("-----BEGIN AGE")) ||
		bytes.Contains(identities, []byte("AGE-PLUGIN-"))
}

func (a *prompter) hasLockedSSH() bool {
	files := []string{a.getenv(age.SopsAgeSshPrivateKeyFileEnv)}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".ssh", "id_ed25519"), filepath.Join(home, ".ssh", "id_rsa"))
	}
	for _, file := range files {
		key := readHead(file)
		if _, err := agessh.ParseIdentity(key); len(key) > 0 && err != nil {
			return true
		}
	}
	return false
}

// readHead returns the beginning of a regular file, and nil for any other file: a
// pipe can be read only once.
func readHead(file string) []byte {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, 1<<20)) // SOPS reports a read error
	return data
}

// isForSSH reports whether a data key is encrypted for an SSH key.
func isForSSH(ciphertext []byte) bool {
	header := make([]byte, 4<<10)
	n, _ := io.ReadFull(armor.NewReader(bytes.NewReader(ciphertext)), header) // a shorter text is fine
	return bytes.Contains(header[:n], []byte("-> ssh-"))
}

// isPluginRecipient reports whether a recipient belongs to a plugin of age. A plugin
// may ask a person, also during encryption.
func isPluginRecipient(recipient string) bool {
	return strings.HasPrefix(recipient, "age1") && !strings.HasPrefix(recipient, "age1pq1") && strings.Count(recipient, "1") > 1
}

// decryptWithPrompt decrypts a data key while nothing else uses the terminal. It waits
// without a time limit while a person types. After a wrong passphrase it asks
// again.
func (g *guarded) decryptWithPrompt(req *keyservice.DecryptRequest) ([]byte, error) {
	do := func(ctx context.Context) ([]byte, error) {
		rsp, err := g.o.KeyService.Decrypt(ctx, req)
		return rsp.GetPlaintext(), err
	}
	isAge := req.GetKey().GetAgeKey() != nil
	if err := g.prompter.turn.Acquire(g.ctx, 1); err != nil {
		return nil, err
	}
	defer g.prompter.turn.Release(1)
	if isAge {
		if g.prompter.refused != "" {
			g.locked = g.prompter.refused
			return nil, errKeyService
		}
		do = g.prompter.ageDecrypt(req)
	}
	release := g.holdTerminal()
	defer release()
	for n := 1; ; n++ {
		data, err := g.callInteractive(do)
		if g.ctx.Err() != nil {
			g.prompter.refused = noPassphrase // the prompt of this key still waits
			g.printOnTerminal("")
			return nil, g.ctx.Err()
		}
		if err == nil || !isAge {
			return data, err
		}
		reason := reasonOf(g.cause)
		if reason == "" { // nobody was asked, or another key is needed
			return nil, err
		}
		if reason != wrongPassphrase || n == maxPassphrases || g.o.Terminal == nil {
			g.prompter.refused, g.locked = reason, reason
			return nil, err
		}
		g.printOnTerminal("the passphrase is wrong; type it again, or press Ctrl-C to give up")
	}
}

// ageDecrypt returns a function that decrypts a data key. Identities are loaded
// once and shared by all calls.
func (a *prompter) ageDecrypt(req *keyservice.DecryptRequest) func(context.Context) ([]byte, error) {
	recipient := req.GetKey().GetAgeKey().GetRecipient()
	name := ""
	if a.usesCommand() {
		name = recipient
	}
	key, ok := a.keys[name]
	if !ok {
		key = &age.MasterKey{Recipient: recipient}
		a.keys[name] = key
	}
	return func(context.Context) ([]byte, error) {
		key.EncryptedKey = string(req.GetCiphertext())
		return key.Decrypt()
	}
}

// reasonOf returns the reason why a locked identity was not unlocked, or "" if
// no identity was locked. SOPS and age have no error values for it, only
// messages; tests with real keys pin the messages.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case has("/dev/tty is not available"), has("is not a terminal"):
		return noTerminal
	case has("incorrect passphrase"), has("failed to decrypt SSH key file"):
		return wrongPassphrase
	case has("could not read passphrase"), has("failed to obtain passphrase"), has("gpg-agent passphrase request errored"), has("passphrase can't be empty"):
		return noPassphrase
	}
	return ""
}

// holdTerminal holds the terminal. Without a terminal it does nothing.
func (g *guarded) holdTerminal() (release func()) {
	if g.o.Terminal == nil {
		return func() {}
	}
	free := g.o.Terminal.Hold()
	holder.Store(&g.o.Terminal)
	return func() {
		holder.Store(nil)
		free()
	}
}

func (g *guarded) printOnTerminal(line string) {
	if g.o.Terminal != nil {
		g.o.Terminal.Say(line)
	}
}

// holder is the held terminal, on which a plugin of age may show messages; nil
// if none is held.
var holder atomic.Pointer[Terminal]

// pluginMessages shows the requests of an age plugin ("touch your key"). SOPS
// writes them to its log, which is silenced otherwise.
type pluginMessages struct{}

func (pluginMessages) Levels() []logrus.Level { return logrus.AllLevels }

func (pluginMessages) Fire(e *logrus.Entry) error {
	text, ok := strings.CutPrefix(e.Message, "age: ")
	terminal := holder.Load()
	if ok && terminal != nil && !strings.HasPrefix(text, "warning: could not read") {
		(*terminal).Say(text)
	}
	return nil
}
