package packet_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gentcp/gentcp/sockets/packet"
)

func benchmarkNext(b *testing.B, f *packet.Framer, data []byte) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		rest := data
		for len(rest) > 0 {
			_, n, _, err := f.Next(rest)
			if n == 0 {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

func BenchmarkFour(b *testing.B) {
	benchmarkNext(b, packet.New(packet.Four), append([]byte{0, 0, 0, 64}, make([]byte, 64)...))
}

func BenchmarkLine(b *testing.B) {
	benchmarkNext(b, packet.New(packet.Line), append(bytes.Repeat([]byte("x"), 63), '\n'))
}

func BenchmarkASN1(b *testing.B) {
	benchmarkNext(b, packet.New(packet.ASN1), append([]byte{0x30, 64}, make([]byte, 64)...))
}

func BenchmarkHTTP(b *testing.B) {
	benchmarkNext(b, packet.New(packet.HTTPBin), []byte("GET /index.html HTTP/1.1\r\nHost: example.org\r\nX-Trace: 1\r\n\r\n"))
}

// A line that comes byte by byte costs as much as its length, not its square.
func BenchmarkSlowLine(b *testing.B) {
	f := packet.New(packet.Line)
	f.Buffer = 1 << 20
	line := append(bytes.Repeat([]byte("x"), 1<<16), '\n')
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		for i := range line {
			if _, n, _, _ := f.Next(line[:i+1]); n > 0 && n != len(line) {
				b.Fatal(n)
			}
		}
	}
}

// Packets that are delivered as bytes cost no allocation, whole or not.
func TestBytesDoNotAllocate(t *testing.T) {
	for _, r := range rows {
		if r.want[len(r.want)-1] != "closed" {
			continue // errors do allocate
		}
		f := r.setup().framer()
		f.Unparsed = true
		in := []byte(r.in)
		n := testing.AllocsPerRun(10, func() {
			for data := in; ; {
				_, n, _, _ := f.Next(data)
				if n == 0 {
					return
				}
				data = data[n:]
			}
		})
		assert.Zero(t, n, r.name)
	}
}
