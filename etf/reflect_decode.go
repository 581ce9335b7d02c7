package etf

import (
	"encoding"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"sync"
	"unicode/utf8"
)

// Unmarshal reads data, one term with its version byte and nothing else, into
// what v, a pointer, points to. The whole term is checked before v is touched.
//
// What goes into which Go type:
//
//	any                      every term, as Decode returns it
//	types of the term model  their terms; List takes strings, String lists of bytes
//	RawTerm                  every term, as a copy of its bytes
//	Unmarshaler              every term
//	encoding.TextUnmarshaler a binary or a charlist
//	bool                     the atoms true and false
//	integers                 integers that fit
//	floats                   floats, and integers that become one without loss
//	string                   a binary, or a charlist (a list of code points)
//	[]byte                   iodata: a binary, or a list of bytes and binaries
//	[N]byte                  a binary of N bytes
//	other slices, arrays     a proper list, of the array's length
//	map                      a map; a key that is a Go string may be an atom too
//	struct                   a map with atom or binary keys, or as the tags say
//	pointer                  the atoms undefined and nil as nil, else what it points to
//
// A nil map or slice comes from the atoms undefined and nil, too. Fields take
// their terms by the tags that [Marshal] describes; with the option atom a
// string takes an atom. Keys that a struct does not have are skipped, fields
// that a map does not have keep their values. A proplist may have an atom for
// a pair {Atom, true}, and the first of equal keys counts. A tuple must have
// the struct's name and one element for each field.
//
// A term that does not fit is an [*Error] that wraps [ErrKind], [ErrRange],
// [ErrValue] or [ErrDuplicate]; what was read before it stays in v.
func Unmarshal(data []byte, v any) error { return (*DecodeOptions)(nil).Unmarshal(data, v) }

// Unmarshal is the function [Unmarshal] with options.
func (o *DecodeOptions) Unmarshal(data []byte, v any) error {
	s := o.NewScanner(data)
	s.Version()
	return s.unmarshal(v)
}

// Unmarshal reads the term that t holds as the function [Unmarshal] does.
func (t RawTerm) Unmarshal(v any) error { return (*DecodeOptions)(nil).UnmarshalRaw(t, v) }

// UnmarshalRaw reads the term that t holds as the function [Unmarshal] does.
func (o *DecodeOptions) UnmarshalRaw(t RawTerm, v any) error {
	s := o.NewScanner(t)
	return s.unmarshal(v)
}

// unmarshal reads the last term of s.
func (s *Scanner) unmarshal(v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("etf: Unmarshal needs a pointer that is not nil, got %T", v)
	}
	start := *s
	s.Skip()
	if err := s.Finish(); err != nil {
		return err
	}
	start.decode(p.Elem())
	return start.err
}

// Unmarshal reads the next term into what v, a pointer, points to.
func (s *Scanner) Unmarshal(v any) {
	p := reflect.ValueOf(v)
	if s.err != nil {
		return
	}
	if p.Kind() != reflect.Pointer || p.IsNil() {
		s.stop(fmt.Errorf("etf: Unmarshal needs a pointer that is not nil, got %T", v))
		return
	}
	start := *s
	if s.Skip(); s.err != nil {
		return
	}
	if start.decode(p.Elem()); start.err != nil {
		*s = start
	}
}

// An Unmarshaler decodes itself from a term, whose bytes it must not keep.
type Unmarshaler interface {
	UnmarshalETF(t RawTerm) error
}

// decodeFunc decodes the next term, which is sound, into a value of one Go
// type. What goes wrong sticks to the Scanner.
type decodeFunc func(s *Scanner, v reflect.Value)

var decoders sync.Map // reflect.Type to decodeFunc

func (s *Scanner) decode(v reflect.Value) { decoderOf(v.Type())(s, v) }

func decoderOf(t reflect.Type) decodeFunc {
	if f, ok := decoders.Load(t); ok {
		return f.(decodeFunc)
	}
	f, _ := decoders.LoadOrStore(t, newDecoder(t))
	return f.(decodeFunc)
}

