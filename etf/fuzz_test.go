package etf

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// Seeds are the golden vectors and the inputs that must be refused.
func addSeeds(f *testing.F) {
	for _, file := range goldenFiles {
		for _, v := range readVectors(f, file) {
			if len(v.data) < 1000 {
				f.Add(v.data)
			}
		}
	}
	for _, c := range refused {
		if len(c.data) < 1000 {
			f.Add([]byte(c.data))
		}
	}
}

var fuzzLimits = Limits{MaxInflated: 1 << 16}

// FuzzDecode: decode, scan and Unmarshal into any agree on every input, whether
// it is a term and which; what decodes encodes, and decodes to the same again.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		o := &DecodeOptions{Limits: fuzzLimits}
		kept := bytes.Clone(data)
		term, err := o.Decode(data)

		s := o.NewScanner(data)
		s.Version()
		raw := s.Raw()
		scanErr := s.Finish()
		var v any
		unmarshalErr := o.Unmarshal(data, &v)
		if message(err) != message(scanErr) || message(err) != message(unmarshalErr) {
			t.Fatalf("decode: %v, scan: %v, unmarshal: %v", err, scanErr, unmarshalErr)
		}
		aliased, aliasErr := (&DecodeOptions{Limits: fuzzLimits, Alias: true}).Decode(data)
		if message(err) != message(aliasErr) {
			t.Fatalf("decode: %v, with alias: %v", err, aliasErr)
		}
		if !bytes.Equal(kept, data) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			if e.Offset < 0 {
				t.Fatalf("offset %d", e.Offset)
			}
			return
		}
		first, rest, err := o.DecodeFirst(append(bytes.Clone(data), "rest"...))
		if _, local := term.(Local); !local && (err != nil || string(rest) != "rest" || !Equal(first, term)) {
			t.Fatalf("first: %v, %q, %v", first, rest, err)
		}
		again, err := Marshal(term)
		if err != nil {
			t.Fatalf("%s does not encode: %v", Format(term), err)
		}
		back, err := (&DecodeOptions{Limits: Limits{MaxElements: 1 << 30}}).Decode(again)
		if err != nil {
			t.Fatalf("%s does not decode again: %v", Format(term), err)
		}
		for name, other := range map[string]Term{"again": back, "unmarshalled": v, "aliased": aliased} {
			if !Equal(term, other) {
				t.Fatalf("%s: %s, decoded: %s", name, Format(other), Format(term))
			}
		}
		walkPieces(t, o, raw)
	})
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// walkPieces reads a term that is sound piece by piece, by its kinds, and wants
// to end where Raw did.
func walkPieces(t *testing.T, o *DecodeOptions, raw RawTerm) {
	s := o.NewScanner(raw)
	var walk func()
	several := func(n int) {
		for ; n > 0 && s.Err() == nil; n-- {
			walk()
		}
	}
	walk = func() {
		switch s.Kind() {
		case KindTuple:
			several(s.TupleHeader())
		case KindList:
			several(s.ListHeader())
			walk()
		case KindMap:
			several(2 * s.MapHeader())
		case KindNil:
			s.Nil()
		case KindAtom:
			s.Atom()
		case KindInteger:
			s.BigInt()
		case KindFloat:
			s.Float()
		case KindBinary:
			s.Binary()
		case KindString:
			s.String()
		case KindBitstring:
			s.Bitstring()
		case KindPid:
			s.Pid()
		case KindPort:
			s.Port()
		case KindRef:
			s.Ref()
		default:
			s.Skip()
		}
	}
	walk()
	if err := s.Finish(); err != nil {
		t.Fatalf("read piece by piece: %v, % x", err, []byte(raw))
	}
}

// FuzzScan calls the methods of a Scanner in any order: whatever comes, it
// stays within the input and its first failure sticks.
func FuzzScan(f *testing.F) {
	f.Add([]byte("\x83h\x02w\x03tcpa\x01"), []byte{0, 1, 4, 5})
	f.Add([]byte("\x83l\x00\x00\x00\x01m\x00\x00\x00\x01x107"), []byte{0, 14})
	for _, v := range readVectors(f, goldenFiles[1]) {
		if len(v.data) < 300 {
			f.Add(v.data, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18})
		}
	}
	f.Fuzz(func(t *testing.T, data, calls []byte) {
		s := (&DecodeOptions{Limits: fuzzLimits}).NewScanner(data)
		methods := []func(){
			s.Version, func() { s.TupleHeader() }, func() { s.ListHeader() }, func() { s.MapHeader() },
			func() { s.Atom() }, func() { s.Int() }, func() { s.Uint() }, func() { s.Float() },
			func() { s.Binary() }, func() { s.String() }, func() { s.Raw() }, s.Skip, s.Nil,
			func() { s.Bitstring() }, func() { s.AppendIOData(nil) }, func() { s.Bool() },
			func() { s.Term() }, func() { s.Pid() }, func() { s.Ref() }, func() { s.Port() },
			func() { var v map[string][]int; s.Unmarshal(&v) },
		}
		for _, c := range calls {
			before := s.Err()
			methods[int(c)%len(methods)]()
			if before != nil && s.Err() != before {
				t.Fatalf("%v became %v", before, s.Err())
			}
		}
		if s.Err() == nil && s.Offset()+len(s.Rest()) != len(data) && Tag(data[1]) != tagCompressed {
			t.Fatalf("offset %d, %d bytes are left of %d", s.Offset(), len(s.Rest()), len(data))
		}
	})
}

