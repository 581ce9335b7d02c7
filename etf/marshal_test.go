package etf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type inet struct {
	_    struct{} `etf:"inet,tuple"`
	Host string   `etf:",charlist"`
	Port uint16
}

type options struct {
	_       struct{} `etf:",proplist"`
	Active  bool     `etf:"active"`
	Packet  int      `etf:"packet,omitempty"`
	Mode    string   `etf:"mode,atom,omitempty"`
	Backlog *int     `etf:"backlog,omitempty"`
}

type embedded1 struct {
	Inner int `etf:"inner"`
}

type config struct {
	embedded1
	Name    string         `etf:"name"`
	Peer    inet           `etf:"peer"`
	Opts    options        `etf:"opts"`
	IP      [4]byte        `etf:"ip"`
	Version [2]int         `etf:"version,tuple"`
	Scores  []float64      `etf:"scores"`
	Extra   map[string]any `etf:"extra,omitempty"`
	Owner   Pid            `etf:"owner"`
	Raw     RawTerm        `etf:"raw"`
	Time    time.Duration  `etf:"time"`
	Addr    netip.Addr     `etf:"addr"`
	Skipped string         `etf:"-"`
	Plain   bool
}

type binaryKeys struct {
	_ struct{} `etf:",binarykeys"`
	A int      `etf:"a"`
}

type bare struct {
	_    struct{} `etf:",tuple"`
	X, Y int
}

// celsius encodes itself as {celsius, Degrees}.
type celsius float64

func (c celsius) AppendETF(dst []byte) ([]byte, error) {
	return Append(dst, Tuple{Atom("celsius"), float64(c)})
}

func (c *celsius) UnmarshalETF(t RawTerm) error {
	s := NewScanner(t)
	if s.TupleHeader() != 2 || string(s.Atom()) != "celsius" {
		return fmt.Errorf("no temperature: %s", t)
	}
	*c = celsius(s.Float())
	return s.Finish()
}

// newLike returns a pointer to a new value of v's type.
func newLike(v any) any { return reflect.New(reflect.TypeOf(v)).Interface() }

func ptr[T any](v T) *T { return &v }

// What Go values become, and that they come back.
func TestMarshalAndBack(t *testing.T) {
	whole := config{
		embedded1: embedded1{9}, Name: "größe", Peer: inet{Host: "größe", Port: 80},
		Opts: options{Active: true, Mode: "line", Backlog: ptr(5)}, IP: [4]byte{127, 0, 0, 1}, Version: [2]int{1, 2},
		Scores: []float64{1.5}, Owner: Pid{"a@b", 1, 2, 3}, Raw: RawTerm("w\x03any"), Time: time.Second,
		Addr: netip.MustParseAddr("::1"), Plain: true,
	}
	for _, c := range []struct {
		in   any // a value; a pointer to such a value is what it is read into
		text string
	}{
		{true, "true"}, {int8(-5), "-5"}, {uint64(1 << 63), "9223372036854775808"}, {float32(0.5), "0.5"},
		{"text", `<<"text">>`}, {[]byte("data"), `<<"data">>`}, {[3]byte{1, 2, 3}, "<<1,2,3>>"},
		{[]int{1, 2, 300}, "[1,2,300]"}, {[]int{104, 105}, `"hi"`}, {[]int{}, "[]"}, {[2]string{"a", "b"}, `[<<"a">>,<<"b">>]`},
		{[][]int{{1}, {}}, "[[1],[]]"},
		{map[string]int{"b": 2, "a": 1}, `#{<<"a">> => 1,<<"b">> => 2}`}, {map[Atom]bool{"x": true}, "#{x => true}"},
		{map[int][]string{1: {"a"}}, `#{1 => [<<"a">>]}`}, {map[Pid]Atom{{"a@b", 1, 2, 3}: "p"}, "#{#Pid<a@b.1.2.3> => p}"},
		{(*int)(nil), "undefined"}, {ptr(5), "5"}, {ptr(ptr("x")), `<<"x">>`},
		{Atom("it's"), `'it\'s'`}, {String("abc"), `"abc"`}, {String(""), "[]"}, {List{Atom("a")}, "[a]"}, {Tuple{int64(1)}, "{1}"},
		{Map{{Atom("a"), int64(1)}}, "#{a => 1}"}, {*bigOf("123456789012345678901234567890"), "123456789012345678901234567890"},
		{bigOf("-5"), "-5"}, {bigOf("-18446744073709551615"), "-18446744073709551615"}, {bigOf("-9223372036854775809"), "-9223372036854775809"}, {Export{"m", "f", 1}, "fun m:f/1"}, {Bitstring{[]byte{0x80}, 1}, "<<1:1>>"},
		{inet{Host: "λ", Port: 80}, "{inet,[955],80}"}, {inet{Port: 1}, "{inet,[],1}"}, {bare{X: 1, Y: 2}, "{1,2}"},
		{options{Active: true, Packet: 4}, "[{active,true},{packet,4}]"}, {binaryKeys{A: 1}, `#{<<"a">> => 1}`},
		{celsius(21.5), "{celsius,21.5}"}, {map[string]celsius{"x": 1}, `#{<<"x">> => {celsius,1.0}}`},
		{netip.MustParseAddr("10.0.0.1"), `<<"10.0.0.1">>`},
		{whole, `#{inner => 9,name => <<"größe"/utf8>>,peer => {inet,"größe",80},opts => [{active,true},{mode,line},{backlog,5}],` +
			`ip => <<127,0,0,1>>,version => {1,2},scores => [1.5],owner => #Pid<a@b.1.2.3>,raw => any,time => 1000000000,addr => <<"::1">>,'Plain' => true}`},
	} {
		data, err := Marshal(c.in)
		require.NoError(t, err, c.text)
		assert.Equal(t, c.text, RawTerm(data[1:]).String())
		viaPointer, err := Marshal(&c.in)
		require.NoError(t, err)
		assert.Equal(t, data, viaPointer)

		out := newLike(c.in)
		require.NoError(t, Unmarshal(data, out), c.text)
		back, err := Marshal(out)
		require.NoError(t, err)
		assert.Equal(t, data, back, "%s came back as %s", c.text, RawTerm(back[1:]))
	}
}

