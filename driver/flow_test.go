package driver

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gentcp/gentcp/etf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// flood writes to a connection until it is closed.
func flood(conn net.Conn) {
	go func() {
		data := make([]byte, 64<<10)
		for {
			if _, err := conn.Write(data); err != nil {
				return
			}
		}
	}()
}

// counting makes octets of which each group of eight is its own place.
func counting(from, n int) []byte {
	var b []byte
	for i := range n / 8 {
		b = binary.BigEndian.AppendUint64(b, uint64(from+8*i))
	}
	return b
}

// While stdout takes nothing, sockets are not read: what they hold is bounded. Then
// everything comes, in order.
func TestStdoutBlocked(t *testing.T) {
	p := greeted(t)
	_, conn := p.outside("[binary, {active, true}]")
	require.Empty(t, p.alive())

	// Nobody reads. What is written goes into buffers, until they are full: no progress in
	// half a second is taken for that, and if it is too early the test asks less, no more.
	const bound = 64 << 20
	written := 0
	for written < bound {
		_ = conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := conn.Write(counting(written, 64<<10))
		written += n
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			break
		}
	}
	require.Less(t, written, bound, "what nobody reads has been taken in")

	// Commands are read all the same, and sockets that have nothing to report go on.
	p.send("{call, meanwhile, sockets}")
	got, answered := 0, false
	_ = conn.SetWriteDeadline(time.Time{})
	for got < written || !answered {
		m := p.nextRaw()
		term, err := (&etf.DecodeOptions{}).DecodeRaw(m)
		require.NoError(t, err)
		if message := term.(etf.Tuple); message[0] == etf.Atom("tcp") {
			got = checkCounting(t, got, message[2].([]byte))
		} else {
			answered = true
			assert.Equal(t, "{reply,meanwhile,{ok,[1]}}", etf.Format(term))
		}
	}
	_, err := conn.Write(counting(written, 8))
	require.NoError(t, err)
	assert.Contains(t, p.next(), "{tcp,1,", "it goes on")
}

// checkCounting checks octets that counting has made, which may come in any pieces.
func checkCounting(t testing.TB, from int, data []byte) int {
	for i, c := range data {
		at := from + i
		want := byte(uint64(at&^7) >> (8 * (7 - at&7)))
		if c != want {
			require.Fail(t, "octets are lost or out of order", "at %d", at)
		}
	}
	return from + len(data)
}

// With a window, sockets are read only while fewer octets are without credit.
func TestCreditWindow(t *testing.T) {
	const window = 100_000
	p := start(t, Config{}, fmt.Sprintf("{hello, 1, #{window => %d}}", window))
	_, conn := p.outside("[binary, {active, true}]")
	flood(conn)
	credited := 0
	for range 5 {
		// Read until the window is full. Then nothing of the socket comes between two answers.
		for p.read-credited <= window {
			assert.Contains(t, p.next(), "{tcp,1,")
		}
		p.alive()
		require.Empty(t, p.alive(), "%d octets without credit", p.read-credited)
		n := p.read - credited
		credited += n
		p.send("{credit, %d}", n)
	}
	assert.Contains(t, p.next(), "{tcp,1,")
}

// Credit for more than has been written is refused with both numbers, and does not count.
func TestTooMuchCredit(t *testing.T) {
	p := greeted(t)
	require.Equal(t, "{ok,pong}", p.call("ping"))
	assert.Equal(t, fmt.Sprintf(`{error,{bad_command,<<"credit for %d octets, %d are without">>}}`, p.read+1, p.read),
		p.call("{credit, %d}", p.read+1))
	require.Equal(t, "ok", p.call("{credit, %d}", p.read))
	before := p.read
	p.send("{credit, 18446744073709551615}")
	assert.Contains(t, p.next(), "credit for 18446744073709551615 octets")
	require.Equal(t, "ok", p.call("{credit, %d}", p.read-before))
	require.Empty(t, p.alive())
}