// elementDecoder is to decoderOf what elementEncoder is to encoderOf.
func elementDecoder(t reflect.Type) decodeFunc {
	once := sync.OnceValue(func() decodeFunc { return decoderOf(t) })
	return func(s *Scanner, v reflect.Value) { once()(s, v) }
}

var (
	unmarshalerType     = reflect.TypeFor[Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// mismatch fails with the term at off, which does not fit in the type of v.
func (s *Scanner) mismatch(off int, kind error, v reflect.Value, why string) {
	if s.err != nil {
		return
	}
	s.fail(off, kind, "%s does not fit in Go type %s%s", Tag(s.data[off]), v.Type(), why)
}

func newDecoder(t reflect.Type) decodeFunc {
	if t.Kind() != reflect.Pointer {
		switch p := reflect.PointerTo(t); {
		case modelTypes[t]:
			return modelDecoder(t)
		case t == bigIntType:
			return func(s *Scanner, v reflect.Value) {
				if b := s.BigInt(); s.err == nil {
					v.Addr().Interface().(*big.Int).Set(b)
				}
			}
		case p.Implements(unmarshalerType):
			return func(s *Scanner, v reflect.Value) {
				at := s.off
				raw := s.Raw()
				if err := v.Addr().Interface().(Unmarshaler).UnmarshalETF(raw); err != nil {
					s.stop(&Error{Offset: at, Tag: Tag(raw[0]), Err: err, Detail: err.Error()})
				}
			}
		case p.Implements(textUnmarshalerType):
			return func(s *Scanner, v reflect.Value) {
				at := s.off
				tag := s.Tag()
				text := s.text(v)
				if s.err != nil {
					return
				}
				if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(text); err != nil {
					s.stop(&Error{Offset: at, Tag: tag, Err: err, Detail: err.Error()})
				}
			}
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return decodeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return decodeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return decodeUint
	case reflect.Float32, reflect.Float64:
		return decodeFloat
	case reflect.String:
		return decodeText
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return decodeBytes
		}
		return sequenceDecoder(t, false)
	case reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return decodeByteArray
		}
		return sequenceDecoder(t, false)
	case reflect.Map:
		return mapDecoder(t)
	case reflect.Struct:
		return structDecoder(t)
	case reflect.Pointer:
		element := elementDecoder(t.Elem())
		return func(s *Scanner, v reflect.Value) {
			switch {
			case s.none():
				v.SetZero()
				return
			case v.IsNil():
				v.Set(reflect.New(t.Elem()))
			}
			element(s, v.Elem())
		}
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return func(s *Scanner, v reflect.Value) {
				if term := s.Term(); s.err == nil {
					v.Set(reflect.ValueOf(term))
				}
			}
		}
	}
	return func(s *Scanner, v reflect.Value) { s.mismatch(s.off, ErrUnsupported, v, "") }
}

// none reads one of the atoms undefined and nil if it is next.
func (s *Scanner) none() bool {
	if s.Kind() != KindAtom {
		return false
	}
	ahead := *s
	if name := ahead.Atom(); string(name) != "undefined" && string(name) != "nil" {
		return false
	}
	*s = ahead
	return true
}

func modelDecoder(t reflect.Type) decodeFunc {
	if t == rawTermType {
		return func(s *Scanner, v reflect.Value) {
			raw := s.Raw()
			if !s.opts.alias() {
				raw = append(RawTerm(nil), raw...)
			}
			v.SetBytes(raw)
		}
	}
	if t == atomType {
		return decodeAtom
	}
	return func(s *Scanner, v reflect.Value) {
		at := s.off
		kept := *s
		term := s.Term()
		switch got := term.(type) {
		case String:
			if t == reflect.TypeFor[List]() {
				l := make(List, len(got))
				for i := range len(got) {
					l[i] = int64(got[i])
				}
				term = l
			}
		case List:
			if t == stringType {
				b := kept.AppendIOData(nil)
				if kept.err != nil || len(b) != len(got) {
					s.mismatch(at, ErrKind, v, "")
					return
				}
				term = String(b)
			}
		}
		if reflect.TypeOf(term) != t {
			s.mismatch(at, ErrKind, v, "")
			return
		}
		v.Set(reflect.ValueOf(term))
	}
}

