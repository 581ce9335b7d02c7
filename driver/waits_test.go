package driver

import (
	"fmt"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// waiting are the calls that wait: each begins one that is called with tag waits.
var waiting = map[string]func(p *peer) (id int){
	"accept": func(p *peer) int {
		id := p.open("{listen, inet, {loopback, 0}, []}")
		p.send("{call, waits, {accept, %d, infinity}}", id)
		return id
	},
	"accept with hold and a timeout": func(p *peer) int {
		id := p.open("{listen, inet, {loopback, 0}, []}")
		p.send("{call, waits, {accept, %d, 3600000, hold}}", id)
		return id
	},
	"recv": func(p *peer) int {
		_, id, _ := p.pair("[{active, false}]", "[{active, false}]")
		p.send("{call, waits, {recv, %d, 0, infinity}}", id)
		return id
	},
	"recv with a length and a timeout": func(p *peer) int {
		_, id, _ := p.pair("[{active, false}]", "[{active, false}]")
		p.send("{call, waits, {recv, %d, 1000, 3600000}}", id)
		return id
	},
	"send": func(p *peer) int {
		id, _ := p.full("waits")
		return id
	},
	"send behind a send": func(p *peer) int {
		id, _ := p.full("before")
		p.send("{call, waits, {send, %d, <<\"later\">>}}", id)
		return id
	},
	"ready": func(p *peer) int {
		id, _ := p.full("before")
		p.send("{call, waits, {ready, %d}}", id)
		return id
	},
}

// A call that is withdrawn is answered so, once, and a second cancel finds nothing.
func TestCancel(t *testing.T) {
	for name, begin := range waiting {
		t.Run(name, func(t *testing.T) {
			p := greeted(t)
			begin(p)
			require.Empty(t, p.alive(), "it does not wait")
			p.send("{cancel, other}")
			require.Empty(t, p.alive(), "another one was meant")
			p.send("{call, withdrawn, {cancel, waits}}")
			p.expect("{reply, waits, {error, cancelled}}", "{reply, withdrawn, ok}")
			p.send("{cancel, waits}")
			require.Empty(t, p.alive())
		})
	}
}

// A connect that nobody answers can be withdrawn, and has its timeout.
func TestCancelConnect(t *testing.T) {
	p := greeted(t)
	port := unanswered(t)
	p.send("{call, waits, {connect, inet, {loopback, %d}, undefined, [], infinity}}", port)
	p.send("{call, limited, {connect, inet, {loopback, %d}, undefined, [], 1}}", port)
	p.expect("{reply, limited, {error, timeout}}")
	p.send("{cancel, waits}")
	p.expect("{reply, waits, {error, cancelled}}")
	assert.Equal(t, "{ok,[]}", p.call("sockets"))
}

// unanswered is the port of a listener whose backlog is full: the kernel drops what asks for a
// connection.
func unanswered(t testing.TB) (port int) {
	open := func() int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		require.NoError(t, err)
		unix.CloseOnExec(fd)
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	fd := open()
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(fd, 0))
	name, err := unix.Getsockname(fd)
	require.NoError(t, err)
	for range 2 { // one more than the backlog says
		c := open()
		require.NoError(t, unix.SetNonblock(c, true))
		if err := unix.Connect(c, name); err != nil {
			require.Equal(t, unix.EINPROGRESS, err)
		}
	}
	return name.(*unix.SockaddrInet4).Port
}

// A socket that is closed answers whoever waits on it, before its gone.
func TestCloseAnswersWhoWaits(t *testing.T) {
	for name, begin := range waiting {
		t.Run(name, func(t *testing.T) {
			p := greeted(t)
			id := begin(p)
			require.Empty(t, p.alive())
			p.send("{close, %d}", id)
			said := p.until(fmt.Sprintf("{gone,%d,normal}", id))
			answers := 0
			for _, m := range said {
				if strings.HasPrefix(m, "{reply,waits,") {
					answers++
					assert.Contains(t, []string{"{reply,waits,{error,closed}}", "{reply,waits,ok}"}, m)
				}
			}
			assert.Equal(t, 1, answers, "%q", said)
			require.Empty(t, p.alive())
		})
	}
}

