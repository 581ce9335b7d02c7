package sockets

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAcceptorsAreServedInTheirOrder(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		l, at := w.listen(f)
		var waiting []*answer
		for range 5 {
			waiting = append(waiting, w.startAccept(l, -1, false))
		}
		require.Equal(t, []string{"accepting", "listen", "open"}, on(w, l.States))
		for i, a := range waiting {
			client := w.connect(f, at)
			a.socket()
			for _, later := range waiting[i+1:] {
				later.open()
			}
			require.NoError(t, w.send(client, "x"))
			w.expect(a.s, "packet x")
		}
		require.Equal(t, []string{"listen", "open"}, on(w, l.States))
	})
}

func TestConnectionsWaitForAcceptors(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		l, at := w.listen(f)
		for range 10 {
			w.connect(f, at)
		}
		seen := map[ID]bool{}
		for range 10 {
			a := w.startAccept(l, 0, false) // a poll finds those that are there
			seen[a.socket().ID()] = true
		}
		require.Len(t, seen, 10)
		require.ErrorIs(t, w.startAccept(l, 0, false).error(), ErrTimeout)
	})
}

func TestExpiredAndCancelledAcceptorsLeaveTheQueue(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		l, at := w.listen(f)
		first, expires := w.startAccept(l, time.Hour, false), w.startAccept(l, time.Millisecond, false)
		cancelled, last := w.startAccept(l, time.Hour, false), w.startAccept(l, -1, false)
		require.ErrorIs(t, expires.error(), ErrTimeout)
		w.do(func() {
			require.True(t, l.CancelAccept(cancelled))
			require.False(t, l.CancelAccept(cancelled), "twice")
			require.False(t, l.CancelAccept(w.answer()), "never seen")
		})
		require.ErrorIs(t, cancelled.error(), ErrCancelled)
		w.connect(f, at)
		first.socket()
		last.open()
		w.connect(f, at)
		last.socket()
	})
}

func TestAcceptOnWhatDoesNotListen(t *testing.T) {
	w := newWorld(t, Config{})
	client, server := w.pair(Inet)
	require.ErrorIs(t, w.startAccept(client, -1, false).error(), unix.EINVAL)
	w.do(func() {
		require.False(t, client.CancelAccept(w.answer()))
		server.CloseNow()
	})
	require.ErrorIs(t, w.startAccept(server, -1, false).error(), ErrClosed)
}

func TestClosedListenerAnswersItsAcceptors(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		l, at := w.listen(f)
		a := w.startAccept(l, -1, false)
		client := w.connect(f, at)
		lives := a.socket()
		blocked := []*answer{w.startAccept(l, -1, false), w.startAccept(l, time.Hour, false)}
		require.NoError(t, w.startClose(l).error())
		for _, b := range blocked {
			require.ErrorIs(t, b.error(), ErrClosed)
		}
		w.expect(l, "gone")
		require.NoError(t, w.send(client, "x"))
		w.expect(lives, "packet x")
	})
}

func TestHeldConnectionSleepsUntilItIsAdopted(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		l, at := w.listen(f)
		client := w.connect(f, at)
		require.NoError(t, w.send(client, "early"))
		s := w.startAccept(l, -1, true).socket()
		w.arrived(s, 5)
		w.until("its event has come", func() bool { return s.canRead })
		w.do(func() {})
		w.expectNone(s)
		require.Empty(t, w.sink.grants(s))
		w.do(func() {
			s.Adopt()
			require.Equal(t, []string{"packet early"}, w.sink.told(s), "told within Adopt")
			s.Adopt() // again is no harm
			s.Return()
		})
		require.NotEmpty(t, w.sink.grants(s))
		require.NoError(t, w.send(client, "late"))
		w.expect(s, "packet early", "packet late")
	})
}

func TestReturnedConnectionGoesToTheNextAcceptor(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		l, at := w.listen(f)
		first := w.startAccept(l, -1, true)
		next := w.startAccept(l, -1, false)
		client := w.connect(f, at)
		s := first.socket()
		next.open()
		w.do(s.Return)
		require.Same(t, s, next.socket())
		require.NoError(t, w.send(client, "x"))
		w.expect(s, "packet x")

		// Without an acceptor it waits at the head, before those that the kernel has.
		w.connect(f, at)
		s = w.startAccept(l, -1, true).socket()
		w.connect(f, at)
		w.do(func() {
			s.Return()
			s.Return() // it is back already
			s.Adopt()  // too late
		})
		require.Same(t, s, w.startAccept(l, 0, false).socket())
		require.NotSame(t, s, w.startAccept(l, -1, false).socket())
		require.ErrorIs(t, w.startAccept(l, 0, false).error(), ErrTimeout)
	})
}

func TestReturnedConnectionInheritsWhatTheListenerHasThen(t *testing.T) {
	w := newWorld(t, Config{})
	l, at := w.listen(Inet)
	w.connect(Inet, at)
	s := w.startAccept(l, -1, true).socket()
	w.do(s.Return)
	require.NoError(t, w.set(l, opt("packet_size", 12), passive))
	require.Same(t, s, w.startAccept(l, -1, false).socket())
	w.do(func() {
		require.Equal(t, uint32(12), s.framer.Size)
		require.False(t, s.Active())
	})
}

