package etf_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/gentcp/gentcp/etf"
)

// Peer is the tuple {peer, Host, Port}, Host a charlist.
type Peer struct {
	_    struct{} `etf:"peer,tuple"`
	Host string   `etf:",charlist"`
	Port uint16
}

// Options is a proplist.
type Options struct {
	_       struct{} `etf:",proplist"`
	NoDelay bool     `etf:"nodelay"`
	Mode    string   `etf:"mode,atom,omitempty"`
}

// Connect is a map with atoms for keys.
type Connect struct {
	ID      int     `etf:"id"`
	Name    string  `etf:"name"`
	Peer    Peer    `etf:"peer"`
	Options Options `etf:"options"`
	Timeout *int    `etf:"timeout"`
}

func ExampleMarshal() {
	data, err := etf.Marshal(Connect{
		ID: 7, Name: "first", Peer: Peer{Host: "localhost", Port: 80}, Options: Options{NoDelay: true, Mode: "active"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	term, _ := etf.Decode(data)
	fmt.Println(term)
	// Output: #{id => 7,name => <<"first">>,peer => {peer,"localhost",80},options => [{nodelay,true},{mode,active}],timeout => undefined}
}

func ExampleUnmarshal() {
	term, _ := etf.Parse(`#{id => 7, name => "first", peer => {peer, "localhost", 80}, options => [nodelay], other => 1}`)
	data, _ := etf.Marshal(term)

	var c Connect
	err := etf.Unmarshal(data, &c)
	fmt.Println(err, c.ID, c.Name, c.Peer.Host, c.Peer.Port, c.Options.NoDelay)

	err = etf.Unmarshal(data, &struct {
		ID string `etf:"id"`
	}{})
	fmt.Println(err, errors.Is(err, etf.ErrKind))
	// Output:
	// <nil> 7 first localhost 80 true
	// etf: at offset 10: SMALL_INTEGER_EXT does not fit in Go type string (field id of struct { ID string "etf:\"id\"" }) true
}

// How a Go string is written is said by its type or by a field's tag.
func ExampleMarshal_strings() {
	for _, v := range []any{
		"text", []byte("text"), etf.Atom("text"), etf.String("text"),
		struct {
			_        struct{} `etf:",tuple"`
			Binary   string
			Atom     string `etf:",atom"`
			Charlist string `etf:",charlist"`
		}{Binary: "bin", Atom: "atom", Charlist: "λ"},
	} {
		fmt.Println(etf.Format(v))
	}
	// Output:
	// <<"text">>
	// <<"text">>
	// text
	// "text"
	// {<<"bin">>,atom,[955]}
}

func ExampleDecode() {
	term, err := etf.Decode([]byte{131, 104, 2, 119, 2, 'o', 'k', 107, 0, 2, 'h', 'i'})
	if err != nil {
		fmt.Println(err)
		return
	}
	switch t := term.(type) {
	case etf.Tuple:
		fmt.Println(t, len(t), t[0] == etf.Atom("ok"), t[1] == etf.String("hi"))
	default:
		fmt.Println("something else:", t)
	}
	// Output: {ok,"hi"} 2 true true
}

// Bytes of a few kinds that have ended other programs.
func ExampleDecode_errors() {
	for _, data := range []string{
		"\x83l\xff\xff\xff\xfe",
		"\x83\x50\x80\x00\x00\x00",
		"\x83w\x01\xff",
		"\x83a",
	} {
		_, err := etf.Decode([]byte(data))
		fmt.Println(err, errors.Is(err, io.ErrUnexpectedEOF))
	}
	// Output:
	// etf: at offset 1: LIST_EXT claims 4294967294 elements, 0 bytes are left true
	// etf: at offset 1: COMPRESSED claims 2147483648 bytes, the limit is 16777216 false
	// etf: at offset 1: SMALL_ATOM_UTF8_EXT is not UTF-8 false
	// etf: at offset 1: SMALL_INTEGER_EXT takes 2 bytes, 1 are left true
}

func ExampleDecodeOptions() {
	strict := &etf.DecodeOptions{Limits: etf.Limits{MaxDepth: 2}}
	data, _ := etf.Marshal(etf.List{etf.List{etf.List{etf.List{}}}})
	_, err := strict.Decode(data)
	fmt.Println(err, errors.Is(err, etf.ErrLimit))
	// Output: etf: at offset 16: terms are nested deeper than 2 levels true
}

func ExampleAppend() {
	msg, err := etf.Append(etf.AppendVersion(nil), etf.Tuple{etf.Atom("ok"), 1, "one"})
	fmt.Printf("% x %v\n", msg, err)
	// Output: 83 68 03 77 02 6f 6b 61 01 6d 00 00 00 03 6f 6e 65 <nil>
}

func ExampleParse() {
	term, err := etf.Parse(`{config, [{port, 16#1F90}, {name, <<"é"/utf8>>}], #{1.5 => 'Quoted'}}.`)
	fmt.Println(term, err)
	_, err = etf.Parse("{config,\n Value}")
	fmt.Println(err)
	// Output:
	// {config,[{port,8080},{name,<<"é"/utf8>>}],#{1.5 => 'Quoted'}} <nil>
	// etf: line 2, column 2: the variable Value is no term
}

// A reference goes back to whoever made it as the bytes that it came with.
func ExampleRawTerm() {
	ref := etf.AppendRef(nil, etf.NewRef("node@host", 1, 2, 3, 4))
	call := etf.AppendRaw(etf.AppendTupleHeader(etf.AppendVersion(nil), 2), ref)
	call = etf.AppendAtom(call, "ping")

	s := etf.NewScanner(call)
	s.Version()
	s.TupleHeader()
	from := s.Raw()
	reply := etf.AppendTupleHeader(etf.AppendVersion(nil), 2)
	reply = etf.AppendAtom(etf.AppendRaw(reply, from), "pong")

	term, err := etf.Decode(reply)
	fmt.Println(term, err)
	// Output: {#Ref<node@host.1.2.3.4>,pong} <nil>
}

func ExampleScanner_AppendIOData() {
	iodata, _ := etf.Parse(`["GET ", <<"/">>, [32, "HTTP/1.1"] | <<"\r\n">>]`)
	raw, _ := etf.Append(nil, iodata)
	s := etf.NewScanner(raw)
	fmt.Printf("%q\n", s.AppendIOData(nil))
	// Output: "GET / HTTP/1.1\r\n"
}

// A port program's standard input and output, framed as by {packet,4}.
func ExampleDecoder() {
	var stdin, stdout bytes.Buffer
	toPort := etf.NewEncoder(&stdin, etf.Packet4)
	_ = toPort.Encode(etf.Tuple{etf.Atom("add"), 1, 2})
	_ = toPort.Encode(etf.Tuple{etf.Atom("add"), 40, 2})

	dec, enc := etf.NewDecoder(&stdin, etf.Packet4), etf.NewEncoder(&stdout, etf.Packet4)
	for {
		var request struct {
			_    struct{} `etf:"add,tuple"`
			A, B int
		}
		if err := dec.Decode(&request); err == io.EOF {
			break
		} else if err != nil {
			fmt.Println(err)
			return
		}
		_ = enc.Encode(etf.Tuple{etf.Atom("sum"), request.A + request.B})
	}
	fmt.Printf("%q\n", stdout.Bytes())
	// Output: "\x00\x00\x00\n\x83h\x02w\x03suma\x03\x00\x00\x00\n\x83h\x02w\x03suma*"
}

func ExampleMap() {
	term, _ := etf.Parse(`#{1 => integer, 1.0 => float, [list] => as_well}`)
	m := term.(etf.Map)
	v, ok := m.Get(1.0)
	fmt.Println(v, ok)
	_, err := m.Go()
	fmt.Println(err)

	term, _ = etf.Parse(`#{one => 1, <<"two">> => 2}`)
	g, err := etf.ToGoMap[string, int](term.(etf.Map))
	fmt.Println(g, err)
	// Output:
	// float true
	// etf: a key of type etf.List in a Go map: not representable
	// map[one:1 two:2] <nil>
}

// Celsius is {celsius, Degrees}.
type Celsius float64

func (c Celsius) AppendETF(dst []byte) ([]byte, error) {
	dst = etf.AppendAtom(etf.AppendTupleHeader(dst, 2), "celsius")
	return etf.AppendFloat(dst, float64(c)), nil
}

func (c *Celsius) UnmarshalETF(t etf.RawTerm) error {
	s := etf.NewScanner(t)
	if s.TupleHeader() != 2 || string(s.Atom()) != "celsius" {
		return fmt.Errorf("%s is no temperature", t)
	}
	*c = Celsius(s.Float())
	return s.Finish()
}

func ExampleMarshaler() {
	data, err := etf.Marshal([]Celsius{21.5, -3})
	fmt.Println(etf.RawTerm(data[1:]), err)
	var back []Celsius
	err = etf.Unmarshal(data, &back)
	fmt.Println(back, err)
	// Output:
	// [{celsius,21.5},{celsius,-3.0}] <nil>
	// [21.5 -3] <nil>
}
