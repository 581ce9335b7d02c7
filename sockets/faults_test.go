package sockets

import (
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/fault"
)

// faultyWorld is a world with a clock that the test moves, and rules for all of its sockets.
type faultyWorld struct {
	*world
	clock *manualClock
}

func newFaultyWorld(t testing.TB) *faultyWorld {
	c := &manualClock{now: time.Now()}
	w := &faultyWorld{newWorld(t, Config{Clock: c.Now}), c}
	t.Cleanup(func() {
		if t.Failed() || w.over {
			return
		}
		w.do(func() {
			w.st.Sockets(func(s *Socket) { s.CloseNow() })
			w.st.ClearFaults()
		})
		// What is held is delivered, or given up in the end.
		w.until("nothing is held", func() bool {
			w.clock.mu.Lock()
			w.clock.now = w.clock.now.Add(vanishedPatience)
			w.clock.mu.Unlock()
			w.st.Post(func() {})
			return len(w.st.faults.faulty) == 0
		})
	})
	return w
}

func (w *faultyWorld) pass(d time.Duration) { w.clock.pass(w.world, d) }

// rule gives all sockets faults, in place of those that they have by rules.
func (w *faultyWorld) rule(faults ...fault.Fault) {
	w.do(func() { w.st.AddFaults(fault.Rule{ID: 1, Selector: fault.All{}, Faults: faults}) })
}

// clear takes the rules away, and sees that they leave no trace.
func (w *faultyWorld) clear() {
	w.do(w.st.ClearFaults)
}

func in(a fault.Action, when ...fault.Condition) fault.Fault {
	return fault.Fault{When: when, Way: fault.In, Action: a}
}

func out(a fault.Action, when ...fault.Condition) fault.Fault {
	return fault.Fault{When: when, Way: fault.Out, Action: a}
}

func onCall(name fault.CallName, err error, when ...fault.Condition) fault.Fault {
	return fault.Fault{When: when, Action: fault.Call{Name: name, Err: err}}
}

// faults is the option gentcp_fault.
func (w *faultyWorld) faults(faults ...fault.Fault) Option {
	return Option{Name: optFaults, Faults: on(w.world, func() *fault.Own { return w.st.NewFaults(faults, "term") })}
}

func overFaultyFamilies(t *testing.T, body func(t *testing.T, w *faultyWorld, f Family)) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) { body(t, newFaultyWorld(t), f) })
	}
}

// silence says that nothing is there for the peer to read now. It is only conclusive about what was written
// before.
func silence(t testing.TB, peer net.Conn) {
	t.Helper()
	require.Empty(t, pending(t, peer), "the peer hears something")
}

// pending is what the peer can read at once; the end of the stream is "<end>", a reset "<reset>".
func pending(t testing.TB, peer net.Conn) string {
	t.Helper()
	raw, err := peer.(interface {
		SyscallConn() (syscall.RawConn, error)
	}).SyscallConn()
	require.NoError(t, err)
	what := ""
	require.NoError(t, raw.Control(func(fd uintptr) {
		buf := make([]byte, 100)
		n, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.ECONNRESET:
			what = "<reset>"
		case err == nil && n == 0:
			what = "<end>"
		case err == nil:
			what = string(buf[:n])
		}
	}))
	return what
}

func TestLatencyOut(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(out(fault.Latency{Delay: time.Second}))
		require.NoError(t, w.send(s, "one"))
		w.pass(time.Second - 1)
		w.do(func() { silence(t, peer) })
		w.pass(1)
		require.Equal(t, "one", read(t, peer, 3))
		write(t, peer, "back") // the other way is as before
		got, err := w.recv(s, 4)
		require.NoError(t, err)
		require.Equal(t, "back", got)
	})
}

func TestLatencyInCountsFromArrival(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(in(fault.Latency{Delay: time.Second}))
		write(t, peer, "one")
		w.until("it is held", func() bool { return s.faults.line.In.Held() == 3 })
		w.pass(time.Second - 1)
		a := w.startRecv(s, 3, -1)
		w.do(a.open)
		w.pass(1)
		require.Equal(t, "one", a.value())
	})
}

