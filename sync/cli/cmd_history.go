package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const historyLong = `History summarizes the delivery histories of live rules: records by status and
type, success rate, consecutive failures and their distribution over time. Use
it first when an application misses an event. RULE is a name or a pattern such
as 'billing-*'. Without RULE, history shows all rules, as with --all. It sends
only GET requests and decrypts nothing.

A rule is failing if its newest finished delivery is Failed, even if it is being
retried. History reads all records even with --since, because the service cannot
filter by time and guarantees no order.

For monitoring, --fail-on selects the records that cause exit code 2. Set
--since to the time between two runs. Otherwise a failed record triggers an
alert for as long as it is in the history.

  mkhooks history --all --since 24h --fail-on failed

  failed    a record in that time is Failed
  retrying  a record in that time is Failed or Retrying

The exit code is 1 if --fail-on cannot be decided: a history could not be read
completely, records may be missing, or a record has no known status or no time.
Records may be missing if the service counts more records than it lists, has no
count, contradicts its own counts, or lists a record on two pages.

--export stores the complete history of each rule, as apply does before a
delete. It also stores records in flight, and deletes nothing.

Exit codes: 0 done, 2 --fail-on found a record, 1 a history could not be read or
stored or --fail-on cannot be decided, 3 invalid input.`

type historyOptions struct {
	configOptions
	connectOptions
	all, records          bool
	since, failOn, export string
}

func newHistoryCommand(a *app) *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use:   "history [RULE...]",
		Short: "Summarize, list or export delivery histories",
		Long:  historyLong,
		Example: "  mkhooks history --all\n" +
			"  mkhooks history --since 24h job-notifications\n" +
			"  mkhooks history --records --format csv job-notifications",
		Annotations: map[string]string{formatsKey: "text,json,markdown,csv"},
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error { return runHistory(a, o, cmd, args) }
	o.AddFlags(cmd.Flags())
	a.addFormat(cmd.Flags())
	cmd.Flags().Lookup("format").Usage = "`FORMAT`: print this format: text, json, markdown or csv"
	return cmd
}

func (o *historyOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	o.connectOptions.AddFlags(f)
	f.BoolVar(&o.all, "all", false, "print one line for each rule, worst first")
	f.BoolVar(&o.records, "records", false, "list the records, in the order of the service")
	f.StringVar(&o.since, "since", "", "`TIME`: count only records since this time: "+sinceForms)
	f.StringVar(&o.failOn, "fail-on", "", "`WHICH`: exit with 2 if there are such records: failed, or retrying (also counts failed)")
	f.StringVar(&o.export, "export", "", "`DIR`: store the complete history of each rule in this directory")
}

// checkFlags checks how flags combine, and parses --since. Without --since it
// returns the zero time.
func (o *historyOptions) checkFlags(a *app, cmd *cobra.Command) (since time.Time, err error) {
	f := cmd.Flags()
	switch history.FailOn(o.failOn) {
	case "", history.OnFailed, history.OnRetrying:
	default:
		return since, invalidf("", "--fail-on %q: expected failed or retrying", o.failOn)
	}
	switch {
	case o.failOn == "" && f.Changed("fail-on"):
		return since, invalidf("", "--fail-on: expected failed or retrying")
	case f.Changed("export") && o.export == "":
		return since, invalidf("", "--export: expected a folder, such as ./archive")
	case o.records && o.all:
		return since, invalidf("leave out one of them", "--all is one line a rule, --records one line a record")
	case o.records && o.export != "":
		return since, invalidf("leave out one of them", "--export stores the records; --records prints them")
	case o.records && len(a.reports) > 0:
		return since, usagef("mkhooks history --records --format csv RULE > FILE", "--records is written to standard output alone, because records are not kept")
	case o.records && a.format == string(report.Markdown):
		return since, invalidf("--format text, json or csv", "--records has no Markdown form: a comment has room for so much only")
	case !f.Changed("since"):
		return since, nil
	}
	return parseSince(o.since, a.Now())
}

func runHistory(a *app, o historyOptions, cmd *cobra.Command, patterns []string) error {
	since, err := o.checkFlags(a, cmd)
	if err != nil {
		return err
	}
	if err := o.resolveConnection(a, cmd); err != nil {
		return err
	}
	var store archive.Store
	if o.export != "" {
		if store, err = archive.Open(o.export); err != nil {
			return invalid(fmt.Errorf("--export: %w", err))
		}
	}
	client, err := o.projectClient(a, o.projects[0], true)
	if err != nil {
		return err
	}
	ctx, cancel := a.readContext()
	defer cancel()
	live, err := client.ListRules(ctx)
	if err != nil {
		return failed(err)
	}
	rules, err := selectRules(live, client.Project(), patterns)
	if err != nil {
		return err
	}
	h := &historyReader{errs: map[string]error{}, a: a, client: client, store: store, rules: rules, since: since, now: a.Now().UTC()}
	if store != nil {
		h.commit = o.gitSource(ctx, a, nil).Commit
	}
	doc := &history.Document{
		FormatVersion: history.FormatVersion, CreatedAt: h.now, Tool: history.Tool{Name: "mkhooks", Version: version()},
		Project: client.Project(), BaseURL: client.BaseURL(), FailOn: history.FailOn(o.failOn),
	}
	if !since.IsZero() {
		doc.Since = &since
	}
	brief := o.all || len(patterns) == 0
	if o.records {
		err = h.listRecords(ctx, doc)
	} else {
		err = h.writeSummary(ctx, doc, brief)
	}
	if err != nil {
		return err
	}
	return h.historyError(doc, o.records)
}

