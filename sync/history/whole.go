package history

import "fmt"

// A history is complete if every record was listed once. An alert needs less
// and more than that. Records created during the reading belong to the next
// run. But a record that may be missing, or that has no known status or time,
// must not count as a success.

// undecidedReason returns why it is unknown whether a record failed, or "".
func (r *Reading) undecidedReason() string {
	if why := r.whole.MayMiss(); why != "" {
		return why
	}
	if n := r.status.Other; n > 0 {
		return fmt.Sprintf("the status of %s is not one that this version knows", recordsPhrase(n))
	}
	if n := r.untimed; n > 0 {
		return fmt.Sprintf("the time of %s is missing", recordsPhrase(n))
	}
	return ""
}

func recordsPhrase(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}
