package sockets

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/gentcp/gentcp/sockets/packet"
)

func TestRecvLength(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		a := w.startRecv(s, 6, -1)
		write(t, peer, "abc")
		w.until("half of it is buffered", func() bool { return len(s.in) == 3 })
		a.open()
		write(t, peer, "defghij")
		require.Equal(t, "abcdef", a.value())
		data, err := w.recv(s, 0)
		require.NoError(t, err)
		require.Equal(t, "ghij", data, "what has arrived")
		_, err = w.recv(s, maxRecv+1)
		require.ErrorIs(t, err, unix.ENOMEM)
	})
}

func TestRecvOfALargeLength(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := pattern(3 << 20)
		go func() { _, _ = peer.Write([]byte(data)) }()
		got, err := w.recv(s, len(data))
		require.NoError(t, err)
		require.Equal(t, data, got)
	})
}

func TestRecvTimeoutKeepsWhatHasArrived(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		require.ErrorIs(t, w.startRecv(s, 0, 0).error(), ErrTimeout)
		require.ErrorIs(t, w.startRecv(s, 0, time.Millisecond).error(), ErrTimeout)
		write(t, peer, "abc")
		w.arrived(s, 3)
		require.ErrorIs(t, w.startRecv(s, 5, 0).error(), ErrTimeout, "0 takes only what is there")
		require.ErrorIs(t, w.startRecv(s, 5, time.Millisecond).error(), ErrTimeout)
		write(t, peer, "defgh")
		got, err := w.recv(s, 5)
		require.NoError(t, err)
		require.Equal(t, "abcde", got)
		require.ErrorIs(t, w.startRecv(s, 5, 0).error(), ErrTimeout)
		require.Equal(t, "fgh", w.startRecv(s, 0, 0).value(), "exactly what the last one has left")
	})
}

func TestCancelledRecvTakesNothingWithIt(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		a := w.startRecv(s, 5, time.Hour)
		write(t, peer, "abc")
		w.until("a part is buffered", func() bool { return len(s.in) == 3 })
		w.do(func() {
			require.False(t, s.CancelRecv(w.answer()))
			require.Same(t, a, s.Receiver())
			require.True(t, s.CancelRecv(a))
			require.Nil(t, s.Receiver())
			require.False(t, s.CancelRecv(a))
		})
		require.ErrorIs(t, a.error(), ErrCancelled)
		got, err := w.recv(s, 3)
		require.NoError(t, err)
		require.Equal(t, "abc", got)
	})
}

func TestRecvThatMayNotBe(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		waits := w.startRecv(s, 0, -1)
		require.ErrorIs(t, w.startRecv(s, 0, 0).error(), unix.EALREADY)
		write(t, peer, "x")
		require.Equal(t, "x", waits.value())
		require.NoError(t, w.set(s, activeOnce))
		require.ErrorIs(t, w.startRecv(s, 0, -1).error(), unix.EINVAL)
		require.NoError(t, w.set(s, passive, mode(packet.Line)))
		require.ErrorIs(t, w.startRecv(s, 1, -1).error(), unix.EINVAL, "a length is for raw sockets")
		waits = w.startRecv(s, 0, time.Hour)
		w.do(s.CloseNow)
		require.ErrorIs(t, waits.error(), ErrClosed)
		require.ErrorIs(t, w.startRecv(s, 0, -1).error(), ErrClosed)
	})
}

func TestRecvAtTheEnd(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		blocked := w.startRecv(s, 5, time.Hour)
		write(t, peer, "abc")
		w.until("a part is buffered", func() bool { return len(s.in) == 3 })
		require.NoError(t, peer.Close())
		require.ErrorIs(t, blocked.error(), ErrClosed, "a part is lost")
		_, err := w.recv(s, 0)
		require.ErrorIs(t, err, unix.ENOTCONN)
	})
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.Line))
		write(t, peer, "one\ntwo\nthr")
		require.NoError(t, peer.Close())
		w.ended(s)
		for _, want := range []string{"one\n", "two\n"} {
			got, err := w.recv(s, 0)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err := w.recv(s, 0)
		require.ErrorIs(t, err, ErrClosed)
		w.expectNone(s)
	})
}

