package sockets

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// endings is how a connection is made to end, from the peer or by a call.
var endings = map[string]func(t *testing.T, w *world, s *Socket, peer net.Conn){
	"eof": func(t *testing.T, w *world, s *Socket, peer net.Conn) {
		require.NoError(t, peer.Close())
		w.ended(s)
	},
	"reset": func(t *testing.T, w *world, s *Socket, peer net.Conn) {
		reset(t, peer)
		w.ended(s)
	},
	// A send after the peer has reset fails, and is the first to know.
	"failed send": func(t *testing.T, w *world, s *Socket, peer net.Conn) {
		reset(t, peer)
		w.ended(s)
		want := ErrClosed
		if on(w, func() bool { return s.opts.showEconnreset }) {
			want = unix.ECONNRESET
		}
		require.ErrorIs(t, w.send(s, "x"), want)
	},
	// The same, with nobody who waits for the send.
	"failed uncalled send": func(t *testing.T, w *world, s *Socket, peer net.Conn) {
		reset(t, peer)
		w.ended(s)
		w.do(func() { s.Send([]byte("x")) })
	},
	"framing error": func(t *testing.T, w *world, s *Socket, peer net.Conn) {
		require.NoError(t, w.set(s, mode(packet.Two), opt("packet_size", 1)))
		write(t, peer, "\x00\x02xy")
		w.arrived(s, 4)
	},
	"half closed and reset": func(t *testing.T, w *world, s *Socket, peer net.Conn) {
		write(t, peer, "")
		require.NoError(t, peer.(*net.TCPConn).CloseWrite())
		w.ended(s)
		_, err := w.recv(s, 0)
		require.ErrorIs(t, err, ErrClosed)
		require.NoError(t, w.send(s, "still open"))
		reset(t, peer)
		w.until("the reset is known", func() bool {
			_, err := unix.Getpeername(s.desc.fd)
			return err != nil
		})
	},
}

// TestHuskSequences: what the calls say, one after the other, on a passive socket whose
// connection has ended. "r" is recv, "s" is send.
func TestHuskSequences(t *testing.T) {
	const (
		closed   = "closed"
		enotconn = "enotconn"
		reset    = "econnreset"
		size     = "emsgsize"
	)
	for _, row := range []struct {
		end   string
		opts  []Option
		calls string
		want  []string
	}{
		{"eof", nil, "rrr", []string{closed, enotconn, enotconn}},
		{"eof", nil, "rssr", []string{closed, closed, enotconn, enotconn}},
		{"reset", nil, "rrssr", []string{closed, enotconn, closed, enotconn, enotconn}},
		{"reset", []Option{econnreset}, "rrssr", []string{reset, enotconn, enotconn, enotconn, enotconn}},
		{"framing error", nil, "rrss", []string{size, enotconn, enotconn, enotconn}},
		{"failed send", nil, "ssrrs", []string{enotconn, enotconn, closed, enotconn, enotconn}},
		{"failed send", []Option{econnreset}, "ssrrs", []string{enotconn, enotconn, reset, enotconn, enotconn}},
		{"failed uncalled send", nil, "ssrr", []string{closed, enotconn, closed, enotconn}},
		{"failed uncalled send", nil, "rrs", []string{closed, enotconn, enotconn}},
		{"failed uncalled send", []Option{econnreset}, "ssrr", []string{reset, enotconn, reset, enotconn}},
		{"failed uncalled send", []Option{econnreset}, "rrs", []string{reset, enotconn, enotconn}},
		{"eof", []Option{eocFalse}, "rrr", []string{closed, closed, closed}},
		{"reset", []Option{eocFalse, econnreset}, "rsr", []string{reset, reset, reset}},
		{"half closed and reset", []Option{eocFalse}, "sssrr", []string{closed, closed, enotconn, closed, enotconn}},
		{"half closed and reset", []Option{eocFalse, econnreset}, "sssrr", []string{reset, reset, enotconn, reset, enotconn}},
	} {
		name := row.end + " " + row.calls
		for _, o := range row.opts {
			name += " " + o.Name.String()
		}
		t.Run(name, func(t *testing.T) {
			overTCP(t, func(t *testing.T, w *world, f Family) {
				s, peer := w.withPeer(f, append([]Option{passive}, row.opts...)...)
				endings[row.end](t, w, s, peer)
				var got []string
				for _, call := range row.calls {
					var err error
					if call == 'r' {
						_, err = w.recv(s, 0)
					} else {
						err = w.send(s, "x")
					}
					require.Error(t, err)
					got = append(got, PosixName(err))
				}
				require.Equal(t, row.want, got)
				w.expectNone(s)
			})
		})
	}
}

