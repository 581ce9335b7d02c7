package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The program ends with the process that its hello names, says so in a line, and has a code for it.
func TestKilledNode(t *testing.T) {
	node := exec.Command("sleep", "1000")
	require.NoError(t, node.Start())
	p := launch(t, "exec $0")
	p.next()
	p.send(fmt.Sprintf("{hello, 1, #{os_pid => %d}}", node.Process.Pid))
	port := p.listen()
	require.NoError(t, node.Process.Kill())
	_ = node.Wait()
	assert.Equal(t, exitNode, p.exit(), "though stdin has not ended")
	assert.Contains(t, p.stderr.String(), "the node was killed")
	assert.Equal(t, 1, strings.Count(p.stderr.String(), "\n"), p.stderr.String())
	refused(t, port)
}

// The same with the process that has started the program, if the hello names none. The shell is the node here, and the
// test holds the pipe.
func TestKilledParent(t *testing.T) {
	p := launch(t, `exec 3<&0; $0 <&3 & wait`)
	p.next()
	p.send("{hello, 1}")
	port := p.listen()
	require.NoError(t, p.cmd.Process.Kill())
	_, err := io.Copy(io.Discard, p.out) // until the program has gone as well
	require.NoError(t, err)
	refused(t, port)
}

// That a thread of the node ends, and be it the one that has started the program, means nothing.
func TestThreadOfTheNodeEnds(t *testing.T) {
	started := make(chan *process)
	thread := make(chan int, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with this goroutine
		thread <- unix.Gettid()
		started <- launch(t, "exec $0")
	}()
	tid := <-thread
	p := <-started
	for limit := time.Now().Add(patience); ; runtime.Gosched() {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid)); err != nil || tid == os.Getpid() {
			break
		}
		require.True(t, time.Now().Before(limit), "the thread does not end")
	}
	p.next()
	p.send("{hello, 1}")
	p.send("{call, 1, ping}")
	assert.Equal(t, "[{reply,1,{ok,pong}}]", p.next())
	require.NoError(t, p.in.Close())
	assert.Equal(t, exitOK, p.exit())
}

// A terminal is for people, to whom that is said at once.
func TestTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	defer func() { _ = master.Close() }()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	defer func() { _ = terminal.Close() }()
	cmd := exec.Command(program)
	var stderr strings.Builder
	cmd.Stdin, cmd.Stderr = terminal, &stderr
	assert.Error(t, cmd.Run())
	assert.Equal(t, exitUsage, cmd.ProcessState.ExitCode())
	assert.Contains(t, stderr.String(), "stdin is a terminal")
	assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
}

// A second program whose address for profiles is taken says so and goes on.
func TestProfilesOfTwoShards(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	p := greeted(t, "exec $0 -pprof "+l.Addr().String())
	p.send("{call, 1, ping}")
	assert.Equal(t, "[{reply,1,{ok,pong}}]", p.next())
	require.NoError(t, p.in.Close())
	assert.Equal(t, exitOK, p.exit())
	assert.Contains(t, p.stderr.String(), "address already in use")
	assert.Equal(t, 1, strings.Count(p.stderr.String(), "\n"), p.stderr.String())
}

// sent is what the node has sent before it ends.
const sent = 5 << 20

// A real node connects, sends, and ends in one way or another, while its peer takes nothing.
func TestEndsOfANode(t *testing.T) {
	erl, err := exec.LookPath("erl")
	if err != nil {
		t.Skip("no erl on the PATH: ", err)
	}
	for name, row := range map[string]struct {
		end     string
		orderly bool
	}{
		"halt":             {"halt(0)", true},
		"halt with a code": {"halt(7)", true},
		"init:stop":        {"init:stop()", true},
		"the port closes":  {"port_close(Port)", true},
		"the owner ends":   {"exit(Owner, kill)", true},
		"killed":           {`os:cmd("kill -9 " ++ os:getpid())`, false},
	} {
		for _, called := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", called ", called), func(t *testing.T) {
				l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
				require.NoError(t, err)
				defer func() { _ = l.Close() }()
				send := `[port_command(Port, term_to_binary({send, 1, binary:copy(<<"x">>, 1024)})) || _ <- lists:seq(1, 5120)]`
				if called {
					send = `port_command(Port, term_to_binary({call, 2, {send, 1, binary:copy(<<"x">>, 5242880)}})), Next()`
				}
				script := fmt.Sprintf(`
					Me = self(),
					Owner = spawn(fun() ->
						Port = open_port({spawn_executable, os:find_executable("gentcp_port")}, [{packet, 4}, binary]),
						Next = fun() -> receive {Port, {data, Frame}} -> binary_to_term(Frame) end end,
						Next(),
						port_command(Port, term_to_binary({hello, 1})),
						port_command(Port, term_to_binary({call, 1, {connect, inet, {loopback, %d}, undefined, [{active, false}], infinity}})),
						Next(),
						%s,
						Me ! Port,
						receive never -> ok end
					end),
					Port = receive P -> P end,
					case ended of ended -> %s end,
					receive never -> ok end.`, l.Addr().(*net.TCPAddr).Port, send, row.end)
				script = strings.Join(strings.Fields(script), " ")
				node := exec.Command(erl, "-noinput", "-eval", script)
				node.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
				if strings.Contains(row.end, "port_close") { // whoever owns a port closes it
					node.Args[len(node.Args)-1] = strings.Replace(script, "Me ! Port, receive never", "port_close(Port), Me ! Port, receive never", 1)
					node.Args[len(node.Args)-1] = strings.Replace(node.Args[len(node.Args)-1], "-> port_close(Port) end", "-> ok end", 1)
				}
				require.NoError(t, node.Start())
				ended := make(chan struct{})
				go func() {
					_ = node.Wait()
					close(ended)
				}()
				defer func() {
					_ = node.Process.Kill()
					<-ended
				}()
				require.NoError(t, l.SetDeadline(time.Now().Add(patience)))
				conn, err := l.AcceptTCP()
				require.NoError(t, err)
				defer func() { _ = conn.Close() }()
				if !strings.Contains(name, "port") && !strings.Contains(name, "owner") {
					select {
					case <-ended:
					case <-time.After(patience):
						require.Fail(t, "the node does not end")
					}
				}
				require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
				n, err := io.Copy(io.Discard, conn)
				if row.orderly {
					assert.NoError(t, err)
					assert.EqualValues(t, sent, n)
				} else {
					assert.ErrorIs(t, err, unix.ECONNRESET)
				}
			})
		}
	}
}
