package sockets

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// patience is how long a test waits for what must come. Nothing that is expected
// takes this long; only a failing test does.
const patience = 10 * time.Second

// world is a Stack that runs in a goroutine of its own, with a Sink that writes down
// what is reported to it. Tests act on sockets through do.
type world struct {
	t    testing.TB
	st   *Stack
	sink *recorder
	done chan error
	over bool // stop has been called
}

// newWorld starts a Stack. At the end of the test it is stopped, and nothing may be left of it.
func newWorld(t testing.TB, cfg Config) *world {
	t.Helper()
	fds, goroutines := openDescriptors(t), runtime.NumGoroutine()
	w := &world{t: t, sink: newRecorder(), done: make(chan error, 1)}
	w.sink.t = t
	st, err := NewStack(cfg, w.sink)
	require.NoError(t, err)
	w.st = st
	go func() { w.done <- st.Run() }()
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Log("the sink was told:\n" + w.sink.String())
			return
		}
		// Descriptors of the test's own peers are closed by goroutines that are still ending.
		for end := time.Now().Add(patience); openDescriptors(t) > fds || runtime.NumGoroutine() > goroutines; runtime.Gosched() {
			if time.Now().After(end) {
				require.Fail(t, "left over", "descriptors: %d, before %d; goroutines: %d, before %d",
					openDescriptors(t), fds, runtime.NumGoroutine(), goroutines)
			}
		}
	})
	return w
}

// stop closes all sockets, sees that they leave no timer behind, and ends the Stack.
func (w *world) stop() {
	if w.over {
		return
	}
	w.over = true
	w.do(func() {
		w.st.Sockets(func(s *Socket) { s.CloseNow() })
		assert.Empty(w.t, w.st.sockets, "sockets that close has left")
		assert.Empty(w.t, w.st.timers, "timers that no socket waits for")
		w.st.Stop()
	})
	select {
	case err := <-w.done:
		require.NoError(w.t, err)
	case <-time.After(patience):
		require.Fail(w.t, "Run has not returned after Stop")
	}
}

// do runs f in the place of the Stack's goroutine, which waits meanwhile: so f may
// also end the test.
func (w *world) do(f func()) {
	w.t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	w.st.Post(func() {
		close(held)
		<-release
	})
	select {
	case <-held:
	case <-time.After(patience):
		buf := make([]byte, 1<<16)
		require.Fail(w.t, "the Stack hangs", "%s", buf[:runtime.Stack(buf, true)])
	}
	defer close(release)
	f()
}

// on runs f as do does, and returns what it returns.
func on[T any](w *world, f func() T) T {
	w.t.Helper()
	var v T
	w.do(func() { v = f() })
	return v
}

// until waits until f, run as do does, is true.
func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		if on(w, f) {
			return
		}
		if time.Now().After(end) {
			require.Fail(w.t, "it has not come to this: "+what)
		}
	}
}

// expire makes a timer that runs fire now.
func (w *world) expire(which func() *Timer) {
	w.t.Helper()
	w.do(func() {
		tm := which()
		require.NotZero(w.t, tm.index, "the timer does not run")
		tm.s.after(tm, 0, tm.fire)
	})
}

// sendTimeout is the timer of the sender that is blocked on s.
func sendTimeout(s *Socket) func() *Timer {
	return func() *Timer { return &s.out.blocked.timer }
}

func openDescriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // no such directory on this system: the count stays 0
	}
	return len(entries)
}

// recorder is a Sink that writes down what is reported to it, a line for each call:
// "packet DATA", "passive", "error NAME", "closed", "gone", "gone NAME".
type recorder struct {
	mu      sync.Mutex
	changed chan struct{} // closed when something is written down
	events  map[ID][]string
	order   []string
	credit  map[ID][]grant
	gone    map[ID]bool // after which nothing may come
	t       testing.TB

	// onPacket runs within Packet, on the Stack's goroutine.
	onPacket func(s *Socket, p packet.Packet)
	// on runs within all other calls.
	on func(s *Socket, event string)
}

// grant is what Credit has reported.
type grant struct{ octets, window int }

func newRecorder() *recorder {
	return &recorder{changed: make(chan struct{}), events: map[ID][]string{}, credit: map[ID][]grant{}, gone: map[ID]bool{}}
}