// What else fits in Go types, and what does not.
func TestUnmarshalTable(t *testing.T) {
	for _, c := range []struct {
		text string
		into any    // of the type to read into
		want string // what was read, in Erlang syntax
		err  string
	}{
		{"[1,\"ab\",<<\"c\">>|<<\"d\">>]", []byte(nil), `<<1,97,98,99,100>>`, ""},
		{"[]", []byte(nil), "<<>>", ""},
		{"undefined", []byte("x"), "<<>>", ""}, {"nil", ptr(5), "undefined", ""}, {"undefined", []int{1}, "[]", ""},
		{"undefined", map[string]int{"a": 1}, "#{}", ""},
		{`"abc"`, "", `<<"abc">>`, ""}, {`"é"`, "", `<<"é"/utf8>>`, ""}, {"[955,97]", "", `<<"λa"/utf8>>`, ""}, {"[]", "", "<<>>", ""},
		{"[1|\"bc\"]", "", "<<1,98,99>>", ""},
		{`"abc"`, []int(nil), `"abc"`, ""}, {`"abc"`, List(nil), `"abc"`, ""}, {"[97,300]", []uint16(nil), "[97,300]", ""},
		{"[]", String("x"), "[]", ""}, {"[]", List(nil), "[]", ""},
		{"5", float64(0), "5.0", ""}, {"#{a => 1}", map[string]int(nil), `#{<<"a">> => 1}`, ""}, {"#{a => 1,1.0 => b}", map[any]any(nil), "#{1.0 => b,a => 1}", ""},
		{"[active,{packet,2},{packet,3},other,{unknown,1},{x,y,z}]", options{}, "[{active,true},{packet,2}]", ""},
		{"#{<<\"a\">> => 7,b => 8}", binaryKeys{}, `#{<<"a">> => 7}`, ""}, {"#{a => 7}", binaryKeys{}, `#{<<"a">> => 7}`, ""},
		{"{any,[term]}", RawTerm(nil), "{any,[term]}", ""},

		{"ok", "", "", "at offset 1: SMALL_ATOM_UTF8_EXT does not fit in Go type string"},
		{"<<\"x\">>", Atom(""), "", "at offset 1: BINARY_EXT does not fit in Go type etf.Atom"},
		{"300", uint8(0), "", "at offset 1: INTEGER_EXT does not fit in Go type uint8"},
		{"-1", uint(0), "", "at offset 1: INTEGER_EXT does not fit in Go type uint"},
		{"18446744073709551616", int64(0), "", "at offset 1: SMALL_BIG_EXT does not fit in Go type int64"},
		{"9007199254740993", float64(0), "", "at offset 1: SMALL_BIG_EXT does not fit in Go type float64"},
		{"1.5", 0, "", "at offset 1: NEW_FLOAT_EXT does not fit in Go type int"},
		{"1.0e300", float32(0), "", "at offset 1: NEW_FLOAT_EXT does not fit in Go type float32"},
		{"perhaps", false, "", "at offset 1: SMALL_ATOM_UTF8_EXT does not fit in Go type bool"},
		{"[a|b]", []Atom(nil), "", "at offset 1: LIST_EXT does not fit in Go type []etf.Atom: it is improper"},
		{"[1,b]", []int(nil), "", "at offset 8: SMALL_ATOM_UTF8_EXT does not fit in Go type int"},
		{`"ab"`, []Atom(nil), "", "at offset 1: STRING_EXT does not fit in Go type []etf.Atom: it has integers for elements"},
		{"[a]", "", "", "at offset 1: LIST_EXT does not fit in Go type string"},
		{"[16#d800]", "", "", "at offset 1: LIST_EXT does not fit in Go type string: an element is no character"},
		{"[16#110000]", "", "", "at offset 1: LIST_EXT does not fit in Go type string: an element is no character"},
		{"[256]", []byte(nil), "", "at offset 1: LIST_EXT does not fit in Go type []uint8: it is no iodata"},
		{"[a,b]", [3]Atom{}, "", "at offset 1: LIST_EXT does not fit in Go type [3]etf.Atom: it has 2 elements"},
		{"[a,b]", [1]Atom{}, "", "at offset 1: LIST_EXT does not fit in Go type [1]etf.Atom: it has more elements"},
		{"<<1,2>>", [3]byte{}, "", "at offset 1: BINARY_EXT does not fit in Go type [3]uint8: it has 2 bytes"},
		{"{inet,[],1,2}", inet{}, "", "at offset 1: SMALL_TUPLE_EXT does not fit in Go type etf.inet: it has 4 elements, not 3"},
		{"{local,[],1}", inet{}, "", "at offset 1: SMALL_TUPLE_EXT does not fit in Go type etf.inet: its first element is not inet"},
		{"{inet,[],70000}", inet{}, "", "at offset 10: INTEGER_EXT does not fit in Go type uint16 (field Port of etf.inet)"},
		{"#{a => 1,<<\"a\">> => 2}", map[string]int(nil), "", `at offset 11: the key <<"a">> comes twice in Go type map[string]int`},
		{"#{a => 1,<<\"a\">> => 2}", binaryKeys{}, "", `at offset 11: the key <<"a">> comes twice for Go type etf.binaryKeys, as atom and binary`},
		{"#{[] => 1}", map[any]int(nil), "", "at offset 6: NIL_EXT does not fit in Go type interface {} as a key of a Go map"},
		{"[packet]", options{}, "", "at offset 6: SMALL_ATOM_UTF8_EXT does not fit in Go type int: an atom alone in a proplist is true"},
		{"x", options{}, "", "at offset 1: SMALL_ATOM_UTF8_EXT does not fit in Go type etf.options: it is no proplist"},
		{"{other,1.0}", celsius(0), "", "at offset 1: no temperature: {other,1.0}"},
		{"<<\"no address\">>", netip.Addr{}, "", `at offset 1: ParseAddr("no address"): unable to parse IP`},
		{"a", make(chan int), "", "at offset 1: SMALL_ATOM_UTF8_EXT does not fit in Go type chan int"},
	} {
		term, err := Parse(c.text)
		require.NoError(t, err, c.text)
		data, err := Marshal(term)
		require.NoError(t, err)
		out := newLike(c.into)
		err = Unmarshal(data, out)
		if c.err != "" {
			assert.EqualError(t, err, "etf: "+c.err, c.text)
			var e *Error
			assert.ErrorAs(t, err, &e)
			continue
		}
		if assert.NoError(t, err, c.text) {
			assert.Equal(t, c.want, Format(out), "%s into %T", c.text, c.into)
		}
	}
}

