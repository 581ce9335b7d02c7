package etf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// ErrDuplicate: a key that comes twice in one map.
var ErrDuplicate = errors.New("duplicate key")

// A key is what is known of one key of a map: where it is encoded, and a
// fingerprint that equal keys share.
type key struct {
	print uint64
	off   int
}

// fewKeys is how many keys are compared each with each, in memory on the
// stack; more are sorted.
const fewKeys = 32

// findDuplicate returns the offset of a key that is in keys before, -1 if there
// is none. As binary_to_term/1 does, it compares by value, whatever tags encode
// it. But it looks at atoms, numbers and binaries alone: to bring a compound
// key into one form would cost more than all the rest.
func findDuplicate(data []byte, keys []key, opts *DecodeOptions) int {
	if len(keys) <= fewKeys {
		for i := 1; i < len(keys); i++ {
			for j := range keys[:i] {
				if keys[i].print == keys[j].print && compareKeys(data, keys[i], keys[j], opts) == 0 {
					return keys[i].off
				}
			}
		}
		return -1
	}
	slices.SortFunc(keys, func(a, b key) int {
		if c := cmp.Compare(a.print, b.print); c != 0 {
			return c
		}
		return compareKeys(data, a, b, opts)
	})
	for i := 1; i < len(keys); i++ {
		if keys[i-1].print == keys[i].print && compareKeys(data, keys[i-1], keys[i], opts) == 0 {
			return max(keys[i-1].off, keys[i].off)
		}
	}
	return -1
}

func compareKeys(data []byte, a, b key, opts *DecodeOptions) int {
	aKind, aData := canonicalKey(data[a.off:], opts)
	bKind, bData := canonicalKey(data[b.off:], opts)
	return cmp.Or(cmp.Compare(aKind, bKind), bytes.Compare(aData, bData))
}

// makeKey is the key that is encoded at off; ok is false if it is compound.
func makeKey(data []byte, off int, opts *DecodeOptions) (k key, ok bool) {
	kind, d := canonicalKey(data[off:], opts)
	if kind == KindInvalid {
		return key{}, false
	}
	const prime = 0x9E3779B97F4A7C15
	h := uint64(kind)<<32 | uint64(len(d))
	if len(d) >= 8 {
		h = (h ^ binary.LittleEndian.Uint64(d)) * prime
		h = (h>>32 ^ h ^ binary.LittleEndian.Uint64(d[len(d)-8:])) * prime
	} else {
		var v uint64
		for _, c := range d {
			v = v<<8 | uint64(c)
		}
		h = (h ^ v<<8) * prime
	}
	return key{print: h, off: off}, true
}

// canonicalKey returns the kind and the bytes by which the key at the start of
// data can be compared, KindInvalid if it is compound.
func canonicalKey(data []byte, opts *DecodeOptions) (Kind, []byte) {
	tag := Tag(data[0])
	kind := tag.Kind()
	switch tag {
	case tagSmallAtomUTF8:
		return kind, data[2 : 2+int(data[1])]
	case tagAtom, tagSmallAtom, tagAtomUTF8, tagAtomCacheRef:
		s := Scanner{data: data, opts: opts}
		return kind, s.Atom()
	case tagSmallInteger:
		return kind, data[:2]
	case tagBinary:
		return kind, data[5 : 5+be32(data[1:])]
	case tagBitBinary:
		if data[5] == 8 || data[5] == 0 {
			return KindBinary, data[6 : 6+be32(data[1:])]
		}
	case tagInteger:
		if be32(data[1:]) > 255 {
			return kind, data[:5]
		}
		return kind, []byte{byte(tagSmallInteger), data[4]}
	case tagSmallBig, tagLargeBig:
		s := Scanner{data: data, opts: opts}
		return kind, AppendBigInt(nil, s.BigInt())
	case tagNewFloat:
		return kind, data[:9]
	case tagFloat:
		s := Scanner{data: data, opts: opts}
		return kind, AppendFloat(nil, s.Float())
	}
	return KindInvalid, nil
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
