package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/shell"
)

const restoreLong = `Restore writes the rule file of a deleted rule from the manifest of its archive.
ARCHIVE is the manifest or the file of records beside it. Restore first verifies
the archive. It then checks the manifest against its checksum in the audit log
(--audit, or audit in the config file). Check the URL that restore prints: the
next apply sends the rule's secrets to that host.

Archives contain no secrets, so the new file contains placeholders. The next
apply creates the rule with a new delivery history. The old history stays in the
archive. Restore needs no key. It needs the network only for an archive in a
bucket.

Exit codes: 0 done, 1 the file could not be written, 3 nothing was written:
invalid input, or the archive does not match its manifest.`

type restoreOptions struct {
	configOptions
	rules   []string
	out     string
	audit   string
	noAudit bool
	dryRun  bool
}

func newRestoreCommand(a *app) *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use:     "restore ARCHIVE",
		Short:   "Write the rule file of a deleted rule from its archive",
		Long:    restoreLong,
		Example: "  mkhooks restore --out rules archive/demo_jobs_…manifest.json",
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error { return runRestore(a, o, cmd, args) }
	o.AddFlags(cmd.Flags())
	return cmd
}

func (o *restoreOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	addRules(f, &o.rules)
	addOut(f, &o.out, &o.dryRun)
	f.StringVar(&o.audit, "audit", "", "`FILE`: check the manifest against this audit log (default: from the config file)")
	f.BoolVar(&o.noAudit, "no-audit", false, "do not check the manifest against the audit log")
}

func runRestore(a *app, o restoreOptions, cmd *cobra.Command, args []string) error {
	switch {
	case len(args) != 1:
		return usagef("mkhooks help restore", "restore: expected one archive, the path of its manifest or its records")
	case o.out == "":
		return usagef("mkhooks restore --out rules "+shell.Path(args[0]), "restore: expected --out DIR, the folder of the rule's file")
	case o.noAudit && o.audit != "":
		return invalidf("leave out one of them", "restore: --audit and --no-audit exclude each other")
	}
	ctx, cancel := a.readContext()
	defer cancel()
	m, err := archive.Verify(ctx, args[0])
	if errors.Is(err, fs.ErrNotExist) && m.Rule.Name == "" {
		return invalidf("an archive is two files beside each other, NAME.manifest.json and NAME.jsonl.gz", "there is no archive %s: its manifest is missing", args[0])
	}
	if err != nil {
		hint := "an archive is two files beside each other, NAME.manifest.json and NAME.jsonl.gz"
		if m.Rule.Name != "" {
			hint = fmt.Sprintf("bring the archive back from a copy of it; its manifest can be read, and says what rule %q was", m.Rule.Name)
		}
		return invalid(fmt.Errorf("the archive can't be relied on: %w; nothing was written", err), hint)
	}
	if m.Rule.Name == "" || m.Rule.Spec.URL == "" {
		return invalid(errors.New("the manifest does not say what the rule was; nothing was written"))
	}
	if err := o.readConfig(a, cmd.Flags()); err != nil {
		return err
	}
	checked, err := o.checkManifest(m)
	if err != nil {
		return err
	}
	if o.file != nil && len(o.rules) == 0 {
		o.rules = existingPaths(o.file.AllPaths())
		if p := o.file.Project(m.Project); p != nil {
			o.rules = existingPaths(o.file.Paths(p))
		}
	}
	w := &ruleWriter{a: a, cmd: cmd, config: o.file, dryRun: o.dryRun, project: m.Project}
	if err := w.openDirs(o.out, o.rules); err != nil {
		return err
	}
	release, err := w.lockOutput(ctx)
	if err != nil {
		return err
	}
	defer release()
	if files := w.files[m.Rule.Name]; len(files) > 0 {
		return invalidf(w.planCommand(), "rule %q has a file already, %s; nothing was written", m.Rule.Name, files[0].File)
	}
	m.Rule.Spec.Enabled = m.WasEnabled && !m.AuthUnknown
	if err := w.addRule(m.Rule); err != nil {
		return invalid(fmt.Errorf("rule %q can't have a file: %w", shortName(m.Rule.Name), err))
	}
	if m.AuthUnknown {
		w.disableForAuth()
	}
	w.describeRestored(m, checked)
	return w.writeAll(ctx)
}
