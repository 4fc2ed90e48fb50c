package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/schema"
)

const schemaLong = `Schema prints a JSON Schema:

  rule          rule files
  config        the config file, mkhooks.yaml
  plan          plans: plan and drift with --format json, and plan --out
  result        results: apply with --format json
  history       delivery histories: history with --format json
  problems      problems: validate with --format json, and other commands if
                files are invalid
  record        runs: audit show with --format json, and each line of an audit
                log
  rule-origins  merged rules: show-rule with --format json
  settings      settings: config with --format json
  version       builds: version with --format json

Editors with the YAML language server read the schema of a rule from the first
line of its file:

  # yaml-language-server: $schema=./rule.schema.json`

// schemas lists the schemas in the order of the help.
var schemas = []struct {
	name string
	text func() []byte
}{
	{"rule", schema.Rule},
	{"config", schema.Config},
	{schema.PlanDocument, schema.Plan},
	{schema.ResultDocument, schema.Result},
	{schema.HistoryDocument, schema.History},
	{schema.ProblemsDocument, schema.Problems},
	{schema.RecordDocument, schema.Record},
	{schema.SettingsDocument, schema.Settings},
	{schema.OriginsDocument, schema.RuleOrigins},
	{"version", schema.Version},
}

func newSchemaCommand(a *app) *cobra.Command {
	var names []string
	for _, s := range schemas {
		names = append(names, s.name)
	}
	expected := strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	return &cobra.Command{
		Use:       "schema NAME",
		Short:     "Print a JSON Schema",
		Long:      schemaLong,
		Example:   "  mkhooks schema rule > rule.schema.json",
		ValidArgs: names,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("mkhooks schema rule", "schema: expected one name: %s", expected)
			}
			for _, s := range schemas {
				if s.name == args[0] {
					_, err := a.Stdout.Write(s.text())
					return err
				}
			}
			hint := "mkhooks schema rule"
			if near := schema.Nearest(args[0], names); near != "" {
				hint = fmt.Sprintf("mkhooks schema %s", near)
			}
			return invalidf(hint, "there is no schema %q; expected %s", args[0], expected)
		},
	}
}
