package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/audit"
)

// checkArchives checks the archives that an audit log names.
func (v *verification) checkArchives(ctx context.Context, path string, c *audit.Chain) error {
	seen := map[string]bool{}
	for _, e := range c.Entries {
		if e.Result == nil || e.Result.Archive == nil || seen[e.Result.Archive.Location] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		seen[e.Result.Archive.Location] = true
		v.checkArchive(ctx, e.Result.Archive.Location, e)
	}
	if len(seen) == 0 {
		v.messages = append(v.messages, filepath.ToSlash(path)+": names no archive")
	}
	return nil
}

// checkArchive checks one archive. If an audit entry names it, the archive must also
// match the entry.
func (v *verification) checkArchive(ctx context.Context, path string, e *audit.Entry) {
	at, m, err := v.readArchive(ctx, path, e != nil)
	var odd string
	if err == nil && e != nil {
		odd = archiveMismatch(e, m)
	}
	switch {
	case err != nil:
		text := err.Error()
		var wrong *archive.FileError
		if errors.As(err, &wrong) && wrong.Location == at {
			text = wrong.Problem() // the line names the file
		}
		hint := ""
		if errors.Is(err, fs.ErrNotExist) && e != nil && v.options.place == "" {
			hint = "a record tells paths as its apply saw them: where the archives are elsewhere now, --archive PLACE"
		}
		if archive.IsUnreached(err) {
			v.unreached++
			hint = errorHint(err).String()
		}
		v.addProblem(schema.Error, at, 0, hint, "%s", text)
	case odd != "":
		v.addProblem(schema.Error, at, 0, "compare with a copy of it", "%s", odd)
	default:
		v.messages = append(v.messages, fmt.Sprintf("%s: %s of rule %q", at, countNoun(m.Records, "record", "records"), m.Rule.Name))
	}
}

// readArchive reads an archive at its recorded location, and returns the
// location that it read. If no archive is there, it looks for the archive's
// name in the location of --archive.
//
// Other people can write to an audit log. So a recorded location must not lead
// to another server, or make mkhooks use credentials that the log selects.
func (v *verification) readArchive(ctx context.Context, path string, byRecord bool) (at string, m archive.Manifest, err error) {
	var refused error
	if byRecord {
		refused = archive.CheckConfigured(path)
	}
	if refused == nil {
		if m, err = archive.Verify(ctx, path); !byRecord || !errors.Is(err, fs.ErrNotExist) {
			return path, m, err
		}
	}
	if v.options.place != "" {
		other, otherErr := archive.LocationIn(v.options.place, path)
		if otherErr != nil {
			return path, m, otherErr
		}
		if m, otherErr = archive.Verify(ctx, other); refused != nil || !errors.Is(otherErr, fs.ErrNotExist) {
			return other, m, otherErr
		}
	}
	if refused != nil {
		return path, m, fmt.Errorf("is not looked at, because a record may name no server: pass --archive with the place itself (%w)", refused)
	}
	return path, m, err
}

// archiveMismatch explains how a complete archive differs from the archive in an audit
// entry; "" if they match.
func archiveMismatch(e *audit.Entry, m archive.Manifest) string {
	stored := e.Result.Archive
	switch {
	case m.SHA256 != stored.SHA256:
		return fmt.Sprintf("is whole, but not what line %d of the record says: its records have another checksum", e.Seq)
	case m.Rule.Name != e.Write.Rule || m.Project != e.Write.Project:
		return fmt.Sprintf("is whole, but of rule %q of project %q; line %d of the record stored one of rule %q of project %q", m.Rule.Name, m.Project, e.Seq, e.Write.Rule, e.Write.Project)
	case stored.Manifest != "" && m.Sum != stored.Manifest:
		return fmt.Sprintf("has another manifest than the one that line %d of the record stored: what it says of the rule, of when and by whom was changed", e.Seq)
	}
	return ""
}
