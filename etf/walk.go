package etf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// A walker steps over terms without making values. Everything that decodes
// passes here first: it is the only place that decides whether bytes are a
// term, and what it counts lets the decoder allocate once and exactly.
type walker struct {
	data []byte
	opts *DecodeOptions
	left int // elements that may still be declared
	err  *Error
	census
}

// A census counts what the term model needs memory for.
type census struct {
	slots    int // elements of tuples and of lists, free variables
	pairs    int
	tuples   int
	lists    int
	maps     int
	atoms    int
	ints     int // that an int64 may hold and a byte may not
	floats   int
	binaries int
	strings  int
	text     int // bytes of names as UTF-8, those of nodes too, and of small binaries and strings
}

// smallData is the size up to which binaries and strings share one allocation.
const smallData = 64

func (c *census) addData(n int) {
	if n <= smallData {
		c.text += n
	}
}

// terms steps over n terms from off and returns the offset behind them, or -1
// after setting w.err.
func (w *walker) terms(off, n, depth int) int {
	d := w.data
	if depth > w.opts.maxDepth() && n > 0 {
		return w.fail(off, ErrLimit, "terms are nested deeper than %d levels", w.opts.maxDepth())
	}
	for ; n > 0; n-- {
		if off >= len(d) {
			return w.fail(off, ErrTruncated, "a term is missing")
		}
		var size int // of the whole term
		tag := Tag(d[off])
		switch tag {
		case tagSmallInteger:
			size = 2
		case tagInteger:
			start := off // and what is like it behind: lists of integers are long
			for ; n > 0 && len(d)-off >= 5 && Tag(d[off]) == tagInteger; n-- {
				off += 5
			}
			if off == start {
				return w.short(off, 5)
			}
			w.ints += (off - start) / 5
			n++ // which the loop counts once more
			continue
		case tagSmallAtomUTF8, tagAtomUTF8, tagSmallAtom, tagAtom, tagAtomCacheRef:
			next := w.atom(off)
			if next < 0 {
				return -1
			}
			w.atoms++
			off = next
			continue
		case tagNil:
			size = 1
		case tagBinary:
			m, ok := w.length32(off)
			if !ok {
				return -1
			}
			if m > len(d)-off-5 {
				return w.claim(off, 5, m, "bytes")
			}
			w.binaries++
			w.addData(m)
			size = 5 + m
		case tagString:
			if len(d)-off < 3 {
				return w.short(off, 3)
			}
			m := int(binary.BigEndian.Uint16(d[off+1:]))
			if m > len(d)-off-3 {
				return w.claim(off, 3, m, "bytes")
			}
			w.strings++
			w.addData(m)
			size = 3 + m
		case tagNewFloat:
			if len(d)-off < 9 {
				return w.short(off, 9)
			}
			if !finite(binary.BigEndian.Uint64(d[off+1:])) {
				return w.fail(off, ErrValue, "%s is not finite", tag)
			}
			w.floats++
			size = 9
		case tagFloat:
			if len(d)-off < 32 {
				return w.short(off, 32)
			}
			if _, ok := parseOldFloat(d[off+1 : off+32]); !ok {
				return w.fail(off, ErrValue, "%s holds %q, which is no float", tag, d[off+1:off+32])
			}
			w.floats++
			size = 32
		case tagSmallBig, tagLargeBig:
			at, m := w.big(off)
			if at < 0 {
				return -1
			}
			if m <= 8 {
				w.ints++
			}
			size = at - off + m
		case tagBitBinary:
			if len(d)-off < 6 {
				return w.short(off, 6)
			}
			m, _ := w.length32(off)
			if m > len(d)-off-6 {
				return w.claim(off, 6, m, "bytes")
			}
			if used := d[off+5]; used > 8 || (used == 0) != (m == 0) {
				return w.fail(off, ErrValue, "%s of %d bytes uses %d bits of the last", tag, m, used)
			}
			w.addData(m)
			size = 6 + m
		default:
			if off = w.compound(off, depth); off < 0 {
				return -1
			}
			continue
		}
		if size > len(d)-off {
			return w.short(off, size)
		}
		off += size
	}
	return off
}

