package etf

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"unicode/utf8"
)

// RawTerm is one encoded term without the version byte 131. It passes through
// this package untouched: a pid, port or reference from any release reaches
// whoever understands it with the very bytes it came with.
type RawTerm []byte

// A Scanner reads terms from bytes one after another, by the calls that the
// caller makes: TupleHeader, then its elements, and so on. Nothing is
// allocated unless something is wrong, but by what makes a copy as its comment
// says, and for a while by Raw and Skip over a map of more than 32 keys, to find
// one that comes twice.
//
// The first failure sticks: what is read after it is zero, so that a whole
// message can be read before one look at [Scanner.Err] or [Scanner.Finish].
// A count of 0 from TupleHeader or any other method ends the loop over it.
//
// Atom, Binary, String and Raw return parts of the input, valid as long as
// the input is.
//
// A Scanner may be copied to remember a place, and is for one goroutine.
type Scanner struct {
	data []byte // nil after a failure, which makes every later read fail
	off  int
	left int // elements that may still be declared
	opts *DecodeOptions
	err  error
}

// NewScanner returns a Scanner at the start of data, with the default limits.
func NewScanner(data []byte) Scanner {
	return Scanner{data: data, left: DefaultMaxElements}
}

// NewScanner returns a Scanner at the start of data, with the limits and the
// atom cache of o.
func (o *DecodeOptions) NewScanner(data []byte) Scanner {
	s := Scanner{data: data, left: o.maxElements(), opts: o}
	if err := o.check(); err != nil {
		s.data, s.err = nil, err
	}
	return s
}

// Err returns the first failure, an [*Error], or nil.
func (s *Scanner) Err() error { return s.err }

// Offset returns how many bytes have been read, or where the failure is.
func (s *Scanner) Offset() int {
	if e, ok := s.err.(*Error); ok {
		return e.Offset
	}
	return s.off
}

// Rest returns the bytes that have not been read.
func (s *Scanner) Rest() []byte { return s.data[s.off:] }

// Finish returns the first failure, which may be that bytes are left.
func (s *Scanner) Finish() error {
	if s.err == nil && s.off < len(s.data) {
		s.fail(s.off, ErrTrailing, "%d bytes follow the term", len(s.data)-s.off)
	}
	return s.err
}

// Tag returns the tag of the next term without reading it, 0 if there is none.
func (s *Scanner) Tag() Tag {
	if s.off < len(s.data) {
		return Tag(s.data[s.off])
	}
	return 0
}

// Kind returns the class of the next term without reading it, KindInvalid if
// there is none.
func (s *Scanner) Kind() Kind { return s.Tag().Kind() }

// Version reads the byte 131 that starts a term that stands alone. If the term
// is compressed it is inflated here, within MaxInflated, and the Scanner goes
// on in the inflated bytes; only then is anything allocated.
func (s *Scanner) Version() {
	if s.off >= len(s.data) {
		s.missing()
		return
	}
	if s.data[s.off] != Version {
		s.fail(s.off, ErrVersion, "the version is %d, not %d", s.data[s.off], Version)
		return
	}
	s.off++
	if s.off < len(s.data) && Tag(s.data[s.off]) == tagCompressed {
		inflated, size, err := inflate(s.data[s.off:], s.off, s.opts)
		switch {
		case err != nil:
			s.stop(err)
		case s.off+size < len(s.data):
			s.fail(s.off+size, ErrTrailing, "%d bytes follow the compressed term", len(s.data)-s.off-size)
		default:
			s.data, s.off = inflated, 0
		}
	}
}

// TupleHeader reads the head of a tuple and returns its arity. That many terms
// follow.
func (s *Scanner) TupleHeader() int {
	if d := s.data[s.off:]; len(d) >= 2 && Tag(d[0]) == tagSmallTuple {
		if n := int(d[1]); n <= len(d)-2 && n <= s.left {
			s.off += 2
			s.left -= n
			return n
		}
	}
	return s.header(KindTuple)
}

// ListHeader reads the head of LIST_EXT and returns how many elements follow.
// After them comes the tail: [Scanner.Nil] if the list is proper. A list may
// as well be empty (KindNil) or a string (KindString).
func (s *Scanner) ListHeader() int { return s.header(KindList) }

// MapHeader reads the head of a map and returns how many pairs follow, each a
// key and a value.
func (s *Scanner) MapHeader() int { return s.header(KindMap) }

func (s *Scanner) header(kind Kind) int {
	if !s.expect(kind) {
		return 0
	}
	w := walker{data: s.data, opts: s.opts, left: s.left}
	var at, n int
	switch kind {
	case KindTuple:
		at, n = w.tupleHeader(s.off)
	case KindList:
		at, n = w.listHeader(s.off)
	case KindMap:
		at, n = w.mapHeader(s.off)
	}
	if at < 0 {
		s.stop(w.err)
		return 0
	}
	s.off, s.left = at, w.left
	return n
}

// Nil reads the empty list.
func (s *Scanner) Nil() {
	if s.off < len(s.data) && Tag(s.data[s.off]) == tagNil {
		s.off++
		return
	}
	s.expect(KindNil)
}

