package sockets

import (
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentcp/gentcp/sockets/packet"
)

// TestOutputProperty: whatever is sent, in whatever way and with whatever pauses of the peer, comes
// out in the order in which it was begun, and each call is answered.
func TestOutputProperty(t *testing.T) {
	w := newWorld(t, Config{})
	rapid.Check(t, func(r *rapid.T) {
		opts := []Option{passive, opt("low_watermark", 50), opt("high_watermark", 100), mode(rapid.SampledFrom(
			[]packet.Mode{packet.Raw, packet.Two, packet.Four}).Draw(r, "mode"))}
		if rapid.Bool().Draw(r, "delay_send") {
			opts = append(opts, opt("delay_send", 1))
		}
		s, peer := w.withPeer(Local, opts...)
		if rapid.Bool().Draw(r, "full") {
			w.fill(s, big)
			// What the peer reads of it is not looked at.
			s.Traffic()
		}
		before := int(on(w, func() uint64 { return s.sent.octets }))
		type part struct {
			key        int64
			data       []byte
			done, size int
		}
		var want []*[]byte
		var begun []*part
		var answers []*answer
		ask := func() *answer {
			a := w.answer()
			answers = append(answers, a)
			return a
		}
		add := func(data []byte, header bool) {
			if header {
				data = append(s.framer.AppendHeader(nil, len(data)), data...)
			}
			want = append(want, &data)
		}
		more := func(p *part, n int) {
			n = min(n, p.size-p.done)
			data := p.data[p.done : p.done+n]
			p.done += n
			if p.done == p.size {
				begun = slices.DeleteFunc(begun, func(q *part) bool { return p == q })
				w.do(func() { s.SendPart(p.key, p.size, data, ask()) })
				return
			}
			w.do(func() { s.SendPart(p.key, p.size, data, nil) })
		}
		read := 0
		for step := range rapid.IntRange(1, 30).Draw(r, "steps") {
			size := rapid.SampledFrom([]int{0, 1, 60, 5000, 200_000}).Draw(r, "size")
			if mode := s.framer.Mode; mode == packet.Two {
				size = min(size, 60_000)
			}
			data := []byte(pattern(size + step))[step:]
			switch rapid.IntRange(0, 7).Draw(r, "what") {
			case 0:
				add(data, true)
				w.do(func() { s.SendCall(data, ask()) })
			case 1:
				add(data, true)
				w.do(func() { s.Send(data) })
			case 2:
				add(data, false)
				w.do(func() { s.SendFileOctets(data, ask()) })
			case 3:
				if len(data) == 0 || on(w, func() bool { return s.out.files > 0 || s.out.fileWaits }) {
					continue
				}
				add(data, false)
				fd := fileOf(t, string(data))
				w.do(func() { s.SendFile(fd, 0, 0, ask()) })
			case 4:
				add(data, true)
				p := &part{key: int64(step), data: data, size: len(data)}
				begun = append(begun, p)
				more(p, rapid.IntRange(0, size).Draw(r, "first"))
			case 5:
				if len(begun) > 0 {
					more(rapid.SampledFrom(begun).Draw(r, "send"), rapid.IntRange(0, 100_000).Draw(r, "more"))
				}
			case 6:
				w.do(func() {
					w.st.Cork()
					for range 3 {
						add([]byte{byte(step)}, true)
						s.Send([]byte{byte(step)})
					}
				})
			default:
				w.do(func() { s.SendReady(ask()) })
			}
		}
		for len(begun) > 0 {
			more(rapid.SampledFrom(begun).Draw(r, "send"), big)
		}
		all := []byte{}
		for _, b := range want {
			all = append(all, *b...)
		}
		got := make([]byte, before+len(all)-read)
		_, err := io.ReadFull(peer, got)
		require.NoError(r, err)
		if !slices.Equal(all, got[before-read:]) {
			require.Fail(r, "the order is not that of the sends")
		}
		for _, a := range answers {
			require.NoError(r, a.error())
		}
		w.do(func() {
			require.True(r, s.out.empty())
			require.Zero(r, s.out.octets)
			require.Zero(r, s.out.held)
			require.Zero(r, s.out.waitHeld)
			require.Empty(r, s.out.parts)
			require.Nil(r, s.out.blocked)
		})
		w.do(s.CloseNow)
		_, err = io.ReadFull(peer, make([]byte, 1))
		require.ErrorIs(r, err, io.EOF, "and no octet more")
		require.NoError(r, peer.Close())
	})
}
