package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/report"
)

const showLong = `Show prints a document that mkhooks saved: a plan, or the JSON of a result or of
problems. It converts the document to any format, and needs no network and no
key.

Exit codes: 0 done; 3 the file is not such a document, is truncated or edited,
or has a version that this mkhooks cannot read.`

func newShowCommand(a *app) *cobra.Command {
	var drift bool
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show a saved plan or result",
		Long:  showLong,
		Example: "  mkhooks show plan.json\n" +
			"  mkhooks show plan.json --format markdown",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("mkhooks show plan.json", "show: expected one file, got %d", len(args))
			}
			return runShow(a, args[0], drift)
		},
	}
	cmd.Flags().BoolVar(&drift, "drift", false, "print a plan as drift does: which side changed")
	a.addFormat(cmd.Flags())
	return cmd
}

func runShow(a *app, file string, drift bool) error {
	data, kind, err := readDocument(file)
	if err != nil {
		return invalidf("name a file that mkhooks plan --out FILE, or --report json=FILE, wrote", "%s can't be read: %w", file, fileErrorReason(err))
	}
	doc, err := savedDocument(file, data, kind, drift)
	if err != nil {
		return err
	}
	doc.summary = false // the document is not about this run
	return a.writeDocument(doc)
}

// savedDocument reads a document of any kind.
func savedDocument(file string, data []byte, kind string, drift bool) (document, error) {
	// The plan reader explains every faulty plan, including an empty or
	// truncated file.
	if kind == schema.PlanDocument || kind == "" {
		p, err := readPlanDocument(file, data)
		if err != nil {
			return document{}, err
		}
		return planDocument(p, report.MarkdownOptions{Drift: drift, Show: "mkhooks show " + quotePaths([]string{file})}), nil
	}
	switch kind {
	case schema.RecordDocument:
		return document{}, usagef("mkhooks audit show FILE", "%s: is a record; expected a plan, a result or problems", file)
	case schema.OriginsDocument, schema.HistoryDocument, schema.SettingsDocument:
		return document{}, invalidf("", "%s: is a document of kind %s; expected a plan, a result or problems", file, kind)
	}
	if err := checkVersion(file, data, kind); err != nil {
		return document{}, err
	}
	if err := checkShape(file, data, kind); err != nil {
		return document{}, err
	}
	if kind == schema.ResultDocument {
		var r apply.Result
		if err := json.Unmarshal(data, &r); err != nil {
			return document{}, documentError(file, kind, err)
		}
		return resultDocument(&r, report.Advice{}), nil
	}
	var p struct {
		Problems []schema.Problem `json:"problems"`
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return document{}, documentError(file, kind, err)
	}
	return problemsDocument(p.Problems), nil
}

// checkShape checks a document against its schema. Otherwise show could print
// an altered document as mkhooks output.
func checkShape(file string, data []byte, kind string) error {
	violations := schema.CheckDocument(kind, data)
	if len(violations) == 0 {
		return nil
	}
	const most = 3
	var lines []string
	for _, v := range violations[:min(most, len(violations))] {
		lines = append(lines, v.Message())
	}
	if more := len(violations) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return usagef("mkhooks schema "+kind, "%s: is no %s of this version:\n%s", file, kind, strings.Join(lines, "\n"))
}

// checkVersion refuses results and problems with another format version: show
// would print only a part of them.
func checkVersion(file string, data []byte, kind string) error {
	var head struct {
		FormatVersion json.Number `json:"formatVersion"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&head); err != nil {
		return documentError(file, kind, err)
	}
	if head.FormatVersion != "1" {
		return invalidf("use the version of mkhooks that wrote it", "%s: has format version %q; this version reads format version 1", file, head.FormatVersion.String())
	}
	return nil
}

// documentError names the field with the wrong JSON type, but never its value.
func documentError(file, kind string, err error) error {
	var shape *json.UnmarshalTypeError
	if errors.As(err, &shape) {
		return invalid(fmt.Errorf("%s: is no %s: %s is a JSON %s", file, kind, shape.Field, shape.Value))
	}
	return invalid(fmt.Errorf("%s: is no %s that can be read", file, kind))
}
