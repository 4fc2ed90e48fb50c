package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/scaffold"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// initText collects the output of init, in parts with an empty line between
// them.
type initText struct{ strings.Builder }

func (t *initText) addPart(title string) {
	if t.Len() > 0 {
		t.WriteByte('\n')
	}
	t.addLine("%s", title)
}

func (t *initText) addLine(format string, args ...any) {
	t.WriteString(strings.TrimRight(report.Escape(fmt.Sprintf(format, args...)), " ") + "\n")
}

// addItem adds a wrapped text after a mark.
func (t *initText) addItem(mark, text string) {
	for i, line := range wrapText(text, 80-len(mark)) {
		if i > 0 {
			mark = strings.Repeat(" ", len(mark))
		}
		t.addLine("%s%s", mark, line)
	}
}

// printInit prints findings, written files, remaining tasks and the next
// commands.
func (a *app) printInit(r *initRun) error {
	var t initText
	r.describeFacts(&t)
	r.describeFiles(&t)
	r.describeKey(&t)
	r.describeTasks(&t)
	r.describeNext(&t, a)
	if _, err := io.WriteString(a.Stdout, t.String()); err != nil {
		return failed(fmt.Errorf("write standard output: %w", err))
	}
	return nil
}

func (r *initRun) describeFacts(t *initText) {
	where := r.dir
	if where == "." {
		where = "this folder"
	}
	if r.existingConfig.file != nil {
		t.addPart("A config repo is in " + where + " already; only what is missing is written.")
	} else {
		t.addPart("A config repo in " + where)
	}
	width := 0
	for _, f := range r.facts {
		width = max(width, len(f.value))
	}
	for _, f := range r.facts {
		t.addLine("  %-8s %-*s  %s", f.name, min(width, 40), f.value, f.from)
	}
}

// describeFiles lists each file with its purpose or its missing content.
func (r *initRun) describeFiles(t *initText) {
	if len(r.missing) == 0 {
		t.addPart("Nothing was written: all files are there.")
	} else {
		t.addPart(fmt.Sprintf("Written: %s", countNoun(len(r.missing), "file", "files")))
	}
	for _, f := range r.missing {
		t.addLine("  %-36s %s", f.Path, f.Why)
	}
	if len(r.kept) == 0 {
		return
	}
	t.addPart("Kept as they were:")
	for _, e := range r.kept {
		t.addLine("  %s", e.At)
		for _, advice := range r.settings.Advice(e) {
			t.addItem("    ", advice)
		}
	}
}

// describeKey prints the public part of the key and warns about its loss.
func (r *initRun) describeKey(t *initText) {
	switch {
	case r.key == nil:
		return
	case r.key.File == "":
		t.addPart("The age key is that of SOPS_AGE_KEY")
	case r.key.Created:
		t.addPart("An age key was made in " + r.key.File)
	default:
		t.addPart("The age key that is there is used, of " + r.key.File)
	}
	t.addLine("  public part %s", r.key.Recipient)
	if r.key.More > 0 {
		t.addLine("  %s; it is the first. --age-recipient names another", countNoun(r.key.More, "more key is there", "more keys are there"))
	}
	if r.key.File == "" {
		return
	}
	if r.key.Exposed {
		t.addLine("  others may read it: chmod 600 %s", shell.Path(r.key.File))
	}
	t.addLine("  Back the file up where only you can read it: without it, no secret that is")
	t.addLine("  encrypted for it can be opened again. For CI, in the environment mkhooks:")
	t.addLine("    gh secret set SOPS_AGE_KEY --env mkhooks < %s", shell.Path(r.key.File))
}

// task is work that is left to the user, with its command if a command can do
// it.
type task struct{ what, command string }

func (r *initRun) userTasks() []task {
	var out []task
	written := func(path string) bool { return r.missingFile(path) != nil }
	if written(scaffold.SOPSPath) && len(r.recipients) == 0 {
		out = append(out, task{scaffold.SOPSPath + " names no key, so no secret can be encrypted yet. Put the public part of one behind age: there; this makes one and prints it:", "mkhooks init" + r.projectFlag() + " --age"})
	}
	switch {
	case !written(scaffold.ExamplePath):
	case r.noSecret != "":
		out = append(out, task{what: "the example has no secret: it " + r.noSecret})
	case r.settings.Secret:
		out = append(out, task{"the example's secret is random; to set the one that its receiver knows:", "mkhooks secret set example headers.X-Webhook-Secret"})
	}
	switch {
	case !written(scaffold.CodeOwnersPath):
	case len(r.settings.CodeOwners) == 0:
		out = append(out, task{what: scaffold.CodeOwnersPath + " names nobody yet: put a person or a team into it, @org/team"})
	case len(r.codeOwners) == 0:
		account := r.settings.CodeOwners[0]
		out = append(out, task{what: scaffold.CodeOwnersPath + " names " + account + ", as the git remote does; if that is an organization, GitHub wants a team of it: " + account + "/TEAM"})
	}
	if r.newWorkflow() {
		if r.settings.Below != "" {
			out = append(out, task{what: "GitHub looks for .github at the top of a git repo only, and this folder is not: move .github there, or make the folder a repo of its own"})
		}
		if r.settings.ToolRef == "main" {
			out = append(out, task{what: "the workflows run mkhooks from its branch main: put the commit that you trust in the place of @main"})
		}
	}
	return out
}

// newWorkflow reports whether init wrote a workflow.
func (r *initRun) newWorkflow() bool {
	return slices.ContainsFunc(r.missing, func(f scaffold.File) bool { return strings.HasPrefix(f.Path, scaffold.WorkflowPrefix) })
}

func (r *initRun) describeTasks(t *initText) {
	tasks := r.userTasks()
	if len(tasks) == 0 {
		return
	}
	t.addPart("Left to you:")
	for _, task := range tasks {
		t.addItem("  - ", task.what)
		if task.command != "" {
			t.addLine("      %s", task.command)
		}
	}
}

func (r *initRun) describeNext(t *initText, a *app) {
	t.addPart("Next:")
	if r.dir != "." {
		t.addLine("  cd %s", shell.Path(r.dir))
	}
	if a.Getenv("MKIO_TOKEN") == "" {
		t.addLine("  export MKIO_TOKEN=...")
	}
	project := r.projectFlag()
	t.addLine("  mkhooks validate")
	t.addLine("  mkhooks plan%s", project)
	t.addLine("  mkhooks apply%s", project)
}

// projectFlag returns -p with the project if the config file has several
// projects, else "".
func (r *initRun) projectFlag() string {
	if r.existingConfig.file != nil && len(r.existingConfig.file.Projects) > 1 {
		return " -p " + shell.Word(r.settings.Project)
	}
	return ""
}