func TestLatencyOfActiveSocketsAndOfTheEnd(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, activeTrue)
		w.rule(in(fault.Latency{Delay: time.Second}))
		write(t, peer, "one")
		require.NoError(t, peer.Close())
		w.until("all is held", func() bool { return s.faults.system.ended })
		w.do(func() { w.expectNone(s) })
		w.pass(time.Second)
		w.expect(s, "packet one", "closed", "gone")
	})
}

func TestSlicesOfReads(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(in(fault.Slice{Min: 1, Max: 1}))
		write(t, peer, "abc")
		w.until("it is there", func() bool { return s.faults.line.In.Held() == 3 })
		require.NoError(t, w.set(s, activeTrue))
		w.expect(s, "packet a", "packet b", "packet c")
	})
}

func TestSlicesOfWrites(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Local, passive)
	w.rule(out(fault.Slice{Min: 2, Max: 2}))
	var calls []string
	w.do(func() { s.faults.system.System = tracer{s.faults.system.System, &calls} })
	require.NoError(t, w.send(s, "abcde"))
	require.Equal(t, "abcde", read(t, peer, 5))
	w.do(func() { require.Equal(t, []string{"write", "write", "write"}, calls) })
	w.do(func() { s.faults.system.System = s.Kernel() })
}

func TestBandwidthMakesTheSenderWait(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(out(fault.Bandwidth{PerSecond: 10_000}))
		data := pattern(20_000)
		require.NoError(t, w.send(s, data))
		a := w.startSend(s, "!")
		w.do(a.open)
		done := make(chan string)
		go func() { done <- read(t, peer, 20_001) }()
		for {
			w.pass(10 * time.Millisecond)
			select {
			case got := <-done:
				require.Equal(t, data+"!", got)
				require.NoError(t, a.error())
				return
			default:
				w.do(func() {})
			}
		}
	})
}

func TestStallOut(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive)
	w.rule(out(fault.Stall{For: time.Second, Every: 3}))
	require.NoError(t, w.send(s, "abcdef"))
	require.Equal(t, "abc", read(t, peer, 3))
	w.pass(time.Second - 1)
	w.do(func() { silence(t, peer) })
	w.pass(1)
	require.Equal(t, "def", read(t, peer, 3))
}

func TestBlackhole(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(in(fault.Blackhole{}), out(fault.Blackhole{}))
		require.NoError(t, w.send(s, "out"))
		write(t, peer, "in")
		require.NoError(t, peer.(interface{ CloseWrite() error }).CloseWrite())
		w.until("all is held", func() bool { return s.faults.system.ended })
		a := w.startRecv(s, 2, time.Hour)
		w.pass(time.Hour - 1)
		w.do(a.open)
		w.do(func() { silence(t, peer) })
		w.pass(1)
		require.ErrorIs(t, a.error(), ErrTimeout)
		w.clear()
		require.Equal(t, "out", read(t, peer, 3))
		got, err := w.recv(s, 2)
		require.NoError(t, err)
		require.Equal(t, "in", got)
		_, err = w.recv(s, 1)
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestBlackholeTakesNoMoreThanABuffer(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive, Option{Name: optSendTimeout, Int: 1000})
	w.rule(out(fault.Blackhole{}))
	data := pattern(3 << 20)
	require.NoError(t, w.send(s, data), "a send on an empty queue never waits")
	a := w.startSend(s, "!")
	w.do(a.open)
	w.pass(time.Second)
	require.ErrorIs(t, a.error(), ErrTimeout)
	w.clear()
	require.Equal(t, data+"!", read(t, peer, len(data)+1))
}

func TestCorruptAllOctets(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive)
	w.rule(out(fault.Corrupt{Probability: 1}))
	require.NoError(t, w.send(s, "aaaa"))
	require.NotContains(t, read(t, peer, 4), "a")
}

