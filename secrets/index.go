package secrets

// index searches a text for many needles in one pass, independent of their
// number.
//
// The window is the length of the shortest needle, at most maxWindow. The index
// contains all blocks of 4 bytes in the first window bytes of each needle. A
// search only looks up each (window-3)rd block of the text: one of a needle's
// blocks is always at such an offset.
type index struct {
	// least is the minimum length of a needle, in bytes; shorter needles are
	// dropped.
	least int
	// shortest is the length of the shortest needle, 0 if there is none.
	shortest int
	window   int // at most maxWindow
	// binary is set if a needle is not printable ASCII. Then a decoded text that
	// is not printable may hold a needle.
	binary  bool
	needles map[string]bool
	blocks  map[uint32][]spot
	// filter has a bit for each block, so that most lookups need no map.
	filter [1 << 12]uint64
}

// maxWindow limits the number of blocks of a needle.
const maxWindow = 32

// spot is the offset of a block in a needle.
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

// addNeedle adds a needle, unless it is too short or already present.
func (x *index) addNeedle(needle string) {
	needle = fold(needle)
	if len(needle) < x.least || x.needles[needle] {
		return
	}
	if x.needles == nil {
		x.needles, x.blocks = map[string]bool{}, map[uint32][]spot{}
	}
	x.needles[needle] = true
	x.binary = x.binary || !isPrintable(needle)
	if x.shortest == 0 || len(needle) < x.shortest {
		x.shortest = len(needle)
	}
	if window := min(x.shortest, maxWindow); window != x.window {
		x.window, x.filter = window, [1 << 12]uint64{}
		clear(x.blocks)
		for n := range x.needles {
			x.addBlocks(n)
		}
		return
	}
	x.addBlocks(needle)
}

// addBlocks adds the blocks of a needle.
func (x *index) addBlocks(needle string) {
	for at := 0; at+4 <= x.window; at++ {
		k := foldedBlock([]byte(needle[at : at+4]))
		x.blocks[k] = append(x.blocks[k], spot{needle, at})
		h := filterBit(k)
		x.filter[h>>6] |= 1 << (h & 63)
	}
}

// foldedBlock returns the first 4 bytes of b, folded.
func foldedBlock(b []byte) uint32 {
	_ = b[3]
	return uint32(folded[b[0]]) | uint32(folded[b[1]])<<8 | uint32(folded[b[2]])<<16 | uint32(folded[b[3]])<<24
}

// filterBit spreads blocks over the bits of the filter.
func filterBit(k uint32) uint32 { return k * 2654435761 >> 14 }

// containsNeedle reports whether b contains a needle.
func (x *index) containsNeedle(b []byte) bool {
	if len(x.blocks) == 0 {
		return false
	}
	for i := x.window - 4; i+4 <= len(b); i += x.window - 3 {
		k := foldedBlock(b[i:])
		if h := filterBit(k); x.filter[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, s := range x.blocks[k] {
			if from := i - s.at; from >= 0 && hasFoldedPrefix(b[from:], s.needle) {
				return true
			}
		}
	}
	return false
}

// hasFoldedPrefix reports whether b begins with a folded needle.
func hasFoldedPrefix(b []byte, needle string) bool {
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
