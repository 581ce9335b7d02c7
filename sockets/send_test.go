package sockets

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

func TestSendBelowTheHighWatermarkDoesNotWait(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big) // however much, on an empty queue
		w.do(func() {
			require.Equal(t, []string{"connected", "open"}, s.States())
			s.opts.high = s.out.octets + 100
		})
		require.NoError(t, w.send(s, "less"))
		blocked := w.startSend(s, strings.Repeat("x", 200))
		blocked.open()
		require.Equal(t, []string{"busy", "connected", "open"}, on(w, s.States))
		require.Equal(t, data+"less"+strings.Repeat("x", 200), read(t, peer, len(data)+204))
		require.NoError(t, blocked.error())
	})
}

func TestBlockedSenderWaitsForTheLowWatermark(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		w.fill(s, big)
		blocked := w.startSend(s, "x")
		var left int
		blocked.then = func(*answer) { left = s.out.octets }
		blocked.open()
		read(t, peer, big+1)
		require.NoError(t, blocked.error())
		require.LessOrEqual(t, left, defaultLowWatermark)
	})
}

func TestSuspendedSendersGoOnInTheirOrder(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		blocked := w.startSend(s, "1")
		second, third := w.startSend(s, "2"), w.startSend(s, "3")
		asks := w.answer()
		w.do(func() { s.SendReady(asks) })
		fourth := w.startSend(s, "4")
		w.do(func() { require.Equal(t, int64(2), s.Stat(SendCnt), "only the first one is queued") })
		for _, a := range []*answer{blocked, second, third, asks, fourth} {
			a.open()
		}
		require.Equal(t, data+"1234", read(t, peer, big+4))
		for _, a := range []*answer{blocked, second, third, asks, fourth} {
			require.NoError(t, a.error())
		}
		w.do(func() {
			ready := w.answer()
			s.SendReady(ready)
			require.Equal(t, 1, ready.count, "at once, where nobody waits")
		})
	})
}

func TestSendTimeout(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, opt("send_timeout", 3600_000))
		data := w.fill(s, big)
		first, second := w.startSend(s, "1"), w.startSend(s, "2")
		w.do(func() { require.Len(t, w.st.timers, 1, "it runs for the blocked sender only") })
		w.expire(sendTimeout(s))
		require.ErrorIs(t, first.error(), ErrTimeout)
		second.open() // now it is the blocked one
		w.expire(sendTimeout(s))
		require.ErrorIs(t, second.error(), ErrTimeout)
		require.Equal(t, data+"12", read(t, peer, big+2), "their data stays queued")
		require.NoError(t, w.send(s, "3"))
		require.Equal(t, "3", read(t, peer, 1))
	})
}

func TestSendTimeoutZero(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, opt("send_timeout", 0), opt("send_timeout_close", 1))
		data := w.fill(s, big)
		require.ErrorIs(t, w.send(s, "1"), ErrTimeout)
		require.ErrorIs(t, w.send(s, ""), ErrTimeout, "an empty send too")
		require.Equal(t, data+"1", read(t, peer, big+1), "send_timeout_close does not count, the data does")
		w.until("all is sent", func() bool { return s.out.empty() })
		require.NoError(t, w.send(s, "2"))
	})
}

func TestSendTimeoutClose(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, opt("send_timeout", 3600_000), opt("send_timeout_close", 1))
		w.fill(s, big)
		blocked, suspended := w.startSend(s, "1"), w.startSend(s, "2")
		w.expire(sendTimeout(s))
		require.ErrorIs(t, blocked.error(), ErrTimeout)
		require.ErrorIs(t, suspended.error(), unix.ENOTCONN)
		require.ErrorIs(t, w.send(s, "3"), unix.ENOTCONN)
		w.expectNone(s) // no message, although it is armed
		require.Less(t, len(readEnd(t, peer)), big, "the queue was dropped")
		require.NoError(t, w.set(s, passive, activeOnce))
		w.expect(s, "closed", "gone")
	})
}

