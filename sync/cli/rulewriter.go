package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/sync/atomicfile"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/rulefile"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// ruleWriter collects new and changed rule files. It writes all of them, or
// nothing if there is an error.
type ruleWriter struct {
	a      *app
	cmd    *cobra.Command
	config *config.File // nil without a config file
	layers []string     // the project's paths in config
	dryRun bool

	project string

	dir       string                       // for new files; "" if there are none
	rules     []string                     // the paths of --rules or the config file
	schema    string                       // path of the JSON Schema, relative to dir
	paths     []string                     // where rule files are searched
	files     map[string][]config.RuleFile // the rule files in paths, by rule name
	usedNames map[string]bool              // file names in dir, in lower case

	items        []summaryItem
	secretArgs   []string // arguments of secret set, for each new file with a missing secret
	refused      []error
	hints        []diag.Hint // remedies for refused
	printedHints []string    // hints that were already printed
	needsRepair  bool        // a file needs manual repair
	needsValues  bool        // a value must be added to a file by hand
	incomplete   bool        // a live rule or field was not transferred
}

// summaryItem is a summary line, and the file that is written for it, if any.
type summaryItem struct {
	line          string
	path          string        // "" if nothing is written
	before, after []byte        // before is nil for a new file
	live          *webhook.Rule // the live rule that an existing file must match
}

// openDirs scans the directories before any request to the service.
func (w *ruleWriter) openDirs(dir string, rules []string) error {
	w.dir, w.rules = dir, rules
	if err := w.scanFiles(); err != nil {
		return err
	}
	if dir != "" && w.config != nil && !config.IsWithin(dir, w.config.AllPaths()) {
		w.a.warn("%s is not among the rule files of %s, so no plan will read it", dir, w.config.Name)
	}
	if len(w.paths) == 0 && dir == "" {
		return invalidf("name the folder with --rules PATH, or have new files written with --out DIR", "there is no folder rules here to look for rule files in")
	}
	return nil
}

// scanFiles finds the rules that have a file, and the file names in use.
func (w *ruleWriter) scanFiles() (err error) {
	w.paths, w.usedNames = defaultRules(w.rules), map[string]bool{}
	if w.dir != "" {
		entries, err := os.ReadDir(w.dir)
		if err == nil {
			w.paths = append(slices.Clip(w.paths), w.dir)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return invalidf("name a folder", "--out %s can't be read as a folder: %v", w.dir, fileErrorReason(err))
		}
		for _, e := range entries {
			w.usedNames[strings.ToLower(e.Name())] = true
		}
		w.schema = nearestSchema(w.dir)
	}
	w.files, err = ruleFiles(w.paths)
	return err
}

// lockOutput locks the directory for new files, and scans it again. Meanwhile another
// import may have written the same rules. release unlocks the directory.
func (w *ruleWriter) lockOutput(ctx context.Context) (release func(), err error) {
	if w.dir == "" || w.dryRun {
		return func() {}, nil
	}
	if release, err = w.a.lockDirectory(ctx, w.dir); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, failed(fmt.Errorf("write a rule file: %w", err))
	}
	if err := w.scanFiles(); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// nearestSchema returns the path from dir to the nearest rule.schema.json, in
// dir or above. The search ends at the repository or the working directory. If
// it finds none, nearestSchema returns "".
func nearestSchema(dir string) string {
	at, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	here, _ := filepath.Abs(".") // after an error, only the repository ends the search
	for up := "./"; ; at, up = filepath.Dir(at), strings.TrimPrefix(up, "./")+"../" {
		if info, err := os.Stat(filepath.Join(at, "rule.schema.json")); err == nil && info.Mode().IsRegular() {
			return up + "rule.schema.json"
		}
		_, err := os.Lstat(filepath.Join(at, ".git"))
		if err == nil || at == here || at == filepath.Dir(at) {
			return ""
		}
	}
}