// Timeouts are answered once, and what comes after them is another matter.
func TestTimeouts(t *testing.T) {
	p := greeted(t)
	l, c, s := p.pair("[{active, false}]", "[{active, false}]")
	assert.Equal(t, "{error,timeout}", p.call("{recv, %d, 0, 0}", c))
	assert.Equal(t, "{error,timeout}", p.call("{recv, %d, 0, 1}", c))
	assert.Equal(t, "{error,timeout}", p.call("{recv, %d, 5, 1}", c))
	assert.Equal(t, "{error,timeout}", p.call("{accept, %d, 0}", l))
	assert.Equal(t, "{error,timeout}", p.call("{accept, %d, 1}", l))
	assert.Equal(t, "ok", p.call("{send, %d, \"late\"}", s))
	assert.Equal(t, "{ok,\"late\"}", p.call("{recv, %d, 4, 5000}", c))
	for _, bad := range []string{"soon", "1.5", "<<\"1\">>", "[]"} {
		assert.Equal(t, `{error,{bad_command,<<"a timeout is in milliseconds, or infinity">>}}`, p.call("{recv, %d, 0, %s}", c, bad))
	}
}

// A timeout that does not fit into what counts time here is a very long one, with faults and without.
func TestTimeoutsOfAnyLength(t *testing.T) {
	p := greeted(t)
	l, c, s := p.pair("[{active, false}]", "[{active, false}]")
	for _, rules := range []string{"[]", "[{accept, {delay, 1}}, {connect, {delay, 1}}, {recv, {delay, 1}}]", "[{accept, never}, {connect, never}, {recv, never}]"} {
		require.Equal(t, "ok", p.call("{fault_rule, 1, all, %s}", rules))
		// 2^58 milliseconds are 0 in 64 bits of nanoseconds.
		for _, ms := range []int64{1 << 32, 50 * 365 * 24 * 3600 * 1000, 1 << 58, math.MaxInt64} {
			p.send("{call, recv, {recv, %d, 4, %d}}", c, ms)
			p.send("{call, accept, {accept, %d, %d}}", l, ms)
			require.Empty(t, p.alive(), "%s %d", rules, ms)
			if strings.Contains(rules, "never") {
				p.send("{cancel, recv}")
				p.expect("{reply, recv, {error, cancelled}}")
				p.send("{cancel, accept}")
				p.expect("{reply, accept, {error, cancelled}}")
				continue
			}
			assert.Equal(t, "ok", p.call("{send, %d, \"late\"}", s))
			p.expect("{reply, recv, {ok, \"late\"}}")
			p.send("{call, connect, {connect, inet, {loopback, %d}, undefined, [], %d}}", p.port(l), ms)
			for range 2 { // in any order
				assert.Contains(t, p.next(), ",{ok,")
			}
		}
	}
}

func TestMillisecondsSaturate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		d := milliseconds(n)
		switch {
		case n < 0:
			require.Equal(t, time.Duration(-1)*time.Millisecond, d)
		case n <= math.MaxInt64/1_000_000:
			require.Equal(t, n, d.Milliseconds())
		default:
			require.Equal(t, int64(math.MaxInt64/1_000_000), d.Milliseconds())
		}
	})
}

// Acceptors with a time limit are answered once when their listener ends: no timer of theirs
// may answer a call that came later.
func TestNoTimerOutlivesItsCall(t *testing.T) {
	p := greeted(t)
	l := p.open("{listen, inet, {loopback, 0}, []}")
	_, c, _ := p.pair("[{active, false}]", "[{active, false}]")
	p.send("{call, a, {accept, %d, 30}}", l)
	p.send("{call, b, {recv, %d, 0, 30}}", c)
	p.send("{close, %d}", l)
	p.send("{close, %d}", c)
	p.expect("{reply, a, {error, closed}}", fmt.Sprintf("{gone, %d, normal}", l))
	p.expect("{reply, b, {error, closed}}", fmt.Sprintf("{gone, %d, normal}", c))
	_, d, _ := p.pair("[{active, false}]", "[{active, false}]")
	// These take over what the answered calls used, and end later than their timers would.
	p.send("{call, c, {recv, %d, 0, 90}}", d)
	p.expect("{reply, c, {error, timeout}}")
	require.Empty(t, p.alive())
}

// Calls are answered in the order in which they can be, each exactly once.
func TestEveryCallIsAnsweredOnce(t *testing.T) {
	p := greeted(t)
	id, conn := p.full("queued")
	const calls = 200
	for i := range calls {
		switch i % 4 {
		case 0:
			p.send("{call, %d, {send, %d, <<\"hello\">>}}", i, id)
		case 1:
			p.send("{call, %d, {ready, %d}}", i, id)
		case 2:
			p.send("{call, %d, {recv, %d, 0, 0}}", i, id)
		case 3:
			p.send("{call, %d, {getopts, %d, [active]}}", i, id)
		}
	}
	go drain(conn)
	answers := map[string]int{}
	for range calls + 1 {
		tag := strings.Split(p.next(), ",")[1]
		answers[tag]++
	}
	assert.Len(t, answers, calls+1)
	require.Empty(t, p.alive())
}

// drain reads a connection to its end.
func drain(conn net.Conn) {
	buf := make([]byte, 1<<20)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}
