package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/schema"
)

func problemIn(file, message string, severity schema.Severity) schema.Problem {
	return schema.Problem{Position: schema.Position{File: file, Line: 3, Column: 4}, Message: message, Severity: severity}
}

func TestAnnotationFiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ file, dir, workspace, want string }{
		{"rules/a.yaml", "", "", "rules/a.yaml"},
		{"rules/a.yaml", "/w", "/w", "rules/a.yaml"},
		{"../rules/a.yaml", "/w/config", "/w", "rules/a.yaml"},
		{"/w/config/rules/a.yaml", "/w", "/w", "config/rules/a.yaml"},
		{"/elsewhere/a.yaml", "/w", "/w", "/elsewhere/a.yaml"},
		{"../a.yaml", "/w", "/w", "../a.yaml"},
		{"a,b:c%.yaml", "/w", "/w", "a%2Cb%3Ac%25.yaml"},
	} {
		var out bytes.Buffer
		o := AnnotationOptions{Dir: tc.dir, Workspace: tc.workspace}
		if err := Annotations(&out, []schema.Problem{problemIn(tc.file, "50% of a:b,c", schema.Error)}, o); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff("::error file="+tc.want+",line=3,col=4,title=mkhooks::50%25 of a:b,c\n", out.String()); d != "" {
			t.Errorf("%+v (-want +got):\n%s", tc, d)
		}
	}
}

// TestManyAnnotations: GitHub shows ten of each kind, so the tenth counts the
// omitted annotations.
func TestManyAnnotations(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ errors, warnings, lines int }{{10, 10, 20}, {11, 0, 10}, {0, 1200, 10}, {0, 0, 0}} {
		var problems []schema.Problem
		for range tc.errors {
			problems = append(problems, problemIn("a", "x", schema.Error))
		}
		for range tc.warnings {
			problems = append(problems, problemIn("a", "x", schema.Warning))
		}
		var out bytes.Buffer
		if err := Annotations(&out, problems, AnnotationOptions{}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\n"); n != tc.lines {
			t.Errorf("%+v: %d lines, want %d", tc, n, tc.lines)
		}
		if tc.errors == 11 && !strings.HasSuffix(out.String(), "::error title=mkhooks::and 2 more errors; the log has all of them\n") {
			t.Errorf("the last does not count the rest: %s", out.String())
		}
		if tc.warnings == 1200 && !strings.Contains(out.String(), "and 1,191 more warnings") {
			t.Errorf("the last does not count the rest: %s", out.String())
		}
	}
}

var workflowCommand = regexp.MustCompile(`^::(error|warning) (file=[^:,]*,line=3,col=4,)?title=mkhooks::`)

// TestHostileAnnotations: a problem is a single command, whatever its texts
// contain.
func TestHostileAnnotations(t *testing.T) {
	t.Parallel()
	for name, s := range hostile {
		var out bytes.Buffer
		if err := Annotations(&out, []schema.Problem{problemIn(s, s, schema.Error), {Message: s, Hint: s}}, AnnotationOptions{Dir: "/w", Workspace: "/w"}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\n"); n != 2 {
			t.Errorf("%s: %d lines, want 2", name, n)
		}
		for line := range strings.Lines(out.String()) {
			if !workflowCommand.MatchString(line) || strings.Contains(line, "##") || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), isHidden) {
				t.Errorf("%s: %.200q", name, line)
			}
		}
	}
}
