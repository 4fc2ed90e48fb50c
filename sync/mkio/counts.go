package mkio

import (
	"fmt"
	"strconv"
)

// counts are the numbers beside the total with which a service describes a page. The
// service documents their names, not their meaning. So every plausible meaning must
// pass: a count of the page or of the whole list, and positions that begin at 0 or 1
// and include the last entry or not. nil is an absent number.
type counts struct {
	n int // entries on the page
	count, records,
	start, end *int
}

// number returns a whole number, or nil. The counts are not needed, so a value of
// another type is no error.
func (o object) number(name string) *int {
	if o.isAbsent(name) {
		return nil
	}
	n, err := strconv.Atoi(string(o.fieldValue(name)))
	if err != nil {
		return nil
	}
	return &n
}

// contradiction returns how the counts of a page contradict its entries or the page
// before, or "". before is nil for the first page.
func (p *page) contradiction(before *page) string {
	c := p.counts
	for _, field := range []struct {
		name  string
		value *int
	}{{"supplemental.count", c.count}, {"pagination.records", c.records}} {
		if v := field.value; v != nil && *v != c.n && (!p.hasTotal || *v != p.total) {
			return fmt.Sprintf("the service lists %d records on a page, and its %s is %d", c.n, field.name, *v)
		}
	}
	if c.start == nil || c.end == nil || *c.start == 0 && *c.end == 0 {
		return "" // a service without positions may write zeros
	}
	if span := *c.end - *c.start; c.n > 0 && span != c.n && span != c.n-1 {
		return fmt.Sprintf("the service lists %d records on a page that goes from %d to %d", c.n, *c.start, *c.end)
	}
	if before == nil || before.counts.start == nil || before.counts.n == 0 || c.n == 0 {
		return ""
	}
	// New records shift the positions by as many as the total grew.
	gap := *c.start - *before.counts.start - before.counts.n
	if grown := max(0, p.total-before.total); gap < 0 || gap > grown {
		return fmt.Sprintf("the service lists a page of %d records from %d on, and then a page from %d on", before.counts.n, *before.counts.start, *c.start)
	}
	return ""
}
