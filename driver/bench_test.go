package driver

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/packet"
)

// bench is a session with one socket, whose commands come one by one and whose messages go to
// nobody; what the socket sends is read at the other end of a socketpair.
type bench struct {
	*Session
	t     testing.TB
	s     *sockets.Socket
	other int
	buf   [64 << 10]byte
}

// newBench makes a session and a socket with Id 1 and the given options, in the form of setopts.
func newBench(t testing.TB, options string) *bench {
	t.Helper()
	b := &bench{Session: &Session{cfg: Config{MaxFrame: portproto.DefaultMaxFrame}}, t: t}
	var err error
	b.stack, err = sockets.NewStack(sockets.Config{}, b.Session)
	require.NoError(t, err)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	b.out = messageWriter{d: b.Session, fd: int(null.Fd())}
	b.in = commandReader{d: b.Session}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	b.other = fds[1]
	require.NoError(t, unix.SetNonblock(b.other, true))
	t.Cleanup(func() {
		b.stack.Stop()
		require.NoError(t, b.stack.Run()) // closes what is open
		_ = unix.Close(b.other)
		_ = null.Close()
	})
	b.do(b.frame("{hello, 1, #{send_credit => true, ahead => 131072, lines => true}}"))
	b.s, err = b.stack.FdOpen(sockets.Local, sockets.Start{Fd: fds[0]})
	require.NoError(t, err)
	b.s.User = &user{}
	b.lastID = b.s.ID()
	b.do(b.frame("{setopts, 1, %s}", options))
	return b
}

// frame is the payload of a command's frame.
func (b *bench) frame(format string, args ...any) []byte {
	return frameOf(b.t, fmt.Sprintf(format, args...))[portproto.FrameHeader:]
}

func (b *bench) do(frame []byte) {
	b.command(frame)
	b.out.flush()
}

// write is input of the socket.
func (b *bench) write(data []byte) {
	if _, err := unix.Write(b.other, data); err != nil {
		panic(err)
	}
}

// done grows with what has been sent and reported.
func (b *bench) done() int {
	n, ok := sockets.StatByName("send_cnt")
	require.True(b.t, ok)
	return b.out.unsent + int(b.s.Stat(n))
}

func (b *bench) drain() {
	for {
		if n, err := unix.Read(b.other, b.buf[:]); err != nil || n < len(b.buf) {
			return
		}
	}
}

// hotPaths make an operation each, of the commands that it takes.
var hotPaths = []struct {
	name, options string
	op            func(b *bench) func()
}{
	{"Send", "[binary, {active, false}]", func(b *bench) func() {
		send := b.frame("{send, 1, <<0:512>>}")
		return func() {
			b.do(send)
			b.drain()
		}
	}},
	{"SendCalled", "[binary, {active, false}]", func(b *bench) func() {
		send := b.frame("{call, 7, {send, 1, <<0:512>>}}")
		return func() {
			b.do(send)
			b.drain()
		}
	}},
	{"SendCorked", "[binary, {active, false}]", func(b *bench) func() {
		send := b.frame("{send, 1, <<0:512>>}")
		return func() {
			b.stack.Cork()
			for range 16 {
				b.command(send)
			}
			b.stack.Uncork()
			b.out.flush()
			b.drain()
		}
	}},
	{"ActiveOnce", "[binary, {active, false}, {packet, 1}]", func(b *bench) func() {
		once := b.frame("{call, 7, {setopts, 1, [{active, once}]}}")
		data := append([]byte{63}, make([]byte, 63)...)
		return func() {
			b.write(data)
			b.do(once)
		}
	}},
	{"Recv", "[binary, {active, false}]", func(b *bench) func() {
		recv := b.frame("{call, <<0:64>>, {recv, 1, 64, infinity}}")
		data := make([]byte, 64)
		return func() {
			b.write(data)
			b.do(recv)
		}
	}},
	{"Ahead", "[binary, {active, false}, {packet, 1}]", func(b *bench) func() {
		// Of four packets one is asked for and three are lent; the next command says that
		// all of them were taken.
		data := make([]byte, 0, 4*64)
		for range 4 {
			data = append(append(data, 63), make([]byte, 63)...)
		}
		// A loan has the number of the questions before it, and this is the second.
		loan, setopts := 1, b.frame("{call, 7, {setopts, 1, [{active, once}]}}")
		settle := make([]byte, 0, 64)
		return func() {
			b.write(data)
			b.do(setopts)
			loan = (loan + 1) % sockets.LoanNumbers
			b.do(settled(settle, loan, 3))
			loan = (loan + 1) % sockets.LoanNumbers
		}
	}},
	{"Message", "[binary, {active, true}]", func(b *bench) func() {
		p := packet.Packet{Kind: packet.Bytes, Data: make([]byte, 64)}
		return func() {
			for range 16 {
				b.Packet(b.s, p)
			}
			b.out.flush()
		}
	}},
	{"Lines", "[binary, {active, true}, {packet, http_bin}]", func(b *bench) func() {
		p := packet.Packet{Kind: packet.HTTPHeader, Headers: true, Data: []byte("Host: localhost:8080\r\n")}
		return func() {
			for range 16 {
				b.Packet(b.s, p)
			}
			b.out.flush()
		}
	}},
}

// settled is the payload of {settle, 1, Loan, Count}, written into b.
func settled(b []byte, loan, count int) []byte {
	b = append(b[:0], 131, 104, 4, 119, 6)
	b = append(b, "settle"...)
	b = append(b, 97, 1)
	b = portproto.AppendID(b, int64(loan))
	return portproto.AppendID(b, int64(count))
}

func BenchmarkHotPaths(b *testing.B) {
	for _, path := range hotPaths {
		b.Run(path.name, func(b *testing.B) {
			op := path.op(newBench(b, path.options))
			b.ReportAllocs()
			for b.Loop() {
				op()
			}
		})
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	for _, path := range hotPaths {
		t.Run(path.name, func(t *testing.T) {
			b := newBench(t, path.options)
			op := path.op(b)
			before := b.done()
			allocs := 0.0
			if path.name == "Ahead" {
				allocs = 1 // for what is on loan, which stays in memory
			}
			require.Equal(t, allocs, testing.AllocsPerRun(200, op))
			require.NotEqual(t, before, b.done(), "something was done")
		})
	}
}
