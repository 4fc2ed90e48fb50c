package cli

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/git"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/scaffold"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// fact is a finding of init, with its source.
type fact struct{ name, value, from string }

func (r *initRun) addFact(name, value, from string) {
	r.facts = append(r.facts, fact{name, value, from})
}

// findSettings fills in the settings from the environment, without questions.
func (r *initRun) findSettings(ctx context.Context, a *app) error {
	file := filepath.Join(r.dir, config.FileName)
	if _, err := os.Lstat(file); err == nil {
		if err := r.existingConfig.loadConfig(a, file); err != nil {
			return err
		}
	}
	facts := inspectGit(ctx, a, r.dir)
	for _, find := range []func(*app, gitFacts) error{r.findOwner, r.findProject, r.findBranch, r.findRules, r.findCodeOwners} {
		if err := find(a, facts); err != nil {
			return err
		}
	}
	r.settings.ToolRef = toolRef()
	if facts.inside && facts.below != "." {
		r.settings.Below = facts.below
	}
	return nil
}

// gitFacts are Git's facts about a directory. They are empty outside a
// repository or without Git.
type gitFacts struct {
	inside          bool
	below           string // path of the directory in the repository, "." at its top
	remote          scaffold.Remote
	branch, defined string // current branch, default branch of the remote
}

func inspectGit(ctx context.Context, a *app, dir string) gitFacts {
	real := realFolder(dir)
	repo, err := git.Open(ctx, a.Getenv, real)
	if err != nil && !errors.Is(err, git.ErrNotInstalled) && !errors.Is(err, context.Canceled) {
		problem, hint := gitProblem(err)
		a.warn("Git tells nothing of this folder: %s", problem)
		if hint != "" {
			a.printMessage("hint", hint)
		}
	}
	if repo == nil {
		return gitFacts{}
	}
	below, err := repo.RelativePath(dir)
	if err != nil {
		return gitFacts{}
	}
	return gitFacts{
		inside: true, below: below,
		remote: scaffold.ParseRemote(repo.Remote(ctx)), branch: repo.Branch(ctx), defined: repo.DefaultBranch(ctx),
	}
}

// realFolder returns dir, or its nearest existing parent.
func realFolder(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	for {
		if info, err := os.Stat(abs); err == nil && info.IsDir() || filepath.Dir(abs) == abs {
			return abs
		}
		abs = filepath.Dir(abs)
	}
}

func (r *initRun) findOwner(_ *app, git gitFacts) error {
	folder := ""
	if abs, err := filepath.Abs(r.dir); err == nil {
		folder = filepath.Base(abs)
	}
	s := &r.settings
	if err := webhook.CheckOwner(r.owner); r.owner != "" && err != nil {
		return usagef(r.commandLine("owner", "video-platform"), "--%w", err)
	}
	switch {
	case r.existingConfig.file != nil:
		s.Owner = r.existingConfig.file.Owner
		if r.owner != "" && r.owner != s.Owner {
			return invalidf("change it there; with formerOwners: [OLD NAME], the rules that are live stay ours",
				"--owner %s: %s is there already and says owner %q, which init does not change", r.owner, r.existingConfig.file.Name, s.Owner)
		}
		if s.Owner != "" {
			r.addFact("owner", s.Owner, "from "+config.FileName)
		}
	case r.owner != "":
		s.Owner = r.owner
		r.addFact("owner", s.Owner, "from --owner")
	case scaffold.OwnerName(git.remote.Repo) != "":
		s.Owner = scaffold.OwnerName(git.remote.Repo)
		r.addFact("owner", s.Owner, "from the git remote")
	default:
		if s.Owner = scaffold.OwnerName(folder); s.Owner == "" {
			return usagef(r.commandLine("owner", "NAME"), "there is no git remote to take the owner's name from, and none can be made of the folder's")
		}
		r.addFact("owner", s.Owner, "from the folder, as there is no git remote")
	}
	return nil
}

