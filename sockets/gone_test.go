package sockets

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/sockets/packet"
)

// The recorder of every test fails it if anything is reported of a socket that has gone. These are
// the moments at which that was hard.

func TestNothingIsToldAfterGoneThatAnOversizedFrameBrings(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, mode(packet.Four), opt("packet_size", 100))
		file, fd := w.answer(), fileOf(t, pattern(big))
		w.do(func() { s.SendFile(fd, 0, 0, file) })
		closing := w.startClose(s)
		write(t, peer, "\x00\x01\x00\x00")
		require.ErrorIs(t, file.error(), ErrClosed)
		require.NoError(t, closing.error())
		w.expect(s, "gone")
		w.do(func() {})
	})
}

func TestNoCreditAfterGone(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		for range 20 {
			s, peer := w.withPeer(f, activeTrue)
			w.do(func() { s.Send([]byte(pattern(big))) })
			reset(t, peer)
			w.until("it has gone", func() bool { return s.state == gone })
		}
		for range 20 {
			s, peer := w.withPeer(f, activeTrue)
			reset(t, peer)
			w.do(func() {
				for range 10 {
					w.st.Cork()
					s.Send([]byte("x"))
					w.st.Uncork()
				}
			})
			w.until("it has gone", func() bool { return s.state == gone })
		}
	})
}
