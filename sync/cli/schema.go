package cli

import (
	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/schema"
)

const schemaLong = `Schema prints a JSON Schema: rule, the schema of a rule file. An editor that
knows the YAML language server reads it from the first line of a rule file:

  # yaml-language-server: $schema=./rule.schema.json`

func newSchemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:       "schema NAME",
		Short:     "Print a JSON Schema",
		Long:      schemaLong,
		Example:   "  mkhooks schema rule > rule.schema.json",
		ValidArgs: []string{"rule"},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return invalidf("mkhooks schema rule", "schema: expected one name: rule")
			}
			if args[0] != "rule" {
				return invalidf("mkhooks schema rule", "there is no schema %q; expected rule", args[0])
			}
			_, err := a.Stdout.Write(schema.Rule())
			return err
		},
	}
}
