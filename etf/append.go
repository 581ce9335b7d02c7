package etf

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"slices"
)

// The functions here add one term, or the head of one, to dst and return the
// longer slice, as append does. None checks its arguments: what a caller may
// get wrong is written with each. [Append] is the one that checks.

// Text is what atoms, binaries and strings are made from.
type Text interface{ ~string | ~[]byte }

// AppendVersion starts a term that stands alone.
func AppendVersion(dst []byte) []byte { return append(dst, Version) }

// AppendTupleHeader starts a tuple; arity terms must follow.
func AppendTupleHeader(dst []byte, arity int) []byte {
	if arity < 256 {
		return append(dst, byte(tagSmallTuple), byte(arity))
	}
	return append32(append(dst, byte(tagLargeTuple)), uint32(arity))
}

// AppendListHeader starts a list; n terms and a tail must follow. The tail of
// a proper list is [AppendNil]. An empty list is AppendNil alone.
func AppendListHeader(dst []byte, n int) []byte {
	return append32(append(dst, byte(tagList)), uint32(n))
}

// AppendNil adds the empty list.
func AppendNil(dst []byte) []byte { return append(dst, byte(tagNil)) }

// AppendMapHeader starts a map; pairs keys, each with its value after it,
// must follow, and no key may come twice.
func AppendMapHeader(dst []byte, pairs int) []byte {
	return append32(append(dst, byte(tagMap)), uint32(pairs))
}

// AppendAtom adds an atom as SMALL_ATOM_UTF8_EXT, or ATOM_UTF8_EXT if it
// takes more than 255 bytes. name must be UTF-8 of at most 255 characters.
func AppendAtom[T Text](dst []byte, name T) []byte {
	if len(name) < 256 {
		dst = append(dst, byte(tagSmallAtomUTF8), byte(len(name)))
	} else {
		dst = append(dst, byte(tagAtomUTF8), byte(len(name)>>8), byte(len(name)))
	}
	return append(dst, name...)
}

// AppendBool adds the atom true or false.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, byte(tagSmallAtomUTF8), 4, 't', 'r', 'u', 'e')
	}
	return append(dst, byte(tagSmallAtomUTF8), 5, 'f', 'a', 'l', 's', 'e')
}

// AppendInt adds an integer with the tag that the BEAM would choose:
// SMALL_INTEGER_EXT for a byte, INTEGER_EXT for 32 bits, else SMALL_BIG_EXT.
func AppendInt(dst []byte, v int64) []byte {
	switch {
	case uint64(v) < 256:
		return append(dst, byte(tagSmallInteger), byte(v))
	case v == int64(int32(v)):
		return append32(append(dst, byte(tagInteger)), uint32(v))
	case v < 0:
		return appendSmallBig(dst, 1, -uint64(v))
	}
	return appendSmallBig(dst, 0, uint64(v))
}

// AppendUint is [AppendInt] for unsigned integers.
func AppendUint(dst []byte, v uint64) []byte {
	if v <= math.MaxInt64 {
		return AppendInt(dst, int64(v))
	}
	return appendSmallBig(dst, 0, v)
}

func appendSmallBig(dst []byte, sign byte, v uint64) []byte {
	n := (bits.Len64(v) + 7) / 8
	dst = append(dst, byte(tagSmallBig), byte(n), sign)
	for ; n > 0; n-- {
		dst = append(dst, byte(v))
		v >>= 8
	}
	return dst
}

// AppendBigInt adds an integer of any size.
func AppendBigInt(dst []byte, v *big.Int) []byte {
	if v.IsInt64() {
		return AppendInt(dst, v.Int64())
	}
	n := (v.BitLen() + 7) / 8
	dst = slices.Grow(dst, n+6)
	if n < 256 {
		dst = append(dst, byte(tagSmallBig), byte(n))
	} else {
		dst = append32(append(dst, byte(tagLargeBig)), uint32(n))
	}
	var sign byte
	if v.Sign() < 0 {
		sign = 1
	}
	dst = append(dst, sign)
	for _, w := range v.Bits() {
		for i := 0; i < bits.UintSize/8 && n > 0; i++ {
			dst = append(dst, byte(w))
			w >>= 8
			n--
		}
	}
	return dst
}

// AppendFloat adds a float as NEW_FLOAT_EXT. v must be finite: Erlang has
// neither infinities nor NaN.
func AppendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, byte(tagNewFloat)), math.Float64bits(v))
}

// AppendBinary adds a binary.
func AppendBinary[T Text](dst []byte, data T) []byte {
	return append(AppendBinaryHeader(dst, len(data)), data...)
}

// AppendBinaryHeader starts a binary of n bytes, which must follow by other
// means, such as a second element of a vectored write.
func AppendBinaryHeader(dst []byte, n int) []byte {
	return append32(append(dst, byte(tagBinary)), uint32(n))
}

// AppendString adds a list of bytes, in Erlang a string: NIL_EXT if it is
// empty, STRING_EXT up to 65,535 bytes, LIST_EXT above.
func AppendString[T Text](dst []byte, s T) []byte {
	switch n := len(s); {
	case n == 0:
		return AppendNil(dst)
	case n <= math.MaxUint16:
		dst = append(dst, byte(tagString), byte(n>>8), byte(n))
		return append(dst, s...)
	}
	dst = AppendListHeader(slices.Grow(dst, 2*len(s)+6), len(s))
	for i := range len(s) {
		dst = append(dst, byte(tagSmallInteger), s[i])
	}
	return AppendNil(dst)
}

// AppendRaw adds a term that is encoded already.
func AppendRaw(dst []byte, t RawTerm) []byte { return append(dst, t...) }

func append32(dst []byte, v uint32) []byte {
	return append(dst, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}
