package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/driver"
	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// patience bounds every wait: it decides how long a failure takes, not whether there is one.
const patience = 20 * time.Second

// These tests run the program itself, which is built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gentcp_port")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "gentcp_port")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("go build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A process is a running program, with pipes in the place of the node.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr lines
	ended  chan struct{}
}

// lines is what has been said on stderr so far.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// launch starts a command line, in which the program is $0, through a shell that replaces itself.
func launch(t *testing.T, script string) *process {
	p := &process{t: t, cmd: exec.Command("sh", "-c", script, program), ended: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	var err error
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, w, err := os.Pipe()
	require.NoError(t, err)
	p.cmd.Stdout = w
	p.out = bufio.NewReader(out)
	require.NoError(t, p.cmd.Start())
	_ = w.Close()
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		_ = out.Close()
	})
	return p
}

// exit waits for the end of the program and gives its exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		require.Fail(p.t, "it does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) send(text string) {
	p.t.Helper()
	_, err := p.in.Write(frameOf(p.t, text))
	require.NoError(p.t, err)
}

// frameOf makes the frame of a term.
func frameOf(t *testing.T, text string) []byte {
	term, err := etf.Parse(text)
	require.NoError(t, err, text)
	b, err := etf.Marshal(term)
	require.NoError(t, err, text)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// next takes the next frame, as text.
func (p *process) next() string {
	p.t.Helper()
	head := make([]byte, portproto.FrameHeader)
	_, err := io.ReadFull(p.out, head)
	require.NoError(p.t, err, "%s", p.stderr.String())
	frame := make([]byte, binary.BigEndian.Uint32(head))
	_, err = io.ReadFull(p.out, frame)
	require.NoError(p.t, err)
	term, err := etf.Decode(frame)
	require.NoError(p.t, err)
	return etf.Format(term)
}

// greeted is a program that is ready for commands.
func greeted(t *testing.T, script string) *process {
	p := launch(t, script)
	assert.Regexp(t, `^\[\{hello,1,#\{version => <<"0\.1\.0">>,os_pid => [0-9]+,`, p.next())
	p.send("{hello, 1}")
	return p
}

// listen opens a listener and gives its port.
func (p *process) listen() int {
	p.t.Helper()
	p.send("{call, 1, {listen, inet, {loopback, 0}, [{active, false}]}}")
	require.Equal(p.t, "[{reply,1,{ok,1}}]", p.next())
	p.send("{call, 2, {sockname, 1}}")
	name := p.next()
	port, err := strconv.Atoi(strings.TrimSuffix(name[strings.LastIndex(name, ",")+1:], "}}}]"))
	require.NoError(p.t, err, name)
	return port
}

func TestVersionAndHelp(t *testing.T) {
	out, err := exec.Command(program, "--version").Output()
	require.NoError(t, err)
	assert.Equal(t, "gentcp_port 0.1.0, protocol 1\n", string(out))

	for _, flag := range []string{"--help", "-h"} {
		help := exec.Command(program, flag)
		var stdout, stderr bytes.Buffer
		help.Stdout, help.Stderr = &stdout, &stderr
		require.NoError(t, help.Run())
		assert.Empty(t, stderr.String())
		for _, word := range []string{"open_port", "PROTOCOL.md", "-version", "-log-level", "-max-frame", "-max-sockets", "-max-queue", "-busy-wait", "-without"} {
			assert.Contains(t, stdout.String(), word)
		}
	}
}

// The exit codes of PROTOCOL.md, section 8: each row of its table has its cases here.
func TestExitCodes(t *testing.T) {
	const tooLong = `\377\377\377\377`
	cases := map[int]map[string]struct{ script, stderr string }{
		exitOK: {
			"nothing is said": {"printf '' | $0", ""},
			"version":         {"exec $0 --version", ""},
			"help":            {"exec $0 --help", ""},
			"after a hello":   {`printf '\0\0\0\014\203h\002w\005helloa\001' | $0`, ""},
		},
		exitFailure: {
			"stdin is a file": {`exec $0 <$0`, "watch stdin, which must be a pipe"},
			"no stdin":        {`exec $0 <&-`, ""},
		},
		exitUsage: {
			"an unknown flag":       {"exec $0 --no-such-flag", "flag provided but not defined: -no-such-flag"},
			"an argument":           {"exec $0 serve", `only flags: "serve"`},
			"a flag without number": {"exec $0 --max-frame=much", `invalid value "much" for flag -max-frame`},
			"no frame at all":       {"exec $0 --max-frame=0", "-max-frame 0: must be more than 0"},
			"a negative limit":      {"exec $0 --max-sockets=-1", "-max-sockets -1: must not be negative"},
			"a queue of nothing":    {"exec $0 --max-queue=0", "-max-queue 0: must be more than 0"},
			"a negative wait":       {"exec $0 --busy-wait=-1us", "-busy-wait -1µs: must not be negative"},
			"an unknown technique":  {"exec $0 --without=speed", "no technique is called"},
			"no log level":          {"exec $0 --log-level=loud", "for flag -log-level"},
		},
		exitHello: {
			"another version":    {`printf '\0\0\0\014\203h\002w\005helloa\002' | $0`, "got hello (version 2), speak version 1"},
			"a command too soon": {`printf '\0\0\0\007\203w\004ping' | $0`, "got ping"},
		},
		exitStream: {
			"garbage":            {`printf 'GET / HTTP/1.1\r\n\r\n' | $0`, "a frame of 1195725856 octets, at most 134217728 are allowed"},
			"the longest length": {`printf '` + tooLong + `' | $0`, "a frame of 4294967295 octets"},
			"a limit of its own": {`printf '\0\0\0\021' | $0 --max-frame=16`, "a frame of 17 octets, at most 16 are allowed"},
			"half a frame":       {`printf '\0\0\0\012\203' | $0`, "ends within a frame, after 5 octets"},
		},
		exitNode: {}, // TestKilledNode
	}
	documented := documentedExitCodes(t)
	for code, rows := range cases {
		assert.Contains(t, documented, code)
		for name, row := range rows {
			t.Run(fmt.Sprintf("%d %s", code, name), func(t *testing.T) {
				cmd := exec.Command("sh", "-c", row.script, program)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				out, err := cmd.StdoutPipe() // a pipe, as for a port
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				_, err = io.Copy(io.Discard, out)
				require.NoError(t, err)
				err = cmd.Wait()
				var failed *exec.ExitError
				if code != exitOK {
					require.ErrorAs(t, err, &failed, stderr.String())
				}
				assert.Equal(t, code, cmd.ProcessState.ExitCode(), stderr.String())
				assert.Contains(t, stderr.String(), row.stderr)
				if code != exitOK {
					assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), "one line says what it is: %s", stderr.String())
				}
				if code == exitOK && row.stderr == "" {
					assert.Empty(t, stderr.String())
				}
			})
		}
	}
	assert.Len(t, cases, len(documented))
}

