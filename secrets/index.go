package secrets

// index finds any of many needles in one pass, whatever their number.
//
// The window is the length of the shortest needle, within bounds. The first window bytes of each
// needle are taken apart into blocks of 4 bytes. Of a text only each (window-3)rd
// block has to be looked up: wherever a needle begins, one of its blocks is there.
type index struct {
	// least is the length below which a needle is not taken.
	least int
	// shortest is the length of the shortest needle, 0 if there is none.
	shortest int
	window   int // at most maxWindow
	needles  map[string]bool
	blocks   map[uint32][]spot
	// filter has a bit for each block, so that most lookups cost no more.
	filter [1 << 12]uint64
}

// maxWindow bounds the blocks of a needle.
const maxWindow = 32

// spot is a needle, and where a block is in it.
type spot struct {
	needle string // folded
	at     int
}

// folded maps letters to lower case, and + to a space, as it is in a query.
var folded = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	for c := byte('A'); c <= 'Z'; c++ {
		t[c] = c + ('a' - 'A')
	}
	t['+'] = ' '
	return t
}()

func fold(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = folded[b[i]]
	}
	return string(b)
}

// add adds a needle, unless it is too short.
func (x *index) add(needle string) {
	needle = fold(needle)
	if len(needle) < x.least || x.needles[needle] {
		return
	}
	if x.needles == nil {
		x.needles, x.blocks = map[string]bool{}, map[uint32][]spot{}
	}
	x.needles[needle] = true
	if x.shortest == 0 || len(needle) < x.shortest {
		x.shortest = len(needle)
	}
	if window := min(x.shortest, maxWindow); window != x.window {
		x.window, x.filter = window, [1 << 12]uint64{}
		clear(x.blocks)
		for n := range x.needles {
			x.take(n)
		}
		return
	}
	x.take(needle)
}

// take adds the blocks of a needle.
func (x *index) take(needle string) {
	for at := 0; at+4 <= x.window; at++ {
		k := block([]byte(needle[at : at+4]))
		x.blocks[k] = append(x.blocks[k], spot{needle, at})
		h := hash(k)
		x.filter[h>>6] |= 1 << (h & 63)
	}
}

// block is the folded beginning of b.
func block(b []byte) uint32 {
	_ = b[3]
	return uint32(folded[b[0]]) | uint32(folded[b[1]])<<8 | uint32(folded[b[2]])<<16 | uint32(folded[b[3]])<<24
}

// hash spreads blocks over the bits of the filter.
func hash(k uint32) uint32 { return k * 2654435761 >> 14 }

// find reports whether b holds a needle.
func (x *index) find(b []byte) bool {
	if len(x.blocks) == 0 {
		return false
	}
	for i := x.window - 4; i+4 <= len(b); i += x.window - 3 {
		k := block(b[i:])
		if h := hash(k); x.filter[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, s := range x.blocks[k] {
			if from := i - s.at; from >= 0 && begins(b[from:], s.needle) {
				return true
			}
		}
	}
	return false
}

// begins reports whether b begins with a folded needle.
func begins(b []byte, needle string) bool {
	if len(b) < len(needle) {
		return false
	}
	for i := range len(needle) {
		if folded[b[i]] != needle[i] {
			return false
		}
	}
	return true
}
