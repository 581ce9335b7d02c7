package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// When the process that has started it is killed, nothing is left of it, although somebody
// else (this test) holds the other end of its stdin.
func TestParentKilled(t *testing.T) {
	p := greeted(t, `exec 3<&0; sh -c 'echo $$ >&2; exec "$0" <&3' $0 & wait`)
	port := p.listen()
	for !strings.HasSuffix(p.stderr.String(), "\n") {
		runtime.Gosched()
	}
	pid := strings.TrimSpace(p.stderr.String())
	require.NotEqual(t, fmt.Sprint(p.cmd.Process.Pid), pid)
	require.NoError(t, p.cmd.Process.Kill()) // the shell
	_, err := p.out.ReadByte()
	assert.Error(t, err, "stdout ends with the program")
	gone(t, pid)
	refused(t, port)
}

// gone waits for the end of a process that is not ours to wait for.
func gone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	require.NoError(t, err)
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if os.IsNotExist(err) || strings.Contains(string(stat), ") Z ") || syscall.Kill(n, 0) == syscall.ESRCH {
			return
		}
	}
	assert.Fail(t, "it lives on", pid)
}

// Without file descriptors accept is emfile; when there are some again the listener goes on,
// and nobody who has connected in the meantime is lost.
func TestOutOfDescriptors(t *testing.T) {
	p := greeted(t, "ulimit -n 20; exec $0 --max-sockets=1000")
	port := p.listen()
	var conns []net.Conn
	dial := func() {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = fmt.Fprintf(c, "%3d", len(conns))
		require.NoError(t, err)
		conns = append(conns, c)
	}
	var ids []int
	for {
		dial()
		p.send("{call, 3, {accept, 1, infinity}}")
		answer := p.next()
		if answer == "[{reply,3,{error,emfile}}]" {
			break
		}
		var id int
		_, err := fmt.Sscanf(answer, "[{reply,3,{ok,%d}}]", &id)
		require.NoError(t, err, answer)
		ids = append(ids, id)
		require.Less(t, len(ids), 20)
	}
	require.NotEmpty(t, ids)
	p.send("{call, 4, {connect, inet, {loopback, " + strconv.Itoa(port) + "}, undefined, [], infinity}}")
	assert.Equal(t, "[{reply,4,{error,emfile}}]", p.next())

	p.send(fmt.Sprintf("{call, 5, {close, %d}}", ids[0]))
	assert.Equal(t, fmt.Sprintf("[{gone,%d,normal},{reply,5,ok}]", ids[0]), p.next())
	p.send("{call, 6, {accept, 1, infinity}}")
	var id int
	answer := p.next()
	_, err := fmt.Sscanf(answer, "[{reply,6,{ok,%d}}]", &id)
	require.NoError(t, err, answer)
	p.send(fmt.Sprintf("{call, 7, {recv, %d, 3, infinity}}", id))
	assert.Equal(t, fmt.Sprintf("[{reply,7,{ok,\"%3d\"}}]", len(conns)-1), p.next(), "the one that had to wait")
}

// What --max-sockets does not say the limit of open files does.
func TestMaxSocketsInHello(t *testing.T) {
	p := launch(t, "ulimit -n 100; exec $0")
	assert.Contains(t, p.next(), "max_sockets => 84,")
	p = launch(t, "ulimit -S -n 50; ulimit -H -n 100; exec $0")
	assert.Contains(t, p.next(), "max_sockets => 84,", "the soft limit is raised")
	p = launch(t, "exec $0 --max-sockets=7 --max-frame=4096")
	assert.Contains(t, p.next(), "max_frame => 4096,max_sockets => 7,")
}