func TestFinishAfterOctetsOut(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(out(fault.Cut{Octets: 3}))
		write(t, peer, "before")
		w.arrived(s, 6)
		require.NoError(t, w.send(s, "abcdef"))
		require.Equal(t, "abc", readEnd(t, peer))
		got, err := w.recv(s, 6)
		require.NoError(t, err)
		require.Equal(t, "before", got, "what had arrived")
		_, err = w.recv(s, 0)
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestFinishAfterOctetsIn(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, activeTrue)
		w.rule(in(fault.Cut{Octets: 3}))
		write(t, peer, "abcdef")
		require.Empty(t, readEnd(t, peer))
		if f == Local {
			w.expect(s, "packet abc", "closed", "gone")
			return
		}
		w.expect(s, "packet abc", "closed", "gone")
	})
}

// A cut of both directions at the same moment: the one that comes first is not to keep the other from the peer.
func TestFinishInTimeOfBothDirections(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		write(t, peer, "before")
		w.arrived(s, 6)
		w.rule(fault.Fault{Way: fault.Both, Action: fault.Cut{Timed: true, Time: time.Second}})
		require.NoError(t, w.send(s, "abc"))
		w.pass(time.Second)
		require.Equal(t, "abc", readEnd(t, peer))
		got, err := w.recv(s, 6)
		require.NoError(t, err)
		require.Equal(t, "before", got, "what had arrived")
		_, err = w.recv(s, 0)
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestASendAfterAFinish(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive, econnreset)
	w.rule(in(fault.Cut{Timed: true, Time: time.Second}))
	w.pass(time.Second)
	require.Empty(t, readEnd(t, peer))
	require.ErrorIs(t, w.send(s, "abc"), unix.ECONNRESET)
}

func TestFinishWithNobodyReading(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive)
	w.rule(in(fault.Cut{Octets: 3}))
	write(t, peer, "abcdef")
	require.Empty(t, readEnd(t, peer), "the peer hears of it though nobody reads")
	got, err := w.recv(s, 3)
	require.NoError(t, err)
	require.Equal(t, "abc", got)
	_, err = w.recv(s, 0)
	require.ErrorIs(t, err, ErrClosed)
}

func TestResetOut(t *testing.T) {
	for _, f := range []Family{Inet, Inet6} {
		t.Run(f.String(), func(t *testing.T) {
			w := newFaultyWorld(t)
			s, peer := w.withPeer(f, passive, econnreset)
			w.rule(out(fault.Cut{Octets: 3, How: fault.Reset}))
			require.NoError(t, w.send(s, "abcdef"))
			readReset(t, peer)
			_, err := w.recv(s, 0)
			require.ErrorIs(t, err, unix.ECONNRESET)
		})
	}
}

func TestResetIn(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, activeTrue, econnreset)
	w.rule(in(fault.Cut{Octets: 3, How: fault.Reset}))
	write(t, peer, "abcdef")
	readReset(t, peer)
	w.expect(s, "packet abc", "error econnreset", "closed", "gone econnreset")
}

func TestResetInTime(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive, econnreset)
	w.rule(out(fault.Cut{Timed: true, Time: time.Second, How: fault.Reset}))
	a := w.startRecv(s, 0, -1)
	w.pass(time.Second - 1)
	w.do(a.open)
	w.pass(1)
	readReset(t, peer)
	require.ErrorIs(t, a.error(), unix.ECONNRESET)
}

func TestResetOfALocalSocket(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Local, passive)
	w.rule(out(fault.Cut{Octets: 3, How: fault.Reset}))
	require.NoError(t, w.send(s, "abcdef"))
	require.Equal(t, "abc", readEnd(t, peer))
	_, err := w.recv(s, 0)
	require.ErrorIs(t, err, ErrClosed)
}

func TestSilent(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(in(fault.Cut{Octets: 3, How: fault.Silent}))
		write(t, peer, "abcdef")
		got, err := w.recv(s, 3)
		require.NoError(t, err)
		require.Equal(t, "abc", got)
		require.NoError(t, w.send(s, "xyz"))
		a := w.startRecv(s, 3, time.Hour)
		w.pass(time.Hour)
		require.ErrorIs(t, a.error(), ErrTimeout)
		require.NoError(t, w.startClose(s).error())
		w.expect(s, "gone")
		w.do(func() { silence(t, peer) })
		w.clear()
		require.Equal(t, "xyz", readEnd(t, peer))
	})
}