// With send_credit the payload of casts of send, and nothing else, is given back.
func TestSendCredit(t *testing.T) {
	p := start(t, Config{}, "{hello, 1, #{send_credit => true}}")
	l := p.open("{listen, inet, {loopback, 0}, [binary, {packet, 4}, {active, false}]}")
	p.send("{call, c, {connect, inet, {loopback, %d}, undefined, [{packet, 4}], infinity}}", p.port(l))
	var id, octets, window int
	_, err := fmt.Sscanf(p.next(), "{credit,%d,%d,%d}", &id, &octets, &window)
	require.NoError(t, err)
	assert.Equal(t, []int{2, 0}, []int{id, octets})
	assert.Positive(t, window)
	p.expect("{reply, c, {ok, 2}}")
	p.send("{call, s, {accept, %d, infinity}}", l)
	p.expect("{reply, s, {ok, 3}}")
	assert.Contains(t, p.next(), "{credit,3,0,")

	sent, given := 0, 0
	for given < 4*window {
		for sent-given+1000 <= window {
			p.write(framed(uncalledSend(t, 2, make([]byte, 1000))))
			sent += 1000
		}
		p.send("{call, r, {recv, 3, 0, infinity}}")
		m := p.next()
		for !strings.HasPrefix(m, "{reply,r,") {
			_, err := fmt.Sscanf(m, "{credit,2,%d,", &octets)
			require.NoError(t, err, m)
			given += octets
			m = p.next()
		}
	}
	assert.LessOrEqual(t, given, sent)
	// The end of the connection is reported by a window of 0: call the next send.
	p.send("{close, 3}")
	assert.Contains(t, p.until("{gone,2,normal}"), "{tcp_closed,2}")
}

func uncalledSend(t testing.TB, id int, data []byte) []byte {
	b, err := etf.Marshal(etf.Tuple{etf.Atom("send"), id, data})
	require.NoError(t, err)
	return b
}

// Answers that come together share a frame.
func TestManyAnswersAreOneFrame(t *testing.T) {
	p := greeted(t)
	require.Empty(t, p.alive())
	before := p.frames
	var commands []byte
	for range 100 {
		commands = append(commands, frameOf(t, "{call, 1, ping}")...)
	}
	require.Less(t, len(commands), 4096)
	p.write(commands)
	for range 100 {
		p.expect("{reply, 1, {ok, pong}}")
	}
	assert.Equal(t, 1, p.frames-before)
}

// A connection alone does not hold up others that are armed: each gets its turn.
func TestALongTransferLeavesRoomForOthers(t *testing.T) {
	p := greeted(t)
	_, busy := p.outside("[binary, {active, true}]")
	id, quiet := p.outside("[binary, {active, true}]")
	flood(busy)
	for range 10 {
		_, err := quiet.Write([]byte("me too"))
		require.NoError(t, err)
		want := fmt.Sprintf(`{tcp,%d,<<"me too">>}`, id)
		p.until(want)
	}
}

// The limit of sockets is emfile, and it ends when a socket does.
func TestMaxSockets(t *testing.T) {
	p := start(t, Config{MaxSockets: 3}, "{hello, 1}")
	l, c, _ := p.pair("[{active, false}]", "[{active, false}]")
	assert.Equal(t, "{error,emfile}", p.call("{listen, inet, {loopback, 0}, []}"))
	assert.Equal(t, "{error,emfile}", p.call("{connect, inet, {loopback, %d}, undefined, [], infinity}", p.port(l)))
	p.send("{close, %d}", c)
	p.expect(fmt.Sprintf("{gone, %d, normal}", c))
	assert.Equal(t, "{ok,4}", p.call("{listen, inet, {loopback, 0}, []}"))
}

// A queue that grows beyond its limit ends the socket, and only that.
func TestMaxQueue(t *testing.T) {
	p := start(t, Config{MaxQueue: 8 << 20}, "{hello, 1}")
	id, _ := p.outside("[{active, false}]")
	data := make([]byte, 4<<20)
	for range 16 {
		p.write(framed(uncalledSend(t, id, data)))
	}
	assert.Equal(t, []string{fmt.Sprintf("{gone,%d,enobufs}", id)}, p.alive())
}