// alive says that nothing is reported of a socket that has gone.
func (r *recorder) alive(s *Socket, event string) {
	if r.gone[s.id] && r.t != nil {
		assert.Fail(r.t, "told after gone", "socket %d: %s", s.id, event)
	}
}

func (r *recorder) note(s *Socket, event string) {
	r.mu.Lock()
	r.alive(s, event)
	r.gone[s.id] = r.gone[s.id] || strings.HasPrefix(event, "gone")
	r.events[s.id] = append(r.events[s.id], event)
	if len(event) > 60 {
		event = fmt.Sprintf("%s... (%d)", event[:50], len(event))
	}
	r.order = append(r.order, fmt.Sprintf("socket %d: %s", s.id, event))
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
}

func (r *recorder) tell(s *Socket, event string) {
	r.note(s, event)
	if r.on != nil {
		r.on(s, event)
	}
}

func (r *recorder) Packet(s *Socket, p packet.Packet) {
	r.note(s, "packet "+string(p.Data))
	if r.onPacket != nil {
		r.onPacket(s, p)
	}
}
func (r *recorder) Passive(s *Socket)          { r.tell(s, "passive") }
func (r *recorder) Error(s *Socket, err error) { r.tell(s, "error "+PosixName(err)) }
func (r *recorder) Closed(s *Socket)           { r.tell(s, "closed") }
func (r *recorder) Gone(s *Socket, reason error) {
	if reason != nil {
		r.tell(s, "gone "+PosixName(reason))
		return
	}
	r.tell(s, "gone")
}

func (r *recorder) Credit(s *Socket, n, window int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alive(s, "credit")
	r.credit[s.id] = append(r.credit[s.id], grant{n, window})
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.order, "\n")
}

// told is what has been reported of s so far.
func (r *recorder) told(s *Socket) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.events[s.id]...)
}

// forget drops what has been reported of s.
func (r *recorder) forget(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.events, s.id)
}

// grants is the credit of s so far.
func (r *recorder) grants(s *Socket) []grant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]grant{}, r.credit[s.id]...)
}

// onPacket sets what runs within Packet.
func (w *world) onPacket(f func(s *Socket, p packet.Packet)) {
	w.t.Helper()
	w.do(func() { w.sink.onPacket = f })
}

// wait waits until ok is true of what has been reported to the sink.
func (w *world) wait(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.sink.mu.Lock()
		changed := w.sink.changed
		w.sink.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.Fail(w.t, "the sink was not told: "+what)
		}
	}
}

// expect waits until as many events of s have come, and compares all of them.
func (w *world) expect(s *Socket, events ...string) {
	w.t.Helper()
	w.wait(strings.Join(events, ", "), func() bool { return len(w.sink.told(s)) >= len(events) })
	require.Equal(w.t, events, w.sink.told(s))
}

// expectNone says that nothing has been reported of s. It is only conclusive after
// something that would have come later.
func (w *world) expectNone(s *Socket) {
	w.t.Helper()
	require.Empty(w.t, w.sink.told(s))
}

// stream waits until the packets of s, joined, are n octets, and returns them.
func (w *world) stream(s *Socket, n int) string {
	w.t.Helper()
	var all string
	w.wait(fmt.Sprintf("%d octets", n), func() bool {
		var b strings.Builder
		for _, e := range w.sink.told(s) {
			data, _ := strings.CutPrefix(e, "packet ")
			if len(data) < len(e) {
				b.WriteString(data)
			}
		}
		all = b.String()
		return len(all) >= n
	})
	return all
}

// answer is the completion of a call, of whatever kind. A second answer fails the test.
type answer struct {
	w     *world
	ready chan struct{}
	count int // on the Stack's goroutine
	data  string
	s     *Socket
	n     int64
	err   error
	then  func(*answer) // runs within the completion
}

func (w *world) answer() *answer { return &answer{w: w, ready: make(chan struct{})} }

func (a *answer) come() {
	a.count++
	if assert.Equal(a.w.t, 1, a.count, "times that a call was answered") {
		defer close(a.ready)
	}
	if a.then != nil {
		a.then(a)
	}
}

func (a *answer) Done(err error) { a.err = err; a.come() }

func (a *answer) Received(_ *Socket, p packet.Packet, err error) {
	a.data, a.err = string(p.Data), err
	a.come()
}

func (a *answer) Opened(s *Socket, err error) {
	a.s, a.err = s, err
	if s != nil {
		s.Open()
	}
	a.come()
}

