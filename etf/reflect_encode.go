package etf

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"sync"
	"unicode/utf8"
)

// encodeFunc encodes values of one Go type.
type encodeFunc func(e *encoder, v reflect.Value) error

var encoders sync.Map // reflect.Type to encodeFunc

// reflect encodes a value by its Go type. It works on a copy of e, since what is
// handed to functions found at run time is on the heap: terms of the model,
// which do not come here, need no allocation.
func (e *encoder) reflect(v reflect.Value) error {
	c := new(encoder)
	*c = *e
	err := encoderOf(v.Type())(c, v)
	*e = *c
	return err
}

func encoderOf(t reflect.Type) encodeFunc {
	if f, ok := encoders.Load(t); ok {
		return f.(encodeFunc)
	}
	f, _ := encoders.LoadOrStore(t, newEncoder(t))
	return f.(encodeFunc)
}

// elementEncoder is encoderOf for what a type is made from. It looks the
// encoder up when it is first used, since a type may be made from itself.
func elementEncoder(t reflect.Type) encodeFunc {
	once := sync.OnceValue(func() encodeFunc { return encoderOf(t) })
	return func(e *encoder, v reflect.Value) error { return once()(e, v) }
}

var (
	marshalerType     = reflect.TypeFor[Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
	bigIntType        = reflect.TypeFor[big.Int]()
	atomType          = reflect.TypeFor[Atom]()
	stringType        = reflect.TypeFor[String]()
	rawTermType       = reflect.TypeFor[RawTerm]()
	modelTypes        = map[reflect.Type]bool{}
)

func init() {
	for _, v := range []any{
		Atom(""), Tuple{}, List{}, ImproperList{}, String(""), Bitstring{}, Map{}, Pid{}, Port{}, Ref{},
		Fun{}, Export{}, Local{}, RawTerm{}, (*big.Int)(nil),
	} {
		modelTypes[reflect.TypeOf(v)] = true
	}
}

func newEncoder(t reflect.Type) encodeFunc {
	switch {
	case t == atomType:
		return encodeAtom
	case modelTypes[t]:
		return func(e *encoder, v reflect.Value) error { return e.term(v.Interface()) }
	case t == bigIntType:
		return func(e *encoder, v reflect.Value) error {
			i := v.Interface().(big.Int)
			e.dst = AppendBigInt(e.dst, &i)
			return nil
		}
	case t.Implements(marshalerType):
		return func(e *encoder, v reflect.Value) error {
			if isNil(v) {
				return e.term(nil)
			}
			return e.marshaler(v.Interface().(Marshaler))
		}
	case t.Implements(textMarshalerType):
		return func(e *encoder, v reflect.Value) error {
			if isNil(v) {
				return e.term(nil)
			}
			text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
			if err != nil {
				return err
			}
			return e.binary(text)
		}
	}
	f := newKindEncoder(t)
	if p := reflect.PointerTo(t); t.Kind() != reflect.Pointer && (p.Implements(marshalerType) || p.Implements(textMarshalerType)) {
		onPointer := elementEncoder(p)
		return func(e *encoder, v reflect.Value) error {
			if v.CanAddr() {
				return onPointer(e, v.Addr())
			}
			return f(e, v)
		}
	}
	return f
}

func isNil(v reflect.Value) bool {
	return (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil()
}

func newKindEncoder(t reflect.Type) encodeFunc {
	switch t.Kind() {
	case reflect.Bool:
		return func(e *encoder, v reflect.Value) error {
			e.dst = AppendBool(e.dst, v.Bool())
			return nil
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(e *encoder, v reflect.Value) error {
			e.dst = AppendInt(e.dst, v.Int())
			return nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return func(e *encoder, v reflect.Value) error {
			e.dst = AppendUint(e.dst, v.Uint())
			return nil
		}
	case reflect.Float32, reflect.Float64:
		return func(e *encoder, v reflect.Value) error { return e.float(v.Float()) }
	case reflect.String:
		return func(e *encoder, v reflect.Value) error {
			s := v.String()
			if err := e.size(len(s), "a binary"); err != nil {
				return err
			}
			e.dst = AppendBinary(e.dst, s)
			return nil
		}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return encodeBytes
		}
		return sequenceEncoder(t, false)
	case reflect.Map:
		return mapEncoder(t)
	case reflect.Struct:
		return structEncoder(t)
	case reflect.Pointer, reflect.Interface:
		return pointerEncoder(t)
	}
	return func(*encoder, reflect.Value) error {
		return fmt.Errorf("etf: a Go value of type %s: %w", t, ErrUnsupported)
	}
}

func encodeAtom(e *encoder, v reflect.Value) error { return e.atom(v.String()) }

// encodeCharlist writes the characters of a Go string as a list of code
// points: STRING_EXT if they are all Latin-1.
func encodeCharlist(e *encoder, v reflect.Value) error {
	s := v.String()
	if !utf8.ValidString(s) {
		return fmt.Errorf("etf: the charlist %q is not UTF-8: %w", s, ErrValue)
	}
	n, latin1 := 0, true
	for _, c := range s {
		n++
		latin1 = latin1 && c < 256
	}
	if n == 0 {
		e.dst = AppendNil(e.dst)
		return nil
	}
	if latin1 && n <= math.MaxUint16 {
		e.dst = append(e.dst, byte(tagString), byte(n>>8), byte(n))
		for _, c := range s {
			e.dst = append(e.dst, byte(c))
		}
		return nil
	}
	e.dst = AppendListHeader(e.dst, n)
	for _, c := range s {
		e.dst = AppendInt(e.dst, int64(c))
	}
	e.dst = AppendNil(e.dst)
	return nil
}

func encodeBytes(e *encoder, v reflect.Value) error {
	if v.Kind() == reflect.Array && !v.CanAddr() {
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		v = c
	}
	return e.binary(v.Bytes())
}

func sequenceEncoder(t reflect.Type, tuple bool) encodeFunc {
	element := elementEncoder(t.Elem())
	return func(e *encoder, v reflect.Value) error {
		n := v.Len()
		if err := e.size(n, "a list"); err != nil {
			return err
		}
		start := len(e.dst)
		switch {
		case tuple:
			e.dst = AppendTupleHeader(e.dst, n)
		case n == 0:
			e.dst = AppendNil(e.dst)
			return nil
		default:
			e.dst = AppendListHeader(e.dst, n)
		}
		if err := e.enter(); err != nil {
			return err
		}
		for i := range n {
			if err := element(e, v.Index(i)); err != nil {
				return err
			}
		}
		e.depth--
		if !tuple {
			e.dst = AppendNil(e.dst)
			e.bytesToString(start, n)
		}
		return nil
	}
}

// bytesToString turns the list of n elements at start into STRING_EXT if it is
// made of bytes.
func (e *encoder) bytesToString(start, n int) {
	list := e.dst[start:]
	if n > math.MaxUint16 || len(list) != 5+2*n+1 {
		return
	}
	for i := 5; i < 5+2*n; i += 2 {
		if list[i] != byte(tagSmallInteger) {
			return
		}
	}
	list[0], list[1], list[2] = byte(tagString), byte(n>>8), byte(n)
	for i := range n {
		list[3+i] = list[6+2*i]
	}
	e.dst = e.dst[:start+3+n]
}

func pointerEncoder(t reflect.Type) encodeFunc {
	if t.Kind() == reflect.Interface {
		return func(e *encoder, v reflect.Value) error {
			if v.IsNil() {
				return e.term(nil)
			}
			return e.term(v.Interface())
		}
	}
	element := elementEncoder(t.Elem())
	return func(e *encoder, v reflect.Value) error {
		if v.IsNil() {
			return e.term(nil)
		}
		if err := e.enter(); err != nil { // a pointer may lead back to itself
			return err
		}
		err := element(e, v.Elem())
		e.depth--
		return err
	}
}

func mapEncoder(t reflect.Type) encodeFunc {
	encodeKey, encodeValue := elementEncoder(t.Key()), elementEncoder(t.Elem())
	// Two Go keys may become one term, unless they are strings or numbers.
	check := t.Key().Kind() > reflect.Float64 && t.Key().Kind() != reflect.String || t.Key().Implements(marshalerType)
	return func(e *encoder, v reflect.Value) error {
		n := v.Len()
		if err := e.size(n, "a map"); err != nil {
			return err
		}
		e.dst = AppendMapHeader(e.dst, n)
		if err := e.enter(); err != nil {
			return err
		}
		var few [8]pair
		pairs := few[:0]
		if n > len(few) {
			pairs = make([]pair, 0, n)
		}
		k, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		for it := v.MapRange(); it.Next(); {
			p := pair{key: len(e.dst)}
			k.SetIterKey(it)
			if err := encodeKey(e, k); err != nil {
				return err
			}
			p.value = len(e.dst)
			value.SetIterValue(it)
			if err := encodeValue(e, value); err != nil {
				return err
			}
			p.end = len(e.dst)
			pairs = append(pairs, p)
		}
		e.depth--
		sortPairs(e.dst, pairs)
		if !check {
			return nil
		}
		var keys []key
		for _, p := range pairs {
			if k, ok := makeKey(e.dst, p.key, checkRaw); ok {
				keys = append(keys, k)
			}
		}
		return e.checkKeys(keys)
	}
}

func structEncoder(t reflect.Type) encodeFunc {
	st, err := structOf(t)
	if err != nil {
		return func(*encoder, reflect.Value) error { return err }
	}
	encoders := make([]encodeFunc, len(st.fields))
	for i, f := range st.fields {
		encoders[i] = f.encoder()
	}
	return func(e *encoder, v reflect.Value) error {
		if err := e.enter(); err != nil {
			return err
		}
		if st.shape == shapeTuple {
			e.dst = append(e.dst, st.head...)
			for i := range st.fields {
				f := st.fields[i].in(v, false)
				if !f.IsValid() {
					f = reflect.Zero(st.fields[i].typ)
				}
				if err := encoders[i](e, f); err != nil {
					return err
				}
			}
			e.depth--
			return nil
		}
		start, n := len(e.dst), 0
		e.dst = append(e.dst, byte(tagMap), 0, 0, 0, 0)
		for i := range st.fields {
			field := &st.fields[i]
			f := field.in(v, false)
			if !f.IsValid() || field.omitEmpty && isEmpty(f) {
				continue
			}
			n++
			e.dst = append(e.dst, field.head...)
			if err := encoders[i](e, f); err != nil {
				return err
			}
		}
		e.depth--
		binary.BigEndian.PutUint32(e.dst[start+1:], uint32(n))
		if st.shape == shapeProplist {
			if n == 0 {
				e.dst = e.dst[:start]
			} else {
				e.dst[start] = byte(tagList)
			}
			e.dst = AppendNil(e.dst)
		}
		return nil
	}
}

// isEmpty is what omitempty leaves out, as in encoding/json.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
