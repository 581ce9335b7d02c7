package etf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A payload is a term that is measured; bench/ETF.md has the results.
type payload struct {
	name string
	term Term
	loop int // how often the BEAM does it for one of its own measurements
}

func payloads() []payload {
	pid := Pid{Node: "node@127.0.0.1", ID: 84, Serial: 0, Creation: 1700000000}
	ref := NewRef("node@127.0.0.1", 1700000000, 1234, 5678, 9012)
	var integers, atoms List
	for i := range 1000 {
		integers = append(integers, int64(256+i*37))
		atoms = append(atoms, Atom(fmt.Sprintf("an_atom_%d", i%20)))
	}
	nested := Map{}
	for i := range 50 {
		inner := Map{{Atom("id"), int64(i * 1000)}, {[]byte("name"), []byte("some name")}, {Atom("tags"), List{Atom("a"), Atom("b")}}}
		if i%2 == 0 {
			nested = append(nested, Pair{Atom(fmt.Sprintf("key_%d", i)), inner})
		} else {
			nested = append(nested, Pair{[]byte(fmt.Sprintf("key_%d", i)), inner})
		}
	}
	text := func(s string) []byte { return []byte(s) }
	headers := List{}
	for _, h := range []string{"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection", "Cookie", "Content-Length", "X-Request-Id"} {
		headers = append(headers, Tuple{Atom("http_header"), int64(len(headers)), Atom(h), Atom("undefined"), text("some value of the header " + h)})
	}
	return []payload{
		{"tcp_1k", Tuple{Atom("tcp"), int64(17), bytes.Repeat([]byte("x"), 1024)}, 200_000},
		{"send_64k", Tuple{Atom("send"), int64(17), bytes.Repeat([]byte("x"), 65536)}, 20_000},
		{"listen", Tuple{ref, pid, Tuple{Atom("listen"), int64(8080), List{
			Atom("binary"), Tuple{Atom("packet"), int64(4)}, Tuple{Atom("active"), Atom("once")}, Tuple{Atom("reuseaddr"), Atom("true")},
			Tuple{Atom("backlog"), int64(1024)}, Tuple{Atom("ip"), Tuple{int64(127), int64(0), int64(0), int64(1)}},
		}}}, 100_000},
		{"integers", integers, 10_000},
		{"atoms", atoms, 2_000},
		{"nested_map", nested, 5_000},
		{"http_request", Tuple{Atom("http_request"), Atom("GET"), Tuple{Atom("abs_path"), text("/some/path?with=a&query=string")}, Tuple{int64(1), int64(1)}, headers}, 50_000},
	}
}

// ballast stands for the heap of a program that does more than decode: with a
// heap of nothing the collector runs all the time.
var ballast []byte

const ballastSize = 64 << 20

func encoded(b *testing.B, t Term) []byte {
	if ballast == nil {
		ballast = make([]byte, ballastSize)
		for range 2 { // and for the memory that there is to use until the collector runs
			clear(make([]byte, ballastSize))
			runtime.GC()
		}
	}
	data, err := Marshal(t)
	require.NoError(b, err)
	return data
}

