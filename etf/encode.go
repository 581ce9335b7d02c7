package etf

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"sync"
	"unicode/utf8"
)

// ErrUnsupported: a Go value that is no term, such as a channel or NaN. The
// error of [Marshal] wraps it, [ErrValue] or [ErrLimit].
var ErrUnsupported = errors.New("not representable")

// Marshal returns v as a term with its version byte, as term_to_binary/1 would
// write it. The types of the term model encode as what they are, see [Term].
// Others:
//
//	nil, a nil pointer         the atom undefined
//	bool                       the atoms true and false
//	integers, floats           integers, floats
//	string                     a binary
//	[]byte, [N]byte            a binary
//	other slices and arrays    a list, nil slices the empty list
//	map                        a map, its pairs ordered by their encoded keys
//	struct                     a map with atoms for keys, or as its tags say
//	pointer, interface         what they hold
//	RawTerm                    the term it holds
//	Marshaler                  what AppendETF appends
//	encoding.TextMarshaler     a binary
//
// So text is a binary unless the caller says otherwise, by type (Atom, String)
// or by a field's tag. The tag of a field is its key and options after commas:
//
//	Field T `etf:"key"`            another key than the field's name
//	Field T `etf:"-"`              no part of the term
//	Field T `etf:",omitempty"`     left out of maps and proplists if empty
//	Field string `etf:",atom"`     an atom
//	Field string `etf:",charlist"` a list of Unicode code points, as "text" in Erlang
//	Field []T `etf:",tuple"`       a tuple instead of a list
//
// The shape of a struct is said by the tag of a field named _:
//
//	_ struct{} `etf:",map"`        a map with atom keys, the default
//	_ struct{} `etf:",binarykeys"` a map with binary keys
//	_ struct{} `etf:",proplist"`   a list of pairs {key, Value}
//	_ struct{} `etf:"name,tuple"`  a tuple that starts with the atom name, as a record
//	_ struct{} `etf:",tuple"`      a tuple of the fields alone
//
// Fields of embedded structs count as the outer struct's own.
//
// Where several tags fit, the one that the BEAM writes is taken, with two
// exceptions: atoms are always UTF-8 (SMALL_ATOM_UTF8_EXT, ATOM_UTF8_EXT), and
// nothing is compressed unless [EncodeOptions] ask for it. Floats are
// NEW_FLOAT_EXT; pids, ports and references take their newest tags; lists of
// up to 65,535 bytes are STRING_EXT.
func Marshal(v any) ([]byte, error) { return EncodeOptions{}.Marshal(v) }

// Append adds v to dst as [Marshal] encodes it, without the version byte. If
// that fails, dst comes back as it was.
func Append(dst []byte, v any) ([]byte, error) { return EncodeOptions{}.Append(dst, v) }

// EncodeOptions chooses how terms are written. The zero value is the default.
type EncodeOptions struct {
	// Sorted orders the pairs of every [Map] by their encoded keys, so that
	// equal terms become equal bytes. The BEAM's own order is another one.
	Sorted bool

	// Compress is the zlib level, 1 to 9, for Marshal; 0 does not compress.
	// As in term_to_binary/2, a term that would not get smaller stays plain.
	Compress int
}

// Marshal is the function [Marshal] with options.
func (o EncodeOptions) Marshal(v any) ([]byte, error) {
	if o.Compress < 0 || o.Compress > zlib.BestCompression {
		return nil, fmt.Errorf("etf: Compress is %d, allowed are 0 to %d", o.Compress, zlib.BestCompression)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	dst, err := o.Append(append((*buf)[:0], Version), v)
	if cap(dst) <= maxBuffer {
		*buf = dst
	}
	if err != nil {
		return nil, err
	}
	if o.Compress > 0 && uint64(len(dst)) <= math.MaxUint32 {
		if dst, err = compress(dst, o.Compress); err != nil {
			return nil, err
		}
	}
	return append([]byte(nil), dst...), nil
}

// buffers holds what Marshal appends to before it knows the length.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is the largest buffer that is kept for the next Marshal.
const maxBuffer = 1 << 18

func compress(plain []byte, level int) ([]byte, error) {
	var out bytes.Buffer
	out.Write([]byte{Version, byte(tagCompressed)})
	out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(plain)-1)))
	z, err := zlib.NewWriterLevel(&out, level)
	if err != nil {
		return nil, err
	}
	if _, err = z.Write(plain[1:]); err == nil {
		err = z.Close()
	}
	if err != nil || out.Len() >= len(plain) {
		return plain, err
	}
	return out.Bytes(), nil
}

