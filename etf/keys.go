package etf

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
)

// ErrDuplicate: a key that comes twice in one map.
var ErrDuplicate = errors.New("duplicate key")

// keySet finds a key that comes twice in a map, decoded or to be encoded, as
// binary_to_term/1 does. It looks at keys that are atoms, numbers and binaries,
// which are compared by value, whatever tags encode them. Compound keys are
// not compared: their canonical form would cost more than a walk.
type keySet struct {
	keys     []key
	unsorted bool
	few      [32]key
}

// key is the canonical form of a key, and where it is.
type key struct {
	kind Kind
	data []byte
	off  int
}

func (a key) compare(b key) int {
	if c := cmp.Compare(a.kind, b.kind); c != 0 {
		return c
	}
	return bytes.Compare(a.data, b.data)
}

// expect makes room for n keys.
func (s *keySet) expect(n int) {
	if s.keys = s.few[:0]; n > len(s.few) {
		s.keys = make([]key, 0, n)
	}
}

// add takes in the key that is encoded at off and fills raw.
func (s *keySet) add(off int, raw []byte, opts *DecodeOptions) {
	k := key{off: off, kind: Tag(raw[0]).Kind()}
	switch Tag(raw[0]) {
	case tagSmallAtomUTF8:
		k.data = raw[2:]
	case tagSmallInteger:
		k.data = raw
	case tagBinary:
		k.data = raw[5:]
	default:
		sc := Scanner{data: raw, opts: opts}
		switch k.kind {
		case KindAtom:
			k.data = sc.Atom()
		case KindFloat:
			k.data = AppendFloat(nil, sc.Float())
		case KindInteger:
			if Tag(raw[0]) == tagInteger && be32(raw[1:]) > 255 {
				k.data = raw
			} else {
				k.data = AppendBigInt(nil, sc.BigInt())
			}
		case KindBitstring:
			if raw[5] != 8 && raw[5] != 0 {
				return
			}
			k.kind, k.data = KindBinary, raw[6:]
		default:
			return
		}
	}
	if n := len(s.keys); n > 0 && !s.unsorted && s.keys[n-1].compare(k) >= 0 {
		s.unsorted = true
	}
	s.keys = append(s.keys, k)
}

// duplicate returns the offset of a key that is not the first of its kind, -1
// if there is none.
func (s *keySet) duplicate() int {
	if !s.unsorted {
		return -1
	}
	slices.SortFunc(s.keys, key.compare)
	for i := 1; i < len(s.keys); i++ {
		if s.keys[i-1].compare(s.keys[i]) == 0 {
			return max(s.keys[i-1].off, s.keys[i].off)
		}
	}
	return -1
}

// pair is the offsets of a pair and of its value in an encoder's output.
type pair struct{ key, value, end int }

// sortPairs orders the encoded pairs by their keys' bytes. The first starts
// where the output of the map does.
func sortPairs(data []byte, pairs []pair) {
	byKey := func(a, b pair) int { return bytes.Compare(data[a.key:a.value], data[b.key:b.value]) }
	if len(pairs) == 0 || slices.IsSortedFunc(pairs, byKey) {
		return
	}
	start := pairs[0].key
	slices.SortFunc(pairs, byKey)
	sorted := make([]byte, 0, len(data)-start)
	for i, p := range pairs {
		at := start + len(sorted)
		sorted = append(sorted, data[p.key:p.end]...)
		pairs[i] = pair{at, at + p.value - p.key, at + p.end - p.key}
	}
	copy(data[start:], sorted)
}
