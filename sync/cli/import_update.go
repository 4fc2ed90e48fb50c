package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/atomicfile"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/rulefile"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// updateFile changes a rule file to match the live rule.
func (w *ruleWriter) updateFile(live webhook.Rule, files []config.RuleFile) error {
	file := files[0].File
	if layers := w.layersOf(live.Name); len(layers) > 1 {
		return w.refuseLayers(live, layers)
	}
	if len(files) > 1 {
		w.addRefusal(fmt.Errorf("rule %q is in several files, %s and %s; expected one", live.Name, file, files[1].File), "name the path that is meant with --rules")
		return nil
	}
	if !w.dryRun {
		atomicfile.Sweep(filepath.Dir(file)) // even if nothing is written
	}
	data, err := readRuleFile(file)
	if err != nil {
		return err
	}
	u, err := w.updateContent(file, data, live)
	if err != nil {
		w.addRefusal(fmt.Errorf("%s: %w", file, err))
		return nil
	}
	if len(changedPaths(u)) > 0 {
		w.items = append(w.items, summaryItem{
			line: w.updateLine(file, live.Name, u),
			path: file, before: data, after: u.Data, live: &live,
		})
		w.warnRedacted(file, u.After)
	} else if u.IsComplete() {
		w.addMessage("%s: rule %q says already what is live", file, live.Name)
	}
	w.reportSkipped(file, live.Name, u)
	w.warnUnknown(live)
	return nil
}

// updateContent edits the content of a rule file to match the live rule.
func (w *ruleWriter) updateContent(file string, data []byte, live webhook.Rule) (*rulefile.Update, error) {
	o := ruleOptions{keyServices: keyServiceNames} // none is called
	return rulefile.UpdateFile(file, data, live.Spec, o.parseOptions(w.a))
}

// updateLine returns the summary line for an edited file.
func (w *ruleWriter) updateLine(file, rule string, u *rulefile.Update) string {
	if fields := changedPaths(u); len(fields) > 0 {
		return fmt.Sprintf("%s: rule %q: taken over: %s", file, rule, strings.Join(fields, ", "))
	}
	return fmt.Sprintf("%s: rule %q says already what is live", file, rule)
}

// changedPaths returns the paths below spec that the update changes.
func changedPaths(u *rulefile.Update) []string {
	var out []string
	for _, f := range plan.Compare(u.Before, u.After) {
		if path := strings.TrimPrefix(f.Path, "spec."); !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	return out
}

// reportSkipped warns about live auth and plain fields that import did not
// transfer. Auth would need its values and a key.
func (w *ruleWriter) reportSkipped(file, rule string, u *rulefile.Update) {
	missing, extra := authPaths(u.Missing), authPaths(u.Extra)
	if len(missing) > 0 {
		w.a.warn("%s: left out: %s of rule %q, live under authentication, where no value can be read", file, strings.Join(missing, ", "), rule)
		w.a.printMessage("hint", "if you have the value: mkhooks secret set "+shell.Path(file)+" --add "+quotePaths(missing))
	}
	if len(extra) > 0 {
		w.a.warn("%s: left in: authentication of %s, which live rule %q does not have", file, strings.Join(extra, ", "), rule)
		w.a.printMessage("hint", "to take it out of the file: sops edit "+shell.Path(file))
	}
	if len(u.Withheld) > 0 {
		w.a.warn("%s: left out: %s, plain in live rule %q and secret in the file", file, strings.Join(u.Withheld, ", "), rule)
	}
	if !u.IsComplete() {
		w.incomplete = true
	}
}