// addRule makes a new file for a rule. It returns an error if a file can't
// represent the rule.
func (w *ruleWriter) addRule(r webhook.Rule) error {
	file, err := rulefile.FileName(r.Name, func(file string) bool { return w.usedNames[strings.ToLower(file)] })
	path := filepath.Join(w.dir, file)
	var f *rulefile.File
	if err == nil {
		f, err = rulefile.New(path, r.Name, r.Spec, w.schema)
	}
	if err != nil {
		return err
	}
	w.usedNames[strings.ToLower(file)] = true
	line := fmt.Sprintf("%s: rule %q", path, r.Name)
	if owner := w.otherOwner(r); owner != "" {
		line += ", of owner " + owner
	}
	if auth := authPaths(f.Spec.Auth); len(auth) > 0 {
		line += ", secrets to set: " + strings.Join(auth, ", ")
		w.secretArgs = append(w.secretArgs, w.secretWords(r.Name, path))
	}
	w.items = append(w.items, summaryItem{line: line, path: path, after: f.Data})
	w.warnRedacted(path, f.Spec)
	w.warnUnknown(r)
	w.warnPaused(r)
	for _, p := range f.Problems {
		w.a.warn("%s: %s", p.Position, p.Message)
		w.printHint(p.Hint)
		w.needsRepair = true
	}
	return nil
}

// printHint prints the hint of a warning once.
func (w *ruleWriter) printHint(text string) {
	if text != "" && !slices.Contains(w.printedHints, text) {
		w.printedHints = append(w.printedHints, text)
		w.a.printMessage("hint", text)
	}
}

// otherOwner returns the owner of a live rule, or "" if the config file names
// that owner.
func (w *ruleWriter) otherOwner(r webhook.Rule) string {
	m, state := webhook.ReadMarker(w.project, r)
	ours := w.config != nil && (m.Owner == w.config.Owner || slices.Contains(w.config.FormerOwners, m.Owner))
	if state != webhook.ValidMarker || ours {
		return ""
	}
	return m.Owner
}

// addMessage adds a line to the summary.
func (w *ruleWriter) addMessage(format string, args ...any) {
	w.items = append(w.items, summaryItem{line: fmt.Sprintf(format, args...)})
}

// addRefusal records an error that prevents all writes.
func (w *ruleWriter) addRefusal(err error, hints ...string) {
	w.refused = append(w.refused, err)
	for _, h := range withHint(err, hintsInWords(hints)) {
		if !slices.Contains(w.hints, h) {
			w.hints = append(w.hints, h)
		}
	}
}

// warnRedacted warns about plain values that were left out of a file.
func (w *ruleWriter) warnRedacted(path string, s webhook.Spec) {
	if paths := rulefile.RedactedPaths(s); len(paths) > 0 {
		w.a.warn("%s: %s: looks like a credential, so the value is not written", path, strings.Join(paths, ", "))
		w.printHint("put such a value in the place of these words if everyone may read it, for validate, plan and apply with --allow-plain-credentials; otherwise take the line out, and have mkhooks secret set FILE --add PATH write it under spec.authentication")
		w.needsValues = true
	}
}

// warnUnknown warns about fields that a rule file can't contain.
func (w *ruleWriter) warnUnknown(r webhook.Rule) {
	if paths := rulefile.UnknownPaths(r.Spec); len(paths) > 0 {
		w.a.warn("rule %q has fields that this version does not know, and no file can hold them: %s", r.Name, strings.Join(paths, ", "))
	}
}

// warnPaused warns about a live rule that a pause has changed: its auth values are
// lost. A file made from it would lack them.
func (w *ruleWriter) warnPaused(r webhook.Rule) {
	if webhook.LeftPaused(w.project, r) {
		w.a.warn("rule %q is paused and has no auth values, as a delete leaves it that did not come to its end: its file in Git says what it was", shortName(r.Name))
	}
}

// writeAll writes the files, and prints the summary and the next step.
func (w *ruleWriter) writeAll(ctx context.Context) error {
	if len(w.refused) > 0 {
		return &codeError{code: exitInvalid, err: fmt.Errorf("%w; nothing was written", errors.Join(w.refused...)), hints: w.hints}
	}
	done, err := w.writeFiles(ctx)
	if failure := w.printSummary(done); failure != nil {
		return failed(fmt.Errorf("write standard output: %w", failure))
	}
	switch {
	case err != nil && w.countWritten(done) > 0:
		return &codeError{code: exitPartial, err: err, hints: hintsInWords([]string{"run it again: what is written stays as it is"})}
	case err != nil:
		return failed(err)
	case w.countWritten(done) > 0 && !w.dryRun:
		w.hintNext()
	}
	if w.incomplete {
		return exitError(exitRefused)
	}
	return nil
}

