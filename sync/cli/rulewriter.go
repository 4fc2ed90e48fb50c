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
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/rulefile"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// ruleWriter collects what is to be written to rule files, new ones and
// changed ones, and writes all of it or, where something is wrong, nothing.
type ruleWriter struct {
	a      *app
	cmd    *cobra.Command
	config *config.File // nil where there is none
	layers []string     // the paths of the project in it
	dryRun bool

	project string

	dir    string                       // for new files; "" where there are none
	rules  []string                     // the paths of --rules or the config file
	schema string                       // the JSON Schema's path from dir
	paths  []string                     // where rule files are looked for
	files  map[string][]config.RuleFile // what was found there, by rule
	taken  map[string]bool              // the names in dir, in lower case

	items   []item
	waiting []string // what secret set takes for each new file that waits for a secret
	refused []error
	hints   []string // what to do about those
	hinted  []string // what was printed, so that it is once
	mend    bool     // a file is to be mended by hand
	unready bool     // a value is to be written into a file by hand
	held    bool     // something that is live stays out of a file
}

// item is a line of the summary and the file that is written for it, if any.
type item struct {
	line          string
	path          string        // "" where nothing is to be written
	before, after []byte        // before is nil for a new file
	live          *webhook.Rule // of which a file that exists is to say what is live
}

// openDirs looks at the folders before anything is asked of the service.
func (w *ruleWriter) openDirs(dir string, rules []string) error {
	w.dir, w.rules = dir, rules
	if err := w.scan(); err != nil {
		return err
	}
	if dir != "" && w.config != nil && !config.Within(dir, w.config.AllPaths()) {
		w.a.warn("%s is not among the rule files of %s, so no plan will read it", dir, w.config.Name)
	}
	if len(w.paths) == 0 && dir == "" {
		return invalidf("name the folder with --rules PATH, or have new files written with --out DIR", "there is no folder rules here to look for rule files in")
	}
	return nil
}

// scan reads which rules have a file, and which names are taken.
func (w *ruleWriter) scan() (err error) {
	w.paths, w.taken = defaultRules(w.rules), map[string]bool{}
	if w.dir != "" {
		entries, err := os.ReadDir(w.dir)
		if err == nil {
			w.paths = append(slices.Clip(w.paths), w.dir)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return invalidf("name a folder", "--out %s can't be read as a folder: %v", w.dir, reason(err))
		}
		for _, e := range entries {
			w.taken[strings.ToLower(e.Name())] = true
		}
		w.schema = nearestSchema(w.dir)
	}
	w.files, err = ruleFiles(w.paths)
	return err
}

// hold keeps other commands out of the directory for new files, and reads
// again what is there: another import may have written the same rules while
// this one read from the service. release lets others in.
func (w *ruleWriter) hold(ctx context.Context) (release func(), err error) {
	if w.dir == "" || w.dryRun {
		return func() {}, nil
	}
	if release, err = w.a.holdFolder(ctx, w.dir); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, failed(fmt.Errorf("write a rule file: %w", err))
	}
	if err := w.scan(); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// reason is the cause of an error about a path that is named beside it.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// nearestSchema is the path from dir to the rule.schema.json in it or above it,
