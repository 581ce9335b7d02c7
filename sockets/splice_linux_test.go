package sockets

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// pipeTaker is a Receiver that takes long chunks through a pipe, as far as that has room,
// and reads the rest.
type pipeTaker struct {
	*answer
	before  func(s *Socket) // is called before anything is moved, if it is there
	fds     [2]int
	spliced int
}

func (p *pipeTaker) Splice(s *Socket, n int) bool {
	if p.before != nil {
		p.before(s)
	}
	p.spliced = s.SpliceTo(p.fds[1], n)
	if p.spliced == 0 {
		return false
	}
	data := make([]byte, p.spliced)
	for got := 0; got < len(data); {
		k, err := unix.Read(p.fds[0], data[got:])
		if err != nil {
			p.err = err
			break
		}
		got += k
	}
	if p.err == nil {
		data = s.ReadInput(data, n-p.spliced)
	}
	p.data = string(data)
	p.come()
	return true
}

func TestLongChunksAreSpliced(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, opt("mode", 1), opt("recbuf", 1<<20))
		fds := newPipe(t)
		const n = 100_000
		_, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, 4096) // which is less than that
		require.NoError(t, err)
		data := pattern(n)
		write(t, peer, data)
		w.arrived(s, n)
		w.do(func() { s.bulk = true }) // as a long read before this one has found
		p := &pipeTaker{answer: w.answer(), fds: fds}
		w.do(func() { s.Recv(n, -1, p) })
		require.Equal(t, data, p.value())
		require.Positive(t, p.spliced)
		require.Less(t, p.spliced, n)
		w.do(func() {
			require.Nil(t, s.Receiver())
			require.Equal(t, int64(n), s.Stat(RecvOct))
		})

		// What is unread, or not raw, or short, goes the other way.
		require.NoError(t, on(w, func() error { return s.Unrecv([]byte("back")) }))
		write(t, peer, data)
		w.arrived(s, n)
		w.do(func() { s.bulk = true })
		p = &pipeTaker{answer: w.answer(), fds: fds}
		w.do(func() { s.Recv(n+4, -1, p) })
		require.Equal(t, "back"+data, p.value())
		require.Zero(t, p.spliced)
	})
}

func TestPartsOfASendAreSpliced(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.Two))
		fds := newPipe(t)
		_, err := unix.Write(fds[1], []byte("cdef"))
		require.NoError(t, err)
		a := w.answer()
		w.do(func() {
			require.Zero(t, s.SpliceFrom(fds[0], 1, 4), "no such send")
			s.SendPart(1, 6, []byte("ab"), nil)
			require.Zero(t, s.SpliceFrom(fds[0], 2, 4), "another one")
			require.Zero(t, s.SpliceFrom(fds[0], 1, 5), "more than is left")
			require.Equal(t, 4, s.SpliceFrom(fds[0], 1, 4))
			require.Zero(t, s.SpliceFrom(fds[0], 1, 0))
			s.SendPart(1, 6, nil, a)
		})
		require.NoError(t, a.error())
		require.Equal(t, "\x00\x06abcdef", read(t, peer, 8))
		require.NoError(t, w.send(s, "next"))
		require.Equal(t, "\x00\x04next", read(t, peer, 6))
	})
}

// Input that has gone before it was read, because another process has read it, is made up for with
// zeros, and then ends its socket. The others go on.
func TestInputThatIsLost(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, opt("mode", 1), opt("recbuf", 1<<20))
		other, otherPeer := w.withPeer(f, passive)
		const n, lost = 100_000, 60_000
		data := pattern(n)
		write(t, peer, data)
		w.arrived(s, n)
		p := &pipeTaker{answer: w.answer(), fds: newPipe(t), before: func(s *Socket) {
			got, err := unix.Read(s.desc.fd, make([]byte, lost))
			require.NoError(t, err)
			require.Equal(t, lost, got)
		}}
		w.do(func() {
			s.bulk = true
			s.Recv(n, -1, p)
		})
		require.Equal(t, data[lost:]+strings.Repeat("\x00", lost), p.value())
		require.Equal(t, []string{"gone efault"}, w.sink.told(s))

		write(t, otherPeer, "still here")
		a := w.answer()
		w.do(func() { other.Recv(10, -1, a) })
		require.Equal(t, "still here", a.value())
	})
}

// A descriptor that another process has as well is read before anything is said of its octets.
func TestSharedDescriptorsAreNotSpliced(t *testing.T) {
	w := newWorld(t, Config{})
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	var s *Socket
	w.do(func() {
		s, err = w.st.FdOpen(Local, Start{Fd: fds[0], Options: []Option{opt("mode", 1)}})
	})
	require.NoError(t, err)
	defer func() { _ = unix.Close(fds[1]) }()
	data := pattern(spliceFrom)
	_, err = unix.Write(fds[1], []byte(data))
	require.NoError(t, err)
	p := &pipeTaker{answer: w.answer(), fds: newPipe(t)}
	w.do(func() {
		s.bulk = true
		s.Recv(spliceFrom, -1, p)
	})
	require.Equal(t, data, p.value())
	require.Zero(t, p.spliced)
}