func BenchmarkDecode(b *testing.B) {
	for _, p := range payloads() {
		data := encoded(b, p.term)
		for _, o := range []struct {
			name string
			opts *DecodeOptions
		}{{"copy", nil}, {"alias", &DecodeOptions{Alias: true}}} {
			b.Run(p.name+"/"+o.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := o.opts.Decode(data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkEncode appends to a slice that is reused, as a writer of messages
// would; BenchmarkMarshal makes a new one for each.
func BenchmarkEncode(b *testing.B) {
	for _, p := range payloads() {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				var err error
				if dst, err = Append(AppendVersion(dst[:0]), p.term); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMarshal(b *testing.B) {
	for _, p := range payloads() {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Marshal(p.term); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSkip is the walk over a whole term that every decode begins with.
func BenchmarkSkip(b *testing.B) {
	for _, p := range payloads() {
		data := encoded(b, p.term)
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := NewScanner(data)
				s.Version()
				s.Skip()
				if s.Finish() != nil {
					b.Fatal(s.Err())
				}
			}
		})
	}
}

// BenchmarkHot is a driver's messages, appended and scanned.
func BenchmarkHot(b *testing.B) {
	pid := RawTerm(AppendPid(nil, Pid{Node: "node@127.0.0.1", ID: 84, Creation: 1700000000}))
	data := bytes.Repeat([]byte("x"), 1024)
	dst := make([]byte, 0, 2048)
	event := func() []byte {
		m := AppendInt(AppendAtom(AppendTupleHeader(AppendVersion(dst[:0]), 4), "tcp"), 17)
		return AppendBinaryHeader(AppendRaw(m, pid), len(data))
	}
	send := func() []byte {
		m := AppendInt(AppendAtom(AppendTupleHeader(AppendVersion(dst[:0]), 3), "send"), 17)
		return AppendBinaryHeader(m, len(data))
	}
	b.Run("append/tcp_event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			event()
		}
	})
	b.Run("append/send", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			send()
		}
	})
	sendMsg := append([]byte(nil), append(send(), data...)...)
	b.Run("scan/send", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := NewScanner(sendMsg)
			s.Version()
			if s.TupleHeader() != 3 || string(s.Atom()) != "send" || s.Int() != 17 || len(s.Binary()) != len(data) || s.Finish() != nil {
				b.Fatal(s.Err())
			}
		}
	})
	eventMsg := append([]byte(nil), append(event(), data...)...)
	b.Run("scan/tcp_event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := NewScanner(eventMsg)
			s.Version()
			if s.TupleHeader() != 4 || string(s.Atom()) != "tcp" || s.Int() != 17 || len(s.Raw()) != len(pid) || len(s.Binary()) != len(data) || s.Finish() != nil {
				b.Fatal(s.Err())
			}
		}
	})
}

type request struct {
	ID      int               `etf:"id" json:"id"`
	Method  string            `etf:"method" json:"method"`
	Path    string            `etf:"path" json:"path"`
	Headers map[string]string `etf:"headers" json:"headers"`
	Scores  []float64         `etf:"scores" json:"scores"`
	Tags    []string          `etf:"tags" json:"tags"`
	Keep    bool              `etf:"keep" json:"keep"`
}

// BenchmarkStruct is a struct through Marshal and Unmarshal, beside
// encoding/json with the same data.
func BenchmarkStruct(b *testing.B) {
	in := request{
		ID: 4711, Method: "GET", Path: "/some/path", Keep: true,
		Headers: map[string]string{"Host": "example.org", "Accept": "*/*", "Cookie": "a=b"},
		Scores:  []float64{1.5, 2.25, 0.1}, Tags: []string{"one", "two", "three"},
	}
	run := func(name string, marshal func(any) ([]byte, error), unmarshal func([]byte, any) error) {
		data, err := marshal(in)
		require.NoError(b, err)
		b.Run(name+"/marshal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := marshal(in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/unmarshal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var out request
				if err := unmarshal(data, &out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("etf", Marshal, Unmarshal)
	run("json", json.Marshal, json.Unmarshal)
}

// BenchmarkBEAM is binary_to_term/1 and term_to_binary/1 of a running erl for
// the same terms. The BEAM takes the times: ns/op of the test is not its own.
func BenchmarkBEAM(b *testing.B) {
	beam := startBEAM(b)
	for _, p := range payloads() {
		data := encoded(b, p.term)
		b.Run(p.name, func(b *testing.B) {
			var ns struct {
				_              struct{} `etf:",tuple"`
				Decode, Encode float64
			}
			for b.Loop() {
				beam.ask(Tuple{Atom("time"), data, p.loop / 5}, &ns)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ns.Decode, "decode-ns/op")
			b.ReportMetric(ns.Encode, "encode-ns/op")
		})
	}
}