// Append is the function [Append] with options. Compress does not apply.
func (o EncodeOptions) Append(dst []byte, v any) ([]byte, error) {
	n := len(dst)
	e := encoder{dst: dst, sorted: o.Sorted}
	if err := e.term(v); err != nil {
		return e.dst[:n], err
	}
	return e.dst, nil
}

// A Marshaler encodes itself: it appends exactly one term, without the version
// byte, with [Append] or the other Append functions.
type Marshaler interface {
	AppendETF(dst []byte) ([]byte, error)
}

// The depth that ends a value which holds itself.
const maxEncodeDepth = maxMaxDepth

type encoder struct {
	dst    []byte
	sorted bool
	depth  int
}

func (e *encoder) term(v any) error {
	switch v := v.(type) {
	case Atom:
		return e.atom(string(v))
	case int64:
		e.dst = AppendInt(e.dst, v)
	case int:
		e.dst = AppendInt(e.dst, int64(v))
	case []byte:
		return e.binary(v)
	case string:
		if err := e.size(len(v), "a binary"); err != nil {
			return err
		}
		e.dst = AppendBinary(e.dst, v)
	case Tuple:
		return e.tuple(v)
	case List:
		return e.list(v)
	case Map:
		return e.mapping(v)
	case String:
		if err := e.size(len(v), "a string"); err != nil {
			return err
		}
		e.dst = AppendString(e.dst, v)
	case bool:
		e.dst = AppendBool(e.dst, v)
	case nil:
		e.dst = AppendAtom(e.dst, "undefined")
	case float64:
		return e.float(v)
	case *big.Int:
		if v == nil {
			e.dst = AppendAtom(e.dst, "undefined")
			return nil
		}
		e.dst = AppendBigInt(e.dst, v)
	case Pid:
		if err := checkAtom(string(v.Node)); err != nil {
			return err
		}
		e.dst = AppendPid(e.dst, v)
	case Port:
		if err := checkAtom(string(v.Node)); err != nil {
			return err
		}
		e.dst = AppendPort(e.dst, v)
	case Ref:
		if v.Len < 1 || v.Len > maxRefWords {
			return fmt.Errorf("etf: a reference of %d words: %w", v.Len, ErrValue)
		}
		if err := checkAtom(string(v.Node)); err != nil {
			return err
		}
		e.dst = AppendRef(e.dst, v)
	case ImproperList:
		return e.improper(v)
	case Bitstring:
		return e.bitstring(v)
	case Fun:
		return e.fun(v)
	case Export:
		if err := cmp.Or(checkAtom(string(v.Module)), checkAtom(string(v.Function))); err != nil {
			return err
		}
		e.dst = AppendAtom(AppendAtom(append(e.dst, byte(tagExport)), v.Module), v.Function)
		e.dst = append(e.dst, byte(tagSmallInteger), v.Arity)
	case Local:
		if e.depth > 0 || len(v) == 0 {
			return fmt.Errorf("etf: a local term inside another or empty: %w", ErrValue)
		}
		e.dst = append(append(e.dst, byte(tagLocal)), v...)
	case RawTerm:
		return e.raw(v)
	case Marshaler:
		return e.marshaler(v)
	default:
		return e.reflect(reflect.ValueOf(v))
	}
	return nil
}

func (e *encoder) enter() error {
	if e.depth++; e.depth > maxEncodeDepth {
		return fmt.Errorf("etf: nested deeper than %d levels, or in a circle: %w", maxEncodeDepth, ErrLimit)
	}
	return nil
}

func (e *encoder) atom(name string) error {
	if n := len(name); n <= 255 && ascii(bytesOf(name)) {
		e.dst = append(append(e.dst, byte(tagSmallAtomUTF8), byte(n)), name...)
		return nil
	}
	if err := checkAtom(name); err != nil {
		return err
	}
	e.dst = AppendAtom(e.dst, name)
	return nil
}

