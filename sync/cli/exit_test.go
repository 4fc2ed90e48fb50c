package cli

import (
	"testing"

	"github.com/mkhooks/mkhooks/sync/apply"
)

// TestExitPrecedence checks every pair of exit codes against the order in the
// contract: 130, 3, then 1 or 5, then 4, then 2.
func TestExitPrecedence(t *testing.T) {
	t.Parallel()
	order := [][]int{{130}, {3}, {1, 5}, {4}, {2}, {0}}
	for i, first := range order {
		for _, later := range order[i+1:] {
			for _, a := range first {
				for _, b := range later {
					if got := worseCode(a, b); got != a {
						t.Errorf("worse(%d, %d) = %d, want %d", a, b, got, a)
					}
					if got := worseCode(b, a); got != a {
						t.Errorf("worse(%d, %d) = %d, want %d", b, a, got, a)
					}
				}
			}
		}
	}
}

func TestOutcomeCode(t *testing.T) {
	t.Parallel()
	want := map[apply.Outcome]int{
		apply.Applied: 0, apply.Nothing: 0, apply.Refused: 4, apply.Partial: 5, apply.Failed: 1, apply.Interrupted: 130,
	}
	for outcome, code := range want {
		if got := outcomeCode(outcome); got != code {
			t.Errorf("outcomeCode(%s) = %d, want %d", outcome, got, code)
		}
	}
}