func (a *answer) FileSent(n int64, err error) { a.n, a.err = n, err; a.come() }

// error waits for the answer.
func (a *answer) error() error {
	a.w.t.Helper()
	select {
	case <-a.ready:
	case <-time.After(patience):
		require.Fail(a.w.t, "a call has not been answered")
	}
	return a.err
}

// value waits for an answer that is no error.
func (a *answer) value() string {
	a.w.t.Helper()
	require.NoError(a.w.t, a.error())
	return a.data
}

func (a *answer) socket() *Socket {
	a.w.t.Helper()
	require.NoError(a.w.t, a.error())
	return a.s
}

// open says that the call is not answered yet.
func (a *answer) open() {
	a.w.t.Helper()
	select {
	case <-a.ready:
		require.Fail(a.w.t, "a call was answered that had to wait", "%q, %v", a.data, a.err)
	default:
	}
}

// The calls of gen_tcp: with an answer to wait for, and, without "start", until it has come.

func (w *world) startSend(s *Socket, data string) *answer {
	w.t.Helper()
	a := w.answer()
	w.do(func() { s.SendCall([]byte(data), a) })
	return a
}

func (w *world) send(s *Socket, data string) error {
	w.t.Helper()
	return w.startSend(s, data).error()
}

func (w *world) startRecv(s *Socket, length int, timeout time.Duration) *answer {
	w.t.Helper()
	a := w.answer()
	w.do(func() { s.Recv(length, timeout, a) })
	return a
}

func (w *world) recv(s *Socket, length int) (string, error) {
	w.t.Helper()
	a := w.startRecv(s, length, -1)
	err := a.error()
	return a.data, err
}

func (w *world) startAccept(l *Socket, timeout time.Duration, hold bool) *answer {
	w.t.Helper()
	a := w.answer()
	w.do(func() { l.Accept(timeout, hold, a) })
	return a
}

func (w *world) startClose(s *Socket) *answer {
	w.t.Helper()
	a := w.answer()
	w.do(func() { s.Close(a) })
	return a
}

func (w *world) set(s *Socket, opts ...Option) error {
	w.t.Helper()
	return on(w, func() error { return s.SetOptions(opts) })
}

func (w *world) shutdown(s *Socket, how int) error {
	w.t.Helper()
	return on(w, func() error { return s.Shutdown(how) })
}

// Short forms of options.

func opt(name string, value int64) Option {
	n, ok := byName[name]
	if !ok {
		panic("no option " + name)
	}
	return Option{Name: n, Int: value}
}

func optN(n int64) Option          { return Option{Name: optActive, Active: ActiveN, Int: n} }
func mode(m packet.Mode) Option    { return opt("packet", int64(m)) }
func linger(on, secs int64) Option { return Option{Name: optLinger, Int: on, Int2: secs} }

var (
	passive    = Option{Name: optActive, Active: Passive}
	activeTrue = Option{Name: optActive, Active: Active}
	activeOnce = Option{Name: optActive, Active: Once}
	eocFalse   = opt("exit_on_close", 0)
	econnreset = opt("show_econnreset", 1)
)

func with(opts ...Option) Start { return Start{Options: opts, Backlog: 128, Fd: -1} }

// families are what a test body runs over.
var families = []Family{Inet, Inet6, Local}

// overFamilies runs body over TCP with both versions of IP, and over local sockets.
func overFamilies(t *testing.T, body func(t *testing.T, w *world, f Family)) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			body(t, newWorld(t, Config{}), f)
		})
	}
}

// overTCP is overFamilies without local sockets, which know no reset.
func overTCP(t *testing.T, body func(t *testing.T, w *world, f Family)) {
	for _, f := range []Family{Inet, Inet6} {
		t.Run(f.String(), func(t *testing.T) {
			body(t, newWorld(t, Config{}), f)
		})
	}
}

// localPath is a path for a local socket; those of t.TempDir can be too long for one.
func localPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "s")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "socket")
}

// freshAddr is an address to listen at.
func freshAddr(t testing.TB, f Family) Addr {
	if f == Local {
		return Addr{Family: Local, Path: localPath(t)}
	}
	return Addr{Family: f, IP: Loopback(f)}
}

// listen opens a listener and says where it is.
func (w *world) listen(f Family, opts ...Option) (l *Socket, at Addr) {
	w.t.Helper()
	addr := freshAddr(w.t, f)
	w.do(func() {
		var err error
		l, err = w.st.Listen(f, &addr, with(opts...))
		require.NoError(w.t, err)
		l.Open()
		at, err = l.Sockname()
		require.NoError(w.t, err)
	})
	return l, at
}

