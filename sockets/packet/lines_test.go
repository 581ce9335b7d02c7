package packet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/sockets/packet"
)

// Headers that are left as lines are the same packets, and parsed on demand the same items.
func TestLinesAreParsedOnDemand(t *testing.T) {
	stream := []byte("GET /a HTTP/1.1\r\nHost: shop\r\nX-Y: one\r\n two\r\nnonsense\r\n\r\nnone\r\nHTTP/1.0 200 OK\r\n\r\n")
	for _, mode := range []packet.Mode{packet.HTTP, packet.HTTPBin, packet.HTTPHBin} {
		parsed, lines := packet.New(mode), packet.New(mode)
		lines.Lines = true
		for rest := stream; len(rest) > 0; {
			want, n, _, err := parsed.Next(rest)
			require.NoError(t, err)
			require.Positive(t, n)
			got, m, _, err := lines.Next(rest)
			require.NoError(t, err)
			require.Equal(t, n, m)
			assert.Equal(t, want.Data, got.Data)
			assert.Equal(t, want.Headers, got.Headers)
			assert.Equal(t, parsed.Headers, lines.Headers, "what is due behind %q", got.Data)
			if got.Kind == packet.HTTPHeader {
				assert.Nil(t, got.HTTP, "%q", got.Data)
			}
			got.Parse()
			assert.Equal(t, want, got)
			rest = rest[n:]
		}
	}
}
