package portproto_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// What the other side counts on. A change here is a change of the protocol.
func TestConstants(t *testing.T) {
	assert.Equal(t, 1, portproto.Version)
	assert.Equal(t, "0.1.0", portproto.Program)
	assert.Equal(t, 128<<20, portproto.DefaultMaxFrame)
	assert.Equal(t, 4, portproto.FrameHeader)
	assert.Equal(t, []byte{106}, portproto.ListEnd)

	fixed := map[string][]byte{
		"\x68\x03\x77\x05replytag":                        portproto.AppendReply(nil, etf.RawTerm("tag")),
		"\x68\x02\x77\x02ok":                              portproto.AppendOK(nil),
		"\x68\x02\x77\x05error":                           portproto.AppendErrorTerm(nil),
		"\x68\x02\x77\x05error\x77\x06closed":             portproto.AppendError(nil, "closed"),
		"\x68\x03\x77\x02toowner":                         portproto.AppendTo(nil, etf.RawTerm("owner")),
		"\x68\x03\x77\x03tcp\x62\x00\x00\x00\x07":         portproto.AppendEvent(nil, "tcp", 3, 7),
		"\x68\x03\x77\x04data\x62\x7f\xff\xff\xff":        portproto.AppendEvent(nil, "data", 3, math.MaxInt32),
		"\x68\x02\x77\x03gon\x6e\x04\x00\x00\x00\x00\x80": portproto.AppendEvent(nil, "gon", 2, math.MaxInt32+1),
		"\x68\x04\x77\x06credit\x62\x00\x00\x00\x01\x62\x00\x00\x00\x02\x62\x00\x00\x00\x03": portproto.AppendCredit(nil, 1, 2, 3),
		"\x68\x02\x77\x05error\x68\x02\x77\x01k\x6d\x00\x00\x00\x01t":                        portproto.AppendErrorText(nil, "k", "t"),
	}
	for want, got := range fixed {
		assert.Equal(t, want, string(got))
	}
}

func TestIDsAreWholeTerms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64Range(1, math.MaxInt64).Draw(t, "id")
		s := etf.NewScanner(portproto.AppendID(nil, id))
		got := s.Int()
		if err := s.Finish(); err != nil || got != id {
			t.Fatalf("%d comes back as %d, %v", id, got, err)
		}
	})
}

func TestHelloOfTheProgram(t *testing.T) {
	for _, features := range [][]etf.Atom{nil, {"sendfile"}, {"sendfile", "fd", "netns"}} {
		h := portproto.Hello{Program: "0.0.1", OSPid: 1, MaxFrame: 2, MaxSockets: 3, Features: features}
		b, err := h.Append([]byte{131})
		require.NoError(t, err)
		term, err := etf.Decode(b)
		require.NoError(t, err)
		m, err := etf.ToGoMap[string, any](term.(etf.Tuple)[2].(etf.Map))
		require.NoError(t, err)
		assert.EqualValues(t, "0.0.1", m["version"])
		assert.EqualValues(t, 1, m["os_pid"])
		assert.EqualValues(t, 2, m["max_frame"])
		assert.EqualValues(t, 3, m["max_sockets"])
		assert.Equal(t, len(features), len(m["features"].(etf.List)))
	}
}

func TestReadHello(t *testing.T) {
	for text, want := range map[string]portproto.NodeHello{
		"{hello, 1}":                             {Version: 1},
		"{hello, 1, #{}}":                        {Version: 1},
		"{hello, 1, #{window => 65536}}":         {Version: 1, Window: 65536},
		"{hello, 1, #{window => 1099511627776}}": {Version: 1, Window: 1 << 40},
		"{hello, 1, #{send_credit => true, otp => 25, os_pid => 4711}}":                {Version: 1, SendCredit: true, OTP: 25, OSPid: 4711},
		"{hello, 1, #{later => #{a => [1, 2]}, send_credit => false, os_pid => 4711}}": {Version: 1, OSPid: 4711},
		// A string is a key like any other, and not known.
		"{hello, 1, #{\"window\" => 1}}": {Version: 1},
		// What another version says further on is not known.
		"{hello, 2}":                     {Version: 2},
		"{hello, 2, [something, newer]}": {Version: 2},
		"{hello, 0, #{window => many}}":  {},
	} {
		c := read(t, text)
		got, err := portproto.ReadHello(&c)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"{hello, one}", "{hello, 1, []}", "{hello, 1, #{window => many}}", "{hello, 1, #{window => -1}}",
		"{hello, 1, #{send_credit => 1}}", "{hello, 1, #{otp => \"27\"}}", "{hello, 1, #{os_pid => 1.0}}",
		"{hello, 340282366920938463463374607431768211456}",
	} {
		c := read(t, text)
		_, err := portproto.ReadHello(&c)
		var syntax *etf.Error
		assert.ErrorAs(t, err, &syntax, text)
	}
}

// read reads the command that a text says.
func read(t testing.TB, text string) portproto.Command {
	c, err := portproto.ReadCommand(payload(t, text))
	require.NoError(t, err, text)
	return c
}

func payload(t testing.TB, text string) []byte {
	term, err := etf.Parse(text)
	require.NoError(t, err, text)
	b, err := etf.Marshal(term)
	require.NoError(t, err, text)
	return b
}
