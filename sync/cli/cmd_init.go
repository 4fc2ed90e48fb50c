package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/agekey"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/sync/atomicfile"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/scaffold"
	"github.com/mkhooks/mkhooks/sync/shell"
)

const initLong = `Init creates a config repository in DIR, by default the current directory. It
writes mkhooks.yaml, an example rule, .sops.yaml, schemas for editors,
.gitignore, .gitattributes, workflows for GitHub, CODEOWNERS and a README.

It asks no questions. By default, the owner is the name of the git remote, and
the branch is the remote's default branch. The hosts of existing rules may
receive secrets. Init never changes existing files, so you can repeat it.

With --age, it uses the age key in SOPS_AGE_KEY_FILE, or in sops/age/keys.txt in
your configuration directory. It creates the key if it is absent, and prints
only the public part.

Exit codes: 0 done, 1 a file could not be written, 3 nothing was written:
invalid input, or a link or file in place of a directory.`

type initOptions struct {
	project, owner, branch string
	age                    bool
	recipients, codeOwners []string
}

func newInitCommand(a *app) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:     "init [DIR]",
		Short:   "Create a config repository",
		Long:    initLong,
		Example: "  mkhooks init -p my-project --age\n  mkhooks init -p my-project --age-recipient age1... webhooks",
		RunE:    func(cmd *cobra.Command, args []string) error { return runInit(a, o, cmd, args) },
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (o *initOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.project, "project", "p", "", "`PROJECT`: configure this project of MK.IO (default $MKIO_PROJECT)")
	f.StringVar(&o.owner, "owner", "", "`NAME`: set the name of the config repository (default: from the git remote, then the directory)")
	f.StringVar(&o.branch, "branch", "", "`BRANCH`: set the branch to apply from (default: the remote's default branch, then the current branch)")
	f.BoolVar(&o.age, "age", false, "use the age key that SOPS reads; create it if it is absent")
	f.StringArrayVar(&o.recipients, "age-recipient", nil, "`KEY`: encrypt secrets for this public age key (repeatable)")
	f.StringArrayVar(&o.codeOwners, "codeowner", nil, "`@ORG/TEAM`: require approval by this team, @user or address for changes to guards (repeatable)")
}

// initRun is one call of init, with its findings and results.
type initRun struct {
	initOptions
	cmd      *cobra.Command
	dir      string
	settings scaffold.Settings
	facts    []fact
	// existingConfig is the existing config file; nil if there is none.
	existingConfig configOptions
	// example: the directory has no rules yet.
	example bool
	key     *agekey.Key
	missing []scaffold.File
	kept    []scaffold.Existing
	// noSecret explains why the example has no secret.
	noSecret string
	// release allows other runs of init in the directory; nil before hold.
	release func()
}

func runInit(a *app, o initOptions, cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("mkhooks init -p PROJECT "+quotePaths(args[:1]), "init: expected one folder, got %d", len(args))
	}
	r := &initRun{initOptions: o, cmd: cmd, dir: "."}
	if len(args) == 1 {
		r.dir = args[0]
	}
	ctx, cancel := a.readContext()
	defer cancel()
	defer func() {
		if r.release != nil {
			r.release()
		}
	}()
	for _, step := range []func(context.Context, *app) error{r.checkArgs, r.lockTarget, r.findSettings, r.surveyFiles, r.checkConfig, r.findKey, r.fillFiles, r.sealExample, r.writeMissing} {
		if err := step(ctx, a); err != nil {
			return err
		}
	}
	return a.printInit(r)
}

// commandLine returns this command line with one changed flag, ready to paste.
func (r *initRun) commandLine(flag, value string) string {
	words := []string{"mkhooks", "init"}
	r.cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != flag && !slices.Contains(ownFlags, f.Name) {
			words = append(words, flagWords(f, false)...)
		}
	})
	name := "--" + flag
	if f := r.cmd.Flags().Lookup(flag); f.Shorthand != "" {
		name = "-" + f.Shorthand
	}
	words = append(words, name, value)
	if r.dir != "." {
		words = append(words, shell.Path(r.dir))
	}
	return strings.Join(words, " ")
}

// checkArgs refuses an unusable directory and invalid flags.
func (r *initRun) checkArgs(context.Context, *app) error {
	switch info, err := os.Stat(r.dir); {
	case r.dir == "":
		return usagef("mkhooks init -p PROJECT .", "init: the folder has no name")
	case err == nil && !info.IsDir():
		return invalidf("name a folder, or one that is still to be made", "%s is a file; expected a folder", r.dir)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return invalid(err, "name a folder, or one that is still to be made")
	}
	for _, recipient := range r.recipients {
		if err := agekey.CheckRecipient(recipient); err != nil {
			return invalid(fmt.Errorf("--age-recipient: %w", err))
		}
	}
	return r.checkCodeOwners()
}

// wantedFiles returns the files of a complete config repository.
func (r *initRun) wantedFiles() ([]scaffold.File, error) {
	files, err := r.settings.Files()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(files, func(f scaffold.File) bool { return f.Path == scaffold.ExamplePath && !r.example }), nil
}

// surveyFiles finds missing files, existing files and obstacles before a key is
// made.
func (r *initRun) surveyFiles(context.Context, *app) error {
	files, err := r.wantedFiles()
	if err != nil {
		return err
	}
	r.missing, r.kept, err = scaffold.FindMissing(r.dir, files)
	var obstacle *scaffold.ObstacleError
	if errors.As(err, &obstacle) {
		return invalidf("move it away, or name another folder", "%w; nothing was written", err)
	}
	return err
}