func TestPartialPacketsAreCompleted(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, mode(packet.Four))
		body := pattern(200_000)
		wire := "\x00\x03\x0d\x40" + body
		for _, part := range []string{wire[:1], wire[1:4], wire[4:5], wire[5:70_000], wire[70_000:]} {
			write(t, peer, part)
		}
		w.expect(s, "packet "+body)

		// The rest of a packet stays while the socket is passive, and recv completes it.
		write(t, peer, "\x00\x00\x00\x05ab")
		w.until("a part is buffered", func() bool { return len(s.in) == 6 })
		require.NoError(t, w.set(s, passive))
		a := w.startRecv(s, 0, -1)
		write(t, peer, "cde\x00\x00\x00\x01x")
		require.Equal(t, "abcde", a.value())
		w.until("the next one is read", func() bool { return len(s.in) == 5 })
		require.NoError(t, w.set(s, activeOnce))
		require.Equal(t, []string{"packet " + body, "packet x"}, w.sink.told(s))
		require.Nil(t, on(w, func() []byte { return s.in }))
	})
}

// However the stream is cut, and however its taker changes, all packets come, in order.
func TestStreamProperty(t *testing.T) {
	w := newWorld(t, Config{})
	rapid.Check(t, func(rt *rapid.T) {
		s, peer := w.withPeer(rapid.SampledFrom(families).Draw(rt, "family"), passive, mode(packet.Two))
		defer w.do(s.CloseNow)
		var wire string
		var want []string
		for range rapid.IntRange(1, 20).Draw(rt, "packets") {
			n := rapid.SampledFrom([]int{0, 1, 5, 255, 256, 4000}).Draw(rt, "size")
			want = append(want, pattern(n))
			wire += string([]byte{byte(n >> 8), byte(n)}) + pattern(n)
		}
		var got []string
		collect := func() []string {
			all := append([]string{}, got...)
			for _, e := range w.sink.told(s) {
				if data, ok := strings.CutPrefix(e, "packet "); ok {
					all = append(all, data)
				}
			}
			return all
		}
		for len(collect()) < len(want) {
			if len(wire) > 0 && rapid.Bool().Draw(rt, "write") {
				n := rapid.IntRange(1, len(wire)).Draw(rt, "cut")
				write(rt, peer, wire[:n])
				wire = wire[n:]
			}
			switch rapid.IntRange(0, 3).Draw(rt, "taker") {
			case 0:
				require.NoError(rt, w.set(s, activeOnce))
			case 1:
				require.NoError(rt, w.set(s, optN(int64(rapid.IntRange(1, 3).Draw(rt, "n")))))
			case 2:
				require.NoError(rt, w.set(s, passive))
			case 3:
				w.do(func() {
					if s.Active() {
						return
					}
					before, a := collect(), w.answer()
					if s.Recv(0, 0, a); a.err == nil {
						got = append(before, a.data)
						w.sink.forget(s)
					} else {
						require.ErrorIs(rt, a.err, ErrTimeout)
					}
				})
			}
		}
		require.Equal(rt, want, collect())
	})
}

func TestUnrecv(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		unrecv := func(data string) {
			require.NoError(t, on(w, func() error { return s.Unrecv([]byte(data)) }))
		}
		unrecv("b")
		unrecv("a")
		require.Equal(t, "ab", w.startRecv(s, 0, 0).value(), "the last one comes first")
		write(t, peer, "ef")
		w.arrived(s, 2)
		require.ErrorIs(t, w.startRecv(s, 4, 0).error(), ErrTimeout)
		unrecv("cd")
		require.Equal(t, "cdef", w.startRecv(s, 4, 0).value())

		// It is parsed with the packet type that is set then, and goes to whoever takes it.
		require.NoError(t, w.set(s, mode(packet.One)))
		a := w.startRecv(s, 0, -1)
		unrecv("\x02")
		a.open()
		write(t, peer, "hi")
		require.Equal(t, "hi", a.value())
		require.NoError(t, on(w, func() error { return s.Unread([]byte("again")) }))
		require.Equal(t, "again", w.startRecv(s, 0, 0).value())
		require.NoError(t, w.set(s, activeTrue))
		unrecv("\x01x")
		require.Equal(t, []string{"packet x"}, w.sink.told(s), "at once")
		w.do(func() {
			s.CloseNow()
			require.ErrorIs(t, s.Unrecv(nil), ErrClosed)
		})
	})
}

func TestBufferThatTheUserHasSetCutsRawChunks(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		write(t, peer, pattern(5000))
		w.arrived(s, 5000)
		got, err := w.recv(s, 0)
		require.NoError(t, err)
		require.Len(t, got, 5000, "else as large as what has arrived")
		require.NoError(t, w.set(s, opt("buffer", 2000)))
		write(t, peer, pattern(5000))
		w.arrived(s, 5000)
		for _, want := range []int{2000, 2000, 1000} {
			got, err := w.recv(s, 0)
			require.NoError(t, err)
			require.Len(t, got, want)
		}
	})
}

