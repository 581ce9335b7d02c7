package sockets

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// inactivity and limit are the timers of the call of close that waits.
func inactivity(s *Socket) func() *Timer { return func() *Timer { return &s.closers[0].timer } }
func limit(s *Socket) func() *Timer      { return func() *Timer { return &s.closers[0].limit } }

func TestCloseWithNothingQueuedReturnsAtOnce(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f)
		require.NoError(t, w.send(s, "last words"))
		recv := w.answer()
		w.do(func() {
			require.NoError(t, s.SetOptions([]Option{passive}))
			s.Recv(0, time.Hour, recv)
			a := w.answer()
			s.Close(a)
			require.Equal(t, 1, a.count)
			_, found := w.st.Get(s.ID())
			require.False(t, found)
		})
		require.ErrorIs(t, recv.error(), ErrClosed)
		require.Equal(t, "last words", readEnd(t, peer))
		w.expect(s, "gone") // and no message, as we have closed it ourselves
	})
}

func TestCloseWaitsForTheQueue(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f)
		data := w.fill(s, big)
		first, second := w.startClose(s), w.startClose(s)
		first.open()
		second.open()
		require.Equal(t, data, readEnd(t, peer))
		require.NoError(t, first.error())
		require.NoError(t, second.error())
		w.expect(s, "gone")
	})
}

// TestCloseGivesUp: after a while without movement, and the rest is flushed in the background.
func TestCloseGivesUp(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f)
		data := w.fill(s, big)
		a := w.startClose(s)
		w.expire(inactivity(s))
		require.NoError(t, a.error())
		w.expect(s, "gone")
		require.ErrorIs(t, w.send(s, "x"), ErrClosed)
		require.Equal(t, data, readEnd(t, peer), "to the last octet")

		// What has moved at all is waited for, up to a limit.
		s, peer = w.withPeer(f)
		data = w.fill(s, big)
		a = w.startClose(s)
		before := on(w, func() int { return s.out.octets })
		head := ""
		for on(w, func() int { return s.out.octets }) == before {
			head += read(t, peer, 1000)
		}
		w.expire(inactivity(s))
		w.until("it has looked", func() bool { return s.closers[0].timer.at.After(s.closers[0].limit.at.Add(-closePatience)) })
		a.open()
		w.expire(limit(s))
		require.NoError(t, a.error())
		require.Equal(t, data, head+readEnd(t, peer))
	})
}

func TestCloseWithLinger(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		// {true, N} waits for N seconds at most.
		s, peer := w.withPeer(f, linger(1, 77))
		data := w.fill(s, big)
		a := w.startClose(s)
		w.do(func() {
			c := s.closers[0]
			require.InDelta(t, 77-closeInactivity.Seconds(), c.limit.at.Sub(c.timer.at).Seconds(), 1)
		})
		w.expire(limit(s))
		require.NoError(t, a.error())
		require.Equal(t, data, readEnd(t, peer))

		// {true, 0} drops what is queued and resets.
		s, peer = w.withPeer(f, linger(1, 0))
		w.fill(s, big)
		require.NoError(t, w.startClose(s).error())
		readReset(t, peer)

		s, peer = w.withPeer(f, linger(1, 0))
		w.do(s.CloseNow)
		readReset(t, peer)

		// {false, _} is the default.
		s, peer = w.withPeer(f, linger(1, 0), linger(0, 9))
		require.NoError(t, w.set(s, linger(0, 9)))
		data = w.fill(s, big)
		a = w.startClose(s)
		a.open()
		require.Equal(t, data, readEnd(t, peer))
		require.NoError(t, a.error())
	})
}

// With {linger, {true, N}} close(2) waits for what the kernel still has: that must not
// hold up the other sockets.
func TestLingeringCloseDoesNotBlockTheStack(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, linger(1, 3600))
		w.fill(s, big) // the peer's window is full, and so is the kernel's buffer
		w.do(func() {
			s.clearOutput()
			s.CloseNow()
			require.Negative(t, s.desc.fd)
		})
		require.NotEmpty(t, readEnd(t, peer))
	})
}

