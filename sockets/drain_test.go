package sockets

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hasRun waits until Run has returned.
func (w *world) hasRun() {
	w.t.Helper()
	w.over = true
	select {
	case err := <-w.done:
		require.NoError(w.t, err)
	case <-time.After(patience):
		require.Fail(w.t, "Run has not returned")
	}
}

// Run returns when the last octet is with the kernel; what needs no flushing has ended before.
func TestDrainDelivers(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		idle, idlePeer := w.withPeer(f, passive)
		closed, closedPeer := w.withPeer(f, passive)
		data, closedData := w.fill(s, big), w.fill(closed, big)
		w.do(func() {
			closed.CloseNow()
			assert.Equal(t, 2, w.st.Unsent())
			w.st.Drain(time.Hour)
			assert.Equal(t, 2, w.st.draining)
		})
		require.Equal(t, []string{"gone"}, w.sink.told(idle))
		require.Equal(t, []string{"gone"}, w.sink.told(s))
		_, err := idlePeer.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		got, err := io.ReadAll(peer)
		require.NoError(t, err)
		require.Equal(t, data, string(got))
		w.do(func() { require.Equal(t, 1, w.st.draining) })
		got, err = io.ReadAll(closedPeer)
		require.NoError(t, err)
		require.Equal(t, closedData, string(got))
		w.hasRun()
	})
}

// A Stack with nothing to send is drained at once.
func TestDrainOfNothing(t *testing.T) {
	w := newWorld(t, Config{})
	w.withPeer(Inet, passive)
	w.do(func() { w.st.Drain(time.Hour) })
	w.hasRun()
}

// A peer that takes nothing for as long as Drain is patient is reset; one that takes a little is waited for.
func TestDrainIsPatient(t *testing.T) {
	c := &manualClock{now: time.Now()}
	w := newWorld(t, Config{Clock: c.Now})
	s, peer := w.withPeer(Inet, passive)
	w.fill(s, big)
	before := 0
	w.do(func() {
		w.st.Drain(time.Minute)
		before = s.out.octets
	})
	_, err := io.CopyN(io.Discard, peer, big/4)
	require.NoError(t, err)
	for moved := false; !moved; {
		w.do(func() { moved = s.out.octets < before })
	}
	c.pass(w, time.Minute)
	w.do(func() { require.Equal(t, 1, w.st.draining, "it has moved") })
	for before = -1; ; { // until the kernel's buffers are full again
		var now int
		w.do(func() { now = s.out.octets })
		if now == before {
			break
		}
		before = now
	}
	for range 3 { // what moved while that was looked at counts
		c.pass(w, time.Minute)
	}
	w.hasRun()
	_, err = io.Copy(io.Discard, peer)
	require.ErrorIs(t, err, unix.ECONNRESET)
}

// Parts that are still to come never will.
func TestDrainResetsWhatIsInParts(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		gone, gonePeer := w.withPeer(f, passive)
		w.do(func() {
			s.SendPart(1, 10, []byte("hello"), nil)
			gone.SendPart(1, 10, []byte("hello"), nil)
			gone.CloseNow()
			assert.Equal(t, 2, w.st.Unsent())
			w.st.Drain(time.Hour)
		})
		w.hasRun()
		for _, conn := range []io.Reader{peer, gonePeer} {
			_, err := io.Copy(io.Discard, conn)
			require.ErrorIs(t, err, unix.ECONNRESET)
		}
	})
}

// Abort resets whoever is connected.
func TestAbort(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		_, idlePeer := w.withPeer(f, passive)
		w.fill(s, big)
		w.do(w.st.Abort)
		w.hasRun()
		for _, conn := range []io.Reader{peer, idlePeer} {
			_, err := io.Copy(io.Discard, conn)
			require.ErrorIs(t, err, unix.ECONNRESET)
		}
	})
}