func TestReadAheadLeavesTheRestInTheKernel(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.Two), opt("read_ahead", 0))
		write(t, peer, "\x00\x03abc\x00\x01x")
		w.arrived(s, 8)
		got, err := w.recv(s, 0)
		require.NoError(t, err)
		require.Equal(t, "abc", got)
		w.do(func() { require.Empty(t, s.in) })
		w.arrived(s, 3)
		require.Equal(t, "x", w.startRecv(s, 0, 0).value())
	})
}

func TestChangeOfPacketTypeLooksAtTheBufferAgain(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, mode(packet.Four))
		write(t, peer, "line\nrest")
		w.until("it waits for a long packet", func() bool { return len(s.in) == 9 && s.needed > 0 })
		require.NoError(t, w.set(s, mode(packet.Line)))
		require.Equal(t, []string{"packet line\n"}, w.sink.told(s))
		require.NoError(t, w.set(s, mode(packet.Raw)))
		w.expect(s, "packet line\n", "packet rest")
	})
}

func TestFramingError(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.Two), opt("packet_size", 10))
		write(t, peer, "\x01\x00 far too long")
		_, err := w.recv(s, 0)
		require.Equal(t, "emsgsize", PosixName(err))
		_, err = w.recv(s, 0)
		require.ErrorIs(t, err, unix.ENOTCONN)

		s, peer = w.withPeer(f, mode(packet.Two), opt("packet_size", 10))
		write(t, peer, "\x01\x00 far too long")
		w.expect(s, "error emsgsize", "closed", "gone emsgsize")

		// Right behind a good packet it is reported with the next event only.
		s, peer = w.withPeer(f, mode(packet.Two), opt("packet_size", 10))
		write(t, peer, "\x00\x01x\x01\x00")
		w.expect(s, "packet x")
		w.until("it has been read", func() bool { return len(s.in) == 2 })
		require.Len(t, w.sink.told(s), 1)
		write(t, peer, "more")
		w.expect(s, "packet x", "error emsgsize", "closed", "gone emsgsize")

		// With {exit_on_close, false} what was buffered is thrown away, and the connection goes on.
		s, peer = w.withPeer(f, passive, mode(packet.Two), opt("packet_size", 10), eocFalse)
		write(t, peer, "\x01\x00 far too long")
		_, err = w.recv(s, 0)
		require.Equal(t, "emsgsize", PosixName(err))
		write(t, peer, "\x00\x04good")
		got, err := w.recv(s, 0)
		require.NoError(t, err)
		require.Equal(t, "good", got)
	})
}

// Urgent data makes a read end early, as if there was nothing behind it.
func TestUrgentDataDoesNotHideWhatFollows(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		oob := func(data string) {
			raw, err := peer.(interface {
				SyscallConn() (syscall.RawConn, error)
			}).SyscallConn()
			require.NoError(t, err)
			var serr error
			require.NoError(t, raw.Write(func(fd uintptr) bool {
				serr = unix.Sendto(int(fd), []byte(data), unix.MSG_OOB, nil)
				return true
			}))
			require.NoError(t, serr)
		}
		write(t, peer, "before")
		oob("!")
		write(t, peer, "behind")
		w.arrived(s, 6)
		w.until("all of it is there", func() bool { n := s.desc.available(); return n >= 12 || n == 6 })
		require.NoError(t, w.set(s, activeTrue))
		require.Equal(t, "beforebehind", w.stream(s, 12))
	})
}

// What a Receiver or a Sink does with the socket from within a callback.

func TestRecvFromWithinItsAnswer(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		var got []string
		var again func(*answer)
		again = func(a *answer) {
			if a.err == nil {
				got = append(got, a.data)
				next := w.answer()
				next.then = again
				s.Recv(0, -1, next)
			}
		}
		first := w.answer()
		first.then = again
		w.do(func() { s.Recv(0, -1, first) })
		write(t, peer, "\x01a\x02bc\x00\x03d")
		write(t, peer, "ef\x01g")
		w.until("all have come", func() bool { return len(got) == 5 })
		require.Equal(t, []string{"a", "bc", "", "def", "g"}, got)
		w.do(s.CloseNow)
	})
}

// again is a Receiver that asks for the next packet with itself.
type again struct {
	got  []string
	errs []error
}