func decodeAtom(s *Scanner, v reflect.Value) {
	if s.Kind() != KindAtom {
		s.mismatch(s.off, ErrKind, v, "")
		return
	}
	if name := s.Atom(); s.opts.alias() {
		v.SetString(textOf(name))
	} else {
		v.SetString(string(name))
	}
}

func decodeBool(s *Scanner, v reflect.Value) {
	at := s.off
	if s.Kind() == KindAtom {
		switch name := s.Atom(); string(name) {
		case "true":
			v.SetBool(true)
			return
		case "false":
			v.SetBool(false)
			return
		}
	}
	s.mismatch(at, ErrKind, v, "")
}

func decodeInt(s *Scanner, v reflect.Value) {
	if s.Kind() != KindInteger {
		s.mismatch(s.off, ErrKind, v, "")
		return
	}
	at := s.off
	negative, u, mag := s.integer()
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	i := int64(u)
	if negative {
		i = -i
	}
	if mag != nil || u > limit || v.OverflowInt(i) {
		s.mismatch(at, ErrRange, v, "")
		return
	}
	v.SetInt(i)
}

func decodeUint(s *Scanner, v reflect.Value) {
	if s.Kind() != KindInteger {
		s.mismatch(s.off, ErrKind, v, "")
		return
	}
	at := s.off
	negative, u, mag := s.integer()
	if mag != nil || negative || v.OverflowUint(u) {
		s.mismatch(at, ErrRange, v, "")
		return
	}
	v.SetUint(u)
}

func decodeFloat(s *Scanner, v reflect.Value) {
	at := s.off
	var f float64
	switch s.Kind() {
	case KindFloat:
		f = s.Float()
	case KindInteger:
		i := s.BigInt()
		exact := big.Exact
		if f, exact = new(big.Float).SetInt(i).Float64(); exact != big.Exact {
			s.mismatch(at, ErrRange, v, "")
			return
		}
	default:
		s.mismatch(at, ErrKind, v, "")
		return
	}
	if v.OverflowFloat(f) {
		s.mismatch(at, ErrRange, v, "")
		return
	}
	v.SetFloat(f)
}

func decodeText(s *Scanner, v reflect.Value) {
	if text := s.text(v); s.err == nil {
		v.SetString(string(text))
	}
}

// text reads a binary, or a list of code points as UTF-8.
func (s *Scanner) text(v reflect.Value) []byte {
	at := s.off
	switch s.Kind() {
	case KindBinary:
		return s.Binary()
	case KindString:
		d := s.String()
		if ascii(d) {
			return d
		}
		return appendLatin1(nil, d)
	case KindNil:
		s.Nil()
		return []byte{}
	case KindList:
		text := []byte{}
		for s.Kind() == KindList {
			for range s.ListHeader() {
				if s.Kind() != KindInteger {
					s.mismatch(at, ErrKind, v, "")
					return nil
				}
				_, c, mag := s.integer()
				if mag != nil || c > utf8.MaxRune || !utf8.ValidRune(rune(c)) {
					s.mismatch(at, ErrRange, v, ": an element is no character")
					return nil
				}
				text = utf8.AppendRune(text, rune(c))
			}
		}
		if s.Kind() == KindString {
			return appendLatin1(text, s.String())
		}
		if s.Kind() == KindNil {
			s.Nil()
			return text
		}
	}
	s.mismatch(at, ErrKind, v, "")
	return nil
}

func decodeBytes(s *Scanner, v reflect.Value) {
	at := s.off
	switch s.Kind() {
	case KindBinary:
		if d := s.Binary(); s.opts.alias() {
			v.SetBytes(d)
		} else {
			v.SetBytes(append(make([]byte, 0, len(d)), d...))
		}
	case KindString, KindNil, KindList:
		size := Scanner{data: s.data, off: s.off, left: s.left, opts: s.opts}
		d := s.AppendIOData([]byte{})
		if s.err != nil {
			*s = size
			s.mismatch(at, ErrKind, v, ": it is no iodata")
			return
		}
		v.SetBytes(d)
	default:
		if s.none() {
			v.SetZero()
			return
		}
		s.mismatch(at, ErrKind, v, "")
	}
}