func TestUnmarshalNeedsAPointer(t *testing.T) {
	assert.EqualError(t, Unmarshal([]byte("\x83j"), 5), "etf: Unmarshal needs a pointer that is not nil, got int")
	assert.EqualError(t, Unmarshal([]byte("\x83j"), (*int)(nil)), "etf: Unmarshal needs a pointer that is not nil, got *int")
}

func TestUnmarshalKeepsWhatTheTermLacks(t *testing.T) {
	v := config{Name: "kept", Plain: true, Extra: map[string]any{"old": 1}}
	data, _ := Marshal(Map{{Atom("inner"), 5}, {Atom("extra"), Map{{Atom("new"), 2}}}})
	require.NoError(t, Unmarshal(data, &v))
	assert.Equal(t, "kept", v.Name)
	assert.True(t, v.Plain)
	assert.Equal(t, 5, v.Inner)
	assert.Equal(t, map[string]any{"old": 1, "new": int64(2)}, v.Extra)
}

func TestBadStructTagsAreErrors(t *testing.T) {
	for want, v := range map[string]any{
		`has the option "atom", which its type int does not take`: struct {
			A int `etf:",atom"`
		}{},
		`has the option "nonsense", which its type int does not take`: struct {
			A int `etf:",nonsense"`
		}{},
		`have the key "a"`: struct {
			A int `etf:"a"`
			B int `etf:"a"`
		}{},
		`has the shape "circle"`: struct {
			_ struct{} `etf:",circle"`
		}{},
		`has the name "x" and is no tuple`: struct {
			_ struct{} `etf:"x"`
		}{},
	} {
		_, err := Marshal(v)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, Unmarshal([]byte("\x83t\x00\x00\x00\x00"), newLike(v)), want)
	}
}