func TestCancelledSend(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		blocked, suspended, last := w.startSend(s, "1"), w.startSend(s, "2"), w.startSend(s, "3")
		w.do(func() {
			require.True(t, s.CancelSend(suspended))
			require.True(t, s.CancelSend(blocked))
			require.False(t, s.CancelSend(blocked))
			require.False(t, s.CancelSend(w.answer()))
		})
		require.ErrorIs(t, blocked.error(), ErrCancelled)
		require.ErrorIs(t, suspended.error(), ErrCancelled)
		require.Equal(t, data+"13", read(t, peer, big+2), "what was queued stays, what was not is dropped")
		require.NoError(t, last.error())
	})
}

func TestBlockedSenderDoesNotDelayTheRest(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		blocked, suspended := w.startSend(s, "1"), w.startSend(s, "2")
		write(t, peer, "input")
		got, err := w.recv(s, 0)
		require.NoError(t, err)
		require.Equal(t, "input", got)
		require.NoError(t, w.set(s, opt("header", 1)))
		require.NoError(t, w.shutdown(s, unix.SHUT_WR))
		require.Equal(t, data+"1", readEnd(t, peer), "the end follows the queue")
		require.NoError(t, blocked.error(), "it was queued before")
		require.ErrorIs(t, suspended.error(), ErrClosed)
	})
}

func TestSendFromWithinAnAnswer(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		next := w.answer()
		blocked := w.answer()
		blocked.then = func(*answer) { s.SendCall([]byte("next"), next) }
		w.do(func() { s.SendCall([]byte("1"), blocked) })
		require.Equal(t, data+"1next", read(t, peer, big+5))
		require.NoError(t, next.error())
	})
}

func TestUncalledSends(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.Two))
		w.do(func() {
			s.Send([]byte("now"))
			w.st.Cork()
			s.Send([]byte("later"))
			s.Send(nil)
			require.Equal(t, int64(9), s.Stat(SendPend), "gathered")
			s.Send([]byte(strings.Repeat("x", corkBelow)))
			require.Zero(t, s.Stat(SendPend), "a large one takes the small ones along")
			s.Send([]byte("last"))
			w.st.Uncork()
			require.Zero(t, s.Stat(SendPend))
		})
		want := "\x00\x03now\x00\x05later\x00\x00\x40\x00" + strings.Repeat("x", corkBelow) + "\x00\x04last"
		require.Equal(t, want, read(t, peer, len(want)))
	})
}

func TestCorkedSendsKeepTheirPlace(t *testing.T) {
	for name, then := range map[string]func(w *world, s *Socket){
		"before a call":       func(w *world, s *Socket) { s.SendCall([]byte("2"), w.answer()) },
		"before a part":       func(w *world, s *Socket) { s.SendPart(1, 1, []byte("2"), nil) },
		"before delayed ones": func(_ *world, s *Socket) { s.opts.delaySend = true; s.Send([]byte("2")) },
		"before a file":       func(w *world, s *Socket) { s.SendFile(fileOf(w.t, "2"), 0, 0, w.answer()) },
		"before octets of one": func(w *world, s *Socket) {
			s.SendFileOctets([]byte("2"), w.answer())
		},
	} {
		t.Run(name, func(t *testing.T) {
			overFamilies(t, func(t *testing.T, w *world, f Family) {
				s, peer := w.withPeer(f, passive)
				w.do(func() {
					w.st.Cork()
					s.Send([]byte("1"))
					then(w, s)
				})
				require.Equal(t, "12", read(t, peer, 2))
			})
		})
	}
	for name, then := range map[string]func(w *world, s *Socket){
		"shutdown":  func(_ *world, s *Socket) { _ = s.Shutdown(unix.SHUT_WR) },
		"close":     func(w *world, s *Socket) { s.Close(w.answer()) },
		"close now": func(_ *world, s *Socket) { s.CloseNow() },
	} {
		t.Run("before "+name, func(t *testing.T) {
			w := newWorld(t, Config{})
			s, peer := w.withPeer(Inet, passive)
			w.do(func() {
				w.st.Cork()
				s.Send([]byte("1"))
				then(w, s)
			})
			require.Equal(t, "1", readEnd(t, peer))
		})
	}
}