// TestEndOfActiveSockets: the messages, with both values of exit_on_close.
func TestEndOfActiveSockets(t *testing.T) {
	for _, row := range []struct {
		end  string
		opts []Option
		want []string
	}{
		{"eof", nil, []string{"closed", "gone"}},
		{"reset", nil, []string{"closed", "gone"}},
		{"reset", []Option{econnreset}, []string{"error econnreset", "closed", "gone econnreset"}},
		{"framing error", nil, []string{"error emsgsize", "closed", "gone emsgsize"}},
		{"eof", []Option{eocFalse}, []string{"closed"}},
		{"reset", []Option{eocFalse}, []string{"closed"}},
		{"reset", []Option{eocFalse, econnreset}, []string{"error econnreset", "closed"}},
	} {
		name := row.end
		for _, o := range row.opts {
			name += " " + o.Name.String()
		}
		t.Run(name, func(t *testing.T) {
			overTCP(t, func(t *testing.T, w *world, f Family) {
				s, peer := w.withPeer(f, append([]Option{passive}, row.opts...)...)
				endings[row.end](t, w, s, peer)
				require.NoError(t, w.set(s, activeOnce))
				require.Equal(t, row.want, w.sink.told(s), "within the call")
				if len(row.opts) > 0 && row.opts[0].Name == optExitOnClose {
					require.True(t, on(w, s.Active), "stays armed")
					require.NoError(t, w.set(s, passive, activeTrue))
					require.Equal(t, row.want, w.sink.told(s), "told once in a life")
				}
			})
		})
	}
}

func TestArmedHusk(t *testing.T) {
	for _, row := range []struct {
		end  string
		opts []Option
		recv bool // before it is armed
		want []string
	}{
		{"eof", nil, true, []string{"closed", "gone"}},
		{"failed send", nil, false, []string{"closed", "gone"}},
		{"failed send", []Option{econnreset}, false, []string{"error econnreset", "closed", "gone"}},
		{"failed send", []Option{econnreset}, true, []string{"closed", "gone"}},
		{"failed send", []Option{eocFalse}, true, []string{"closed"}},
	} {
		t.Run(row.end, func(t *testing.T) {
			w := newWorld(t, Config{})
			s, peer := w.withPeer(Inet, append([]Option{passive}, row.opts...)...)
			endings[row.end](t, w, s, peer)
			if row.recv {
				_, err := w.recv(s, 0)
				require.Error(t, err)
			}
			require.NoError(t, w.set(s, activeTrue))
			require.Equal(t, row.want, w.sink.told(s))
		})
	}
}

func TestCallsOnAHusk(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		write(t, peer, "\x01x")
		_, err := w.recv(s, 0)
		require.NoError(t, err)
		require.NoError(t, peer.Close())
		w.ended(s)
		_, err = w.recv(s, 0)
		require.ErrorIs(t, err, ErrClosed)
		w.do(func() {
			require.Negative(t, s.desc.fd, "the descriptor is released")
			require.Empty(t, s.States())
			_, err := s.Sockname()
			require.ErrorIs(t, err, unix.EBADF)
			_, err = s.Peername()
			require.ErrorIs(t, err, unix.ENOTCONN)
			require.ErrorIs(t, s.Unrecv([]byte("x")), unix.ENOTCONN)
			require.ErrorIs(t, s.Shutdown(unix.SHUT_WR), unix.ENOTCONN)
			require.Equal(t, int64(1), s.Stat(RecvCnt), "the last values")
			require.NoError(t, s.SetOptions([]Option{opt("header", 3), opt("keepalive", 1), linger(1, 0)}))
			require.ErrorIs(t, s.SetOptions([]Option{opt("priority", 3)}), unix.EINVAL)
			_, ok, err := s.GetOption(opt("keepalive", 0))
			require.NoError(t, err)
			require.False(t, ok, "left out")
			a := w.answer()
			s.SendReady(a)
			require.NoError(t, a.err)
			a = w.answer()
			s.SendFile(fileOf(t, "x"), 0, 0, a)
			require.ErrorIs(t, a.err, unix.ENOTCONN)
		})
		require.NoError(t, w.startClose(s).error())
		require.NoError(t, w.startClose(s).error(), "any number of times")
		w.expect(s, "gone")
	})
}

