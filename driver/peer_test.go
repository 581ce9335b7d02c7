package driver

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// patience bounds every wait of these tests: it decides how long a failure takes, not
// whether there is one.
const patience = 20 * time.Second

// A peer is the node's end of a session: a script sends commands and expects messages, both
// as Erlang text.
type peer struct {
	t       testing.TB
	in, out *os.File // what the session reads, and what it writes
	ended   chan error
	err     error
	over    bool

	octets  []byte        // read and not yet a frame
	queue   []etf.RawTerm // messages that nobody has taken
	read    int           // octets of frames
	frames  int
	lastTag int
	others  []*net.TCPConn // the other ends of connections, see outside
	split   func(int) int  // how much of n octets to write at a time
}

// start begins a session, takes the hello and greets, unless greeting is empty.
func start(t testing.TB, cfg Config, greeting string) *peer {
	p := &peer{t: t, ended: make(chan error, 1)}
	var in, out [2]int
	require.NoError(t, unix.Pipe(in[:]))
	require.NoError(t, unix.Pipe(out[:]))
	for _, fd := range []int{in[0], in[1], out[0], out[1]} {
		unix.CloseOnExec(fd)
	}
	for _, fd := range []int{in[1], out[0]} {
		require.NoError(t, unix.SetNonblock(fd, true)) // so that deadlines hold
	}
	p.in, p.out = os.NewFile(uintptr(in[1]), "stdin"), os.NewFile(uintptr(out[0]), "stdout")
	go func() {
		err := Run(cfg, in[0], out[1])
		_ = unix.Close(in[0])
		_ = unix.Close(out[1])
		p.ended <- err
	}()
	t.Cleanup(func() {
		_ = p.in.Close()
		p.end()
		_ = p.out.Close()
	})
	if greeting != "" {
		require.Contains(t, p.next(), "{hello,1,#{")
		p.send("%s", greeting)
	}
	return p
}

// greeted is a session that is ready for commands.
func greeted(t testing.TB) *peer { return start(t, Config{}, "{hello, 1}") }