type brokenMarshaler struct{ out string }

func (b brokenMarshaler) AppendETF(dst []byte) ([]byte, error) {
	if b.out == "" {
		return nil, errors.New("broken")
	}
	return append(dst, b.out...), nil
}

func TestMarshalersAreChecked(t *testing.T) {
	_, err := Marshal([]any{brokenMarshaler{}})
	assert.EqualError(t, err, "broken")
	_, err = Marshal([]any{brokenMarshaler{"jj"}})
	assert.ErrorIs(t, err, ErrTrailing)
	_, err = Marshal(brokenMarshaler{"h\x02j"})
	assert.ErrorIs(t, err, ErrTruncated)
}

func TestGoMaps(t *testing.T) {
	m := Map{{Atom("a"), 1}, {int64(1), 2}, {1.0, 3}, {[]byte("b"), 4}}
	g, err := m.Go()
	require.NoError(t, err)
	assert.Equal(t, map[any]Term{Atom("a"): 1, int64(1): 2, 1.0: 3, "b": 4}, g)
	_, err = Map{{List{}, 1}}.Go()
	assert.ErrorIs(t, err, ErrUnsupported)
	_, err = Map{{[]byte("b"), 1}, {"b", 2}}.Go()
	assert.ErrorIs(t, err, ErrDuplicate)

	v, ok := m.Get(1)
	assert.True(t, ok)
	assert.Equal(t, 2, v)
	_, ok = m.Get(Atom("b"))
	assert.False(t, ok)

	s, err := ToGoMap[string, int](Map{{Atom("a"), 1}, {[]byte("b"), 2}})
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"a": 1, "b": 2}, s)
	_, err = ToGoMap[string, int](Map{{Atom("a"), 1}, {[]byte("a"), 2}})
	assert.ErrorIs(t, err, ErrDuplicate)
	_, err = ToGoMap[string, int](Map{{Tuple{}, 1}})
	assert.ErrorIs(t, err, ErrKind)
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b Term
		want bool
	}{
		{1, int64(1), true}, {1, 1.0, false}, {uint8(1), big.NewInt(1), true}, {"a", []byte("a"), true}, {"a", String("a"), false},
		{String("ab"), List{97, 98}, true}, {Atom("a"), "a", false},
		{Map{{1, 2}, {3, 4}}, Map{{3, 4}, {1, 2}}, true}, {List{Map{{1, 2}, {3, Map{{5, 6}, {7, 8}}}}}, List{Map{{3, Map{{7, 8}, {5, 6}}}, {1, 2}}}, true},
		{Map{{1, 2}}, Map{{1, 3}}, false}, {nil, Atom("undefined"), true}, {make(chan int), make(chan int), false},
		{Bitstring{[]byte{0xff}, 3}, Bitstring{[]byte{0xe0}, 3}, true}, {Bitstring{[]byte{1}, 8}, []byte{1}, true},
	} {
		assert.Equal(t, c.want, Equal(c.a, c.b), "%s, %s", Format(c.a), Format(c.b))
	}
}