func TestResetReachesABlockedSender(t *testing.T) {
	for name, row := range map[string]struct {
		opts []Option
		want error
		told []string
	}{
		"passive":                        {[]Option{passive}, ErrClosed, nil},
		"passive, show_econnreset":       {[]Option{passive, econnreset}, unix.ECONNRESET, nil},
		"active":                         {nil, ErrClosed, []string{"closed", "gone"}},
		"active, exit_on_close is false": {[]Option{eocFalse}, ErrClosed, []string{"closed"}},
	} {
		t.Run(name, func(t *testing.T) {
			overTCP(t, func(t *testing.T, w *world, f Family) {
				s, peer := w.withPeer(f, row.opts...)
				w.fill(s, big)
				blocked, suspended := w.startSend(s, "1"), w.startSend(s, "2")
				reset(t, peer)
				require.ErrorIs(t, blocked.error(), row.want)
				require.Error(t, suspended.error())
				w.expect(s, append([]string{}, row.told...)...)
			})
		})
	}
}

// The end of the stream throws away what is queued, unless the socket is to stay.
func TestEndOfStreamWithOutputQueued(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f)
		w.fill(s, big)
		blocked, suspended := w.startSend(s, "1"), w.startSend(s, "2")
		require.NoError(t, peer.(*net.TCPConn).CloseWrite())
		require.ErrorIs(t, blocked.error(), ErrClosed)
		require.ErrorIs(t, suspended.error(), ErrClosed)
		w.expect(s, "closed", "gone")
		require.Less(t, len(readEnd(t, peer)), big)

		// Without a blocked sender and with {exit_on_close, false} everything is sent.
		s, peer = w.withPeer(f, eocFalse)
		data := w.fill(s, big)
		require.NoError(t, peer.(*net.TCPConn).CloseWrite())
		w.expect(s, "closed")
		require.Equal(t, data, read(t, peer, big))

		// Suspended senders are not forgotten when the blocked one is answered.
		s, peer = w.withPeer(f, eocFalse)
		w.fill(s, big)
		blocked, suspended = w.startSend(s, "1"), w.startSend(s, "2")
		require.NoError(t, peer.(*net.TCPConn).CloseWrite())
		require.ErrorIs(t, blocked.error(), ErrClosed)
		require.NoError(t, suspended.error())
	})
}

func TestClosedFromWithinACallbackStaysClosed(t *testing.T) {
	w := newWorld(t, Config{})
	s, _ := w.withPeer(Inet, opt("send_timeout", 3600_000), opt("send_timeout_close", 1))
	w.fill(s, big)
	blocked := w.answer()
	blocked.then = func(*answer) { s.Close(w.answer()); s.CloseNow() }
	w.do(func() { s.SendCall([]byte("x"), blocked) })
	w.expire(sendTimeout(s))
	require.ErrorIs(t, blocked.error(), ErrTimeout)
	w.until("gone for good", func() bool { return s.state == gone })

	s, peer := w.withPeer(Inet, eocFalse, econnreset)
	w.do(func() { w.sink.on = func(s *Socket, event string) { s.CloseNow() } })
	w.fill(s, big)
	blocked = w.startSend(s, "x")
	reset(t, peer)
	require.Error(t, blocked.error())
	w.until("gone for good", func() bool { return s.state == gone && s.desc.fd < 0 })
	w.do(func() { w.sink.on = nil })
}
