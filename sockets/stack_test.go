package sockets

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// TestMain lets package net open what it keeps, so that tests can count descriptors.
func TestMain(m *testing.M) {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = l.Close()
	}
	os.Exit(m.Run())
}

func TestEchoOverAllFamilies(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		client, server := w.pair(f, mode(packet.Two))
		w.onPacket(func(s *Socket, p packet.Packet) {
			if s == server {
				s.Send(p.Data)
			}
		})
		require.NoError(t, w.send(client, "one"))
		require.NoError(t, w.send(client, "two"))
		w.expect(client, "packet one", "packet two")
		w.do(client.CloseNow)
		w.expect(server, "packet one", "packet two", "closed", "gone")
		w.expect(client, "packet one", "packet two", "gone")
	})
}

func TestPostFromManyGoroutines(t *testing.T) {
	w := newWorld(t, Config{})
	const each, goroutines = 500, 8
	var posted sync.WaitGroup
	seen := make([][]int, goroutines) // only touched on the Stack's goroutine
	for g := range goroutines {
		posted.Add(1)
		go func() {
			defer posted.Done()
			for i := range each {
				w.st.Post(func() { seen[g] = append(seen[g], i) })
			}
		}()
	}
	posted.Wait()
	w.do(func() {
		for g := range seen {
			require.Len(t, seen[g], each)
			assert.IsIncreasing(t, seen[g])
		}
	})
}

func TestPostAfterTheEndDoesNothing(t *testing.T) {
	w := newWorld(t, Config{})
	w.stop()
	// The descriptors of the wake-up pipe may be somebody else's by now.
	var fds [2]int
	require.NoError(t, unix.Pipe(fds[:]))
	require.NoError(t, unix.SetNonblock(fds[0], true))
	defer func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) }()
	w.st.Post(func() { t.Error("a post ran after the end") })
	_, err := unix.Read(fds[0], make([]byte, 1))
	require.ErrorIs(t, err, unix.EAGAIN, "something was written to a foreign descriptor")
}

func TestPauseStopsReadingOnly(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, mode(packet.One))
		other, otherPeer := w.withPeer(f, passive)
		w.do(w.st.Pause)
		write(t, peer, "\x01a")
		w.until("its event has come", func() bool { return s.isParked })
		w.expectNone(s)

		// Output goes on: what is queued, and what is delayed.
		data := pattern(big)
		require.NoError(t, w.send(other, data))
		require.Equal(t, data, read(t, otherPeer, big))
		require.NoError(t, w.set(s, opt("delay_send", 1)))
		require.NoError(t, w.send(s, "x"))
		require.Equal(t, "\x01x", read(t, peer, 2))
		w.expectNone(s)

		w.do(w.st.Resume)
		w.expect(s, "packet a")
		write(t, peer, "\x01b")
		w.expect(s, "packet a", "packet b")
	})
}

func TestPauseFromWithinPacketStopsAtTheEndOfARead(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Inet)
	w.onPacket(func(*Socket, packet.Packet) { w.st.Pause() })
	data := pattern(4 * readSize)
	go func() { _, _ = peer.Write([]byte(data)) }()
	for got := 0; got < len(data); {
		w.wait("a packet", func() bool { return len(w.sink.told(s)) > 0 })
		w.do(func() {
			before := got
			for _, p := range w.sink.told(s) {
				got += len(p) - len("packet ")
			}
			require.LessOrEqual(t, got-before, readSize, "one read for each Resume")
			w.sink.forget(s)
			w.st.Resume()
		})
	}
}

func TestBusySocketLetsTheOthersTakeTheirTurn(t *testing.T) {
	w := newWorld(t, Config{})
	busy, busyPeer := w.withPeer(Inet, passive, opt("recbuf", 4<<20), opt("buffer", 1000))
	quiet, quietPeer := w.withPeer(Inet, passive)
	write(t, busyPeer, pattern(100_000))
	w.arrived(busy, 60_000)
	write(t, quietPeer, "me too")
	w.arrived(quiet, 6)
	w.until("its event has come", func() bool { return quiet.canRead })
	w.do(func() {
		require.NoError(t, busy.SetOptions([]Option{activeTrue}))
		quiet.opts.active = active{mode: Active}
		w.st.later(quiet) // as its event would
	})
	w.expect(quiet, "packet me too")
	w.stream(busy, 100_000)
	order := w.sink.String()
	require.Less(t, strings.Index(order, "me too"), strings.LastIndex(order, "socket 1"))
}