// Atom reads an atom and returns its name as UTF-8. It is part of the input,
// but for an old Latin-1 atom with a character above 127 and for a cached
// atom, which are copied.
func (s *Scanner) Atom() []byte {
	if d := s.data[s.off:]; len(d) >= 2 && Tag(d[0]) == tagSmallAtomUTF8 {
		n := int(d[1]) + 2
		if n <= len(d) && n-2 <= s.opts.maxAtom() && ascii(d[2:n]) {
			s.off += n
			return d[2:n:n]
		}
	}
	return s.atom()
}

func (s *Scanner) atom() []byte {
	if !s.expect(KindAtom) {
		return nil
	}
	w := walker{data: s.data, opts: s.opts}
	next := w.atom(s.off)
	if next < 0 {
		s.stop(w.err)
		return nil
	}
	tag := Tag(s.data[s.off])
	at := s.off + 2
	if tag == tagAtomUTF8 || tag == tagAtom {
		at++
	}
	s.off = next
	if tag == tagAtomCacheRef {
		name, _ := s.opts.cached(s.data[at-1])
		return []byte(name)
	}
	name := s.data[at:next:next]
	if (tag == tagSmallAtom || tag == tagAtom) && !ascii(name) {
		return appendLatin1(nil, name)
	}
	return name
}

func appendLatin1(dst, s []byte) []byte {
	for _, c := range s {
		dst = utf8.AppendRune(dst, rune(c))
	}
	return dst
}

// Bool reads one of the atoms true and false.
func (s *Scanner) Bool() bool {
	at := s.off
	switch name := s.Atom(); {
	case string(name) == "true":
		return true
	case string(name) != "false" && s.err == nil:
		s.fail(at, ErrKind, "the atom %s is no boolean", quoteAtom(string(name)))
	}
	return false
}

// Int reads an integer that fits in 64 bits.
func (s *Scanner) Int() int64 {
	if d := s.data[s.off:]; len(d) >= 5 {
		switch Tag(d[0]) {
		case tagSmallInteger:
			s.off += 2
			return int64(d[1])
		case tagInteger:
			s.off += 5
			return int64(int32(binary.BigEndian.Uint32(d[1:])))
		}
	}
	at := s.off
	negative, v, big := s.integer()
	switch {
	case big != nil || !negative && v > math.MaxInt64 || negative && v > 1<<63:
		s.fail(at, ErrRange, "the integer does not fit in an int64")
		return 0
	case negative:
		return -int64(v)
	}
	return int64(v)
}

// Uint reads an integer from 0 to 2^64-1.
func (s *Scanner) Uint() uint64 {
	at := s.off
	negative, v, big := s.integer()
	if big != nil || negative {
		s.fail(at, ErrRange, "the integer does not fit in a uint64")
		return 0
	}
	return v
}

// BigInt reads an integer of any size, and allocates it.
func (s *Scanner) BigInt() *big.Int {
	negative, v, mag := s.integer()
	i := new(big.Int)
	if mag == nil {
		i.SetUint64(v)
	} else {
		words := make([]big.Word, (len(mag)+wordBytes-1)/wordBytes)
		for k, b := range mag {
			words[k/wordBytes] |= big.Word(b) << (k % wordBytes * 8)
		}
		i.SetBits(words)
	}
	if negative {
		i.Neg(i)
	}
	return i
}

const wordBytes = bits.UintSize / 8

// integer reads an integer as its sign and its magnitude: v if 64 bits hold
// it, else the bytes of mag, the lowest first and the last not 0.
func (s *Scanner) integer() (negative bool, v uint64, mag []byte) {
	if !s.expect(KindInteger) {
		return false, 0, nil
	}
	d := s.data[s.off:]
	switch tag := Tag(d[0]); tag {
	case tagSmallInteger:
		if len(d) < 2 {
			s.short(2)
			return false, 0, nil
		}
		s.off += 2
		return false, uint64(d[1]), nil
	case tagInteger:
		if len(d) < 5 {
			s.short(5)
			return false, 0, nil
		}
		s.off += 5
		if i := int64(int32(binary.BigEndian.Uint32(d[1:]))); i < 0 {
			return true, uint64(-i), nil
		} else {
			return false, uint64(i), nil
		}
	}
	w := walker{data: s.data, opts: s.opts}
	at, n := w.big(s.off)
	if at < 0 {
		s.stop(w.err)
		return false, 0, nil
	}
	s.off = at + n
	negative, mag = s.data[at-1] != 0, s.data[at:at+n]
	for n > 0 && mag[n-1] == 0 {
		n--
	}
	if n > 8 {
		return negative, 0, mag[:n]
	}
	for n--; n >= 0; n-- {
		v = v<<8 | uint64(mag[n])
	}
	return negative && v > 0, v, nil
}

// Float reads a float, in either of its formats.
func (s *Scanner) Float() float64 {
	if !s.expect(KindFloat) {
		return 0
	}
	at := s.off
	t := s.Raw()
	switch {
	case t == nil:
		return 0
	case s.data[at] == byte(tagNewFloat):
		return math.Float64frombits(binary.BigEndian.Uint64(t[1:]))
	}
	f, _ := parseOldFloat(t[1:])
	return f
}

