// Package sopstest encrypts rule files for tests. It runs the real sops
// command, which is a tool of this module. For thousands of files it uses
// SOPS's library in the test process.
//
// It is for tests only, and decrypts nothing.
package sopstest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/stores/yaml"
	"github.com/getsops/sops/v3/version"
)

// Command returns the path of the real sops command, and searches for it once.
// Call it before HOME changes, because the go command keeps its cache below
// HOME. It passes the path to child processes, such as the workers of a fuzz
// target, in a variable. With a changed HOME they would find an empty cache,
// and building SOPS would take minutes.
var Command = sync.OnceValues(func() (string, error) {
	const told = "MKHOOKS_TEST_SOPS"
	if path := os.Getenv(told); path != "" {
		return path, nil
	}
	out, err := exec.Command("go", "tool", "-n", "sops").Output()
	if err != nil {
		return "", err
	}
	path := strings.TrimSpace(string(out))
	return path, os.Setenv(told, path)
})

// Usual are the flags that the documentation recommends for rule files.
var Usual = []string{"--encrypted-regex", "^authentication$", "--mac-only-encrypted"}

// Sops runs the real command in a directory and returns its standard output.
// env is added to the environment of the process.
func Sops(t testing.TB, env []string, dir string, args ...string) string {
	t.Helper()
	stdout, stderr, err := run(t, env, dir, args)
	if err != nil {
		t.Fatalf("sops %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout
}

// Try runs the real command as [Sops] does, and returns its error.
func Try(t testing.TB, env []string, dir string, args ...string) error {
	t.Helper()
	_, _, err := run(t, env, dir, args)
	return err
}

func run(t testing.TB, env []string, dir string, args []string) (out, errors string, err error) {
	t.Helper()
	command, err := Command()
	if err != nil {
		t.Fatalf("find the sops command: %v", err)
	}
	cmd := exec.Command(command, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// EncryptRule writes text to a file in a new directory and encrypts it with the
// real command. The flags name the keys. It returns the path.
func EncryptRule(t testing.TB, text string, flags ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rule.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--encrypt", "--in-place"}, flags...)
	Sops(t, nil, filepath.Dir(file), append(args, file)...)
	return file
}

// AgeKey creates a key. The identity has the form of SOPS_AGE_KEY.
func AgeKey(t testing.TB) (recipient, identity string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key.Recipient().String(), key.String()
}

// Seal encrypts like the real command with the flags [Usual] and the given age
// recipients. It takes a millisecond, because it starts no process.
func Seal(t testing.TB, text string, recipients ...string) []byte {
	t.Helper()
	store := yaml.NewStore(&config.YAMLStoreConfig{Indent: yaml.IndentDefault})
	branches, err := store.LoadPlainFile([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var group sops.KeyGroup
	for _, r := range recipients {
		key, err := sopsage.MasterKeyFromRecipient(r)
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, key)
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{
		EncryptedRegex: "^authentication$", MACOnlyEncrypted: true, Version: version.Version,
		LastModified: time.Now().UTC(), KeyGroups: []sops.KeyGroup{group},
	}}
	key, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewLocalClient()})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		t.Fatal(err)
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		t.Fatal(err)
	}
	data, err := store.EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