// checkConfig parses the new config file as any run would. This finds a project
// name that MK.IO does not allow.
func (r *initRun) checkConfig(context.Context, *app) error {
	if f := r.missingFile(scaffold.ConfigPath); f != nil {
		if _, problems := config.ParseFile(f.Path, f.Data); schema.HasErrors(problems) {
			return usagef(r.commandLine("project", "PROJECT"), "-p %q: %s", r.settings.Project, problems[0].Message)
		}
	}
	return nil
}

// findKey returns the age key that SOPS would use, or makes a key.
func (r *initRun) findKey(_ context.Context, a *app) error {
	if a.isStopped() {
		return context.Canceled
	}
	if r.age {
		key, err := r.findOrMakeKey(a)
		var unusable *agekey.Error
		switch {
		case errors.As(err, &unusable):
			return invalid(err)
		case err != nil:
			return err
		}
		r.key = key
		if !slices.Contains(r.recipients, key.Recipient) {
			r.recipients = append([]string{key.Recipient}, r.recipients...)
		}
	}
	r.settings.Recipients = r.recipients
	return nil
}

// findOrMakeKey returns the age key that SOPS would use. If another run makes
// it at the same time, findOrMakeKey returns the key of the other run.
func (r *initRun) findOrMakeKey(a *app) (*agekey.Key, error) {
	for n := 1; ; n++ {
		key, err := agekey.Find(a.Getenv)
		if key != nil || err != nil {
			return key, err
		}
		key, err = r.makeKey(a)
		if !errors.Is(err, os.ErrExist) && !errors.Is(err, atomicfile.ErrChanged) || n == 10 {
			return key, err
		}
	}
}

func (r *initRun) makeKey(a *app) (*agekey.Key, error) {
	file, err := agekey.DefaultPath(a.Getenv)
	if err != nil {
		return nil, err
	}
	if config.IsWithin(file, []string{r.dir}) {
		return nil, invalidf("export SOPS_AGE_KEY_FILE=FILE names one elsewhere",
			"the age key would lie in the config repo, at %s, from where it is soon published", file)
	}
	key, err := agekey.Create(file, a.Now())
	if err != nil {
		return nil, fmt.Errorf("make the age key: %w", err)
	}
	return key, nil
}

// fillFiles generates the files from all known settings.
func (r *initRun) fillFiles(ctx context.Context, a *app) error {
	_, hasKeys := r.existingFile(scaffold.SOPSPath)
	r.settings.Secret = len(r.recipients) > 0 || hasKeys
	return r.surveyFiles(ctx, a)
}

func (r *initRun) existingFile(path string) (scaffold.Existing, bool) {
	for _, e := range r.kept {
		if e.Path == path {
			return e, true
		}
	}
	return scaffold.Existing{}, false
}

func (r *initRun) missingFile(path string) *scaffold.File {
	for i := range r.missing {
		if r.missing[i].Path == path {
			return &r.missing[i]
		}
	}
	return nil
}

// sealExample gives the example a random secret, so that it can be validated, planned
// and applied at once. It leaves the secret out if no key of .sops.yaml can be
// used without a question.
func (r *initRun) sealExample(ctx context.Context, a *app) error {
	example := r.missingFile(scaffold.ExamplePath)
	if example == nil || !r.settings.Secret {
		return nil
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return failed(err)
	}
	request := sops.Request{
		File: scaffold.ExamplePath, Document: example.Data, ConfigPath: scaffold.ExamplePath, Now: a.Now(),
		Values: map[string]secrets.String{"headers/X-Webhook-Secret": secrets.NewString(hex.EncodeToString(random))},
	}
	if e, ok := r.existingFile(scaffold.SOPSPath); ok {
		request.Config = e.Content
	} else {
		request.Config = r.missingFile(scaffold.SOPSPath).Data
	}
	var o ruleOptions
	sealed, err := a.sharedDecrypter(&o).Seal(ctx, request)
	var e *sops.Error
	switch {
	case err == nil:
		example.Data = sealed.Document
		return nil
	case !errors.As(err, &e):
		return err // interrupted
	}
	r.settings.Secret = false
	r.noSecret = e.Message
	return r.surveyFiles(ctx, a)
}

// lockTarget makes the directory, and blocks another init in it. That init then finds
// the files of this run and keeps them.
func (r *initRun) lockTarget(ctx context.Context, a *app) (err error) {
	if r.release, err = a.lockDirectory(ctx, r.dir); err != nil && ctx.Err() == nil {
		return failed(err, r.doneSoFar(0))
	}
	return err
}

// writeMissing writes the missing files.
func (r *initRun) writeMissing(context.Context, *app) error {
	written, err := scaffold.Write(r.dir, r.missing)
	if err != nil {
		at := filepath.Join(r.dir, filepath.FromSlash(r.missing[written].Path))
		return failed(fmt.Errorf("write %s: %w", at, err), r.doneSoFar(written))
	}
	return nil
}

// doneSoFar describes the work of a run that failed.
func (r *initRun) doneSoFar(written int) string {
	done := "nothing was written"
	if written > 0 {
		done = countNoun(written, "file was", "files were") + " written; run it again when that is mended, and it goes on"
	}
	if r.key != nil && r.key.Created {
		done += "; an age key was made in " + r.key.File + ", which the next run uses"
	}
	return done
}