func checkAtom(name string) error {
	if len(name) <= 255 && ascii(bytesOf(name)) {
		return nil
	}
	switch {
	case !utf8.ValidString(name):
		return fmt.Errorf("etf: the atom %q is not UTF-8: %w", name, ErrValue)
	case utf8.RuneCountInString(name) > 255:
		return fmt.Errorf("etf: an atom of %d characters: %w", utf8.RuneCountInString(name), ErrLimit)
	}
	return nil
}

// size refuses what a 32-bit length cannot say.
func (e *encoder) size(n int, what string) error {
	if uint64(n) > math.MaxUint32 {
		return fmt.Errorf("etf: %s of %d elements: %w", what, n, ErrLimit)
	}
	return nil
}

func (e *encoder) binary(b []byte) error {
	if err := e.size(len(b), "a binary"); err != nil {
		return err
	}
	e.dst = AppendBinary(e.dst, b)
	return nil
}

func (e *encoder) float(f float64) error {
	if !finite(math.Float64bits(f)) {
		return fmt.Errorf("etf: the float %v: %w", f, ErrUnsupported)
	}
	e.dst = AppendFloat(e.dst, f)
	return nil
}

func (e *encoder) terms(v []Term) error {
	if err := e.enter(); err != nil {
		return err
	}
	for _, t := range v {
		var err error
		switch t := t.(type) { // the most frequent ones on the spot
		case Atom:
			err = e.atom(string(t))
		case int64:
			e.dst = AppendInt(e.dst, t)
		default:
			err = e.term(t)
		}
		if err != nil {
			return err
		}
	}
	e.depth--
	return nil
}

func (e *encoder) tuple(v Tuple) error {
	if err := e.size(len(v), "a tuple"); err != nil {
		return err
	}
	e.dst = AppendTupleHeader(e.dst, len(v))
	return e.terms(v)
}

func (e *encoder) list(v List) error {
	if len(v) == 0 {
		e.dst = AppendNil(e.dst)
		return nil
	}
	if err := e.size(len(v), "a list"); err != nil {
		return err
	}
	if e.bytes(v) {
		return nil
	}
	e.dst = AppendListHeader(e.dst, len(v))
	if err := e.terms(v); err != nil {
		return err
	}
	e.dst = AppendNil(e.dst)
	return nil
}

// bytes adds v as STRING_EXT if it can be one.
func (e *encoder) bytes(v List) bool {
	if len(v) > math.MaxUint16 {
		return false
	}
	n := len(e.dst)
	for i, t := range v {
		var c int64
		switch t := t.(type) {
		case int64:
			c = t
		case int:
			c = int64(t)
		default:
			c = -1
		}
		if uint64(c) > 255 {
			e.dst = e.dst[:n]
			return false
		}
		if i == 0 {
			e.dst = append(slices.Grow(e.dst, len(v)+3), byte(tagString), byte(len(v)>>8), byte(len(v)))
		}
		e.dst = append(e.dst, byte(c))
	}
	return true
}

func (e *encoder) improper(v ImproperList) error {
	if err := e.size(len(v.Elements), "a list"); err != nil {
		return err
	}
	if len(v.Elements) == 0 {
		return fmt.Errorf("etf: an improper list without elements: %w", ErrValue)
	}
	switch tail := v.Tail.(type) { // that is a list: make them one
	case List:
		return e.list(slices.Concat(List(v.Elements), tail))
	case String:
		l := slices.Clone(List(v.Elements))
		for i := range len(tail) {
			l = append(l, int64(tail[i]))
		}
		return e.list(l)
	case ImproperList:
		return e.improper(ImproperList{slices.Concat(v.Elements, tail.Elements), tail.Tail})
	}
	e.dst = AppendListHeader(e.dst, len(v.Elements))
	if err := e.terms(v.Elements); err != nil {
		return err
	}
	if err := e.enter(); err != nil {
		return err
	}
	if err := e.term(v.Tail); err != nil {
		return err
	}
	e.depth--
	return nil
}

func (e *encoder) mapping(v Map) error {
	if err := e.size(len(v), "a map"); err != nil {
		return err
	}
	e.dst = AppendMapHeader(e.dst, len(v))
	if err := e.enter(); err != nil {
		return err
	}
	var few [fewKeys]key
	keys := few[:0]
	if len(v) > fewKeys {
		keys = make([]key, 0, len(v))
	}
	var pairs []pair
	for i := range v {
		p := pair{key: len(e.dst)}
		if err := e.term(v[i].Key); err != nil {
			return err
		}
		p.value = len(e.dst)
		if err := e.term(v[i].Value); err != nil {
			return err
		}
		if e.sorted {
			p.end = len(e.dst)
			pairs = append(pairs, p)
		}
		if k, ok := makeKey(e.dst, p.key, checkRaw); ok {
			keys = append(keys, k)
		}
	}
	e.depth--
	if err := e.checkKeys(keys); err != nil {
		return err
	}
	sortPairs(e.dst, pairs)
	return nil
}

