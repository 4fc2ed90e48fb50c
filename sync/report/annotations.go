package report

import (
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
)

// AnnotationOptions locates the files of problems. Both paths are absolute. If
// either is empty, files are named unchanged.
type AnnotationOptions struct {
	// Dir is the base of relative paths. Workspace is the directory to which
	// GitHub resolves them.
	Dir, Workspace string
}

// maxAnnotations is the number of annotations of each kind that GitHub shows
// for a step.
const maxAnnotations = 10

// Annotations writes problems as workflow commands, which GitHub shows at their
// lines in a pull request. If there are more than GitHub shows, the files and
// kinds of problems take turns, and the last annotation counts the omitted
// problems.
func Annotations(w io.Writer, problems []schema.Problem, o AnnotationOptions) error {
	var b strings.Builder
	for _, severity := range []schema.Severity{schema.Error, schema.Warning} {
		var those []schema.Problem
		for _, p := range problems {
			if (p.Severity == schema.Warning) == (severity == schema.Warning) {
				those = append(those, p)
			}
		}
		shown := len(those)
		if shown > maxAnnotations {
			shown = maxAnnotations - 1
		}
		for i, turn := range problemTurns(those) {
			if turn < shown {
				b.WriteString(formatAnnotation(severity, those[i], o))
			}
		}
		if n := len(those) - shown; n > 0 {
			b.WriteString("::" + string(severity) + " title=mkhooks::and " + formatCount(n) + " more " + string(severity) + "s; the log has all of them\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func formatAnnotation(severity schema.Severity, p schema.Problem, o AnnotationOptions) string {
	properties := []string{}
	if p.File != "" {
		properties = append(properties, "file="+escapeProperty(o.relativePath(p.File)))
		if p.Line > 0 {
			properties = append(properties, "line="+strconv.Itoa(p.Line), "col="+strconv.Itoa(max(p.Column, 1)))
		}
	}
	message := escapeData(truncateText(p.Message))
	if p.Hint != "" {
		message += "%0A" + escapeData("hint: "+truncateText(p.Hint))
	}
	return "::" + string(severity) + " " + strings.Join(append(properties, "title=mkhooks"), ",") + "::" + message + "\n"
}

// relativePath returns a file's path below the workspace, with slashes.
func (o AnnotationOptions) relativePath(name string) string {
	if o.Dir == "" || o.Workspace == "" {
		return filepath.ToSlash(name)
	}
	at := name
	if !filepath.IsAbs(at) {
		at = filepath.Join(o.Dir, at)
	}
	if below, err := filepath.Rel(o.Workspace, at); err == nil && filepath.IsLocal(below) {
		return filepath.ToSlash(below)
	}
	return filepath.ToSlash(name)
}

// escapeData escapes the message of a workflow command. property also escapes commas
// and colons, which end the value of a property.
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(Escape(s))
}

func escapeProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(escapeData(s))
}