func TestReturnedConnectionThatIsClosedIsNotHandedOut(t *testing.T) {
	w := newWorld(t, Config{})
	l, at := w.listen(Inet)
	w.connect(Inet, at)
	s := w.startAccept(l, -1, true).socket()
	w.do(func() {
		s.Return()
		s.CloseNow()
	})
	require.ErrorIs(t, w.startAccept(l, 0, false).error(), ErrTimeout)
}

func TestReturnedConnectionIsResetWithItsListener(t *testing.T) {
	for name, act := range map[string]func(l, s *Socket){
		"returned first": func(l, s *Socket) { s.Return(); l.CloseNow() },
		"closed first":   func(l, s *Socket) { l.CloseNow(); s.Return() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			l, at := w.listen(Inet)
			client := w.connect(Inet, at, econnreset)
			s := w.startAccept(l, -1, true).socket()
			w.do(func() { act(l, s) })
			w.expect(client, "error econnreset", "closed", "gone econnreset")
			w.expect(s, "gone")
		})
	}
}

func TestMaxSockets(t *testing.T) {
	w := newWorld(t, Config{MaxSockets: 3})
	l, at := w.listen(Inet)
	client := w.connect(Inet, at)
	server := w.startAccept(l, -1, false).socket()
	require.ErrorIs(t, w.startConnect(Inet, at, -1).error(), unix.EMFILE)
	w.do(func() {
		_, err := w.st.Listen(Inet, &Addr{Family: Inet, IP: Loopback(Inet)}, with())
		require.ErrorIs(t, err, unix.EMFILE)
	})
	for range 3 {
		require.ErrorIs(t, w.startAccept(l, -1, false).error(), unix.EMFILE)
	}
	// The listener goes on where there is room again.
	w.do(client.CloseNow)
	w.expect(server, "closed", "gone")
	a := w.startAccept(l, -1, false)
	other := newWorld(t, Config{})
	other.connect(Inet, at)
	a.socket()
}

func TestDescriptorsRunOut(t *testing.T) {
	w := newWorld(t, Config{})
	l, at := w.listen(Inet)
	w.connect(Inet, at)
	w.connect(Inet, at)
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	var a *answer
	w.do(func() {
		// As many as are open are the most that may be: found by opening one more.
		fd, err := unix.Dup(l.desc.fd)
		require.NoError(t, err)
		require.NoError(t, unix.Close(fd))
		a = w.answer()
		limited := before
		setLimit(&limited.Cur, fd)
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limited))
		defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before)) }()
		l.Accept(-1, false, a)
	})
	require.ErrorIs(t, a.error(), unix.EMFILE)
	w.startAccept(l, -1, false).socket()
	w.startAccept(l, -1, false).socket()
}

// setLimit sets a limit whose type is not the same on all systems.
func setLimit[T int64 | uint64](limit *T, n int) { *limit = T(n) }

func TestListenRefusals(t *testing.T) {
	w := newWorld(t, Config{})
	_, at := w.listen(Inet)
	listen := func(a Addr, opts ...Option) (err error) {
		w.do(func() { _, err = w.st.Listen(a.Family, &a, with(opts...)) })
		return err
	}
	require.ErrorIs(t, listen(at, opt("reuseaddr", 1)), unix.EADDRINUSE)
	require.ErrorIs(t, listen(Addr{Family: Inet, IP: Loopback(Inet)}, opt("ttl", 0)), unix.EINVAL)
	w.do(func() {
		_, err := w.st.Listen(Inet, nil, Start{Fd: -1, Netns: "/nonexistent"})
		require.ErrorIs(t, err, unix.ENOENT)
		_, err = w.st.Listen(Inet, nil, Start{Fd: -1, Netns: "/dev/null"})
		require.ErrorIs(t, err, unix.EINVAL)
		require.Len(t, w.st.sockets, 1)
	})
}

func TestListenOnADescriptor(t *testing.T) {
	w := newWorld(t, Config{})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	var l *Socket
	var at Addr
	w.do(func() {
		l, err = w.st.Listen(Inet, nil, Start{Fd: fd, Backlog: 5})
		require.NoError(t, err)
		at, err = l.Sockname()
		require.NoError(t, err)
	})
	a := w.startAccept(l, -1, false)
	w.connect(Inet, at)
	a.socket()
}

func TestDescriptorOfAnotherFamilyIsRefusedAndClosed(t *testing.T) {
	w := newWorld(t, Config{})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	w.do(func() {
		_, err := w.st.Listen(Inet6, nil, Start{Fd: fd})
		require.ErrorIs(t, err, unix.EINVAL)
		_, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		require.ErrorIs(t, err, unix.EBADF)
		_, err = w.st.FdOpen(Inet, Start{Fd: fd})
		require.ErrorIs(t, err, unix.EBADF)
	})
}

// An acceptor that asks for the next connection from within its answer is served too.
func TestAcceptFromWithinAnAnswer(t *testing.T) {
	w := newWorld(t, Config{})
	l, at := w.listen(Inet)
	const n = 50
	var accepted int // only touched in the Stack's place
	var again func(*answer)
	again = func(a *answer) {
		if a.err == nil {
			accepted++
			next := w.answer()
			next.then = again
			l.Accept(-1, false, next)
		}
	}
	first := w.answer()
	first.then = again
	w.do(func() { l.Accept(-1, false, first) })
	for range n {
		w.connect(Inet, at)
	}
	w.until("all are accepted", func() bool { return accepted == n })
}
