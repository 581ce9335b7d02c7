package sockets

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// What a socket sends has one order. Most of these tests have a send in parts, of which some are
// still to come when something else wants to be sent, or the socket is to end.

// begun begins a send of a string in parts, and gives what sends the rest of it.
func (w *world) begun(s *Socket, data string) (rest func(done Completer)) {
	w.t.Helper()
	half := len(data) / 2
	w.do(func() { s.SendPart(7, len(data), []byte(data[:half]), nil) })
	return func(done Completer) {
		w.t.Helper()
		w.do(func() {
			sender, ok := w.st.Sending(s.ID())
			require.True(w.t, ok, "nobody takes the rest")
			sender.SendPart(7, len(data), []byte(data[half:]), done)
		})
	}
}

func TestEndWaitsForThePartsOfASend(t *testing.T) {
	for name, end := range map[string]func(w *world, s *Socket) *answer{
		"shutdown of writing": func(w *world, s *Socket) *answer {
			require.NoError(w.t, w.shutdown(s, unix.SHUT_WR))
			return nil
		},
		"shutdown": func(w *world, s *Socket) *answer {
			require.NoError(w.t, w.shutdown(s, unix.SHUT_RDWR))
			return nil
		},
		"close":                func(w *world, s *Socket) *answer { return w.startClose(s) },
		"the end of the owner": func(w *world, s *Socket) *answer { w.do(s.CloseNow); return nil },
		"a close that gives up": func(w *world, s *Socket) *answer {
			a := w.startClose(s)
			w.expire(inactivity(s))
			require.NoError(w.t, a.error())
			return nil
		},
	} {
		for size, n := range map[string]int{"small": 1000, "large": 2 * big} {
			t.Run(name+"/"+size, func(t *testing.T) {
				overFamilies(t, func(t *testing.T, w *world, f Family) {
					s, peer := w.withPeer(f, passive)
					data := pattern(n)
					rest := w.begun(s, data)
					closing := end(w, s)
					if closing != nil {
						closing.open()
					}
					last := w.answer()
					rest(last)
					require.NoError(t, last.error(), "its queue was empty when it began")
					require.True(t, data == readEnd(t, peer))
					if closing != nil {
						require.NoError(t, closing.error())
					}
				})
			})
		}
	}
}

func TestPartsThatNeverComeEndWithAReset(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		rest := w.begun(s, "abcd")
		require.Equal(t, "ab", read(t, peer, 2))
		w.do(s.CloseNow)
		w.expire(func() *Timer { return &s.out.patience })
		readReset(t, peer) // and no end of the stream, as if that had been all
		w.until("the descriptor is released", func() bool { return s.desc.fd < 0 })
		w.do(func() {
			_, ok := w.st.Sending(s.ID())
			require.False(t, ok)
		})
		_ = rest
	})
}

func TestOutputWaitsForThePartsBeforeIt(t *testing.T) {
	for name, next := range map[string]func(w *world, s *Socket) *answer{
		"a call": func(w *world, s *Socket) *answer { return w.startSend(s, "next") },
		"an uncalled send": func(w *world, s *Socket) *answer {
			w.do(func() { s.Send([]byte("next")) })
			return nil
		},
		"a file": func(w *world, s *Socket) *answer {
			a, fd := w.answer(), fileOf(w.t, "next")
			w.do(func() { s.SendFile(fd, 0, 0, a) })
			a.open()
			return a
		},
		"octets of a file": func(w *world, s *Socket) *answer {
			a := w.answer()
			w.do(func() { s.SendFileOctets([]byte("next"), a) })
			return a
		},
		"another one in parts": func(w *world, s *Socket) *answer {
			a := w.answer()
			w.do(func() {
				s.SendPart(8, 4, []byte("ne"), nil)
				s.SendPart(8, 4, []byte("xt"), a)
			})
			return a
		},
	} {
		for size, n := range map[string]int{"small": 1000, "large": 2 * big} {
			t.Run(name+"/"+size, func(t *testing.T) {
				overFamilies(t, func(t *testing.T, w *world, f Family) {
					s, peer := w.withPeer(f, passive)
					data := pattern(n)
					rest := w.begun(s, data)
					a := next(w, s)
					require.NoError(t, w.shutdown(s, unix.SHUT_WR), "which is behind both")
					rest(w.answer())
					require.True(t, data+"next" == readEnd(t, peer))
					if a != nil {
						require.NoError(t, a.error())
					}
				})
			})
		}
	}
}

