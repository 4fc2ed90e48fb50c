package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// layersOf returns the file of each layer that contains a rule. It returns
// fewer than two files if layers don't matter.
func (w *ruleWriter) layersOf(rule string) []string {
	if len(w.layers) < 2 {
		return nil
	}
	var files []string
	for _, path := range w.layers {
		found, _ := config.Scan([]string{path}) // unreadable files failed earlier
		for _, f := range found {
			if f.Name == rule && !slices.Contains(files, f.File) {
				files = append(files, f.File)
			}
		}
	}
	return files
}

// refuseLayers refuses to update a rule that several files define together. A
// person must decide which file to change. The refusal lists the differences.
func (w *ruleWriter) refuseLayers(live webhook.Rule, files []string) error {
	merged, err := w.mergeRule(live.Name)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("rule %q comes of several layers, %s, and import edits none of them", live.Name, strings.Join(files, ", "))
	if merged == nil {
		w.addRefusal(errors.New(about+"; they are not valid together"), nextCommand(w.cmd, "validate", nil))
		return nil
	}
	var fields []string
	for _, f := range plan.Compare(merged.Spec, live.Spec.WithoutMarker()) {
		if path := strings.TrimPrefix(f.Path, "spec."); !slices.Contains(fields, path) {
			fields = append(fields, path)
		}
	}
	if len(fields) == 0 {
		w.addMessage("%s: rule %q says already what is live, with its other layers", merged.File, live.Name)
		return nil
	}
	w.addRefusal(fmt.Errorf("%s; live differs in %s", about, strings.Join(fields, ", ")),
		nextCommand(w.cmd, "show-rule", ruleWords(live.Name))+" says which file says what; then edit the one that should say it")
	return nil
}

// mergeRule returns a rule merged from its layers; nil if they are invalid.
func (w *ruleWriter) mergeRule(rule string) (*config.Rule, error) {
	ctx, cancel := w.a.readContext()
	defer cancel()
	rules, _, err := config.LoadRules(ctx, w.layers, config.Options{
		Layered: true, AllowPlaintextAuth: true, AllowPlainCredentials: true, AllowPlaceholders: true, KeyServices: keyServiceNames,
		Only: func(name string) bool { return name == rule }, Silent: true,
	})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(rules.Rules, func(r config.Rule) bool { return r.Name == rule })
	if i < 0 {
		return nil, nil
	}
	return &rules.Rules[i], nil
}