// end waits for the end of the session and gives what Run has returned.
func (p *peer) end() error {
	if p.over {
		return p.err
	}
	select {
	case p.err = <-p.ended:
		p.over = true
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		p.t.Fatalf("the session does not end:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
	return p.err
}

// send writes a command. Its arguments are as in fmt.Sprintf.
func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	p.write(frameOf(p.t, fmt.Sprintf(format, args...)))
}

// frameOf makes the frame of a term.
func frameOf(t testing.TB, text string) []byte {
	term, err := etf.Parse(text)
	require.NoError(t, err, text)
	b, err := etf.Marshal(term)
	require.NoError(t, err, text)
	return framed(b)
}

func framed(payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

// write writes octets to the session.
func (p *peer) write(b []byte) {
	p.t.Helper()
	_ = p.in.SetWriteDeadline(time.Now().Add(patience))
	for len(b) > 0 {
		n := len(b)
		if p.split != nil {
			n = p.split(n)
		}
		n, err := p.in.Write(b[:n])
		require.NoError(p.t, err)
		b = b[n:]
	}
}

var errNothing = errors.New("the session says nothing")

// fill reads until there is a message, or the session says nothing more.
func (p *peer) fill(wait time.Duration) error {
	_ = p.out.SetReadDeadline(time.Now().Add(wait))
	for len(p.queue) == 0 {
		payload, n, err := portproto.NextFrame(p.octets, 1<<30)
		if err != nil {
			return err
		}
		if payload != nil {
			if err := p.messages(payload); err != nil {
				return err
			}
			p.octets = p.octets[n:]
			p.read += n
			p.frames++
			continue
		}
		buf := make([]byte, 64<<10)
		got, err := p.out.Read(buf)
		p.octets = append(p.octets, buf[:got]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errNothing
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// messages takes apart a frame, which must be a list of one or more terms.
func (p *peer) messages(payload []byte) error {
	o := &etf.DecodeOptions{Limits: etf.Limits{MaxElements: 1 << 27}}
	s := o.NewScanner(payload)
	s.Version()
	n := s.ListHeader()
	for range n {
		p.queue = append(p.queue, append(etf.RawTerm(nil), s.Raw()...))
	}
	s.Nil()
	if err := s.Finish(); err != nil || n == 0 {
		return fmt.Errorf("a frame of %d messages: %w", n, err)
	}
	return nil
}

// nextRaw takes the next message as it came.
func (p *peer) nextRaw() etf.RawTerm {
	p.t.Helper()
	require.NoError(p.t, p.fill(patience))
	m := p.queue[0]
	p.queue = p.queue[1:]
	return m
}

// next takes the next message as text.
func (p *peer) next() string {
	p.t.Helper()
	return textOf(p.t, p.nextRaw())
}

func textOf(t testing.TB, raw etf.RawTerm) string {
	o := &etf.DecodeOptions{Limits: etf.Limits{MaxElements: 1 << 27}}
	term, err := o.DecodeRaw(raw)
	require.NoError(t, err, "% x", []byte(raw))
	return etf.Format(term)
}

// normal is a text as next gives it.
func normal(t testing.TB, text string) string {
	term, err := etf.Parse(text)
	require.NoError(t, err, text)
	return etf.Format(term)
}

// expect takes messages, which must be these.
func (p *peer) expect(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		require.Equal(p.t, normal(p.t, text), p.next())
	}
}

// call calls a command and gives the result. Nothing else may come before it.
func (p *peer) call(format string, args ...any) string {
	p.t.Helper()
	p.lastTag++
	p.send("{call, {tag, %d}, %s}", p.lastTag, fmt.Sprintf(format, args...))
	return p.result()
}

// result takes the reply to the latest call.
func (p *peer) result() string {
	p.t.Helper()
	reply := p.next()
	head := fmt.Sprintf("{reply,{tag,%d},", p.lastTag)
	require.True(p.t, strings.HasPrefix(reply, head), "%s instead of %s...", reply, head)
	return strings.TrimSuffix(strings.TrimPrefix(reply, head), "}")
}

// open calls a command that opens a socket and gives its Id.
func (p *peer) open(format string, args ...any) int {
	p.t.Helper()
	var id int
	result := p.call(format, args...)
	_, err := fmt.Sscanf(result, "{ok,%d}", &id)
	require.NoError(p.t, err, result)
	return id
}

// port is the port of a socket's own address.
func (p *peer) port(id int) int {
	p.t.Helper()
	address := p.call("{sockname, %d}", id)
	n, err := strconv.Atoi(strings.TrimSuffix(address[strings.LastIndex(address, ",")+1:], "}}"))
	require.NoError(p.t, err, address)
	return n
}

// pair makes a listener with options and a connection with options to it.
func (p *peer) pair(listen, connect string) (listener, client, server int) {
	p.t.Helper()
	listener = p.open("{listen, inet, {loopback, 0}, %s}", listen)
	client = p.open("{connect, inet, {loopback, %d}, undefined, %s, infinity}", p.port(listener), connect)
	server = p.open("{accept, %d, infinity}", listener)
	return listener, client, server
}

// alive makes sure that the session has dealt with all that was sent, and that it goes on.
// It gives what came before the answer.
func (p *peer) alive() []string {
	p.t.Helper()
	p.lastTag++
	p.send("{call, {alive, %d}, ping}", p.lastTag)
	return p.until(fmt.Sprintf("{reply,{alive,%d},{ok,pong}}", p.lastTag))
}

// until takes messages up to one, which it leaves out.
func (p *peer) until(last string) []string {
	p.t.Helper()
	var before []string
	for {
		m := p.next()
		if m == last {
			return before
		}
		before = append(before, m)
	}
}

// outside is the other end of a connection of the session, with nothing of ours on it.
func (p *peer) outside(options string) (id int, conn *net.TCPConn) {
	p.t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(p.t, err)
	defer func() { _ = l.Close() }()
	id = p.open("{connect, inet, {loopback, %d}, undefined, %s, infinity}", l.Addr().(*net.TCPAddr).Port, options)
	conn, err = l.AcceptTCP()
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close() })
	p.others = append(p.others, conn)
	return id, conn
}

// full is a connection whose output queue is above its high watermark, and the call that waits for it.
func (p *peer) full(tag string) (id int, conn *net.TCPConn) {
	p.t.Helper()
	id, conn = p.outside("[{active, false}]")
	more := make([]byte, 24<<20) // than the kernel's buffers can hold
	p.write(framed(sendCommand(p.t, "first", id, more)))
	p.expect("{reply, first, ok}")
	p.write(framed(sendCommand(p.t, tag, id, []byte("behind"))))
	require.Empty(p.t, p.alive(), "the send does not wait")
	return id, conn
}

// sendCommand is a called send, without a detour by text.
func sendCommand(t testing.TB, tag string, id int, data []byte) []byte {
	b, err := etf.Marshal(etf.Tuple{etf.Atom("call"), etf.Atom(tag), etf.Tuple{etf.Atom("send"), id, data}})
	require.NoError(t, err)
	return b
}

// An example of PROTOCOL.md.
type example struct {
	toGo  bool
	text  string
	frame []byte
}

func readExamples(t testing.TB) map[string]example {
	file, err := os.ReadFile("../portproto/testdata/messages.txt")
	require.NoError(t, err)
	all := map[string]example{}
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		frame, err := hex.DecodeString(fields[2])
		require.NoError(t, err)
		all[fields[0]] = example{strings.HasPrefix(fields[1], "> "), fields[1][2:], frame}
	}
	return all
}

// inPieces writes in pieces of random size.
func inPieces(n int) int { return 1 + rand.IntN(min(n, 50)) }

// oneByOne writes octet by octet.
func oneByOne(int) int { return 1 }

// No session leaves a goroutine or a descriptor behind.
func TestMain(m *testing.M) {
	warmUp()
	goroutines, files := runtime.NumGoroutine(), openFiles()
	code := m.Run()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code) // the fuzzer keeps things of its own
	}
	for limit := time.Now().Add(patience); code == 0; runtime.Gosched() {
		if runtime.NumGoroutine() <= goroutines && openFiles() <= files {
			break
		}
		if time.Now().After(limit) {
			stacks := make([]byte, 1<<20)
			fmt.Printf("%d goroutines (%d at first), %d descriptors (%d at first):\n%s", runtime.NumGoroutine(), goroutines,
				openFiles(), files, stacks[:runtime.Stack(stacks, true)])
			code = 1
		}
	}
	os.Exit(code)
}

// warmUp makes the runtime open what it keeps.
func warmUp() {
	r, w, _ := os.Pipe()
	_, _ = w.Write([]byte{0})
	_, _ = r.Read(make([]byte, 1))
	_, _ = r.Close(), w.Close()
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = l.Close()
	}
}

func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not to be found out here
	}
	return len(entries)
}