func (r *again) Received(s *Socket, p packet.Packet, err error) {
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	r.got = append(r.got, string(p.Data))
	s.Recv(0, 0, r)
}

func TestReceiverThatIsUsedAgain(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Inet, passive, mode(packet.One))
	write(t, peer, "\x01a\x01b\x01c")
	w.arrived(s, 6)
	r := &again{}
	w.do(func() { s.Recv(0, time.Hour, r) })
	w.until("the last one has found nothing", func() bool { return len(r.errs) > 0 })
	require.Equal(t, []string{"a", "b", "c"}, r.got)
	require.Equal(t, []error{ErrTimeout}, r.errs)
	w.do(func() { require.Empty(t, w.st.timers, "the timer of the first call") })
}

func TestArmingFromWithinPacket(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		w.onPacket(func(s *Socket, _ packet.Packet) {
			_ = s.SetOptions([]Option{activeOnce})
		})
		write(t, peer, "\x01a\x01b\x01c")
		w.arrived(s, 6)
		require.NoError(t, w.set(s, activeOnce))
		write(t, peer, "\x01d")
		w.expect(s, "packet a", "packet b", "packet c", "packet d")
	})
}

func TestUnrecvFromWithinPacket(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Inet, mode(packet.One))
	w.onPacket(func(s *Socket, p packet.Packet) {
		if string(p.Data) == "b" {
			_ = s.Unrecv([]byte("\x02xy"))
		}
	})
	write(t, peer, "\x01a\x01b\x01c\x02d")
	w.expect(s, "packet a", "packet b", "packet xy", "packet c")
	write(t, peer, "e")
	w.expect(s, "packet a", "packet b", "packet xy", "packet c", "packet de")
}

func TestCloseFromWithinPacket(t *testing.T) {
	for _, name := range []string{"read", "buffered"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			s, peer := w.withPeer(Inet, passive, mode(packet.One))
			w.onPacket(func(s *Socket, _ packet.Packet) { s.CloseNow() })
			write(t, peer, "\x01a\x01b")
			w.arrived(s, 4)
			if name == "buffered" {
				w.do(func() { require.NoError(t, s.Unrecv([]byte("\x01x\x01y"))) })
			}
			require.NoError(t, w.set(s, activeTrue))
			require.Len(t, w.sink.told(s), 2, "one packet, and the end")
			require.Equal(t, "gone", w.sink.told(s)[1])
		})
	}
}

func TestReadOfAnotherSocketFromWithinPacket(t *testing.T) {
	// Both read into the Stack's buffer: the packet at hand must survive the other read.
	w := newWorld(t, Config{})
	one, onePeer := w.withPeer(Inet, passive)
	two, twoPeer := w.withPeer(Inet, passive, mode(packet.Four))
	write(t, twoPeer, "\x00\x00\x00\x03two")
	w.arrived(two, 7)
	var seen string
	w.onPacket(func(s *Socket, p packet.Packet) {
		if s == one {
			two.Recv(0, -1, w.answer())
			two.Send(p.Data)
			seen = string(p.Data)
		}
	})
	write(t, onePeer, "first of all")
	w.arrived(one, 12)
	require.NoError(t, w.set(one, activeTrue))
	require.Equal(t, "first of all", seen)
	require.Equal(t, "\x00\x00\x00\x0cfirst of all", read(t, twoPeer, 16))
}

func TestIdleSocketHoldsNoBuffer(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, mode(packet.Two))
		write(t, peer, "\x00\x05ab")
		w.until("a part is buffered", func() bool { return len(s.in) == 4 })
		write(t, peer, "cde")
		w.expect(s, "packet abcde")
		w.do(func() {
			w.st.Cork()
			s.Send([]byte("x"))
			require.NotNil(t, s.out.corked)
			w.st.Uncork()
			require.Nil(t, s.in)
			require.Nil(t, s.out.corked)
			require.Nil(t, s.out.ring)
		})
	})
}

// A recv of many octets has its room while it waits, and no longer.
func TestLongRecvThatFailsHoldsNoBuffer(t *testing.T) {
	w := newWorld(t, Config{})
	s, _ := w.withPeer(Inet, passive)
	a := w.startRecv(s, maxRecv, 100*time.Second)
	w.do(func() { require.NotNil(t, s.room) })
	w.expire(func() *Timer { return &s.recv.timer })
	require.ErrorIs(t, a.error(), ErrTimeout)
	w.do(func() {
		require.Nil(t, s.in)
		require.Nil(t, s.room)
	})
}
