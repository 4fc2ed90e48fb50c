package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/manual"
)

const manLong = `Man writes the manual pages of all commands to DIR, and creates DIR if needed.
The pages have the date of SOURCE_DATE_EPOCH, or of the commit that mkhooks was
built from. The same program therefore writes the same pages.

  mkhooks man ~/.local/share/man/man1

Exit codes: 0 done, 1 a page could not be written, 3 invalid input.`

// newManCommand returns a hidden command for people who package mkhooks.
func newManCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages",
		Long:    manLong,
		Example: "  mkhooks man man1",
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("mkhooks man man1", "man: expected one folder, got %d", len(args))
			}
			return runMan(a, cmd.Root(), args[0])
		},
	}
}

// manFiles are the files that manual pages name.
var manFiles = []manual.File{
	{Name: config.FileName, Flag: "config", Text: "the config file: the owner of the rules, the guards and the paths of the rule files; \"mkhooks schema config\" prints its schema"},
	{Name: "rules/*.yaml", Text: "rule files, one for each rule, with auth encrypted by SOPS; \"mkhooks schema rule\" prints their schema"},
	{Name: ".sops.yaml", Text: "the keys for which new rule files are encrypted"},
	{Name: "~/.config/sops/age/keys.txt", Text: "age keys, if neither SOPS_AGE_KEY nor SOPS_AGE_KEY_FILE is set"},
}

func runMan(a *app, root *cobra.Command, dir string) error {
	date, err := a.manDate()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return failed(err)
	}
	// Mode 0644, unlike the 0600 of other output: everybody may read a manual.
	for _, p := range manual.Pages(root, manual.Options{Date: date, Version: version(), Files: manFiles, Groups: flagGroups}) {
		if err := os.WriteFile(filepath.Join(dir, p.Name), p.Text, 0o644); err != nil {
			return failed(err)
		}
	}
	return nil
}

// manDate returns the date of the pages.
func (a *app) manDate() (time.Time, error) {
	if epoch := a.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, invalidf("", "SOURCE_DATE_EPOCH: expected a number of seconds since 1970")
		}
		return time.Unix(seconds, 0), nil
	}
	if at := readBuild().Time; at != nil {
		return *at, nil
	}
	return a.Now(), nil
}