func TestCompressedIsSmallerOrPlain(t *testing.T) {
	o := EncodeOptions{Compress: 9}
	data, err := o.Marshal(bytes.Repeat([]byte("x"), 1000))
	require.NoError(t, err)
	assert.Less(t, len(data), 100)
	assert.Equal(t, byte(tagCompressed), data[1])
	term, err := Decode(data)
	require.NoError(t, err)
	assert.Len(t, term, 1000)
	data, err = o.Marshal(Atom("a"))
	require.NoError(t, err)
	assert.Equal(t, "\x83w\x01a", string(data))
	_, err = EncodeOptions{Compress: 10}.Marshal(1)
	assert.EqualError(t, err, "etf: Compress is 10, allowed are 0 to 9")
}

func TestStreamsInEveryFraming(t *testing.T) {
	for _, framing := range []Framing{Unframed, Packet1, Packet2, Packet4} {
		for _, compress := range []int{0, 6} {
			var b bytes.Buffer
			enc := NewEncoder(&b, framing)
			enc.Options.Compress = compress
			var want []Term
			for _, v := range readVectors(t, goldenFiles[1]) {
				term, err := Decode(v.data)
				if _, local := term.(Local); err != nil || local || len(v.data) > 250 || Tag(v.data[1]) == tagCompressed {
					continue
				}
				require.NoError(t, enc.Encode(term))
				want = append(want, term)
			}
			long := bytes.Repeat([]byte("y"), 200)
			require.NoError(t, enc.Encode(long))
			want = append(want, long)
			for name, r := range map[string]io.Reader{
				"whole": bytes.NewReader(b.Bytes()), "bytes": iotest.OneByteReader(bytes.NewReader(b.Bytes())),
				"with EOF": iotest.DataErrReader(bytes.NewReader(b.Bytes())),
			} {
				dec := NewDecoder(r, framing)
				for _, w := range want {
					var term Term
					require.NoError(t, dec.Decode(&term), "%s, framing %d, %s", name, framing, Format(w))
					require.True(t, Equal(w, term), Format(w))
				}
				var term Term
				require.Equal(t, io.EOF, dec.Decode(&term))
			}
			cut := NewDecoder(bytes.NewReader(b.Bytes()[:b.Len()-1]), framing)
			var err error
			for err == nil {
				var term Term
				err = cut.Decode(&term)
			}
			require.ErrorIs(t, err, ErrTruncated)
		}
	}
}

func TestStreamErrors(t *testing.T) {
	enc := NewEncoder(io.Discard, Packet1)
	assert.ErrorIs(t, enc.Encode(make([]byte, 250)), ErrLimit)
	assert.NoError(t, enc.Encode(make([]byte, 249)))
	assert.EqualError(t, NewEncoder(io.Discard, 3).Encode(1), "etf: framing 3 is unknown: 0, 1, 2 and 4 are known")

	// A bad message in a frame does not end the stream.
	dec := NewDecoder(bytes.NewReader([]byte("\x00\x02\x83\x07\x00\x03\x83a\x05")), Packet2)
	var i int
	assert.ErrorIs(t, dec.Decode(&i), ErrTag)
	assert.NoError(t, dec.Decode(&i))
	assert.Equal(t, 5, i)

	for name, data := range map[string]string{
		"a claim of 4 GB": "\xff\xff\xff\xff", "a claim of 64 MB and little more": "\x03\xff\xff\xff\x83",
	} {
		dec := NewDecoder(bytes.NewReader([]byte(data)), Packet4)
		allocs := testing.AllocsPerRun(1, func() { _, _ = dec.Next() })
		assert.Less(t, allocs, 20.0, name)
		_, err := dec.Next()
		assert.Error(t, err, name)
	}
	for data, kind := range map[string]error{
		"\x82a\x01": ErrVersion, "\x83\x07": ErrTag, "\x83l\xff\xff\xff\xffj": ErrLimit, "\x83m\xff\xff\xff\xffj": ErrLimit,
		"\x83m\x00\x10\x00\x00j": ErrTruncated, "\x83y\x00": ErrTag, "\x83\x50\xff\xff\xff\xff": ErrLimit, "\x83\x50\x00\x00\x00\x05zz": ErrValue, "\x83": ErrTruncated,
	} {
		dec := NewDecoder(bytes.NewReader([]byte(data)), Unframed)
		_, err := dec.Next()
		assert.ErrorIs(t, err, kind, "% x", data)
		_, again := dec.Next()
		assert.Equal(t, err, again)
	}
	failing := errors.New("failing")
	_, err := NewDecoder(iotest.ErrReader(failing), Packet4).Next()
	assert.Equal(t, failing, err)
}

