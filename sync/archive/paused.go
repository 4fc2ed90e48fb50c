package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// A delete pauses a rule before it reads the history, and the pause takes the
// authentication out of the rule. If the run ends before the DELETE, only the
// paused rule is left. So a note about the earlier state is stored before the pause
// leaves.
//
// A later run, on any machine, finds the note by the id and the digest of the
// paused rule. If the rule was recreated or changed since, its note would have
// another name. Notes are never overwritten or deleted; each pause adds a note.
//
// A note restores only the facts that the paused rule does not show: whether the
// rule was enabled, the names of its authentication, and the number of its records.
// So a forged note cannot send anything anywhere; at worst it blocks a delete.

// PauseNote is a note about a rule that is about to be paused.
type PauseNote struct {
	FormatVersion int    `json:"formatVersion"`
	Project       string `json:"project"`
	// ID and Name identify the rule.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Live is the digest of the rule once it is paused.
	Live webhook.Digest `json:"live"`
	// Enabled and Auth are the state that the pause removes.
	Enabled bool              `json:"enabled"`
	Auth    webhook.AuthNames `json:"authentication"`
	// Records counts the records of the history before the pause; nil if unknown. A
	// later run must find at least as many.
	Records *int      `json:"records,omitempty"`
	When    time.Time `json:"when"`
	By      string    `json:"by"`
	Host    string    `json:"host"`
	Commit  string    `json:"commit"`
}

const (
	pausedSuffix = ".paused.json"
	// maxNotes limits the notes with the same id and digest. So often was a rule
	// paused, and then restored by hand exactly as before.
	maxNotes = 1000
)

// pauseNoteName returns the name of the nth note about a rule, from 1.
func pauseNoteName(project string, rule webhook.Rule, live webhook.Digest, n int) string {
	return fmt.Sprintf("%s%s_%d%s", namePrefix(project, rule), live, n, pausedSuffix)
}

// AddPauseNote stores the state of r.Rule that a pause is about to remove. live is the
// digest of the rule once it is paused.
func AddPauseNote(ctx context.Context, store Store, r Request, live webhook.Digest) error {
	auth := webhook.AuthNames{Headers: slices.Clone(r.Rule.Spec.Auth.Headers), QueryParams: slices.Clone(r.Rule.Spec.Auth.QueryParams)}
	data, err := json.MarshalIndent(PauseNote{
		FormatVersion: FormatVersion, Project: r.Project, ID: r.Rule.ID, Name: r.Rule.Name, Live: live,
		Enabled: r.Rule.Spec.Enabled, Auth: auth, Records: r.Seen.Records(), When: r.When.UTC(), By: r.By, Host: r.Host, Commit: r.Commit,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the note: %w", err)
	}
	for n := 1; n <= maxNotes; n++ {
		err = storeObject(ctx, store, pauseNoteName(r.Project, r.Rule, live, n), append(data, '\n'))
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return fmt.Errorf("%s: %d notes about this rule are stored already: %w", store.Location(pauseNoteName(r.Project, r.Rule, live, maxNotes)), maxNotes, fs.ErrExist)
}

// FindPauseNote returns the latest note about a live rule in its current state, or nil.
// It ignores a note whose content contradicts its name.
func FindPauseNote(ctx context.Context, store Store, project string, live webhook.Rule) (*PauseNote, error) {
	digest := webhook.LiveDigest(&live)
	var found *PauseNote
	for n := 1; n <= maxNotes; n++ {
		data, err := readObject(ctx, store, pauseNoteName(project, live, digest, n))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			// A store refuses to reveal that an object is absent to users who may
			// not list objects.
			return found, nil
		case err != nil:
			return nil, err
		}
		var p PauseNote
		if json.Unmarshal(data, &p) == nil && p.FormatVersion == FormatVersion && p.Project == project &&
			p.ID == live.ID && p.Name == live.Name && p.Live == digest {
			found = &p
		}
	}
	return found, nil
}
