package report

import (
	"fmt"
	"io"
	"strings"
)

// Settings contains the settings in force for a run, with their sources.
type Settings struct {
	FormatVersion int `json:"formatVersion"`
	// Config is the config file, or "".
	Config   string            `json:"config"`
	Settings []Setting         `json:"settings"`
	Projects []ProjectSettings `json:"projects"`
}

// ProjectSettings contains the settings in force for a project.
type ProjectSettings struct {
	Name     string    `json:"name"`
	Settings []Setting `json:"settings"`
}

// Setting is a setting with its value: text, true or false, a number or a list
// of texts. None is a secret.
type Setting struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
	// From contains the sources of the value: flags, environment variables,
	// lines of the config file, or default.
	From []string `json:"from"`
}

// SettingsJSON writes the settings as a JSON document.
func SettingsJSON(w io.Writer, s *Settings) error { return writeJSON(w, s) }

// SettingsText writes the settings in columns: name, value and source.
func SettingsText(w io.Writer, s *Settings, o TextOptions) error {
	p := newPrinter(o)
	wide, value := 0, 0
	for _, x := range s.allSettings() {
		wide = max(wide, countColumns(x.Name))
		value = max(value, countColumns(x.formatValue()))
	}
	value = min(value, 40) // a long list must not push the sources out of sight
	list := func(settings []Setting) {
		for _, x := range settings {
			p.printLine(2, 2+wide+2, solidSpan(pad(x.Name, wide)+"  ", styleNone), textSpan(pad(x.formatValue(), value)), styledSpan("  "+strings.Join(escapeAll(x.From), ", "), styleDim))
		}
	}
	file := "none"
	if s.Config != "" {
		file = quoteName(s.Config)
	}
	p.printLine(0, 2, textSpan("Config file: "+file))
	list(s.Settings)
	for _, project := range s.Projects {
		p.printBlank()
		p.printLine(0, 2, textSpan("Project "), styledSpan(quoteName(project.Name), styleBold))
		list(project.Settings)
	}
	return p.flush(w)
}

// SettingsMarkdown writes the settings as tables.
func SettingsMarkdown(w io.Writer, s *Settings, o MarkdownOptions) error {
	var b builder
	file := "none"
	if s.Config != "" {
		file = code(quoteName(s.Config))
	}
	table := func(title string, settings []Setting) {
		b.addPart(partTitle, title+"\n\n"+tableHead("Setting", "Value", "From"))
		for _, x := range settings {
			b.addPart(partRow, tableRow(code(x.Name), code(x.formatValue()), prose(strings.Join(x.From, ", "))))
		}
		b.addPart(partTitle, "\n")
	}
	b.addPart(partHead, "### mkhooks config\n\n")
	table("Config file: "+file, s.Settings)
	for _, project := range s.Projects {
		table("#### Project "+code(quoteName(project.Name)), project.Settings)
	}
	return writeAll(w, b.fitParts(o.Limit, o.Show))
}

func (s *Settings) allSettings() []Setting {
	out := s.Settings
	for _, p := range s.Projects {
		out = append(out[:len(out):len(out)], p.Settings...)
	}
	return out
}

// formatValue formats the value for readers.
func (s Setting) formatValue() string {
	switch v := s.Value.(type) {
	case []string:
		if len(v) == 0 {
			return "none"
		}
		return strings.Join(escapeAll(v), ", ")
	case string:
		if v == "" {
			return "none"
		}
		return Escape(v)
	}
	return fmt.Sprint(s.Value)
}

func escapeAll(all []string) []string {
	out := make([]string, 0, len(all))
	for _, s := range all {
		out = append(out, Escape(s))
	}
	return out
}