func TestAVanishedPeerIsGivenUpInTheEnd(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive, w.faults(in(fault.Cut{How: fault.Silent})))
	require.NoError(t, w.send(s, "xyz"))
	require.NoError(t, w.startClose(s).error())
	w.pass(vanishedPatience - 1)
	w.do(func() { silence(t, peer) })
	w.pass(1)
	w.until("the descriptor is closed", func() bool { return s.desc.fd < 0 })
}

func TestWhoHasClosedIsNotWaitedForLong(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive, w.faults(out(fault.Blackhole{})))
	require.NoError(t, w.startClose(s).error())
	require.NoError(t, peer.Close())
	w.until("the peer's end is known", func() bool { return !s.faults.system.limit.at.After(w.st.Now().Add(finishPatience)) })
	w.pass(finishPatience)
	w.until("the descriptor is closed", func() bool { return s.desc.fd < 0 })
}

func TestCloseDeliversWhatIsHeldInTime(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(out(fault.Latency{Delay: time.Second}))
		require.NoError(t, w.send(s, "abc"))
		require.NoError(t, w.startClose(s).error())
		w.expect(s, "gone")
		w.pass(time.Second - 1)
		w.do(func() { silence(t, peer) })
		w.pass(1)
		require.Equal(t, "abc", readEnd(t, peer))
		w.until("the descriptor is closed", func() bool { return s.desc.fd < 0 && len(w.st.faults.faulty) == 0 })
	})
}

func TestShutdownBehindWhatIsHeld(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		w.rule(out(fault.Latency{Delay: time.Second}))
		require.NoError(t, w.send(s, "abc"))
		require.NoError(t, w.shutdown(s, unix.SHUT_WR))
		w.do(func() { silence(t, peer) })
		w.pass(time.Second)
		require.Equal(t, "abc", readEnd(t, peer))
		write(t, peer, "still")
		got, err := w.recv(s, 5)
		require.NoError(t, err)
		require.Equal(t, "still", got)
	})
}

func TestLingerZeroResetsInSpiteOfWhatIsHeld(t *testing.T) {
	w := newFaultyWorld(t)
	s, peer := w.withPeer(Inet, passive, linger(1, 0))
	w.rule(out(fault.Latency{Delay: time.Second}))
	require.NoError(t, w.send(s, "abc"))
	require.NoError(t, w.startClose(s).error())
	readReset(t, peer)
}

func TestFaultsOfALiveSocketComeAndGo(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		write(t, peer, "before ")
		w.arrived(s, 7)
		require.NoError(t, w.set(s, w.faults(in(fault.Latency{Delay: time.Second}), out(fault.Latency{Delay: time.Second}))))
		o, ok := get(t, w.world, s, optFaults)
		require.True(t, ok)
		require.Equal(t, "term", o.Faults.Term())
		require.NoError(t, w.send(s, "one "))
		w.do(func() { silence(t, peer) })
		require.NoError(t, w.set(s, Option{Name: optFaults}))
		require.NoError(t, w.send(s, "two"))
		require.Equal(t, "one two", read(t, peer, 7))
		write(t, peer, "after")
		got, err := w.recv(s, 12)
		require.NoError(t, err)
		require.Equal(t, "before after", got)
		w.do(func() {
			require.Nil(t, s.desc.attached, "the chain is there no longer")
			require.Empty(t, w.st.faults.faulty)
		})
		o, _ = get(t, w.world, s, optFaults)
		require.Nil(t, o.Faults)
	})
}