type fuzzTuple struct {
	_    struct{} `etf:"name,tuple"`
	ID   int16
	Text string
	Opts fuzzProps
}

type fuzzProps struct {
	_      struct{} `etf:",proplist"`
	Active bool     `etf:"active"`
	Packet uint8    `etf:"packet"`
	Mode   string   `etf:"mode,atom"`
}

type fuzzMap struct {
	Self  *fuzzMap       `etf:"self"`
	Map   map[string]any `etf:"map"`
	List  []float64      `etf:"list"`
	Data  []byte         `etf:"data"`
	Words [2]int         `etf:"words,tuple"`
	Text  string         `etf:"text,charlist"`
	Raw   RawTerm        `etf:"raw"`
	Tuple fuzzTuple      `etf:"tuple"`
	Pid   Pid            `etf:"pid"`
}

// FuzzUnmarshal: what goes into a Go value comes out of it as a term that goes
// into such a value again, and equals the first.
func FuzzUnmarshal(f *testing.F) {
	addSeeds(f)
	for _, text := range []string{
		`#{self => #{list => [1.5,2]}, map => #{a => [1], <<"b">> => x}, data => [<<"io">>|"list"], words => {1,2}, text => "caf\x{e9}", raw => {any,thing}}`,
		`#{tuple => {name,7,<<"text">>,[active,{packet,4},{mode,line}]}, pid => #Pid<a@b.1.2.3>}`,
	} {
		term, err := Parse(text)
		if err != nil {
			f.Fatal(err)
		}
		data, err := Marshal(term)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o := &DecodeOptions{Limits: fuzzLimits}
		var v fuzzMap
		if err := o.Unmarshal(data, &v); err != nil {
			return
		}
		if v.Pid.Node == "" {
			v.Pid.Node = "a@b"
		}
		again, err := Marshal(v)
		if err != nil {
			return // such as two keys that one Go map holds as different types
		}
		var w fuzzMap
		if err := Unmarshal(again, &w); err != nil {
			t.Fatalf("%#v came out as %s: %v", v, RawTerm(again[1:]), err)
		}
		third, err := Marshal(w)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%s became %s, %v", RawTerm(again[1:]), RawTerm(third[1:]), err)
		}
	})
}

// FuzzParse: what parses prints, and parses to the same again.
func FuzzParse(f *testing.F) {
	for _, file := range goldenFiles {
		for _, v := range readVectors(f, file) {
			if len(v.text) < 500 {
				f.Add(v.text)
			}
		}
	}
	for _, c := range parsed {
		f.Add(c.text)
	}
	for _, c := range unparsed {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		term, err := Parse(text)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("%#v", err)
			}
			return
		}
		printed := Format(term)
		back, err := Parse(printed)
		if err != nil || !Equal(term, back) {
			t.Fatalf("%q printed as %s, parsed as %s, %v", text, printed, Format(back), err)
		}
	})
}

// FuzzStream: a stream is the same messages, however it is cut into reads.
func FuzzStream(f *testing.F) {
	f.Add([]byte("\x83a\x01\x83h\x02w\x01aj"), uint8(1), uint8(0))
	f.Add([]byte("\x00\x03\x83a\x01\x00\x02\x83j"), uint8(3), uint8(2))
	f.Add([]byte(zipped(2, []byte("a\x07"))+"\x83j"), uint8(5), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, step, framing uint8) {
		o := &DecodeOptions{Limits: Limits{MaxInflated: 1 << 16, MaxMessage: 1 << 16}}
		read := func(step int) (out []string) {
			d := o.NewDecoder(&steps{data, step}, Framing(framing%5))
			for range len(data) + 2 {
				msg, err := d.Next()
				if err != nil {
					return append(out, err.Error())
				}
				out = append(out, string(msg))
			}
			t.Fatal("more messages than bytes")
			return nil
		}
		whole, pieces := read(len(data)+1), read(int(step)+1)
		if len(whole) != len(pieces) {
			t.Fatalf("%q, in pieces %q", whole, pieces)
		}
		for i := range whole {
			if whole[i] != pieces[i] {
				t.Fatalf("%q, in pieces %q", whole[i], pieces[i])
			}
		}
	})
}

// steps is a reader that returns a few bytes at a time.
type steps struct {
	data []byte
	step int
}

func (s *steps) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.data[:min(s.step, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}
