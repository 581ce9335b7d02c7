package sockets

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// The paths that every small message takes must not allocate: run with -benchmem, or
// see TestHotPathsDoNotAllocate, which fails if one of them does.

// quiet is a Sink that keeps nothing.
type quiet struct{ packets, octets int }

func (q *quiet) Packet(_ *Socket, p packet.Packet)            { q.packets++; q.octets += len(p.Data) }
func (*quiet) Passive(*Socket)                                {}
func (*quiet) Error(*Socket, error)                           {}
func (*quiet) Closed(*Socket)                                 {}
func (*quiet) Gone(*Socket, error)                            {}
func (*quiet) Credit(*Socket, int, int)                       {}
func (q *quiet) Received(_ *Socket, p packet.Packet, _ error) { q.packets++; q.octets += len(p.Data) }
func (*quiet) Done(error)                                     {}

// bench is a Stack that nobody runs, with a connected local socket and the other end
// of its connection: all happens in one goroutine, so that only this package is measured.
type bench struct {
	st    *Stack
	s     *Socket
	sink  *quiet
	other int
	buf   [64 << 10]byte
}

func newBench(t testing.TB, opts ...Option) *bench {
	t.Helper()
	b := &bench{sink: &quiet{}}
	var err error
	b.st, err = NewStack(Config{}, b.sink)
	require.NoError(t, err)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	b.other = fds[1]
	require.NoError(t, unix.SetNonblock(b.other, true))
	b.s, err = b.st.FdOpen(Local, Start{Fd: fds[0], Options: opts})
	require.NoError(t, err)
	t.Cleanup(func() {
		b.st.closeAll()
		_ = unix.Close(b.other)
	})
	return b
}

// turn is one round of Run.
func (b *bench) turn() {
	n, err := b.st.wait(0)
	if err != nil {
		panic(err)
	}
	b.st.poll.tell(n, b.st.dispatch)
	b.st.run()
	b.st.fireTimers()
	b.st.Uncork()
}

func (b *bench) drain() {
	for {
		if n, err := unix.Read(b.other, b.buf[:]); err != nil || n < len(b.buf) {
			return
		}
	}
}

func (b *bench) write(data []byte) {
	if _, err := unix.Write(b.other, data); err != nil {
		panic(err)
	}
}

// hotPaths are one operation each.
var hotPaths = []struct {
	name string
	opts []Option
	op   func(b *bench, data []byte)
}{
	{"Send", []Option{mode(packet.Four)}, func(b *bench, data []byte) {
		b.s.Send(data)
		b.drain()
	}},
	{"Send/Corked", []Option{mode(packet.Four)}, func(b *bench, data []byte) {
		b.st.Cork()
		for range 16 {
			b.s.Send(data)
		}
		b.st.Uncork()
		b.drain()
	}},
	{"SendCall", nil, func(b *bench, data []byte) {
		b.s.SendCall(data, b.sink)
		b.drain()
	}},
	{"Active", []Option{activeTrue}, func(b *bench, data []byte) {
		b.write(data)
		b.turn()
	}},
	{"ActiveOnce", []Option{mode(packet.One)}, func(b *bench, data []byte) {
		b.write(data)
		if err := b.s.SetOptions(onceOnly); err != nil {
			panic(err)
		}
	}},
	{"RecvThere", nil, func(b *bench, data []byte) {
		b.write(data)
		b.s.Recv(0, -1, b.sink)
	}},
	{"RecvAnswered", nil, func(b *bench, data []byte) {
		b.s.Recv(len(data), -1, b.sink)
		b.write(data)
		b.turn()
	}},
}

var onceOnly = []Option{activeOnce}

// message is 64 octets, and a packet of {packet, 1}.
var message = append([]byte{63}, make([]byte, 63)...)

func BenchmarkHotPaths(b *testing.B) {
	for _, path := range hotPaths {
		b.Run(path.name, func(b *testing.B) {
			x := newBench(b, path.opts...)
			b.ReportAllocs()
			for b.Loop() {
				path.op(x, message)
			}
		})
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	for _, path := range hotPaths {
		t.Run(path.name, func(t *testing.T) {
			x := newBench(t, path.opts...)
			allocs := testing.AllocsPerRun(200, func() { path.op(x, message) })
			require.Zero(t, allocs)
			if path.name != "Send" && path.name != "Send/Corked" && path.name != "SendCall" {
				require.Equal(t, 201, x.sink.packets, "all were delivered")
			}
		})
	}
}

func BenchmarkBulk(b *testing.B) {
	for _, row := range []struct {
		name string
		opts []Option
	}{{"Raw", []Option{activeTrue}}, {"Packet4", []Option{activeTrue, mode(packet.Four)}}} {
		b.Run(row.name, func(b *testing.B) {
			x := newBench(b, row.opts...)
			data := append([]byte{0, 0, 0x7f, 0xfc}, make([]byte, 32<<10-4)...)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				x.write(data)
				x.turn()
			}
			require.NotZero(b, x.sink.packets)
		})
	}
}