// Binary reads a binary. The bytes are part of the input.
func (s *Scanner) Binary() []byte {
	if d := s.data[s.off:]; len(d) >= 5 && Tag(d[0]) == tagBinary {
		if n := int(binary.BigEndian.Uint32(d[1:])); n <= len(d)-5 {
			s.off += 5 + n
			return d[5 : 5+n : 5+n]
		}
	}
	return s.part(KindBinary, 5)
}

// String reads STRING_EXT, a list of bytes that is not empty. The bytes are
// part of the input. An empty list (KindNil), or one that happens to be in
// LIST_EXT, is not read: see [Scanner.AppendIOData].
func (s *Scanner) String() []byte { return s.part(KindString, 3) }

// Bitstring reads BIT_BINARY_EXT. The bytes are part of the input; of the last,
// the used bits count (1 to 8, 0 if there is no byte), from the highest on.
func (s *Scanner) Bitstring() (data []byte, used int) {
	at := s.off
	if data = s.part(KindBitstring, 6); data != nil {
		used = int(s.data[at+5])
	}
	return data, used
}

// part reads a term of one kind and returns what follows its head.
func (s *Scanner) part(kind Kind, head int) []byte {
	if !s.expect(kind) {
		return nil
	}
	if t := s.Raw(); t != nil {
		return t[head:]
	}
	return nil
}

// Raw steps over the next term, whatever it is, and returns its bytes, which
// are part of the input. The term is checked in full. LOCAL_EXT, which may only
// follow the version byte, takes everything that is left.
func (s *Scanner) Raw() RawTerm {
	if s.err != nil {
		return nil
	}
	at := s.off
	w := walker{data: s.data, opts: s.opts, left: s.left}
	next := w.terms(at, 1, 0)
	if next < 0 {
		s.stop(w.err)
		return nil
	}
	s.off, s.left = next, w.left
	return RawTerm(s.data[at:next:next])
}

// Skip steps over the next term.
func (s *Scanner) Skip() { s.Raw() }

// AppendIOData reads iodata and adds its bytes to dst: a binary, or a list of
// bytes, binaries and more such lists, of which the tail may be a binary.
// After a failure dst comes back as it was.
func (s *Scanner) AppendIOData(dst []byte) []byte {
	n := len(dst)
	switch s.Kind() {
	case KindBinary, KindString, KindNil, KindList:
		dst = s.appendIOData(dst, 0)
	default:
		s.expect(KindBinary)
	}
	if s.err != nil {
		return dst[:n]
	}
	return dst
}

func (s *Scanner) appendIOData(dst []byte, depth int) []byte {
	switch s.Kind() {
	case KindBinary:
		return append(dst, s.Binary()...)
	case KindString:
		return append(dst, s.String()...)
	case KindNil:
		s.off++
		return dst
	case KindList:
		if depth > s.opts.maxDepth() {
			s.fail(s.off, ErrLimit, "iodata is nested deeper than %d levels", s.opts.maxDepth())
			return dst
		}
		for s.Kind() == KindList { // a list in the tail goes on at the same depth
			for n := s.ListHeader(); n > 0 && s.err == nil; n-- {
				if s.Kind() != KindInteger {
					dst = s.appendIOData(dst, depth+1)
					continue
				}
				at := s.off
				v := s.Int()
				if s.err == nil && (v < 0 || v > 255) {
					s.fail(at, ErrRange, "%d is no byte of iodata", v)
				}
				dst = append(dst, byte(v))
			}
		}
		if s.err == nil {
			dst = s.appendIOData(dst, depth+1)
		}
		return dst
	}
	if s.off >= len(s.data) {
		s.missing()
	} else {
		s.fail(s.off, ErrKind, "%s is no iodata", s.Tag())
	}
	return dst
}

// expect reports whether the next term is of a kind, and fails if not.
func (s *Scanner) expect(kind Kind) bool {
	switch {
	case s.off >= len(s.data):
		s.missing()
	case s.Kind() == kind:
		return true
	case s.Kind() == KindInvalid:
		s.fail(s.off, ErrTag, "%s starts no term", s.Tag())
	default:
		s.fail(s.off, ErrKind, "%s is no %s", s.Tag(), kind)
	}
	return false
}

func (s *Scanner) missing() {
	if s.err == nil {
		s.fail(s.off, ErrTruncated, "a term is missing")
	}
}

func (s *Scanner) short(size int) {
	s.fail(s.off, ErrTruncated, "%s takes %d bytes, %d are left", s.Tag(), size, len(s.data)-s.off)
}

//go:noinline
func (s *Scanner) fail(off int, kind error, format string, args ...any) {
	if s.err != nil {
		return
	}
	e := &Error{Offset: off, Err: kind, Detail: fmt.Sprintf(format, args...)}
	if off < len(s.data) {
		e.Tag = Tag(s.data[off])
	}
	s.stop(e)
}

func (s *Scanner) stop(err error) {
	s.err, s.data, s.off, s.left = err, nil, 0, 0
}