func TestFilesDoNotOvertake(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		blocked, waiting := w.startSend(s, "1"), w.startSend(s, "2")
		file, second, fds := w.answer(), w.answer(), []int{fileOf(t, "file"), fileOf(t, "x")}
		w.do(func() {
			s.SendFile(fds[0], 0, 0, file)
			s.SendFile(fds[1], 0, 0, second)
			s.Send([]byte("3"))
		})
		require.ErrorIs(t, second.error(), unix.EINVAL, "one at a time")
		require.Equal(t, data+"12file3", read(t, peer, big+7))
		for _, a := range []*answer{blocked, waiting, file} {
			require.NoError(t, a.error())
		}
	})
}

func TestFilesThatWaitEndWithTheSocket(t *testing.T) {
	w := newWorld(t, Config{}) // which counts descriptors
	for _, end := range []func(s *Socket){(*Socket).CloseNow, func(*Socket) { w.st.Stop() }} {
		s, _ := w.withPeer(Inet, passive)
		w.fill(s, big)
		w.startSend(s, "1")
		w.startSend(s, "2")
		file, fd := w.answer(), fileOf(t, "file")
		w.do(func() {
			s.SendFile(fd, 0, 0, file)
			end(s)
		})
	}
	require.NoError(t, <-w.done)
	w.over = true
}

func TestUncalledSendStaysBehindACallThatWaits(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		w.startSend(s, "1")
		w.startSend(s, "2")
		w.do(func() { s.Send([]byte("3")) })
		require.NoError(t, w.shutdown(s, unix.SHUT_WR), "and this behind it, since its sender has been told that it is sent")
		require.Equal(t, data+"123", readEnd(t, peer))
	})
}

func TestUncalledSendThatWaitsOutlivesItsSocket(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		w.do(func() { s.framer.Mode = packet.Raw })
		data := w.fill(s, big)
		w.do(func() { s.framer.Mode = packet.One })
		w.startSend(s, "1")
		waits := w.startSend(s, "2")
		w.do(func() {
			s.Send([]byte("3"))
			s.CloseNow()
		})
		require.ErrorIs(t, waits.error(), ErrClosed)
		require.Equal(t, data+"\x011\x013", readEnd(t, peer))
	})
}

func TestPartsThatWaitBehindABlockedSender(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		data := w.fill(s, big)
		require.NoError(t, w.set(s, mode(packet.Two)))
		blocked, one, two, after := w.startSend(s, "1"), w.answer(), w.answer(), w.answer()
		w.do(func() {
			s.SendPart(1, 4, []byte("ab"), nil)
			s.SendPart(2, 4, []byte("AB"), nil)
			s.SendCall([]byte("after"), after)
			s.SendPart(2, 4, []byte("CD"), two) // all of it has come while it waits
		})
		want := data + "\x00\x011\x00\x04ab"
		require.Equal(t, want, read(t, peer, len(want)))
		require.NoError(t, blocked.error())
		w.do(func() { s.SendPart(1, 4, []byte("cd"), one) })
		want = "cd\x00\x04ABCD\x00\x05after"
		require.Equal(t, want, read(t, peer, len(want)))
		for _, a := range []*answer{one, two, after} {
			require.NoError(t, a.error())
		}
	})
}

// A send in parts that is blocked when its socket goes hears that, although its last part comes later.
func TestPartsOfABlockedSendWhoseSocketGoes(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, _ := w.withPeer(f, passive, opt("low_watermark", 1), opt("high_watermark", 2))
		w.fill(s, big)
		last := w.answer()
		w.do(func() {
			s.SendPart(1, 4, []byte("ab"), nil)
			s.CloseNow()
			s.SendPart(1, 4, []byte("cd"), last)
		})
		require.ErrorIs(t, last.error(), ErrClosed)
	})
}