// A panic is an internal failure like others, and says where it was.
func TestPanicsAreFailures(t *testing.T) {
	assert.NoError(t, recovered(func() error { return nil }))
	assert.ErrorIs(t, recovered(func() error { return driver.ErrHello }), driver.ErrHello)
	err := recovered(func() error { panic("out of order") })
	assert.ErrorContains(t, err, "panic: out of order\n")
	assert.ErrorContains(t, err, "main_test.go")
}

// documentedExitCodes reads the table of section 8.
func documentedExitCodes(t *testing.T) map[int]string {
	_, section, ok := strings.Cut(document(t), "## 8. The end")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	codes := map[int]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9]+) \| (.*) \|$`).FindAllStringSubmatch(section, -1) {
		code, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		codes[code] = row[2]
	}
	return codes
}

func document(t *testing.T) string {
	text, err := os.ReadFile("../../portproto/PROTOCOL.md")
	require.NoError(t, err)
	return string(text)
}

func TestEndOfStdin(t *testing.T) {
	p := greeted(t, "exec $0")
	port := p.listen()
	require.NoError(t, p.in.Close())
	assert.Equal(t, exitOK, p.exit())
	assert.Empty(t, p.stderr.String())
	refused(t, port)
}

// refused makes sure that nobody listens on a port.
func refused(t *testing.T, port int) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		_ = conn.Close()
	}
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestStdoutClosed(t *testing.T) {
	// The reader takes the hello and goes; what is said then ends the program.
	p := launch(t, `exec 3<&0; { $0 <&3; echo "exit $?" >&2; } | head -c 4 >/dev/null`)
	p.send("{hello, 1}")
	ping := frameOf(t, "{call, 1, ping}")
	for p.alive() { // until head has gone and an answer finds that out
		if _, err := p.in.Write(ping); err != nil {
			require.True(t, errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed), err)
			break
		}
	}
	p.exit()
	assert.Equal(t, "exit 0\n", p.stderr.String())
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// A signal to the node's process group is the node's to answer.
func TestSignalsAreIgnored(t *testing.T) {
	p := greeted(t, "exec $0")
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE} {
		require.NoError(t, p.cmd.Process.Signal(signal))
		p.send("{call, 1, ping}")
		assert.Equal(t, "[{reply,1,{ok,pong}}]", p.next(), signal)
	}
	require.NoError(t, p.in.Close())
	assert.Equal(t, exitOK, p.exit())
}

func TestLogLevel(t *testing.T) {
	p := greeted(t, "exec $0 --log-level=error --max-queue=1000")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	p.send(fmt.Sprintf("{call, 1, {connect, inet, {loopback, %d}, undefined, [{active, false}], infinity}}", l.Addr().(*net.TCPAddr).Port))
	require.Equal(t, "[{reply,1,{ok,1}}]", p.next())
	p.send(fmt.Sprintf("{send, 1, %q}", strings.Repeat("x", 2000)))
	assert.Equal(t, "[{gone,1,enobufs}]", p.next())
	require.NoError(t, p.in.Close())
	assert.Equal(t, exitOK, p.exit())
	assert.Empty(t, p.stderr.String(), "a warning is no error")
}