func TestDelayedSends(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, opt("delay_send", 1))
		w.do(func() {
			a := w.answer()
			s.SendCall([]byte("a"), a)
			require.Equal(t, 1, a.count)
			require.Equal(t, 1, s.out.octets, "not written yet")
		})
		require.Equal(t, "a", read(t, peer, 1))
		w.do(func() {
			s.Send([]byte("b"))
			s.CloseNow()
		})
		require.Equal(t, "b", readEnd(t, peer))
	})
}

func TestPartsOfASendStayTogether(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.Two))
		one, two, other := w.answer(), w.answer(), w.answer()
		w.do(func() {
			s.SendPart(1, 6, []byte("ab"), nil)
			s.SendCall([]byte("other"), other)
			s.SendPart(2, 4, []byte("AB"), nil)
			s.Send([]byte("uncalled"))
			s.SendPart(1, 6, []byte("cd"), nil)
			s.SendPart(2, 4, []byte("CD"), two)
			require.Equal(t, 1, other.count, "the queue is not long")
			s.SendPart(1, 6, []byte("ef"), one)
		})
		want := "\x00\x06abcdef\x00\x05other\x00\x04ABCD\x00\x08uncalled"
		require.Equal(t, want, read(t, peer, len(want)))
		for _, a := range []*answer{one, two, other} {
			require.NoError(t, a.error())
		}
		require.Equal(t, int64(4), on(w, func() int64 { return s.Stat(SendCnt) }), "parts count as one")
	})
}

// A cast of send that has been held up by the parts of another must not be overtaken
// by those that its sender makes afterwards.
func TestUncalledSendsAreNotOvertaken(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		last := w.answer()
		w.do(func() {
			s.SendPart(1, 2, []byte("p"), nil)
			s.Send([]byte("1"))
			s.SendPart(1, 2, []byte("q"), last) // blocks, as the queue is long
			s.Send([]byte("2"))
			s.Send([]byte("3"))
		})
		last.open()
		require.Equal(t, data+"pq123", read(t, peer, big+5))
	})
}

func TestOctetsOfAFileWaitForABlockedSender(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		require.NoError(t, w.set(s, mode(packet.One)))
		blocked, file := w.startSend(s, "1"), w.answer()
		w.do(func() { s.SendFileOctets([]byte("file"), file) })
		after := w.startSend(s, "2")
		require.Equal(t, data+"\x011file\x012", read(t, peer, big+8))
		for _, a := range []*answer{blocked, file, after} {
			require.NoError(t, a.error())
		}
	})
}

func TestMaxQueue(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			w := newWorld(t, Config{MaxQueue: big})
			s, _ := w.withPeer(f)
			w.fill(s, big)
			blocked := w.startSend(s, "x")
			w.do(func() { s.Send([]byte(pattern(big))) })
			require.ErrorIs(t, blocked.error(), ErrClosed)
			w.expect(s, "error enobufs", "closed", "gone enobufs")

			s, _ = w.withPeer(f, passive)
			require.ErrorIs(t, w.send(s, pattern(big+1)), unix.ENOBUFS)
			w.expect(s, "gone enobufs")
		})
	}
}

// fileOf is an open file with the content.
func fileOf(t testing.TB, content string) int {
	t.Helper()
	path := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	require.NoError(t, err)
	return fd
}

func TestSendFile(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.Four))
		content := pattern(3 << 20)
		for _, row := range []struct{ offset, length, from, to int }{
			{0, 0, 0, len(content)},
			{100, 0, 100, len(content)},
			{5, 10, 5, 15},
			{len(content) - 3, 10, len(content) - 3, len(content)},
			{len(content) + 5, 0, 0, 0},
		} {
			a := w.answer()
			fd := fileOf(t, content)
			w.do(func() { s.SendFile(fd, int64(row.offset), int64(row.length), a) })
			require.Equal(t, content[row.from:row.to], read(t, peer, row.to-row.from))
			require.NoError(t, a.error())
			require.Equal(t, int64(row.to-row.from), a.n)
		}
		require.Zero(t, on(w, func() int64 { return s.Stat(SendCnt) }), "files do not count")
	})
}

