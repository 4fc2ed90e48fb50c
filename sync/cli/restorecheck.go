package cli

import (
	"bytes"
	"fmt"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/audit"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Many people can write to the place of a manifest, and the manifest decides
// where a rule sends its secrets. The audit log contains its checksum, and its
// chain reveals changes.

// checkManifest checks a manifest against the audit log. It returns the kind of check
// in words, or the reason to refuse the manifest.
func (o *restoreOptions) checkManifest(m archive.Manifest) (string, error) {
	path := o.audit
	if path == "" && o.file != nil && o.file.Audit != "" {
		path = o.file.Path(o.file.Audit)
	}
	switch {
	case o.noAudit:
		return "not checked: --no-audit", nil
	case path == "":
		return "not checked: no audit log", nil
	}
	chain, err := readChain(path)
	if err != nil {
		return "", invalidf("name the audit log with --audit FILE, or pass --no-audit if the archive is known to be unchanged",
			"the audit log %s can't be read, so the manifest can't be checked: %w; nothing was written", path, fileErrorReason(err))
	}
	if len(chain.Faults) > 0 {
		f := chain.Faults[0]
		return "", usagef("mkhooks audit verify "+shell.Path(path), "%s:%d: %s; the manifest can't be checked against it; nothing was written", path, f.Line, f.Message)
	}
	return checkEntries(path, chain, m)
}

// checkEntries checks a manifest against all audit entries that name its
// archive.
func checkEntries(path string, chain *audit.Chain, m archive.Manifest) (string, error) {
	checked, unchecked := 0, 0
	for _, e := range chain.Entries {
		if e.Result == nil || e.Result.Archive == nil || archive.ObjectName(e.Result.Archive.Location) != m.RecordsFile {
			continue
		}
		if odd := archiveMismatch(e, m); odd != "" {
			return "", invalidf("compare with a copy of the archive, and see who can write to it",
				"the archive of rule %q %s; nothing was written", shortName(m.Rule.Name), odd)
		}
		if e.Result.Archive.Manifest == "" {
			unchecked = e.Seq
		} else {
			checked = e.Seq
		}
	}
	switch {
	case checked > 0:
		return fmt.Sprintf("as line %d of %s has it", checked, path), nil
	case unchecked > 0:
		return fmt.Sprintf("not checked: line %d of %s has no checksum of it", unchecked, path), nil
	}
	return "", invalidf("name the audit log of the run that stored it with --audit FILE; for an archive that mkhooks history --export stored, pass --no-audit",
		"the audit log %s names no archive %s; nothing was written", path, m.RecordsFile)
}

// describeRestored prints the facts that a person must check: where the restored rule
// sends its secrets, and whether the manifest was checked.
func (w *ruleWriter) describeRestored(m archive.Manifest, checked string) {
	host := "not known"
	if o := webhook.OriginOf(m.Rule.Spec.URL); o.IsKnown() {
		host = o.String()
	}
	w.addMessage("  url %s, host %s", webhook.RedactURL(m.Rule.Spec.URL), host)
	w.addMessage("  manifest %s", checked)
	if m.AuthUnknown {
		w.a.warn("rule %q had authentication when it was last applied, and its names are not known: it was paused before, by a run that left no note in the archive; its file has enabled: false, so that it delivers nothing without them; add them by hand, then enable it", shortName(m.Rule.Name))
	}
}

// disableForAuth says in the file that was added last why it has enabled: false.
func (w *ruleWriter) disableForAuth() {
	const line = "  enabled: false\n"
	last := &w.items[len(w.items)-1]
	last.after = bytes.Replace(last.after, []byte(line),
		[]byte("  # This rule had authentication, and its names are not known: add it with mkhooks secret set, then enable the rule.\n"+line), 1)
}