// A send of nothing blocks, too, behind parts that are to come, and has no octets of its own whose
// writing would let it go on.
func TestSendOfNothingBehindParts(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, opt("low_watermark", 1), opt("high_watermark", 2))
		rest := w.begun(s, "abcdef")
		nothing, behind := w.startSend(s, ""), w.startSend(s, "x")
		nothing.open()
		rest(w.answer())
		require.NoError(t, nothing.error())
		require.NoError(t, behind.error())
		require.Equal(t, "abcdefx", read(t, peer, 7))
	})
}

// A send in parts that comes to a long queue blocks as any other: those behind it wait, and
// send_timeout begins with its last part.
func TestPartsBlock(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, opt("send_timeout", 3600_000))
		data := w.fill(s, big)
		rest := w.begun(s, "abcd")
		require.Equal(t, []string{"busy", "connected", "open"}, on(w, s.States))
		behind := w.startSend(s, "2")
		w.do(func() {
			require.Empty(t, w.st.timers)
			require.Equal(t, big, len(data))
			require.Equal(t, int64(2), s.Stat(SendCnt), "what is behind it is not queued")
		})
		last := w.answer()
		rest(last)
		last.open()
		w.expire(sendTimeout(s))
		require.ErrorIs(t, last.error(), ErrTimeout)
		require.Equal(t, data+"abcd2", read(t, peer, big+5))
		require.NoError(t, behind.error())
	})
}

// The queue that the parts of a send were in is dropped: what is still to come of them is not sent.
func TestPartsOfADroppedSend(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, eocFalse)
		w.fill(s, big)
		rest := w.begun(s, "abcd")
		w.do(func() { s.abortSenders() }) // as a read error does
		last := w.answer()
		rest(last)
		require.ErrorIs(t, last.error(), ErrClosed)
		require.NoError(t, w.send(s, "next"))
		require.NoError(t, w.shutdown(s, unix.SHUT_WR))
		got := readEnd(t, peer)
		require.True(t, strings.HasSuffix(got, "next"))
		require.NotContains(t, got[len(got)-8:], "cd")
	})
}

func TestSendersThatWaitCountAgainstMaxQueue(t *testing.T) {
	for name, more := range map[string]func(w *world, s *Socket){
		"calls": func(w *world, s *Socket) { w.startSend(s, pattern(big/2)) },
		"parts": func(w *world, s *Socket) {
			w.do(func() { s.SendPart(1, big, []byte(pattern(big/2)), nil) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{MaxQueue: 2 * big})
			s, _ := w.withPeer(Inet, passive)
			w.fill(s, big)
			w.startSend(s, "blocked")
			for range 3 {
				more(w, s)
			}
			w.expect(s, "gone enobufs")
		})
	}
}

// What waits may be withdrawn in no time, whoever waits before it.
func TestCancelManyThatWait(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Inet, passive)
	data := w.fill(s, big)
	blocked := w.startSend(s, "1")
	const n = 100_000
	w.do(func() {
		all := make([]*answer, n)
		for i := range all {
			all[i] = w.answer()
			s.SendCall([]byte("x"), all[i])
		}
		last := w.answer()
		s.SendCall([]byte("2"), last)
		for i := range all {
			require.True(t, s.CancelSend(all[n-1-i]))
		}
		require.Equal(t, 1, s.out.waitHeld)
	})
	require.Equal(t, data+"12", read(t, peer, big+2))
	require.NoError(t, blocked.error())
}

func TestManyAcceptorsComeAndGo(t *testing.T) {
	w := newWorld(t, Config{})
	l, at := w.listen(Inet)
	const n = 100_000
	last := w.answer()
	w.do(func() {
		all := make([]*answer, n)
		for i := range all {
			all[i] = w.answer()
			l.Accept(-1, false, all[i])
		}
		l.Accept(-1, false, last)
		for i := range all {
			require.True(t, l.CancelAccept(all[n-1-i]))
		}
		require.False(t, l.CancelAccept(all[0]))
	})
	w.connect(Inet, at)
	require.NotNil(t, last.socket())
}