func TestSendFileInTheQueue(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		file, second := w.answer(), w.answer()
		fds := []int{fileOf(t, "file"), fileOf(t, "second")}
		w.do(func() {
			s.SendFile(fds[0], 0, 0, file)
			s.SendFile(fds[1], 0, 0, second)
		})
		require.ErrorIs(t, second.error(), unix.EINVAL, "one at a time")
		behind := w.startSend(s, "behind")
		require.Equal(t, data+"filebehind", read(t, peer, big+10))
		require.NoError(t, file.error())
		require.NoError(t, behind.error())
	})
}

func TestSendFileThatFails(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Inet, passive)
	a := w.answer()
	dir, err := unix.Open(t.TempDir(), unix.O_RDONLY, 0)
	require.NoError(t, err)
	w.do(func() { s.SendFile(dir, 0, 0, a) })
	require.ErrorIs(t, a.error(), unix.EISDIR)
	require.NoError(t, w.send(s, "the socket lives"))
	require.Equal(t, "the socket lives", read(t, peer, 16))

	// The end of the connection ends it, in whatever way that comes.
	for name, end := range map[string]func(s *Socket){
		"close now": func(s *Socket) { s.CloseNow() },
		"reset":     func(*Socket) { reset(t, peer) },
	} {
		s, peer = w.withPeer(Inet, activeTrue)
		a, fd := w.answer(), fileOf(t, pattern(big))
		w.do(func() { s.SendFile(fd, 0, 0, a) })
		a.open()
		if name == "reset" {
			end(s)
		} else {
			w.do(func() { end(s) })
		}
		require.ErrorIs(t, a.error(), ErrClosed, name)
	}
	a = w.answer()
	fd := fileOf(t, "x")
	w.do(func() {
		s.CloseNow()
		s.SendFile(fd, 0, 0, a)
	})
	require.ErrorIs(t, a.error(), ErrClosed)
}

func TestCredit(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		grants := w.sink.grants(s)
		require.Len(t, grants, 1)
		require.Zero(t, grants[0].octets)
		window := grants[0].window
		require.Positive(t, window)

		// Credit comes back in batches, for all that was sent.
		const n = 1000
		for range 4*window/n + 1 {
			w.do(func() { s.Send(make([]byte, n)) })
			read(t, peer, n)
		}
		total := 0
		for _, g := range w.sink.grants(s) {
			total += g.octets
			require.LessOrEqual(t, g.octets, window)
		}
		require.Greater(t, total, 3*window)
		require.Equal(t, window, w.sink.grants(s)[1].window)
		require.Less(t, len(w.sink.grants(s)), 40)
	})
}

func TestWindowClosesWhileOutputIsQueued(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := pattern(big)
		w.do(func() { s.Send([]byte(data)) })
		grants := w.sink.grants(s)
		require.Equal(t, grant{0, 0}, grants[len(grants)-1])
		require.Equal(t, data, read(t, peer, big))
		w.until("the credit is back", func() bool {
			grants := w.sink.grants(s)
			last := grants[len(grants)-1]
			return last.octets == big && last.window > 0
		})
	})
}

func TestWindowStaysClosedWhenTheEndIsNear(t *testing.T) {
	for name, end := range map[string]func(w *world, s *Socket, closePeer func()){
		"the peer has closed": func(w *world, s *Socket, closePeer func()) { closePeer(); w.ended(s) },
		"shutdown":            func(w *world, s *Socket, _ func()) { _ = w.shutdown(s, unix.SHUT_WR) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			s, peer := w.withPeer(Inet, passive)
			end(w, s, func() { require.NoError(t, peer.Close()) })
			grants := w.sink.grants(s)
			require.Zero(t, grants[len(grants)-1].window, "each send is to be a call now")
		})
	}
}