func TestFaultsAreInherited(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		l, at := w.listen(f, passive, w.faults(in(fault.Slice{Min: 1, Max: 1}, fault.Nth(2))))
		w.do(func() { require.Nil(t, l.desc.attached) })
		for i, want := range []string{"abc", "a", "abc"} {
			a := w.startAccept(l, -1, false)
			c := w.connect(f, at, passive)
			s := a.socket()
			require.NoError(t, w.send(c, "abc"))
			w.until("it is there", func() bool { return s.System().Available() == 3 || s.desc.attached == nil })
			if s.desc.attached == nil {
				w.arrived(s, 3)
			}
			got, err := w.recv(s, 0)
			require.NoError(t, err)
			require.Equal(t, want, got, "connection %d", i+1)
			o, _ := get(t, w.world, s, optFaults)
			require.Equal(t, "term", o.Faults.Term())
		}
	})
}

func TestConnectFaults(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		_, at := w.listen(f)
		before := on(w.world, func() int { return len(w.st.sockets) })
		w.rule(onCall(fault.Connect, unix.EHOSTUNREACH, fault.Nth(2)))
		w.connect(f, at, passive)
		require.ErrorIs(t, w.startConnect(f, at, -1).error(), unix.EHOSTUNREACH)
		w.connect(f, at, passive)
		require.Equal(t, before+2, on(w.world, func() int { return len(w.st.sockets) }), "the refused one is gone")
	})
}

func TestConnectNever(t *testing.T) {
	w := newFaultyWorld(t)
	l, at := w.listen(Inet)
	w.rule(fault.Fault{Action: fault.Call{Name: fault.Connect, Never: true}})
	a := w.startConnect(Inet, at, time.Second)
	w.pass(time.Second - 1)
	w.do(a.open)
	require.ErrorIs(t, w.startAccept(l, 0, false).error(), ErrTimeout, "the listener hears nothing")
	w.pass(1)
	require.ErrorIs(t, a.error(), ErrTimeout)
}

func TestConnectDelayedAndCancelled(t *testing.T) {
	w := newFaultyWorld(t)
	l, at := w.listen(Inet)
	w.rule(fault.Fault{Action: fault.Call{Name: fault.Connect, Delay: time.Second}})
	a := w.startConnect(Inet, at, -1)
	w.pass(time.Second - 1)
	w.do(a.open)
	w.pass(1)
	w.startAccept(l, -1, false).socket()
	a.socket()
	b := w.answer()
	w.do(func() { w.st.Connect(Inet, at, nil, with(), -1, b).CancelConnect() })
	require.ErrorIs(t, b.error(), ErrCancelled)
}

func TestConnectByPeerAddress(t *testing.T) {
	w := newFaultyWorld(t)
	_, refused := w.listen(Inet)
	_, fine := w.listen(Inet)
	w.do(func() {
		w.st.AddFaults(fault.Rule{
			ID: 1, Selector: fault.Peer{Prefix: netip.MustParsePrefix("127.0.0.0/8"), Port: refused.Port},
			Faults: []fault.Fault{onCall(fault.Connect, unix.ECONNREFUSED)},
		})
	})
	require.ErrorIs(t, w.startConnect(Inet, refused, -1).error(), unix.ECONNREFUSED)
	w.connect(Inet, fine)
}

func TestListenFaults(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		listen := func() *answer {
			a, addr := w.answer(), freshAddr(t, f)
			w.do(func() { w.st.ListenCall(f, &addr, with(), a) })
			return a
		}
		w.rule(onCall(fault.Listen, unix.EADDRINUSE, fault.Once()), fault.Fault{Action: fault.Call{Name: fault.Listen, Delay: time.Second}})
		require.ErrorIs(t, listen().error(), unix.EADDRINUSE)
		a := listen()
		w.do(a.open)
		w.pass(time.Second)
		require.True(t, a.socket().Listener())
	})
}