func decodeByteArray(s *Scanner, v reflect.Value) {
	at := s.off
	if s.Kind() != KindBinary {
		s.mismatch(at, ErrKind, v, "")
		return
	}
	d := s.Binary()
	if len(d) != v.Len() {
		s.mismatch(at, ErrRange, v, fmt.Sprintf(": it has %d bytes", len(d)))
		return
	}
	reflect.Copy(v, reflect.ValueOf(d))
}

func sequenceDecoder(t reflect.Type, tuple bool) decodeFunc {
	element := elementDecoder(t.Elem())
	return func(s *Scanner, v reflect.Value) {
		at, n := s.off, 0
		grow := v.Kind() == reflect.Slice
		if grow && s.none() {
			v.SetZero()
			return
		}
		next := func() { // reads one element
			if grow {
				if n == v.Cap() {
					v.Grow(1)
				}
				v.SetLen(n + 1)
				v.Index(n).SetZero()
			}
			if n < v.Len() {
				element(s, v.Index(n))
			} else {
				s.mismatch(at, ErrRange, v, ": it has more elements")
			}
			n++
		}
		if grow {
			v.SetLen(0)
		}
		kind := s.Kind()
		switch {
		case tuple && kind == KindTuple:
			for m := s.TupleHeader(); m > 0 && s.err == nil; m-- {
				next()
			}
		case !tuple && (kind == KindList || kind == KindNil || kind == KindString):
			for s.Kind() == KindList {
				for m := s.ListHeader(); m > 0 && s.err == nil; m-- {
					next()
				}
			}
			switch s.Kind() {
			case KindNil:
				s.Nil()
			case KindString:
				rest := *s
				for _, c := range s.String() {
					*s = Scanner{data: smallIntegers[2*int(c) : 2*int(c)+2], left: 1, opts: s.opts}
					if next(); s.err != nil {
						*s = rest
						s.mismatch(at, ErrKind, v, ": it has integers for elements")
						return
					}
				}
				*s = rest
				s.Skip()
			default:
				s.mismatch(at, ErrKind, v, ": it is improper")
			}
		default:
			s.mismatch(at, ErrKind, v, "")
		}
		if s.err != nil {
			return
		}
		if grow && v.IsNil() {
			v.Set(reflect.MakeSlice(t, 0, 0))
		}
		if n < v.Len() {
			s.mismatch(at, ErrRange, v, fmt.Sprintf(": it has %d elements", n))
		}
	}
}

// smallIntegers is every byte as a term: the elements of STRING_EXT.
var smallIntegers = func() []byte {
	var b []byte
	for i := range 256 {
		b = append(b, byte(tagSmallInteger), byte(i))
	}
	return b
}()

func mapDecoder(t reflect.Type) decodeFunc {
	decodeKey, decodeValue := elementDecoder(t.Key()), elementDecoder(t.Elem())
	textKeys := t.Key().Kind() == reflect.String && t.Key() != atomType
	anyKeys := t.Key().Kind() == reflect.Interface
	return func(s *Scanner, v reflect.Value) {
		if s.none() {
			v.SetZero()
			return
		}
		if s.Kind() != KindMap {
			s.mismatch(s.off, ErrKind, v, "")
			return
		}
		n := s.MapHeader()
		m := reflect.MakeMapWithSize(t, min(n, 1024))
		k, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		for ; n > 0; n-- {
			at := s.off
			k.SetZero()
			if textKeys && s.Kind() == KindAtom {
				decodeAtom(s, k)
			} else {
				decodeKey(s, k)
			}
			if s.err != nil {
				return
			}
			if anyKeys && !k.Comparable() {
				s.mismatch(at, ErrKind, k, " as a key of a Go map")
				return
			}
			value.SetZero()
			if decodeValue(s, value); s.err != nil {
				return
			}
			size := m.Len()
			if m.SetMapIndex(k, value); m.Len() == size {
				s.fail(at, ErrDuplicate, "the key %s comes twice in Go type %s", formatKey(s.data[at:], s.opts), t)
				return
			}
		}
		if v.IsNil() {
			v.Set(m)
			return
		}
		for it := m.MapRange(); it.Next(); {
			v.SetMapIndex(it.Key(), it.Value())
		}
	}
}

