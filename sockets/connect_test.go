package sockets

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// refusing is an address where nobody listens.
func refusing(t *testing.T, w *world, f Family) Addr {
	l, at := w.listen(f)
	w.do(l.CloseNow)
	return at
}

// unanswered is the address of a listener whose backlog is full, so that the kernel
// answers no connection any longer.
func unanswered(t *testing.T) Addr {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(fd, 0))
	sa, err := unix.Getsockname(fd)
	require.NoError(t, err)
	at := addrOf(sa)
	conn, err := net.Dial("tcp", net.JoinHostPort(at.IP.String(), strconv.Itoa(int(at.Port))))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return at
}

func TestConnectRefused(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		at := refusing(t, w, f)
		for _, timeout := range []time.Duration{-1, time.Hour} {
			require.ErrorIs(t, w.startConnect(f, at, timeout).error(), unix.ECONNREFUSED)
		}
		w.do(func() {
			require.Empty(t, w.st.sockets)
			require.Empty(t, w.st.timers)
		})
	})
}

func TestConnectTimeoutAndCancel(t *testing.T) {
	w := newWorld(t, Config{})
	at := unanswered(t)
	require.ErrorIs(t, w.startConnect(Inet, at, time.Millisecond).error(), ErrTimeout)

	a := w.answer()
	var s *Socket
	w.do(func() { s = w.st.Connect(Inet, at, nil, with(), time.Hour, a) })
	a.open()
	w.do(func() {
		require.Equal(t, []string{"connecting", "open"}, s.States())
		require.True(t, s.CancelConnect())
		require.False(t, s.CancelConnect(), "twice")
	})
	require.ErrorIs(t, a.error(), ErrCancelled)
	w.do(func() {
		require.Empty(t, w.st.sockets)
		require.Empty(t, w.st.timers)
	})
	w.expectNone(s)
}

func TestConnectingSocketThatIsClosedAnswersItsCaller(t *testing.T) {
	w := newWorld(t, Config{})
	at := unanswered(t)
	a := w.answer()
	var s *Socket
	w.do(func() { s = w.st.Connect(Inet, at, nil, with(), time.Hour, a) })
	a.open()
	require.NoError(t, w.startClose(s).error())
	require.ErrorIs(t, a.error(), ErrClosed)
}

func TestConnectTimeoutZeroSucceedsOnLoopback(t *testing.T) {
	// A local connection is there when connect(2) returns.
	w := newWorld(t, Config{})
	_, at := w.listen(Local)
	require.NoError(t, w.startConnect(Local, at, 0).error())
}

func TestCallsOnAConnectingSocket(t *testing.T) {
	w := newWorld(t, Config{})
	at := unanswered(t)
	w.do(func() {
		s := w.st.Connect(Inet, at, nil, with(passive), -1, w.answer())
		a := w.answer()
		s.Recv(0, -1, a)
		require.ErrorIs(t, a.err, unix.ENOTCONN)
		a = w.answer()
		s.SendCall([]byte("x"), a)
		require.ErrorIs(t, a.err, unix.ENOTCONN)
		require.ErrorIs(t, s.Shutdown(unix.SHUT_WR), unix.ENOTCONN)
		s.CancelConnect()
	})
}

func TestConnectOptionsAreSetBeforeConnecting(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		_, at := w.listen(f)
		s := w.connect(f, at, opt("nodelay", 1), opt("recbuf", 30000), opt("header", 4))
		o, _ := get(t, w, s, byName["nodelay"])
		require.Equal(t, int64(1), o.Int)
		require.ErrorIs(t, w.startConnect(f, at, -1, Option{Name: optBindToDevice, Bytes: []byte("none such")}).error(), unix.EINVAL)
	})
}

func TestFdOpen(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		c, peer := w.withPeer(f, passive)
		var s *Socket
		w.do(func() {
			fd, err := unix.Dup(c.desc.fd)
			require.NoError(t, err)
			s, err = w.st.FdOpen(f, Start{Fd: fd})
			require.NoError(t, err)
			require.False(t, s.Active(), "passive")
			require.False(t, s.Binary(), "and in list mode")
		})
		write(t, peer, "x")
		data, err := w.recv(s, 0)
		require.NoError(t, err)
		require.Equal(t, "x", data)
		w.do(s.CloseNow)
		require.NoError(t, w.send(c, "still open"))
		require.Equal(t, "still open", read(t, peer, 10))
	})
}

func TestFdOpenOfASocketThatIsNotConnected(t *testing.T) {
	w := newWorld(t, Config{})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	var s *Socket
	w.do(func() {
		s, err = w.st.FdOpen(Inet, Start{Fd: fd})
		require.NoError(t, err)
	})
	require.ErrorIs(t, w.send(s, "x"), unix.ENOTCONN)
	_, err = w.recv(s, 0)
	require.ErrorIs(t, err, unix.ENOTCONN)
}
