package report

import "testing"

func TestLine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		width, hang int
		spans       []span
		want        string
	}{
		{"fits", 40, 4, []span{textSpan("a "), textSpan("b")}, "  a b\n"},
		{"no width", 0, 4, []span{textSpan("a    b  ")}, "  a    b\n"},
		{"at a space", 40, 4, []span{textSpan("0123456789 0123456789 0123456789 0123456789")}, "  0123456789 0123456789 0123456789\n    │ 0123456789\n"},
		{"within a word", 40, 4, []span{textSpan("k "), textSpan("01234567890123456789012345678901234567890123456789")}, "  k\n    │ 0123456789012345678901234567890123\n    │ 4567890123456789\n"},
		{"not within a label", 40, 4, []span{solidSpan("k ", styleNone), textSpan("01234567890123456789012345678901234567890123456789")}, "  k 012345678901234567890123456789012345\n    │ 67890123456789\n"},
		{"two columns each", 40, 4, []span{solidSpan("k ", styleNone), textSpan("漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢")}, "  k 漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢漢\n    │ 漢漢\n"},
		{"no columns", 40, 4, []span{textSpan("e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301")}, "  e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301\n"},
		{"hang beyond the half", 40, 39, []span{textSpan("0123456789 0123456789 0123456789 0123456789")}, "  0123456789 0123456789 0123456789\n                    │ 0123456789\n"},
		{"brackets of two spans", 40, 4, []span{textSpan("a#"), textSpan("#"), textSpan("#[b")}, "  a#\\u{23}#[b\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPrinter(TextOptions{Width: tc.width})
			p.printLine(2, tc.hang, tc.spans...)
			if got := p.buf.String(); got != tc.want {
				t.Errorf("got:\n%swant:\n%s", got, tc.want)
			}
		})
	}
}