func TestScannerReadsWhatItIsAsked(t *testing.T) {
	for _, c := range []struct {
		text string
		read func(*Scanner)
		err  string
	}{
		{"a", func(s *Scanner) { s.Int() }, "at offset 0: SMALL_ATOM_UTF8_EXT is no integer"},
		{"1", func(s *Scanner) { s.Atom() }, "at offset 0: SMALL_INTEGER_EXT is no atom"},
		{"[]", func(s *Scanner) { s.ListHeader() }, "at offset 0: NIL_EXT is no list"},
		{"a", func(s *Scanner) { s.Bool() }, "at offset 0: the atom a is no boolean"},
		{"-1", func(s *Scanner) { s.Uint() }, "at offset 0: the integer does not fit in a uint64"},
		{"16#10000000000000000", func(s *Scanner) { s.Uint() }, "at offset 0: the integer does not fit in a uint64"},
		{"a", func(s *Scanner) { s.AppendIOData(nil) }, "at offset 0: SMALL_ATOM_UTF8_EXT is no binary"},
		{"[a]", func(s *Scanner) { s.AppendIOData(nil) }, "at offset 5: SMALL_ATOM_UTF8_EXT is no iodata"},
		{"[256]", func(s *Scanner) { s.AppendIOData(nil) }, "at offset 5: 256 is no byte of iodata"},
		{"[1|2]", func(s *Scanner) { s.AppendIOData(nil) }, "at offset 7: SMALL_INTEGER_EXT is no iodata"},
		{"[<<1:1>>]", func(s *Scanner) { s.AppendIOData(nil) }, "at offset 5: BIT_BINARY_EXT is no iodata"},
		{"a", func(s *Scanner) { s.Skip(); s.Int() }, "at offset 3: a term is missing"},
	} {
		term, err := Parse(c.text)
		require.NoError(t, err)
		raw, err := Append(nil, term)
		require.NoError(t, err)
		s := NewScanner(raw)
		c.read(&s)
		assert.EqualError(t, s.Err(), "etf: "+c.err)
		first := s.Err()
		assert.Zero(t, s.TupleHeader()+s.ListHeader()+s.MapHeader()+int(s.Int())+len(s.Atom())+len(s.Raw()))
		assert.Equal(t, KindInvalid, s.Kind())
		assert.Same(t, first, s.Finish())
	}
}

func TestAppendIOData(t *testing.T) {
	for text, want := range map[string]string{
		"<<\"a\">>": "a", "[]": "", "\"ab\"": "ab", "[1,[2,\"ab\",[[]|<<\"c\">>]]|<<\"d\">>]": "\x01\x02abcd",
		"[[[<<\"x\">>]],255|\"yz\"]": "x\xffyz",
	} {
		term, err := Parse(text)
		require.NoError(t, err)
		raw, err := Append(nil, term)
		require.NoError(t, err)
		s := NewScanner(raw)
		got := s.AppendIOData([]byte("dst:"))
		require.NoError(t, s.Finish(), text)
		assert.Equal(t, "dst:"+want, string(got))
	}
}

func TestRawPassesIdentifiersThrough(t *testing.T) {
	for _, file := range goldenFiles {
		for _, v := range readVectors(t, file) {
			if v.mode == "refuses" || Tag(v.data[1]) == tagCompressed {
				continue
			}
			s := NewScanner(v.data)
			s.Version()
			raw := s.Raw()
			require.NoError(t, s.Finish())
			require.Equal(t, v.data, AppendRaw(AppendVersion(nil), raw), v.name)
		}
	}
}