// checkKeys refuses a key that comes twice in a map.
func (e *encoder) checkKeys(keys []key) error {
	if at := findDuplicate(e.dst, keys, checkRaw); at >= 0 {
		return fmt.Errorf("etf: the key %s: %w", formatKey(e.dst[at:], checkRaw), ErrDuplicate)
	}
	return nil
}

func (e *encoder) bitstring(v Bitstring) error {
	if v.Used < 1 || v.Used > 8 || len(v.Data) == 0 {
		return fmt.Errorf("etf: a bitstring of %d bytes that uses %d bits of the last: %w", len(v.Data), v.Used, ErrValue)
	}
	if v.Used == 8 {
		return e.binary(v.Data)
	}
	if err := e.size(len(v.Data), "a bitstring"); err != nil {
		return err
	}
	e.dst = append32(append(e.dst, byte(tagBitBinary)), uint32(len(v.Data)))
	e.dst = append(append(e.dst, byte(v.Used)), v.Data...)
	e.dst[len(e.dst)-1] &= 0xff << (8 - v.Used)
	return nil
}

func (e *encoder) fun(v Fun) error {
	if err := cmp.Or(checkAtom(string(v.Module)), checkAtom(string(v.Pid.Node))); err != nil {
		return err
	}
	if v.Arity < 0 || v.Arity > 255 || v.OldIndex != int64(int32(v.OldIndex)) || v.OldUniq != int64(int32(v.OldUniq)) {
		return fmt.Errorf("etf: a fun with arity %d, old index %d, old uniq %d: %w", v.Arity, v.OldIndex, v.OldUniq, ErrValue)
	}
	if v.Old {
		e.dst = append32(append(e.dst, byte(tagFun)), uint32(len(v.Free)))
		e.dst = AppendAtom(AppendPid(e.dst, v.Pid), v.Module)
		e.dst = AppendInt(AppendInt(e.dst, v.OldIndex), v.OldUniq)
		return e.terms(v.Free)
	}
	start := len(e.dst) + 1 // of the size, which counts itself
	e.dst = append(e.dst, byte(tagNewFun), 0, 0, 0, 0, byte(v.Arity))
	e.dst = append32(append32(append(e.dst, v.Uniq[:]...), v.Index), uint32(len(v.Free)))
	e.dst = AppendInt(AppendInt(AppendAtom(e.dst, v.Module), v.OldIndex), v.OldUniq)
	e.dst = AppendPid(e.dst, v.Pid)
	if err := e.terms(v.Free); err != nil {
		return err
	}
	binary.BigEndian.PutUint32(e.dst[start:], uint32(len(e.dst)-start))
	return nil
}

// checkRaw has no limits of its own: its caller chose to hold the bytes.
var checkRaw = &DecodeOptions{Limits: Limits{MaxDepth: maxMaxDepth, MaxElements: 1 << 31, MaxBig: 1 << 31}}

func (e *encoder) raw(v RawTerm) error {
	s := checkRaw.NewScanner(v)
	s.Skip()
	if err := s.Finish(); err != nil {
		return fmt.Errorf("etf: a RawTerm that is no term: %w", err)
	}
	if v[0] == byte(tagLocal) && e.depth > 0 {
		return fmt.Errorf("etf: a local term inside another: %w", ErrValue)
	}
	e.dst = append(e.dst, v...)
	return nil
}

func (e *encoder) marshaler(v Marshaler) error {
	n := len(e.dst)
	dst, err := v.AppendETF(e.dst)
	if err != nil {
		return err
	}
	if len(dst) < n {
		return fmt.Errorf("etf: %T.AppendETF returns less than it was given: %w", v, ErrValue)
	}
	e.dst = dst
	s := checkRaw.NewScanner(dst[n:])
	s.Skip()
	if err := s.Finish(); err != nil {
		return fmt.Errorf("etf: %T.AppendETF appends no term: %w", v, err)
	}
	return nil
}
