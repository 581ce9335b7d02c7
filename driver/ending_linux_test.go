package driver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// queued is the output of full.
const queued = 24<<20 + len("behind")

// readAll reads a connection to its end and gives how many octets came, and how it ended.
func readAll(t *testing.T, conn net.Conn) (int64, error) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	return io.Copy(io.Discard, conn)
}

// After an end in good order all that was sent is delivered, also to a peer that begins to read late;
// listeners and connections with nothing to send do not wait for that.
func TestOrderlyEndDelivers(t *testing.T) {
	p := greeted(t)
	l := p.open("{listen, inet, {loopback, 0}, []}")
	port := p.port(l)
	_, slow := p.full("waits")
	idle, idlePeer := p.outside("[]")
	closed, closedPeer := p.full("closed")
	p.send("{close, %d}", closed)
	p.alive()
	require.NotZero(t, idle)
	require.NoError(t, p.in.Close())

	n, err := readAll(t, idlePeer)
	assert.NoError(t, err)
	assert.Zero(t, n)
	_, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	assert.ErrorIs(t, err, unix.ECONNREFUSED)
	select {
	case err := <-p.ended:
		require.Fail(t, "it has ended before all was delivered", "%v", err)
	default:
	}
	for _, conn := range []net.Conn{slow, closedPeer} {
		n, err = readAll(t, conn)
		assert.NoError(t, err)
		assert.EqualValues(t, queued, n)
	}
	assert.NoError(t, p.end())
}

// A stream that ends within a frame, or that cannot be cut into frames, resets all connections.
func TestCutStreamsReset(t *testing.T) {
	for name, octets := range map[string]string{
		"in a length": "\x00\x00", "in a frame": "\x00\x00\x00\x05\x83h", "too long": "\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			p := greeted(t)
			_, slow := p.full("waits")
			_, idle := p.outside("[]")
			p.alive()
			p.write([]byte(octets))
			require.NoError(t, p.in.Close())
			assert.ErrorIs(t, p.end(), ErrStream)
			for _, conn := range []net.Conn{slow, idle} {
				_, err := readAll(t, conn)
				assert.ErrorIs(t, err, unix.ECONNRESET)
			}
		})
	}
}

// A long send whose frame is cut has no clean end.
func TestCutBulkSendResets(t *testing.T) {
	p := greeted(t)
	id, conn := p.outside("[]")
	frame := framed(uncalledSend(t, id, make([]byte, 1<<20)))
	p.write(frame[:len(frame)-1])
	require.NoError(t, p.in.Close())
	n, err := readAll(t, conn)
	assert.ErrorIs(t, err, unix.ECONNRESET)
	assert.Less(t, n, int64(1<<20))
	assert.ErrorIs(t, p.end(), ErrStream)
}

// Parts that never come reset their connection, and that only.
func TestMissingPartsReset(t *testing.T) {
	p := greeted(t)
	id, conn := p.outside("[]")
	_, other := p.outside("[]")
	p.send("{send_part, %d, 1, 10, <<\"hello\">>}", id)
	p.alive()
	require.NoError(t, p.in.Close())
	_, err := readAll(t, conn)
	assert.ErrorIs(t, err, unix.ECONNRESET)
	_, err = readAll(t, other)
	assert.NoError(t, err)
	assert.NoError(t, p.end())
}

// A goodbye says how much there is to wait for.
func TestGoodbye(t *testing.T) {
	p := greeted(t)
	p.outside("[]")
	assert.Equal(t, "{ok,0}", p.call("goodbye"))
	_, slow := p.full("one")
	id, closed := p.full("two")
	p.send("{close, %d}", id)
	p.send("{call, bye, goodbye}")
	assert.Equal(t, []string{fmt.Sprintf("{gone,%d,normal}", id)}, p.alive()[1:2])
	go drain(slow)
	go drain(closed)
}

// startNode starts a process in the place of the node.
func startNode(t *testing.T) *exec.Cmd {
	cmd := exec.Command("sleep", "1000")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// kill kills a node, and waits until it has ended.
func kill(t *testing.T, node *exec.Cmd, reap bool) {
	t.Helper()
	require.NoError(t, node.Process.Kill())
	for limit := time.Now().Add(patience); running(node.Process.Pid); {
		require.True(t, time.Now().Before(limit), "it does not end")
	}
	if reap {
		_ = node.Wait()
	}
}

// A node that is killed resets all connections, though its last frame is whole, and whether its parent
// has asked how it ended or not. Its hello says which process it is.
func TestKilledNodesReset(t *testing.T) {
	for _, reaped := range []bool{true, false} {
		for _, says := range []bool{true, false} {
			t.Run(fmt.Sprint("reaped ", reaped, " says ", says), func(t *testing.T) {
				node := startNode(t)
				cfg, hello := Config{Node: node.Process.Pid}, "{hello, 1}"
				if says {
					cfg, hello = Config{Node: startNode(t).Process.Pid}, fmt.Sprintf("{hello, 1, #{os_pid => %d}}", node.Process.Pid)
				}
				p := start(t, cfg, hello)
				_, slow := p.full("waits")
				_, idle := p.outside("[]")
				p.alive()
				kill(t, node, reaped)
				require.NoError(t, p.in.Close())
				assert.ErrorIs(t, p.end(), ErrNode)
				for _, conn := range []net.Conn{slow, idle} {
					_, err := readAll(t, conn)
					assert.ErrorIs(t, err, unix.ECONNRESET)
				}
			})
		}
	}
}

// A node that is still there when stdin ends, or has said goodbye, may be killed afterwards.
func TestOrderlyEndsBeforeAKill(t *testing.T) {
	for _, goodbye := range []bool{true, false} {
		t.Run(fmt.Sprint("goodbye ", goodbye), func(t *testing.T) {
			node := startNode(t)
			p := start(t, Config{Node: node.Process.Pid}, "{hello, 1}")
			port := p.port(p.open("{listen, inet, {loopback, 0}, []}"))
			_, slow := p.full("waits")
			p.alive()
			if goodbye {
				p.send("goodbye")
				kill(t, node, true)
				require.NoError(t, p.in.Close())
			} else {
				require.NoError(t, p.in.Close())
				for err := error(nil); !errors.Is(err, unix.ECONNREFUSED); { // the end has been seen
					var conn net.Conn
					if conn, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
						_ = conn.Close()
					}
				}
				kill(t, node, true)
			}
			n, err := readAll(t, slow)
			assert.NoError(t, err)
			assert.EqualValues(t, queued, n)
			assert.NoError(t, p.end())
		})
	}
}

// The session ends with its node though somebody else holds the pipe.
func TestNodeIsGoneWithoutAnEndOfStdin(t *testing.T) {
	node := startNode(t)
	p := start(t, Config{Node: node.Process.Pid}, "{hello, 1}")
	_, conn := p.outside("[]")
	p.alive()
	kill(t, node, true)
	assert.ErrorIs(t, p.end(), ErrNode)
	_, err := readAll(t, conn)
	assert.ErrorIs(t, err, unix.ECONNRESET)
}