func (r *initRun) findProject(a *app, _ gitFacts) error {
	s, from := &r.settings, "from -p"
	if s.Project = r.project; s.Project == "" {
		s.Project, from = a.Getenv("MKIO_PROJECT"), "from MKIO_PROJECT"
	}
	switch {
	case r.existingConfig.file != nil:
		var wanted []string
		if s.Project != "" {
			wanted = []string{plan.Pattern(s.Project)}
		}
		p, err := r.existingConfig.pickProject(a, wanted)
		if err != nil {
			return err
		}
		if s.Project == "" {
			from = "from " + config.FileName
		}
		s.Project = p.Name
	case s.Project == "":
		return usagef(r.commandLine("project", "PROJECT"), "no project is given, and its name can't be found out")
	case strings.Contains(s.Project, "${{"):
		return invalidf("", "-p %q: a workflow of GitHub would take this for an expression", s.Project)
	}
	r.addFact("project", s.Project, from)
	return nil
}

// plainBranch matches branch names without pattern characters. They mean the
// same in the filter of a workflow.
var plainBranch = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/#@=-]*$`)

func (r *initRun) findBranch(_ *app, git gitFacts) error {
	s, from := &r.settings, "from --branch"
	switch {
	case r.branch != "":
		s.Branch = r.branch
	case git.defined != "":
		s.Branch, from = git.defined, "from the git remote"
	case git.branch != "":
		s.Branch, from = git.branch, "from the folder, where it is the current one"
	default:
		s.Branch, from = "main", "as nothing names another; --branch does"
	}
	if !plainBranch.MatchString(s.Branch) {
		return usagef(r.commandLine("branch", "main"), "branch %q: a filter of a workflow would take this for a pattern", s.Branch)
	}
	r.addFact("branch", s.Branch, from)
	return nil
}

// findRules looks for existing rules. They define the hosts that may receive
// secrets, and make the example unnecessary.
func (r *initRun) findRules(*app, gitFacts) error {
	if r.existingConfig.file != nil {
		for _, p := range r.existingConfig.file.Projects {
			for _, rules := range p.Rules {
				if !slices.Contains(r.settings.RulePaths, rules) {
					r.settings.RulePaths = append(r.settings.RulePaths, rules)
				}
			}
		}
		return nil
	}
	folder := filepath.Join(r.dir, path.Dir(scaffold.ExamplePath))
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		r.example = true
	} else {
		found, problems := config.Scan([]string{folder})
		if schema.HasErrors(problems) {
			return invalidFile(problems[0])
		}
		// A directory without files yields exactly one problem, a warning.
		r.example = len(found) == 0 && len(problems) > 0
		r.settings.Destinations = hostsOf(found)
	}
	if r.example {
		r.settings.Destinations = []string{scaffold.ExampleHost}
		r.addFact("hosts", scaffold.ExampleHost, "from the example rule")
	} else if len(r.settings.Destinations) > 0 {
		r.addFact("hosts", joinNames(r.settings.Destinations), "from the rules that are there")
	}
	return nil
}

// hostsOf returns the hosts of the rules' URLs, sorted.
func hostsOf(rules []config.RuleFile) []string {
	var out []string
	for _, rule := range rules {
		if o := webhook.OriginOf(rule.URL); o.IsKnown() {
			out = append(out, o.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var (
	ownerHandle = regexp.MustCompile(`^@[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9._-]+)?$`)
	mailAddress = regexp.MustCompile(`^[^\s@#]+@[^\s@#]+$`)
)

func (r *initRun) checkCodeOwners() error {
	for _, c := range r.codeOwners {
		if !ownerHandle.MatchString(c) && !mailAddress.MatchString(c) {
			return usagef(r.commandLine("codeowner", "@org/team"), "--codeowner %q: expected @user, @org/team or a mail address", c)
		}
	}
	return nil
}

func (r *initRun) findCodeOwners(_ *app, git gitFacts) error {
	s := &r.settings
	account := "@" + git.remote.Account
	switch {
	case len(r.codeOwners) > 0:
		s.CodeOwners = r.codeOwners
	case git.remote.OnGitHub() && ownerHandle.MatchString(account):
		s.CodeOwners = []string{account}
	}
	return nil
}

var releaseVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

// toolRef returns the commit or the release of this program, or else the branch
// main.
func toolRef() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "main"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	switch {
	case settings["vcs.revision"] != "" && settings["vcs.modified"] == "false":
		return settings["vcs.revision"]
	case releaseVersion.MatchString(info.Main.Version):
		return info.Main.Version
	}
	return "main"
}