// compound steps over a term that holds others.
func (w *walker) compound(off, depth int) int {
	d := w.data
	tag := Tag(d[off])
	switch tag {
	case tagSmallTuple, tagLargeTuple:
		at, n := w.tupleHeader(off)
		if at < 0 {
			return -1
		}
		w.tuples++
		w.slots += n
		return w.terms(at, n, depth+1)
	case tagList:
		w.lists++
		// A list in the tail of a list continues it, at the same depth.
		for off < len(d) && Tag(d[off]) == tagList {
			at, n := w.listHeader(off)
			if at < 0 {
				return -1
			}
			w.slots += n
			if off = w.terms(at, n, depth+1); off < 0 {
				return -1
			}
		}
		return w.terms(off, 1, depth+1)
	case tagMap:
		at, n := w.mapHeader(off)
		if at < 0 {
			return -1
		}
		w.maps++
		w.pairs += n
		return w.mapping(at, n, depth+1)
	case tagNewPid, tagPid, tagNewPort, tagPort, tagV4Port, tagNewerRef, tagNewRef, tagRef:
		return w.identifier(off)
	case tagExport:
		at := w.expect(off, off+1, KindAtom, depth)
		if at >= 0 {
			at = w.expect(off, at, KindAtom, depth)
		}
		if at < 0 {
			return -1
		}
		next := w.expect(off, at, KindInteger, depth)
		if next >= 0 && Tag(d[at]) == tagInteger && be32(d[at+1:]) > 255 {
			return w.fail(off, ErrValue, "%s has an arity above 255", tag)
		}
		return next
	case tagNewFun:
		return w.newFun(off, depth)
	case tagFun:
		free, ok := w.length32(off)
		if !ok {
			return -1
		}
		at := off + 5
		for _, kind := range [...]Kind{KindPid, KindAtom, KindInteger, KindInteger} {
			if at = w.expect(off, at, kind, depth); at < 0 {
				return -1
			}
		}
		if !w.declare(off, at, free, 1, 0, "free variables") {
			return -1
		}
		w.slots += free
		return w.terms(at, free, depth+1)
	case tagLocal:
		// Nobody but its writer knows where it ends, so it must be last.
		if off > 1 || depth > 0 {
			return w.fail(off, ErrTag, "%s may only follow the version byte", tag)
		}
		if len(d)-off < 2 {
			return w.short(off, 2)
		}
		return len(d)
	}
	return w.fail(off, ErrTag, "%s starts no term", tag)
}

// mapping steps over n pairs.
func (w *walker) mapping(off, n, depth int) int {
	if n < 2 {
		return w.terms(off, 2*n, depth)
	}
	var few [fewKeys]key
	keys := few[:0]
	if n > fewKeys {
		keys = make([]key, 0, n)
	}
	for range n {
		value := w.terms(off, 1, depth)
		if value < 0 {
			return -1
		}
		if k, ok := makeKey(w.data, off, w.opts); ok {
			keys = append(keys, k)
		}
		if off = w.terms(value, 1, depth); off < 0 {
			return -1
		}
	}
	if at := findDuplicate(w.data, keys, w.opts); at >= 0 {
		return w.fail(at, ErrDuplicate, "the key %s comes twice in a map", formatKey(w.data[at:], w.opts))
	}
	return off
}

// newFun checks NEW_FUN_EXT: size, arity, uniq, index, the number of free
// variables, module, old index, old uniq, pid, free variables.
func (w *walker) newFun(off, depth int) int {
	const head = 1 + 4 + 1 + 16 + 4 + 4
	d := w.data
	if len(d)-off < head {
		return w.short(off, head)
	}
	size, _ := w.length32(off) // counts itself, not the tag
	if size > len(d)-off-1 {
		return w.claim(off, 1, size, "bytes")
	}
	free := int(binary.BigEndian.Uint32(d[off+head-4:]))
	at := off + head
	for _, kind := range [...]Kind{KindAtom, KindInteger, KindInteger, KindPid} {
		if at = w.expect(off, at, kind, depth); at < 0 {
			return -1
		}
	}
	if !w.declare(off, at, free, 1, 0, "free variables") {
		return -1
	}
	w.slots += free
	if at = w.terms(at, free, depth+1); at < 0 {
		return -1
	}
	if at != off+1+size {
		return w.fail(off, ErrValue, "%s claims a size of %d, and takes %d", tagNewFun, size, at-off-1)
	}
	return at
}