// resolveConnection reads project and token from the config file.
func (o *historyOptions) resolveConnection(a *app, cmd *cobra.Command) error {
	if err := o.readConfig(a, cmd.Flags()); err != nil {
		return err
	}
	_, err := o.resolveProject(a, &o.configOptions)
	return err
}

// selectRules returns the live rules that match, or all, sorted by name.
func selectRules(live []webhook.Rule, project string, patterns []string) ([]webhook.Rule, error) {
	names := make([]string, 0, len(live))
	for _, r := range live {
		names = append(names, r.Name)
	}
	if pattern, near, all := firstUnmatched(patterns, project, names); !all {
		hint := "mkhooks history --all shows all of them"
		if near != "" {
			hint = "did you mean: mkhooks history " + strings.Join(patternWords(near), " ")
		}
		return nil, invalidf(hint, "there is no live rule %q in project %s", pattern, project)
	}
	var out []webhook.Rule
	for _, r := range live {
		if len(patterns) == 0 || plan.MatchRule(patterns, project, r.Name) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(x, y webhook.Rule) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// historyError returns the exit error, and warns about missing records. An
// incomplete history takes precedence over a failed record: exit code 1 comes
// before 2.
func (h *historyReader) historyError(doc *history.Document, records bool) error {
	h.warnIncomplete(doc, records)
	if n := doc.Summary.Errors; n > 0 {
		return failed(fmt.Errorf("%s could not be read or stored; the first is %w%s", countNoun(n, "history", "histories"), h.firstError(), alertNote(doc)))
	}
	if n := doc.Summary.Undecided; n > 0 && doc.FailOn != "" {
		i := slices.IndexFunc(doc.Rules, func(r history.Rule) bool { return r.Undecided != "" })
		return failed(fmt.Errorf("--fail-on %s can't tell for %s, because not all of their records are known; the first is rule %q: %s%s",
			doc.FailOn, countNoun(n, "rule", "rules"), doc.Rules[i].Rule, doc.Rules[i].Undecided, alertNote(doc)),
			"run it again; if that does not help, ask the service's support why its history is not whole")
	}
	if doc.Summary.Alerts > 0 {
		return exitError(exitDifferences)
	}
	return nil
}

// alertNote reports the alerts of --fail-on for an error about unreadable
// histories; "" if there are none.
func alertNote(doc *history.Document) string {
	if doc.Summary.Alerts == 0 {
		return ""
	}
	return fmt.Sprintf("; records to alert on were found in %s", countNoun(doc.Summary.Alerts, "rule", "rules"))
}

// maxIncompleteWarnings limits the rules with a separate warning.
const maxIncompleteWarnings = 10

// warnIncomplete warns about histories that may lack records. CSV has no column
// for this, and a monitor reads only stderr.
func (h *historyReader) warnIncomplete(doc *history.Document, records bool) {
	n := 0
	for _, r := range doc.Rules {
		if r.NotWhole == "" || !records && doc.FailOn == "" {
			continue
		}
		if doc.FailOn != "" && r.Undecided == "" {
			h.a.warn("rule %s: %s; every record that existed before is counted, and the next run counts the new ones", r.Rule, r.NotWhole)
			continue
		}
		if n++; n <= maxIncompleteWarnings {
			h.a.warn("rule %s: records may be missing or listed twice: %s", r.Rule, r.NotWhole)
		}
	}
	if n > maxIncompleteWarnings {
		h.a.warn("records of %d more rules may be missing or listed twice", n-maxIncompleteWarnings)
	}
}

// historyDocument returns the document in each of its formats.
func historyDocument(doc *history.Document, brief bool) document {
	return document{
		text:     func(w io.Writer, o report.TextOptions) error { return report.HistoryText(w, doc, brief, o) },
		json:     func(w io.Writer) error { return report.HistoryJSON(w, doc) },
		markdown: func(w io.Writer) error { return report.HistoryMarkdown(w, doc, report.MarkdownOptions{}) },
		csv:      func(w io.Writer) error { return report.HistoryCSV(w, doc) },
		summary:  true,
		data:     doc,
	}
}
