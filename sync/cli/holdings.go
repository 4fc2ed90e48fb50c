package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// The guard destination compares ciphertext across everything that the config
// file names, even in a narrowed run. Workflows plan one project in each job,
// and would otherwise miss a secret that was copied from another project.

// readHoldings returns the secrets of all projects in the config file, and a
// warning about unreadable files. With destinations it returns nil: then the
// host alone decides.
func (s *multiPlan) readHoldings(ctx context.Context) (*plan.Holders, string, error) {
	if !slices.ContainsFunc(s.targets, (*projectSettings).needsHoldings) {
		return nil, "", nil
	}
	type part struct {
		name  string
		paths []string
	}
	var parts []part
	if file := s.targets[0].file; file != nil {
		for i := range file.Projects {
			parts = append(parts, part{file.Projects[i].Name, file.Paths(&file.Projects[i])})
		}
	} else {
		parts = append(parts, part{s.targets[0].name, s.targets[0].paths})
	}
	var reader config.Holdings
	var all []webhook.Holding
	var unread []string
	for _, p := range parts {
		held, not, err := reader.Project(ctx, p.name, p.paths)
		if err != nil {
			return nil, "", err
		}
		all = append(all, held...)
		for _, name := range not {
			if !slices.Contains(unread, name) {
				unread = append(unread, name)
			}
		}
	}
	return plan.NewHolders(all), unreadWarning(unread), nil
}

// unreadWarning warns about files whose secrets the guard destination does not
// know.
func unreadWarning(unread []string) string {
	if len(unread) == 0 {
		return ""
	}
	return fmt.Sprintf("%s could not be read or is empty, so secrets copied from there are not found: %s; set destinations, which does not depend on it",
		countNoun(len(unread), "file or folder", "files and folders"), joinNames(unread))
}

// needsHoldings reports whether a project must know the secrets of other files.
// This is so without destinations, if there are other projects, or if the run
// omits some of the project's files.
func (t *projectSettings) needsHoldings() bool {
	if len(t.planSettings.Destinations) > 0 {
		return false
	}
	return t.file != nil && (len(t.file.Projects) > 1 || len(t.paths) > 1) || t.about != nil
}
