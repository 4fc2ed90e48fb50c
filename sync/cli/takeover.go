package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/rulefile"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// take makes the file of a live rule say what is live.
func (w *ruleWriter) take(live webhook.Rule, files []config.Found) error {
	file := files[0].File
	if layers := w.layersOf(live.Name); len(layers) > 1 {
		return w.refuseLayers(live, layers)
	}
	if len(files) > 1 {
		w.refuse(fmt.Errorf("rule %q is in several files, %s and %s; expected one", live.Name, file, files[1].File), "name the path that is meant with --rules")
		return nil
	}
	data, err := readRuleFile(file)
	if err != nil {
		return err
	}
	o := ruleOptions{keyServices: keyServiceNames} // none is called
	u, err := rulefile.Take(file, data, live.Spec, o.config(w.a))
	if err != nil {
		w.refuse(fmt.Errorf("%s: %w", file, err))
		return nil
	}
	if fields := changed(u); len(fields) > 0 {
		w.items = append(w.items, item{
			line: fmt.Sprintf("%s: rule %q: taken over: %s", file, live.Name, strings.Join(fields, ", ")),
			path: file, before: data, after: u.Data,
		})
		w.sayRedacted(file, u.After)
	} else if u.Whole() {
		w.say("%s: rule %q says already what is live", file, live.Name)
	}
	w.sayHeld(file, live.Name, u)
	w.sayUnknown(live)
	return nil
}

// changed are the paths below spec that differ now.
func changed(u *rulefile.Update) []string {
	var out []string
	for _, f := range plan.Compare(u.Before, u.After) {
		if path := strings.TrimPrefix(f.Path, "spec."); !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	return out
}

// sayHeld names what stays as it was because it takes a value and a key.
func (w *ruleWriter) sayHeld(file, rule string, u *rulefile.Update) {
	missing, extra := authPaths(u.Missing), authPaths(u.Extra)
	if len(missing) > 0 {
		w.a.warn("%s: left out: %s of rule %q, live under authentication, where no value can be read", file, strings.Join(missing, ", "), rule)
		w.a.line("hint", "if you have the value: mkhooks secret set "+shell.Path(file)+" --add "+quotePaths(missing))
	}
	if len(extra) > 0 {
		w.a.warn("%s: left in: authentication of %s, which live rule %q does not have", file, strings.Join(extra, ", "), rule)
		w.a.line("hint", "to take it out of the file: sops edit "+shell.Path(file))
	}
	if len(u.Held) > 0 {
		w.a.warn("%s: left out: %s, plain in live rule %q and secret in the file", file, strings.Join(u.Held, ", "), rule)
	}
	if !u.Whole() {
		w.held = true
	}
}
