package packet_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/sockets/packet"
)

// FuzzNext feeds a stream to a Framer at once, and to another one in chunks of
// one size. Both must find the same packets, and none of them may panic.
func FuzzNext(f *testing.F) {
	for _, r := range rows {
		s := r.setup()
		f.Add(byte(slices.Index(framed, s.mode)), s.size, uint16(s.buffer), s.delimiter, byte(0), byte(3), []byte(r.in))
	}
	f.Fuzz(func(t *testing.T, mode byte, size uint32, buffer uint16, delimiter, flags, chunk byte, data []byte) {
		if size == 1 {
			t.Skip("an empty line ended by CR LF depends on the chunks")
		}
		s := setup{
			mode: framed[int(mode)%len(framed)], size: size, buffer: int(buffer), delimiter: delimiter,
			headers: flags&1 != 0, unparsed: flags&2 != 0, ipv6Hosts: flags&4 != 0,
		}
		chunks := make([]int, min(len(data), 1000))
		for i := range chunks {
			chunks[i] = int(chunk) + 1
		}
		whole, split := s.framer(), s.framer()
		require.Equal(t, read(t, whole, data), read(t, split, data, chunks...))
		require.Equal(t, whole.Headers, split.Headers)
	})
}

// FuzzHTTP parses lines: none may panic, and of each one every byte is in place.
func FuzzHTTP(f *testing.F) {
	for _, r := range rows {
		if r.mode == packet.HTTP || r.mode == packet.HTTPH {
			f.Add(r.mode == packet.HTTPH, false, []byte(r.in))
		}
	}
	f.Fuzz(func(t *testing.T, headers, ipv6Hosts bool, data []byte) {
		framer := setup{mode: packet.HTTP, headers: headers, ipv6Hosts: ipv6Hosts}.framer()
		for {
			before := framer.Headers
			p, n, _, err := next(t, framer, data)
			require.NoError(t, err, "there are no limits")
			if n == 0 {
				return
			}
			require.Equal(t, data[:n], p.Data)
			require.Equal(t, '\n', rune(p.Data[n-1]))
			switch p.Kind {
			case packet.HTTPRequest, packet.HTTPResponse:
				require.False(t, before)
				require.True(t, framer.Headers)
			case packet.HTTPHeader:
				require.True(t, before)
				require.True(t, framer.Headers)
				require.Len(t, p.HTTP.Name, len(p.HTTP.Orig))
			case packet.HTTPEOH:
				require.True(t, before)
				require.False(t, framer.Headers)
			case packet.HTTPError:
				require.Equal(t, before, framer.Headers)
			default:
				t.Fatalf("kind %d", p.Kind)
			}
			data = data[n:]
		}
	})
}