// as far as the repository or the working folder goes; "" where there is none.
func nearestSchema(dir string) string {
	at, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	here, _ := filepath.Abs(".") // without it, the repository ends the search
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

// addRule makes a new file for a rule. A rule that no file can hold is said and left.
func (w *ruleWriter) addRule(r webhook.Rule) error {
	file, err := rulefile.FileName(r.Name, func(file string) bool { return w.taken[strings.ToLower(file)] })
	path := filepath.Join(w.dir, file)
	var f *rulefile.File
	if err == nil {
		f, err = rulefile.New(path, r.Name, r.Spec, w.schema)
	}
	if err != nil {
		return err
	}
	w.taken[strings.ToLower(file)] = true
	line := fmt.Sprintf("%s: rule %q", path, r.Name)
	if owner := w.otherOwner(r); owner != "" {
		line += ", of owner " + owner
	}
	if auth := authPaths(f.Spec.Auth); len(auth) > 0 {
		line += ", secrets to set: " + strings.Join(auth, ", ")
		w.waiting = append(w.waiting, w.secretWords(r.Name, path))
	}
	w.items = append(w.items, item{line: line, path: path, after: f.Data})
	w.sayRedacted(path, f.Spec)
	w.sayUnknown(r)
	w.sayLeft(r)
	for _, p := range f.Problems {
		w.a.warn("%s: %s", p.Position, p.Message)
		w.printHint(p.Hint)
		w.mend = true
	}
	return nil
}

// printHint prints what to do about a warning, once.
func (w *ruleWriter) printHint(text string) {
	if text != "" && !slices.Contains(w.hinted, text) {
		w.hinted = append(w.hinted, text)
		w.a.printMessage("hint", text)
	}
}

// otherOwner is who owns a live rule, if not whom the config file names.
func (w *ruleWriter) otherOwner(r webhook.Rule) string {
	m, state := webhook.ReadMarker(w.project, r)
	ours := w.config != nil && (m.Owner == w.config.Owner || slices.Contains(w.config.FormerOwners, m.Owner))
	if state != webhook.ValidMarker || ours {
		return ""
	}
	return m.Owner
}

// say adds a line to the summary.
func (w *ruleWriter) say(format string, args ...any) {
	w.items = append(w.items, item{line: fmt.Sprintf(format, args...)})
}

// addRefusal keeps everything from being written.
func (w *ruleWriter) addRefusal(err error, hints ...string) {
	w.refused = append(w.refused, err)
	for _, h := range withHint(err, hints) {
		if !slices.Contains(w.hints, h) {
			w.hints = append(w.hints, h)
		}
	}
}

// sayRedacted names the plain values that a file does not hold.
func (w *ruleWriter) sayRedacted(path string, s webhook.Spec) {
	if paths := rulefile.Redacted(s); len(paths) > 0 {
		w.a.warn("%s: %s: looks like a credential, so the value is not written", path, strings.Join(paths, ", "))
		w.printHint("put such a value in the place of these words if everyone may read it, for validate, plan and apply with --allow-plain-credentials; otherwise take the line out, and have mkhooks secret set FILE --add PATH write it under spec.authentication")
		w.unready = true
	}
}

// sayUnknown names the fields of a rule that its file does not hold.
func (w *ruleWriter) sayUnknown(r webhook.Rule) {
	if paths := rulefile.Unknown(r.Spec); len(paths) > 0 {
		w.a.warn("rule %q has fields that this version does not know, and no file can hold them: %s", r.Name, strings.Join(paths, ", "))
	}
}

// sayLeft warns of a live rule that has lost what a pause takes away: a file
// made of it would lose that, too.
func (w *ruleWriter) sayLeft(r webhook.Rule) {
	if webhook.LeftPaused(w.project, r) {
		w.a.warn("rule %q is paused and has no auth values, as a delete leaves it that did not come to its end: its file in Git says what it was", shortName(r.Name))
	}
}

// writeAll writes the files, prints the summary and says what comes next.
func (w *ruleWriter) writeAll(ctx context.Context) error {
	if len(w.refused) > 0 {
		return invalid(fmt.Errorf("%w; nothing was written", errors.Join(w.refused...)), w.hints...)
	}
	done, err := w.writeFiles(ctx)
	if failure := w.summary(done); failure != nil {
		return failed(fmt.Errorf("write standard output: %w", failure))
	}
	switch {
	case err != nil && w.written(done) > 0:
		return &codeError{code: exitPartial, err: err, hints: []string{"run it again: what is written stays as it is"}}
	case err != nil:
		return failed(err)
	case w.written(done) > 0 && !w.dryRun:
		w.sayNext()
	}
	if w.held {
		return exit(exitRefused)
	}
	return nil
}

// writeFiles writes the files in order and returns how many items were done.
func (w *ruleWriter) writeFiles(ctx context.Context) (done int, err error) {
	if w.dryRun {
		return len(w.items), nil
	}
	for i := range w.items {
		switch it := &w.items[i]; {
		case it.path == "":
		case it.live != nil:
			err = atomicfile.Retry(ctx, func() error { return w.replace(it) })
		default:
			err = atomicfile.Create(it.path, it.after, 0o644)
		}
		if err != nil {
			return i, fmt.Errorf("write a rule file: %w", err)
		}
	}
	return len(w.items), nil
}

// replace writes a file that exists. If it was changed since it was read, it is
// read again and edited anew.
func (w *ruleWriter) replace(it *item) error {
	err := atomicfile.Replace(it.path, it.before, it.after)
	if !errors.Is(err, atomicfile.ErrChanged) {
		return err
	}
	data, readErr := readRuleFile(it.path)
	if readErr != nil {
		return readErr
	}
	u, takeErr := w.takeInto(it.path, data, *it.live)
	if takeErr != nil {
		return fmt.Errorf("%s was changed meanwhile, and now %w", it.path, takeErr)
	}
	it.before, it.after = data, u.Data
	it.line = w.takenLine(it.path, it.live.Name, u)
	return err
}

// written counts the files among the first items.
func (w *ruleWriter) written(done int) int {
	n := 0
	for _, it := range w.items[:done] {
		if it.path != "" {
			n++
		}
	}
	return n
}

// summary prints a line for each item that was done, and their sum.
func (w *ruleWriter) summary(done int) error {
	var b strings.Builder
	for _, it := range w.items[:done] {
		b.WriteString(report.Escape(it.line) + "\n")
	}
	verb := "written"
	if w.dryRun {
		verb = "to be written; this was a dry run"
	}
	b.WriteString(countNoun(w.written(done), "file ", "files ") + verb + "\n")
	_, err := io.WriteString(w.a.Stdout, b.String())
	return err
}

// secretWords name a rule for secret set: by its name, or where that could not
// be pasted, by its file.
func (w *ruleWriter) secretWords(rule, path string) string {
	if shell.Path(rule) != rule || strings.ContainsAny(rule, "/") {
		return shell.Path(path)
	}
	return strings.Join(append(w.rulesFlags(), rule), " ")
}

// sayNext gives the next command: to set the first secret that is missing, or
// to plan.
func (w *ruleWriter) sayNext() {
	next := w.planCommand()
	if w.unready {
		next = w.planCommand("--allow-placeholders")
	}
	if w.mend {
		next = "mend what is said above, then " + next
	}
	if len(w.waiting) > 0 {
		next = nextCommand(w.cmd, "secret set", w.waiting[:1])
	}
	w.a.printMessage("hint", "next: "+next)
}

// planCommand is the command line that plans the files.
func (w *ruleWriter) planCommand(flags ...string) string {
	paths := w.paths
	if w.config != nil { // which names them
		paths = nil
	} else if w.dir != "" && !slices.Contains(paths, w.dir) {
		paths = append(slices.Clip(paths), w.dir)
	}
	return nextCommand(w.cmd, "plan", flags, paths...)
}

// rulesFlags tell a command where the new files are, if it would not look there
// by itself.
func (w *ruleWriter) rulesFlags() []string {
	looked := []string{"rules"}
	if list, err := w.cmd.Flags().GetStringArray("rules"); err == nil && len(list) > 0 {
		looked = list
	} else if w.config != nil {
		looked = w.config.AllPaths()
	}
	if w.dir == "" || config.Within(w.dir, looked) {
		return nil
	}
	return []string{"--rules", shell.Path(w.dir)}
}