// A queue that does not come to its end takes room for what is in it, not for what was.
func TestQueueTakesRoomForWhatIsInIt(t *testing.T) {
	var q queue
	piece := make([]byte, 5000)
	for range 100 {
		q.push(piece)
	}
	for range 100_000 {
		q.push(piece)
		q.took(len(piece))
	}
	require.LessOrEqual(t, len(q.ring), 256)
	q.took(98 * len(piece))
	require.LessOrEqual(t, len(q.ring), 64)
	require.Equal(t, 2*len(piece), q.octets)
}

// A file to a peer that takes all at once must not keep the other sockets waiting.
func TestLongOutputTakesTurns(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Local, passive, opt("sndbuf", 8<<20))
	file, fd := w.answer(), fileOf(t, pattern(6*octetsATurn))
	w.do(func() {
		s.SendFile(fd, 0, 0, file)
		if runtime.GOOS == "linux" {
			require.LessOrEqual(t, s.out.front().file.sent, int64(octetsATurn), "in the first turn")
		}
	})
	read(t, peer, 6*octetsATurn)
	require.NoError(t, file.error())
}

func TestRawPiecesHaveABound(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, opt("mode", 1), Option{Name: byName["recbuf"], Int: 4 << 20})
		data := pattern(1 << 20)
		go func() { _, _ = peer.Write([]byte(data)) }()
		got := ""
		for len(got) < len(data)/2 {
			piece, err := w.recv(s, 0)
			require.NoError(t, err)
			require.LessOrEqual(t, len(piece), maxPiece)
			got += piece
		}
		require.NoError(t, w.set(s, activeTrue))
		got += w.stream(s, len(data)-len(got))
		require.True(t, data == got)
		for _, e := range w.sink.told(s) {
			require.LessOrEqual(t, len(e), maxPiece+len("packet "))
		}
		// What was put back is no reason for more.
		require.NoError(t, w.set(s, passive))
		require.NoError(t, on(w, func() error { return s.Unrecv([]byte(data)) }))
		piece, err := w.recv(s, 0)
		require.NoError(t, err)
		require.Len(t, piece, maxPiece)
		piece, err = w.recv(s, len(data)-maxPiece)
		require.NoError(t, err)
		require.Len(t, piece, len(data)-maxPiece)
	})
}

func TestZeroStartAdoptsNothing(t *testing.T) {
	w := newWorld(t, Config{})
	at := Addr{Family: Inet, IP: Loopback(Inet)}
	w.do(func() {
		l, err := w.st.Listen(Inet, &at, Start{})
		require.NoError(t, err)
		require.Positive(t, l.desc.fd)
		_, err = w.st.FdOpen(Inet, Start{})
		require.ErrorIs(t, err, unix.EBADF)
	})
	_, err := unix.FcntlInt(0, unix.F_GETFD, 0)
	require.NoError(t, err, "standard input is still there")
}

func TestCloseOfAStack(t *testing.T) {
	before := openDescriptors(t)
	st, err := NewStack(Config{}, newRecorder())
	require.NoError(t, err)
	at := Addr{Family: Inet, IP: Loopback(Inet)}
	_, err = st.Listen(Inet, &at, Start{})
	require.NoError(t, err)
	st.Close()
	st.Close()
	require.Equal(t, before, openDescriptors(t))
	require.ErrorIs(t, st.Run(), ErrClosed)

	st, err = NewStack(Config{}, newRecorder())
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- st.Run() }()
	running := make(chan struct{})
	st.Post(func() { close(running) })
	<-running
	st.Close()
	require.NoError(t, <-done)
	st.Close()
}

func TestNamespaceThatIsAPipeIsNotWaitedFor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("namespaces are Linux's")
	}
	w := newWorld(t, Config{})
	path := t.TempDir() + "/pipe"
	require.NoError(t, unix.Mkfifo(path, 0o600))
	w.do(func() {
		_, err := w.st.Listen(Inet, nil, Start{Netns: path})
		require.ErrorIs(t, err, unix.EINVAL)
	})
}