// expect steps over a part of the term at off that must be of one kind. An
// integer there is a small one.
func (w *walker) expect(off, at int, kind Kind, depth int) int {
	if at >= len(w.data) {
		return w.short(off, at+1-off)
	}
	tag := Tag(w.data[at])
	if tag.Kind() != kind || tag == tagSmallBig || tag == tagLargeBig {
		return w.fail(at, ErrTag, "%s is in %s where a small %s belongs", tag, Tag(w.data[off]), kind)
	}
	return w.terms(at, 1, depth+1)
}

// identifier steps over a pid, port or reference.
func (w *walker) identifier(off int) int {
	at, size := off+1, 0 // of what follows the node
	switch tag := Tag(w.data[off]); tag {
	case tagNewPid:
		size = 12
	case tagPid:
		size = 9
	case tagNewPort:
		size = 8
	case tagPort, tagRef:
		size = 5
	case tagV4Port:
		size = 12
	case tagNewerRef, tagNewRef:
		if len(w.data)-off < 3 {
			return w.short(off, 3)
		}
		words := int(binary.BigEndian.Uint16(w.data[off+1:]))
		if words < 1 || words > maxRefWords {
			return w.fail(off, ErrValue, "%s has %d words, 1 to %d are known", tag, words, maxRefWords)
		}
		at, size = off+3, 4*words+1
		if tag == tagNewerRef {
			size += 3
		}
	}
	if at >= len(w.data) {
		return w.short(off, at+1-off)
	}
	if Tag(w.data[at]).Kind() != KindAtom {
		return w.fail(at, ErrTag, "%s is in %s where the node belongs", Tag(w.data[at]), Tag(w.data[off]))
	}
	if at = w.atom(at); at < 0 {
		return -1
	}
	if size > len(w.data)-at {
		return w.short(off, at+size-off)
	}
	return at + size
}

// atom steps over an atom and checks its name.
func (w *walker) atom(off int) int {
	d := w.data
	tag := Tag(d[off])
	at := off + 2 // of the name
	if tag == tagAtomUTF8 || tag == tagAtom {
		at++
	}
	if len(d) < at {
		return w.short(off, at-off)
	}
	n := int(d[at-1])
	switch tag {
	case tagAtomCacheRef:
		name, ok := w.opts.cached(d[at-1])
		if !ok {
			return w.fail(off, ErrTag, "%s %d is not in the cache", tag, d[at-1])
		}
		w.text += len(name)
		return at
	case tagAtomUTF8, tagAtom:
		n |= int(d[at-2]) << 8
	}
	if n > len(d)-at {
		return w.claim(off, at-off, n, "bytes")
	}
	name := d[at : at+n]
	chars := n
	w.text += n
	if !ascii(name) {
		if tag == tagSmallAtom || tag == tagAtom {
			for _, c := range name {
				w.text += int(c >> 7)
			}
		} else {
			if !utf8.Valid(name) {
				return w.fail(off, ErrValue, "%s is not UTF-8", tag)
			}
			chars = utf8.RuneCount(name)
		}
	}
	if chars > w.opts.maxAtom() {
		return w.fail(off, ErrLimit, "%s has %d characters, the limit is %d", tag, chars, w.opts.maxAtom())
	}
	return at + n
}

// tupleHeader, listHeader and mapHeader return the offset of the first element
// and the number of elements or pairs, -1 after setting w.err.
func (w *walker) tupleHeader(off int) (at, n int) {
	if Tag(w.data[off]) == tagSmallTuple {
		if len(w.data)-off < 2 {
			return w.short(off, 2), 0
		}
		at, n = off+2, int(w.data[off+1])
	} else {
		m, ok := w.length32(off)
		if !ok {
			return -1, 0
		}
		at, n = off+5, m
	}
	if !w.declare(off, at, n, 1, 0, "elements") {
		return -1, 0
	}
	return at, n
}