// TestPanicEndsOneSocket: a failure in the handling of one socket ends that one, with a
// line in the log; the others do not notice.
func TestPanicEndsOneSocket(t *testing.T) {
	for name, opts := range map[string][]Option{
		"active":                   nil,
		"passive":                  {passive},
		"with output being queued": {eocFalse},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			w := newWorld(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
			bad, badPeer := w.withPeer(Inet, opts...)
			good, goodPeer := w.withPeer(Inet)
			if name == "with output being queued" {
				w.fill(bad, big)
			}
			var a *answer
			if name == "passive" {
				a = w.answer()
				a.then = func(*answer) { panic("a receiver that fails") }
				w.do(func() { bad.Recv(0, time.Hour, a) })
			} else {
				w.onPacket(func(s *Socket, _ packet.Packet) {
					if s == bad {
						panic("a sink that fails")
					}
				})
			}
			write(t, badPeer, "x")
			if name == "passive" {
				w.expect(bad, "gone efault")
			} else {
				w.expect(bad, "packet x", "error efault", "closed", "gone efault")
			}
			write(t, goodPeer, "x")
			w.expect(good, "packet x")
			w.do(func() {
				require.Contains(t, log.String(), "that fails")
				require.Negative(t, bad.desc.fd)
				_, found := w.st.Get(bad.ID())
				require.False(t, found)
			})
		})
	}
}

func TestPanicOfTheLastWord(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Inet)
	w.do(func() { w.sink.on = func(*Socket, string) { panic("again and again") } })
	require.NoError(t, peer.Close())
	w.until("gone all the same", func() bool {
		_, found := w.st.Get(s.ID())
		return !found && s.desc.fd < 0
	})
	w.do(func() { w.sink.on = nil })
	other, _ := w.withPeer(Inet, passive)
	require.NoError(t, w.send(other, "the others live"))
}

func TestPanicInATimer(t *testing.T) {
	w := newWorld(t, Config{})
	s, _ := w.withPeer(Inet, passive)
	a := w.answer()
	a.then = func(*answer) { panic("an answer that fails") }
	w.do(func() { s.Recv(0, time.Millisecond, a) })
	w.expect(s, "gone efault")
	require.ErrorIs(t, a.error(), ErrTimeout)
}

func TestWatchedDescriptors(t *testing.T) {
	w := newWorld(t, Config{})
	var fds [2]int
	require.NoError(t, unix.Pipe(fds[:]))
	defer func() { _ = unix.Close(fds[0]) }()
	var read []byte
	writable := 0
	w.do(func() {
		require.NoError(t, w.st.WatchRead(fds[0], func() {
			var b [1]byte // an octet a round, although there are more
			n, _ := unix.Read(fds[0], b[:])
			read = append(read, b[:n]...)
		}))
		require.NoError(t, w.st.WatchWrite(fds[1], func() { writable++ }))
	})
	_, err := unix.Write(fds[1], []byte("abc"))
	require.NoError(t, err)
	w.until("all is read", func() bool { return string(read) == "abc" })
	w.do(func() {
		require.Positive(t, writable)
		require.Error(t, w.st.WatchRead(-1, func() {}))
	})
	_ = unix.Close(fds[1])
	w.until("the end is seen, again and again", func() bool { return len(read) == 3 })
	w.stop()
}

func TestBeforeWaitRunsEachRound(t *testing.T) {
	w := newWorld(t, Config{})
	rounds := make(chan struct{}, 1)
	w.do(func() {
		w.st.BeforeWait(func() {
			select {
			case rounds <- struct{}{}:
			default:
			}
		})
	})
	for range 3 {
		<-rounds
		w.do(func() {})
	}
}

func TestSocketsOfAStack(t *testing.T) {
	w := newWorld(t, Config{})
	client, server := w.pair(Inet)
	w.do(func() {
		seen := map[ID]bool{}
		w.st.Sockets(func(s *Socket) { seen[s.ID()] = true })
		require.Equal(t, map[ID]bool{client.ID(): true, server.ID(): true}, seen)
		got, ok := w.st.Get(client.ID())
		require.True(t, ok)
		require.Same(t, client, got)
		_, ok = w.st.Get(99)
		require.False(t, ok)
	})
	w.do(client.CloseNow)
	w.expect(server, "closed", "gone")
	next, _ := w.pair(Inet)
	require.Greater(t, next.ID(), server.ID(), "an ID is never used again")
	require.Equal(t, []string{"closed"}, on(w, server.States))
}

// Many connections at once, some ended by either side, leave nothing behind.
func TestManyConnections(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		w.onPacket(func(s *Socket, p packet.Packet) {
			if s.Accepted() {
				s.Send(p.Data)
			}
		})
		l, at := w.listen(f, mode(packet.Two))
		const n = 100
		var clients []*Socket
		for range n {
			a := w.startAccept(l, -1, false)
			clients = append(clients, w.connect(f, at, mode(packet.Two)))
			a.socket()
		}
		w.do(func() {
			w.st.Cork()
			for _, c := range clients {
				c.Send([]byte("hello"))
			}
			w.st.Uncork()
			require.LessOrEqual(t, len(w.st.corkBuffers), keepCorkBuffers)
		})
		for i, c := range clients {
			w.expect(c, "packet hello")
			if i%2 == 0 {
				w.do(c.CloseNow)
			}
		}
		w.until("the other ends have seen it", func() bool { return len(w.st.sockets) == n+1 })
	})
}
