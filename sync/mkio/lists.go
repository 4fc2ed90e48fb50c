package mkio

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// ListLimit limits how much of one list is read. A service, or a server in its
// place, may never end a list, and rules are held in memory.
type ListLimit struct {
	// Pages and Records count from the beginning of the list.
	Pages, Records int
	// Bytes counts the JSON of the pages.
	Bytes int64
	// Time begins with the first request. It is checked after each page.
	Time time.Duration
}

// The limits of lists. A project of 100,000 rules and a history of 1,000,000
// records fit in them, in pages of 100.
var (
	// maxRules: a rule has some 600 bytes. All rules are held in memory, which
	// takes up to three times as much.
	maxRules = ListLimit{Pages: 10_000, Records: 250_000, Bytes: 256 << 20, Time: 30 * time.Minute}
	// maxHistory: a record has some 180 bytes. A history is not held in memory, but
	// an archive of it takes disk space. The published rate limit allows 100,000
	// pages in 50 minutes.
	maxHistory = ListLimit{Pages: 100_000, Records: 10_000_000, Bytes: 4 << 30, Time: 2 * time.Hour}
)

func (l *ListLimit) setDefaults(d ListLimit) {
	setDefault(&l.Pages, d.Pages)
	setDefault(&l.Records, d.Records)
	setDefault(&l.Bytes, d.Bytes)
	setDefault(&l.Time, d.Time)
}

// errEndless marks a list that is longer than a limit.
var errEndless = errors.New("the list has no end that could be reached")

// listCount counts how much of a list was read.
type listCount struct {
	began          time.Time
	pages, records int
	bytes          int64
}

// addPage counts a page. The error states the limit that the list exceeds, or would
// exceed with its next page.
func (l *listCount) addPage(p page, size int, limit ListLimit) error {
	l.pages++
	l.records += len(p.value)
	l.bytes += int64(size)
	took := time.Since(l.began)
	most := ""
	switch more := p.next != ""; {
	case l.records > limit.Records || p.hasTotal && p.total > limit.Records:
		most = fmt.Sprintf("%d entries", limit.Records)
	case l.bytes > limit.Bytes:
		most = fmt.Sprintf("%d bytes", limit.Bytes)
	case more && l.pages >= limit.Pages:
		most = fmt.Sprintf("%d pages", limit.Pages)
	case more && took > limit.Time:
		most = limit.Time.String()
	default:
		return nil
	}
	so := fmt.Sprintf("%d pages with %d entries and %d bytes in %s", l.pages, l.records, l.bytes, took.Round(time.Millisecond))
	if p.hasTotal {
		so += fmt.Sprintf(", of %d entries by its own count", p.total)
	}
	return fmt.Errorf("%w: read %s; mkhooks reads at most %s of it", errEndless, so, most)
}

// maxLink is the most bytes of a link to the next page.
const maxLink = 16 << 10

// visits are the queries of pages that were read, by their digests: queries may be
// long.
type visits map[[sha256.Size]byte]struct{}

// addQuery adds a query and reports whether it is new.
func (v visits) addQuery(query string) bool {
	sum := sha256.Sum256([]byte(query))
	_, known := v[sum]
	v[sum] = struct{}{}
	return !known
}