func TestBlockedSendersOfAClosedSocket(t *testing.T) {
	for name, opts := range map[string][]Option{"flushed": nil, "dropped": {linger(1, 0)}} {
		t.Run(name, func(t *testing.T) {
			overTCP(t, func(t *testing.T, w *world, f Family) {
				s, peer := w.withPeer(f, opts...)
				data := w.fill(s, big)
				blocked, suspended := w.startSend(s, "1"), w.startSend(s, "2")
				w.do(s.CloseNow)
				require.ErrorIs(t, blocked.error(), ErrClosed)
				require.ErrorIs(t, suspended.error(), ErrClosed)
				if opts == nil {
					require.Equal(t, data+"1", readEnd(t, peer))
				} else {
					readReset(t, peer)
				}
			})
		})
	}
}

func TestBackgroundFlushEndsWithItsPeer(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f)
		w.fill(s, big)
		w.do(s.CloseNow)
		w.do(func() { require.Positive(t, s.desc.fd) })
		reset(t, peer)
		w.until("the descriptor is released", func() bool { return s.desc.fd < 0 })
		require.Nil(t, on(w, func() []segment { return s.out.ring }))
	})
}

func TestStopDropsBackgroundFlushes(t *testing.T) {
	w := newWorld(t, Config{}) // which counts descriptors at the end
	s, _ := w.withPeer(Inet)
	w.fill(s, big)
	w.do(s.CloseNow)
	live, _ := w.withPeer(Inet, passive)
	w.fill(live, big)
	fd := fileOf(t, "x")
	w.do(func() {
		live.SendFile(fd, 0, 0, w.answer())
		w.st.Stop()
	})
	require.NoError(t, <-w.done)
	w.over = true
	require.Negative(t, s.desc.fd)
	require.Negative(t, live.desc.fd)
}

func TestShutdown(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		require.NoError(t, w.send(s, "x"))
		require.NoError(t, w.shutdown(s, unix.SHUT_WR))
		require.NoError(t, w.shutdown(s, unix.SHUT_WR), "again")
		require.Equal(t, "x", readEnd(t, peer))
		write(t, peer, "the other way")
		got, err := w.recv(s, 0)
		require.NoError(t, err)
		require.Equal(t, "the other way", got)
		require.ErrorIs(t, w.send(s, "y"), ErrClosed, "and this ends it")
		_, err = w.recv(s, 0)
		require.ErrorIs(t, err, ErrClosed)
		_, err = w.recv(s, 0)
		require.ErrorIs(t, err, unix.ENOTCONN)
	})
}

func TestShutdownBehindTheQueue(t *testing.T) {
	for name, how := range map[string]int{"write": unix.SHUT_WR, "read_write": unix.SHUT_RDWR} {
		t.Run(name, func(t *testing.T) {
			overFamilies(t, func(t *testing.T, w *world, f Family) {
				s, peer := w.withPeer(f, passive)
				data := w.fill(s, big)
				require.NoError(t, w.shutdown(s, how))
				require.NoError(t, w.shutdown(s, how))
				write(t, peer, "reading goes on")
				got, err := w.recv(s, 0)
				require.NoError(t, err)
				require.Equal(t, "reading goes on", got)
				require.Equal(t, data, readEnd(t, peer))

				// A send while it drains throws the queue away.
				s, peer = w.withPeer(f, eocFalse)
				w.fill(s, big)
				require.NoError(t, w.shutdown(s, how))
				require.ErrorIs(t, w.send(s, "x"), ErrClosed)
				w.expect(s, "closed")
				require.Less(t, len(readEnd(t, peer)), big)
			})
		})
	}
}

func TestShutdownOfReading(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, _ := w.withPeer(f, passive)
		a := w.startRecv(s, 0, -1)
		require.NoError(t, w.shutdown(s, unix.SHUT_RD))
		require.ErrorIs(t, a.error(), ErrClosed)
		require.ErrorIs(t, w.shutdown(s, unix.SHUT_RD), unix.ENOTCONN, "a husk")

		s, _ = w.withPeer(f)
		require.NoError(t, w.shutdown(s, unix.SHUT_RD))
		w.expect(s, "closed", "gone")
		require.ErrorIs(t, w.shutdown(s, unix.SHUT_RD), ErrClosed)

		s, peer := w.withPeer(f, eocFalse)
		require.NoError(t, w.shutdown(s, unix.SHUT_RD))
		w.expect(s, "closed")
		require.NoError(t, w.send(s, "sends go on"))
		require.Equal(t, "sends go on", read(t, peer, 11))
	})
}