func TestRulesByListenerAndOwner(t *testing.T) {
	w := newFaultyWorld(t)
	l, at := w.listen(Inet, passive)
	a := w.startAccept(l, -1, false)
	c := w.connect(Inet, at, passive)
	s := a.socket()
	cut := []fault.Fault{out(fault.Blackhole{})}
	w.do(func() {
		w.st.AddFaults(fault.Rule{ID: 1, Selector: fault.Listener(l.id), Faults: cut})
		assert.Nil(t, c.desc.attached)
		assert.NotNil(t, s.desc.attached)
		w.st.RemoveFaults(1)
		assert.Nil(t, s.desc.attached)
		c.SetKin([][]byte{[]byte("me"), []byte("parent")})
		w.st.AddFaults(fault.Rule{ID: 1, Selector: fault.Ancestor("parent"), Faults: cut})
		assert.NotNil(t, c.desc.attached)
		assert.Nil(t, s.desc.attached)
		c.SetKin([][]byte{[]byte("other")})
		assert.Nil(t, c.desc.attached)
	})
	w.clear()
}

func TestSendFaultsKeepTheWindowShut(t *testing.T) {
	w := newFaultyWorld(t)
	s, _ := w.withPeer(Inet, passive)
	w.rule(onCall(fault.Send, unix.EPIPE))
	w.do(func() {
		require.True(t, s.CallFaults(fault.Send))
		require.False(t, s.CallFaults(fault.Recv))
		require.Equal(t, fault.Outcome{Err: unix.EPIPE}, s.CallFault(fault.Send))
		require.Zero(t, s.out.window)
	})
	w.clear()
	w.do(func() {
		require.False(t, s.CallFaults(fault.Send))
		require.NotZero(t, s.out.window)
	})
}

func TestManyOctetsThroughManyFaults(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, activeTrue)
		w.rule(
			in(fault.Latency{Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond}), out(fault.Slice{Min: 1, Max: 2000}),
			in(fault.Slice{Min: 1, Max: 3000}), out(fault.Stall{For: 10 * time.Millisecond, Every: 100_000}),
			out(fault.Latency{Delay: 3 * time.Millisecond}),
		)
		data := pattern(1 << 20)
		go func() {
			got, _ := io.ReadAll(peer)
			_, _ = peer.Write(got)
			_ = peer.(interface{ CloseWrite() error }).CloseWrite()
		}()
		require.NoError(t, w.send(s, data))
		require.NoError(t, w.shutdown(s, unix.SHUT_WR))
		for end := time.Now().Add(patience); ; {
			w.pass(time.Millisecond)
			if on(w.world, func() bool { return s.state == gone }) {
				break
			}
			require.True(t, time.Now().Before(end), "it does not come to an end")
		}
		require.Equal(t, data, w.stream(s, len(data)))
	})
}

// What arrives while the socket writes is read by the chain before the poller can report it: whoever waits
// for it has to hear of it all the same.
func TestWhatArrivesDuringASendIsTold(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, activeOnce)
		w.rule(in(fault.Slice{Min: 2, Max: 2}), out(fault.Slice{Min: 2, Max: 2}))
		w.until("nothing is there to be read", func() bool { return !s.canRead })
		w.do(func() {
			write(t, peer, "abc")
			for err := error(unix.EAGAIN); err != nil; {
				_, _, err = unix.Recvfrom(s.desc.fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
			}
			s.Send([]byte("x"))
		})
		w.expect(s, "packet ab")
		require.Equal(t, "x", read(t, peer, 1))
	})
}

// What faults hold is delivered in their time at the end of a Stack in good order, too, and given up if it does not move.
func TestDrainDeliversWhatIsHeld(t *testing.T) {
	overFaultyFamilies(t, func(t *testing.T, w *faultyWorld, f Family) {
		s, peer := w.withPeer(f, passive)
		stuck, stuckPeer := w.withPeer(f, passive, w.faults(out(fault.Blackhole{})))
		require.NoError(t, w.set(s, w.faults(out(fault.Bandwidth{PerSecond: 10}))))
		require.NoError(t, w.send(s, "a"))
		require.NoError(t, w.send(stuck, "b"))
		w.do(func() {
			require.Equal(t, 2, w.st.Unsent())
			w.st.Drain(time.Minute)
		})
		w.pass(100 * time.Millisecond)
		require.Equal(t, "a", readEnd(t, peer))
		w.do(func() { silence(t, stuckPeer) })
		w.pass(time.Minute)
		w.hasRun()
	})
}