func (w *world) startConnect(f Family, to Addr, timeout time.Duration, opts ...Option) *answer {
	w.t.Helper()
	a := w.answer()
	w.do(func() { w.st.Connect(f, to, nil, with(opts...), timeout, a) })
	return a
}

func (w *world) connect(f Family, to Addr, opts ...Option) *Socket {
	w.t.Helper()
	return w.startConnect(f, to, -1, opts...).socket()
}

// pair is a connection with both ends in the Stack; both have the options.
func (w *world) pair(f Family, opts ...Option) (client, server *Socket) {
	w.t.Helper()
	l, at := w.listen(f, opts...)
	a := w.startAccept(l, -1, false)
	client = w.connect(f, at, opts...)
	server = a.socket()
	w.do(l.CloseNow)
	return client, server
}

// withPeer is a connection of a socket, which has small buffers, with a connection of Go's
// package net.
func (w *world) withPeer(f Family, opts ...Option) (s *Socket, peer net.Conn) {
	w.t.Helper()
	network := "tcp"
	addr := freshAddr(w.t, f)
	at := net.JoinHostPort(addr.IP.String(), "0")
	if f == Local {
		network, at = "unix", addr.Path
	}
	l, err := net.Listen(network, at)
	require.NoError(w.t, err)
	defer func() { _ = l.Close() }()
	if f != Local {
		addr.Port = uint16(l.Addr().(*net.TCPAddr).Port)
	}
	a := w.startConnect(f, addr, -1, append([]Option{small}, opts...)...)
	peer, err = l.Accept()
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = peer.Close() })
	require.NoError(w.t, peer.SetDeadline(time.Now().Add(patience)))
	return a.socket(), peer
}

// reset makes the peer's end of a TCP connection send a reset.
func reset(t testing.TB, peer net.Conn) {
	t.Helper()
	require.NoError(t, peer.(*net.TCPConn).SetLinger(0))
	require.NoError(t, peer.Close())
}

func write(t require.TestingT, peer net.Conn, data string) {
	_, err := io.WriteString(peer, data)
	require.NoError(t, err)
}

// read reads n octets at the peer's end.
func read(t testing.TB, peer net.Conn, n int) string {
	t.Helper()
	buf := make([]byte, n)
	got, err := io.ReadFull(peer, buf)
	require.NoError(t, err, "after %d of %d octets", got, n)
	return string(buf)
}

// readEnd reads all up to the end of the stream.
func readEnd(t testing.TB, peer net.Conn) string {
	t.Helper()
	all, err := io.ReadAll(peer)
	require.NoError(t, err)
	return string(all)
}

// readReset reads all up to a reset.
func readReset(t testing.TB, peer net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, peer)
	require.ErrorIs(t, err, unix.ECONNRESET)
}

// arrived waits until the kernel has n octets for s, or the end of the stream.
func (w *world) arrived(s *Socket, n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d octets are there", n), func() bool {
		buf := make([]byte, n+1)
		got, _, err := unix.Recvfrom(s.desc.fd, buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err == nil && got >= n
	})
}

// ended waits until the kernel knows of the end of s's stream.
func (w *world) ended(s *Socket) {
	w.t.Helper()
	w.until("the peer's end is known", func() bool { return s.peerEnded })
}

// pattern is n octets that show where they are from.
func pattern(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 131 >> 3)
	}
	return string(b)
}

// small keeps the kernel's buffer small, so that little output fills it.
var small = opt("sndbuf", 64<<10)

// fill makes s have output queued: a send of n octets, which the peer does not read and
// which is more than the kernel takes.
func (w *world) fill(s *Socket, n int) string {
	w.t.Helper()
	data := pattern(n)
	require.NoError(w.t, w.send(s, data), "a send on an empty queue never waits")
	w.do(func() { require.Greater(w.t, s.pending(), 3*s.opts.high, "octets queued") })
	return data
}

// big is more than the kernel takes of the output to a peer that does not read.
const big = 1 << 20

// newPipe is a pipe that does not block.
func newPipe(t testing.TB) (fds [2]int) {
	require.NoError(t, unix.Pipe(fds[:]))
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		require.NoError(t, unix.SetNonblock(fd, true))
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	return fds
}