func structDecoder(t reflect.Type) decodeFunc {
	st, err := structOf(t)
	if err != nil {
		return func(s *Scanner, _ reflect.Value) { s.stop(err) }
	}
	fields := make([]decodeFunc, len(st.fields))
	for i := range st.fields {
		fields[i] = st.fields[i].decoder()
	}
	set := func(s *Scanner, v reflect.Value, i int) {
		fields[i](s, st.fields[i].in(v, true))
		if e, ok := s.err.(*Error); ok {
			s.err = &Error{Offset: e.Offset, Tag: e.Tag, Err: e.Err, Detail: fmt.Sprintf("%s (field %s of %s)", e.Detail, st.fields[i].name, t)}
		}
	}
	switch st.shape {
	case shapeTuple:
		return func(s *Scanner, v reflect.Value) {
			at, want := s.off, len(st.fields)
			if s.Kind() != KindTuple {
				s.mismatch(at, ErrKind, v, "")
				return
			}
			n := s.TupleHeader()
			if st.name != "" {
				want++
			}
			if n != want {
				s.mismatch(at, ErrKind, v, fmt.Sprintf(": it has %d elements, not %d", n, want))
				return
			}
			if st.name != "" && (s.Kind() != KindAtom || string(s.Atom()) != st.name) {
				s.mismatch(at, ErrKind, v, fmt.Sprintf(": its first element is not %s", quoteAtom(st.name)))
				return
			}
			for i := 0; i < len(fields) && s.err == nil; i++ {
				set(s, v, i)
			}
		}
	case shapeProplist:
		return func(s *Scanner, v reflect.Value) { decodeProplist(s, v, st, set) }
	}
	return func(s *Scanner, v reflect.Value) {
		at := s.off
		if s.Kind() != KindMap {
			s.mismatch(at, ErrKind, v, "")
			return
		}
		seen := make([]bool, len(fields))
		for n := s.MapHeader(); n > 0 && s.err == nil; n-- {
			at = s.off
			var name []byte
			switch s.Kind() {
			case KindAtom:
				name = s.Atom()
			case KindBinary:
				name = s.Binary()
			default:
				s.Skip()
			}
			i, ok := st.byName[string(name)]
			switch {
			case !ok || name == nil:
				s.Skip()
			case seen[i]:
				s.fail(at, ErrDuplicate, "the key %s comes twice for Go type %s, as atom and binary", formatKey(s.data[at:], s.opts), t)
			default:
				seen[i] = true
				set(s, v, i)
			}
		}
	}
}

func decodeProplist(s *Scanner, v reflect.Value, st *structType, set func(*Scanner, reflect.Value, int)) {
	at := s.off
	seen := make([]bool, len(st.fields))
	for s.Kind() == KindList {
		for n := s.ListHeader(); n > 0 && s.err == nil; n-- {
			ahead := *s
			bare := s.Kind() == KindAtom // an atom alone is {Atom, true}
			if !bare && (s.Kind() != KindTuple || ahead.TupleHeader() != 2 || ahead.Kind() != KindAtom) {
				s.Skip()
				continue
			}
			i, ok := st.byName[string(ahead.Atom())]
			if !ok || seen[i] {
				s.Skip()
				continue
			}
			seen[i] = true
			if !bare {
				*s = ahead
				set(s, v, i)
				continue
			}
			yes := Scanner{data: trueTerm, opts: s.opts}
			if set(&yes, v, i); yes.err != nil {
				s.mismatch(s.off, ErrKind, st.fields[i].in(v, true), ": an atom alone in a proplist is true")
				return
			}
			s.Skip()
		}
	}
	if s.err == nil && s.Kind() != KindNil {
		s.mismatch(at, ErrKind, v, ": it is no proplist")
		return
	}
	s.Nil()
}

var trueTerm = AppendBool(nil, true)