// writeFiles writes the files in order and returns the number of finished
// items.
func (w *ruleWriter) writeFiles(ctx context.Context) (done int, err error) {
	if w.dryRun {
		return len(w.items), nil
	}
	for i := range w.items {
		switch it := &w.items[i]; {
		case it.path == "":
		case it.live != nil:
			err = atomicfile.Retry(ctx, func() error { return w.replaceFile(it) })
		default:
			err = atomicfile.Create(it.path, it.after, 0o644)
		}
		if err != nil {
			return i, fmt.Errorf("write a rule file: %w", err)
		}
	}
	return len(w.items), nil
}

// replaceFile writes an existing file. If the file has changed since it was read,
// replace edits its new content and returns [atomicfile.ErrChanged], for
// another attempt.
func (w *ruleWriter) replaceFile(it *summaryItem) error {
	err := atomicfile.Replace(it.path, it.before, it.after)
	if !errors.Is(err, atomicfile.ErrChanged) {
		return err
	}
	data, readErr := readRuleFile(it.path)
	if readErr != nil {
		return readErr
	}
	u, takeErr := w.updateContent(it.path, data, *it.live)
	if takeErr != nil {
		return fmt.Errorf("%s was changed meanwhile, and now %w", it.path, takeErr)
	}
	it.before, it.after = data, u.Data
	it.line = w.updateLine(it.path, it.live.Name, u)
	return err
}

// countWritten counts the files among the first items.
func (w *ruleWriter) countWritten(done int) int {
	n := 0
	for _, it := range w.items[:done] {
		if it.path != "" {
			n++
		}
	}
	return n
}

// printSummary prints a line for each finished item, and their number.
func (w *ruleWriter) printSummary(done int) error {
	var b strings.Builder
	for _, it := range w.items[:done] {
		b.WriteString(report.Escape(it.line) + "\n")
	}
	verb := "written"
	if w.dryRun {
		verb = "to be written; this was a dry run"
	}
	b.WriteString(countNoun(w.countWritten(done), "file ", "files ") + verb + "\n")
	_, err := io.WriteString(w.a.Stdout, b.String())
	return err
}

// secretWords returns the arguments of secret set for a rule: its name, or its
// file if the name is not safe to paste.
func (w *ruleWriter) secretWords(rule, path string) string {
	if shell.Path(rule) != rule || strings.ContainsAny(rule, "/") {
		return shell.Path(path)
	}
	return strings.Join(append(w.rulesFlags(), rule), " ")
}

// hintNext prints the next command: set the first missing secret, or plan.
func (w *ruleWriter) hintNext() {
	next := w.planCommand()
	if w.needsValues {
		next = w.planCommand("--allow-placeholders")
	}
	if w.needsRepair {
		next = "mend what is said above, then " + next
	}
	if len(w.secretArgs) > 0 {
		next = nextCommand(w.cmd, "secret set", w.secretArgs[:1])
	}
	w.a.printMessage("hint", "next: "+next)
}

// planCommand returns the command that plans the files.
func (w *ruleWriter) planCommand(flags ...string) string {
	paths := w.paths
	if w.config != nil { // the config file names them
		paths = nil
	} else if w.dir != "" && !slices.Contains(paths, w.dir) {
		paths = append(slices.Clip(paths), w.dir)
	}
	return nextCommand(w.cmd, "plan", flags, paths...)
}

// rulesFlags returns --rules with the directory of new files, unless a command
// finds it without the flag.
func (w *ruleWriter) rulesFlags() []string {
	looked := []string{"rules"}
	if list, err := w.cmd.Flags().GetStringArray("rules"); err == nil && len(list) > 0 {
		looked = list
	} else if w.config != nil {
		looked = w.config.AllPaths()
	}
	if w.dir == "" || config.IsWithin(w.dir, looked) {
		return nil
	}
	return []string{"--rules", shell.Path(w.dir)}
}