func (w *walker) listHeader(off int) (at, n int) {
	n, ok := w.length32(off)
	if !ok || !w.declare(off, off+5, n, 1, 1, "elements") {
		return -1, 0
	}
	return off + 5, n
}

func (w *walker) mapHeader(off int) (at, n int) {
	n, ok := w.length32(off)
	if !ok || !w.declare(off, off+5, n, 2, 0, "pairs") {
		return -1, 0
	}
	return off + 5, n
}

// declare checks that n things of at least width bytes each, and tail bytes
// more, can be in what is left from at, and takes them off the allowance.
func (w *walker) declare(off, at, n, width, tail int, what string) bool {
	left := len(w.data) - at
	if n > (left-tail)/width || left < tail {
		if tail > 0 && n <= left {
			what += " and a tail"
		}
		w.claim(off, at-off, n, what)
		return false
	}
	if w.left -= n * width; w.left < 0 {
		w.fail(off, ErrLimit, "%s brings the elements above the limit of %d", Tag(w.data[off]), w.opts.maxElements())
		return false
	}
	return true
}

// big returns the offset of an integer's magnitude and its bytes.
func (w *walker) big(off int) (at, n int) {
	d := w.data
	if Tag(d[off]) == tagSmallBig {
		if len(d)-off < 3 {
			return w.short(off, 3), 0
		}
		at, n = off+3, int(d[off+1])
	} else {
		if len(d)-off < 6 {
			return w.short(off, 6), 0
		}
		m, _ := w.length32(off)
		at, n = off+6, m
	}
	if n > len(d)-at {
		return w.claim(off, at-off, n, "bytes"), 0
	}
	if n > w.opts.maxBig() {
		return w.fail(off, ErrLimit, "%s has %d bytes, the limit is %d", Tag(d[off]), n, w.opts.maxBig()), 0
	}
	return at, n
}

func (w *walker) length32(off int) (int, bool) {
	if len(w.data)-off < 5 {
		w.short(off, 5)
		return 0, false
	}
	return int(binary.BigEndian.Uint32(w.data[off+1:])), true
}

//go:noinline
func (w *walker) fail(off int, err error, format string, args ...any) int {
	w.err = &Error{Offset: off, Err: err, Detail: fmt.Sprintf(format, args...)}
	if off < len(w.data) {
		w.err.Tag = Tag(w.data[off])
	}
	return -1
}

// short reports a term that the end of the input cuts.
func (w *walker) short(off, size int) int {
	return w.fail(off, ErrTruncated, "%s takes %d bytes, %d are left", Tag(w.data[off]), size, len(w.data)-off)
}

// claim reports a length that the input cannot hold.
func (w *walker) claim(off, head, n int, what string) int {
	return w.fail(off, ErrTruncated, "%s claims %d %s, %d bytes are left", Tag(w.data[off]), n, what, len(w.data)-off-head)
}

func finite(bits uint64) bool { return bits>>52&0x7ff != 0x7ff }

// parseOldFloat reads the text of FLOAT_EXT, sprintf("%.20e") with NULs behind.
// What the text must look like is what sys_chars_to_double of the BEAM takes.
func parseOldFloat(b []byte) (float64, bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	rest := sign(b)
	rest, whole := digits(rest)
	if len(rest) == 0 || rest[0] != '.' {
		return 0, false
	}
	rest, fraction := digits(rest[1:])
	exponent := 1
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		rest, exponent = digits(sign(rest[1:]))
	}
	if whole == 0 || fraction == 0 || exponent == 0 || len(rest) > 0 {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil && !math.IsInf(f, 0)
}

func sign(b []byte) []byte {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		return b[1:]
	}
	return b
}

func digits(b []byte) (rest []byte, n int) {
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return b[n:], n
}

// ascii looks at eight bytes at a time.
func ascii(b []byte) bool {
	const high = 0x8080808080808080
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&high != 0 {
			return false
		}
		b = b[8:]
	}
	var or byte
	for _, c := range b {
		or |= c
	}
	return or < utf8.RuneSelf
}
