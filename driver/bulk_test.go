package driver

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/etf"
)

// Long sends arrive whole and in order, called or not, as parts or not, with a packet header
// or without, however they are cut on their way.
func TestLongSends(t *testing.T) {
	for name, split := range map[string]func(int) int{
		"at once":        nil,
		"in pieces":      func(n int) int { return min(n, 50_021) },
		"head by octets": func(n int) int { return 1 + n/2 },
	} {
		t.Run(name, func(t *testing.T) {
			p := greeted(t)
			id, conn := p.outside("[{packet, 4}, {active, false}]")
			p.split = split
			var want []byte
			sent := make(chan []byte)
			go func() {
				got, _ := io.ReadAll(conn)
				sent <- got
			}()
			send := func(command etf.Tuple, data []byte) {
				b, err := etf.Marshal(append(command, data))
				require.NoError(t, err)
				p.write(framed(b))
			}
			at := 0
			for _, size := range []int{1, 32 << 10, 100, 7, 100_000} {
				size *= 8
				data := counting(at, size)
				at += size
				want = append(want, framed(data)...)
				send(etf.Tuple{etf.Atom("send"), id}, data)
			}
			for i, size := range []int{8, 1 << 20, 40_000} {
				data := counting(at, size)
				at += size
				want = append(want, framed(data)...)
				p.write(framed(sendCommand(t, "called", id, data)))
				assert.Equal(t, "{reply,called,ok}", p.next(), i)
			}
			whole := counting(at, 3_000_000)
			want = append(want, framed(whole)...)
			send(etf.Tuple{etf.Atom("send_part"), id, 0, len(whole)}, whole[:1_000_000])
			send(etf.Tuple{etf.Atom("send_part"), id, 0, len(whole)}, whole[1_000_000:1_000_001])
			send(etf.Tuple{etf.Atom("send_part"), id, 0, len(whole)}, whole[1_000_001:])
			require.Empty(t, p.alive())
			require.Equal(t, "ok", p.call("{shutdown, %d, write}", id))
			got := <-sent
			require.Len(t, got, len(want))
			require.True(t, bytes.Equal(want, got), "other octets")
		})
	}
}

// A cast of a long send keeps its place among others, also behind a caller that waits.
func TestLongSendsKeepTheirPlace(t *testing.T) {
	p := greeted(t)
	id, conn := p.full("waits")
	p.write(framed(uncalledSend(t, id, bytes.Repeat([]byte("A"), 1<<20))))
	p.write(framed(uncalledSend(t, id, []byte("B"))))
	require.Empty(t, p.alive())
	p.send("{close, %d}", id)
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	tail := strings.TrimLeft(string(got), "\x00")
	assert.Equal(t, "behind"+strings.Repeat("A", 1<<20)+"B", tail)
}

// Long sends to sockets that are not there are refused as others are, and one whose socket
// goes while it comes in is read to its end.
func TestLongSendsToNobody(t *testing.T) {
	p := greeted(t)
	data := make([]byte, 1<<20)
	p.write(framed(sendCommand(t, "nobody", 99, data)))
	p.expect("{reply, nobody, {error, closed}}")
	p.write(framed(uncalledSend(t, 99, data)))
	p.expect(`{error, {closed, <<"send">>}}`)

	for _, called := range []bool{true, false} {
		_, c, s := p.pair("[{active, false}]", "[{active, true}]")
		command := framed(uncalledSend(t, c, data))
		if called {
			command = framed(sendCommand(t, "cut", c, data))
		}
		p.write(append(frameOf(t, fmt.Sprintf("{close, %d}", s)), command[:400_000]...))
		p.until(fmt.Sprintf("{gone,%d,normal}", c))
		p.write(command[400_000:])
		if called {
			p.expect("{reply, cut, {error, closed}}")
		}
		require.Empty(t, p.alive())
	}
}

// A stream that ends inside of a long send is cut short.
func TestStreamEndsInALongSend(t *testing.T) {
	p := greeted(t)
	id, _ := p.outside("[]")
	command := framed(sendCommand(t, "cut", id, make([]byte, 1<<20)))
	p.write(command[:500_000])
	require.NoError(t, p.in.Close())
	err := p.end()
	assert.ErrorIs(t, err, ErrStream)
	assert.ErrorContains(t, err, fmt.Sprintf("%d octets before its end", len(command)-500_000))
}

// A long send of the wrong type is refused when all of it is there.
func TestLongSendsThatAreNone(t *testing.T) {
	p := greeted(t)
	_, c, _ := p.pair("[{active, false}]", "[{active, false}]")
	command := sendCommand(t, "long", c, make([]byte, 100_000))
	p.write(framed(append(append([]byte{}, command...), 97, 1)))
	assert.Contains(t, p.next(), "{reply,long,{error,{bad_command,")
	p.write(framed(command[:len(command)-1]))
	assert.Contains(t, p.next(), "{reply,long,{error,{bad_command,")
	part, err := etf.Marshal(etf.Tuple{etf.Atom("call"), etf.Atom("part"), etf.Tuple{etf.Atom("send_part"), c, 1, 99_999, make([]byte, 100_000)}})
	require.NoError(t, err)
	p.write(framed(part))
	assert.Equal(t, `{reply,part,{error,{bad_command,<<"a part of 100000 octets of a send of 99999">>}}}`, p.next())
	require.Empty(t, p.alive())
}
