package report

import "github.com/mkhooks/mkhooks/sync/plan"

// failingTitle and failingWhy precede the rules whose latest deliveries failed.
const (
	failingTitle = "Failing"
	failingWhy   = ": the latest deliveries failed; a secret or a receiver may be broken"
)

// printFailing lists the rules whose latest deliveries failed.
func (p *printer) printFailing(rules []plan.Failing) {
	if len(rules) == 0 {
		return
	}
	p.printBlank()
	p.printLine(0, 2, styledSpan(failingTitle+failingWhy, styleRed))
	wide := 0
	for _, f := range rules {
		wide = max(wide, min(countColumns(quoteName(f.Rule)), maxRuleColumn))
	}
	for _, f := range rules {
		p.printLine(2, 4, solidSpan("! ", styleRed), textSpan(pad(quoteName(f.Rule), wide)+"  "+failingWords(f)+formatMinute(f.From)))
	}
}

// failingWords returns the text before the time of the first failure.
func failingWords(f plan.Failing) string {
	least := ""
	if f.AtLeast {
		least = "at least "
	}
	if f.Records == 1 && least == "" {
		return "1 failure, at "
	}
	return least + countNoun(f.Records, "failure", "failures") + " in a row, since "
}

// failingList adds the list of [printer.printFailing] in Markdown.
func (b *builder) failingList(rules []plan.Failing) {
	addList(b, "**"+failingTitle+"**"+failingWhy, rules, func(f plan.Failing) string {
		return shortCode(f.Rule) + ": " + failingWords(f) + code(formatMinute(f.From))
	})
}
