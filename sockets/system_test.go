package sockets

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// manualClock is a clock that the test moves.
type manualClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// pass moves the clock, and has w look at it.
func (c *manualClock) pass(w *world, d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
	w.st.Post(func() {})
}

func TestTimeoutsRunInTheTimeOfTheClock(t *testing.T) {
	c := &manualClock{now: time.Now()}
	w := newWorld(t, Config{Clock: c.Now})
	s, _ := w.withPeer(Inet, passive)
	a := w.startRecv(s, 0, time.Hour)
	c.pass(w, time.Hour-1)
	w.do(func() {})
	w.do(a.open)
	c.pass(w, 1)
	require.ErrorIs(t, a.error(), ErrTimeout)
}

// holder is a System that reads and writes an octet at a time, each a second after it was
// wanted, and holds what is written past shutdown and close.
type holder struct {
	System
	s             *Socket
	held          []byte
	timer, input  Timer
	mayRead       bool
	shut, closing bool
	calls         []string
}

func (h *holder) Read(p []byte) (int, bool, error) {
	if !h.mayRead {
		if h.System.Available() > 0 {
			h.s.After(&h.input, time.Second, func() { h.mayRead = true; h.s.Wake(Readable) })
		}
		return 0, true, unix.EAGAIN
	}
	h.mayRead = false
	n, _, err := h.System.Read(p[:1])
	return n, false, err
}

func (h *holder) Write(pieces [][]byte, more bool) (int, error) {
	n := 0
	for _, b := range pieces {
		h.held = append(h.held, b...)
		n += len(b)
	}
	h.again()
	return n, nil
}

func (h *holder) again() { h.s.After(&h.timer, time.Second, h.write) }

func (h *holder) write() {
	if len(h.held) > 0 {
		if n, err := h.System.Write([][]byte{h.held[:1]}, false); err == nil {
			h.held = h.held[n:]
		}
		h.again()
		return
	}
	if h.shut {
		_ = h.System.Shutdown(unix.SHUT_WR)
	}
	if h.closing {
		h.System.Close()
	}
}

func (h *holder) Shutdown(how int) error {
	h.calls = append(h.calls, "shutdown")
	h.shut = true
	h.again()
	return nil
}

func (h *holder) Close() {
	h.calls = append(h.calls, "close")
	h.closing = true
	h.again()
}

// TestAttachedSystemDelaysAndHolds has all octets of a socket go through a System that delays
// them, past the close of the socket.
func TestAttachedSystemDelaysAndHolds(t *testing.T) {
	overFamiliesWith := []Family{Inet, Local}
	for _, f := range overFamiliesWith {
		t.Run(f.String(), func(t *testing.T) {
			c := &manualClock{now: time.Now()}
			w := newWorld(t, Config{Clock: c.Now})
			s, peer := w.withPeer(f, passive)
			h := &holder{s: s}
			w.do(func() {
				h.System = s.System()
				s.Attach(h)
			})
			write(t, peer, "in")
			w.arrived(s, 2)
			a := w.startRecv(s, 2, -1)
			for range 2 {
				w.until("a read waits", func() bool { return h.input.index > 0 })
				w.do(a.open)
				c.pass(w, time.Second)
			}
			require.Equal(t, "in", a.value())

			require.NoError(t, w.send(s, "out"))
			require.NoError(t, w.shutdown(s, unix.SHUT_WR))
			require.NoError(t, w.startClose(s).error(), "nothing is queued that close would wait for")
			w.expect(s, "gone")
			got := make(chan string)
			go func() { got <- readEnd(t, peer) }()
			for range 3 {
				w.until("a write waits", func() bool { return h.timer.index > 0 })
				w.do(func() { require.Positive(t, s.desc.fd, "held") })
				c.pass(w, time.Second)
				w.do(func() {})
			}
			c.pass(w, time.Second)
			require.Equal(t, "out", <-got)
			w.until("the descriptor is closed", func() bool { return s.desc.fd < 0 })
			w.do(func() { require.Equal(t, []string{"shutdown", "close"}, h.calls) })
		})
	}
}

// tracer is a System that writes down what passes.
type tracer struct {
	System
	calls *[]string
}

func (r tracer) Read(p []byte) (n int, drained bool, err error) {
	n, drained, err = r.System.Read(p)
	if n > 0 {
		*r.calls = append(*r.calls, "read "+string(p[:n]))
	}
	return n, drained, err
}

func (r tracer) Write(pieces [][]byte, more bool) (int, error) {
	n, err := r.System.Write(pieces, more)
	*r.calls = append(*r.calls, "write")
	return n, err
}

func (r tracer) Bind(a Addr) error  { *r.calls = append(*r.calls, "bind"); return r.System.Bind(a) }
func (r tracer) Listen(n int) error { *r.calls = append(*r.calls, "listen"); return r.System.Listen(n) }
func (r tracer) Connect(a Addr) error {
	*r.calls = append(*r.calls, "connect")
	return r.System.Connect(a)
}
func (r tracer) Shutdown(how int) error {
	*r.calls = append(*r.calls, "shutdown")
	return r.System.Shutdown(how)
}
func (r tracer) Close() { *r.calls = append(*r.calls, "close"); r.System.Close() }
func (r tracer) Connected() error {
	err := r.System.Connected()
	if err == nil {
		*r.calls = append(*r.calls, "connected")
	}
	return err
}

func (r tracer) Accept() (int, error) {
	fd, err := r.System.Accept()
	if err == nil {
		*r.calls = append(*r.calls, "accept")
	}
	return fd, err
}

func (r tracer) SetOption(level, opt int, value []byte) error {
	if level == unix.SOL_SOCKET && opt == unix.SO_KEEPALIVE {
		*r.calls = append(*r.calls, "set")
	}
	return r.System.SetOption(level, opt, value)
}

func (r tracer) Option(level, opt int, value []byte) ([]byte, error) {
	if level == unix.SOL_SOCKET && opt == unix.SO_KEEPALIVE {
		*r.calls = append(*r.calls, "get")
	}
	return r.System.Option(level, opt, value)
}

// attaching is a Sink that attaches to every socket from its beginning.
type attaching struct {
	*recorder
	calls  map[*Socket]*[]string
	opened map[*Socket]Opening
}

func (a *attaching) Attach(s *Socket, o Opening) {
	calls := new([]string)
	a.calls[s], a.opened[s] = calls, o
	s.Attach(tracer{s.System(), calls})
}

func TestAttachedFromTheBeginning(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		sink := &attaching{w.sink, map[*Socket]*[]string{}, map[*Socket]Opening{}}
		w.do(func() { w.st.attacher = sink })
		l, at := w.listen(f)
		a := w.startAccept(l, -1, false)
		c := w.connect(f, at, passive)
		s := a.socket()
		require.NoError(t, w.set(s, passive, opt("keepalive", 1)))
		w.do(func() {
			o, ok, err := s.GetOption(opt("keepalive", 0))
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, int64(1), o.Int)
		})
		require.NoError(t, w.send(c, "data"))
		got, err := w.recv(s, 4)
		require.NoError(t, err)
		require.Equal(t, "data", got)
		require.NoError(t, w.shutdown(c, unix.SHUT_WR))
		require.NoError(t, w.startClose(c).error())
		w.do(func() {
			require.Equal(t, []string{"connect", "connected", "write", "shutdown", "close"}, *sink.calls[c])
			require.Equal(t, []string{"bind", "listen", "accept"}, *sink.calls[l])
			require.Equal(t, []string{"set", "get", "read data"}, *sink.calls[s])
			require.Equal(t, l, sink.opened[s].Listener)
			require.Equal(t, at, *sink.opened[c].Remote)
		})
	})
}

// TestMessageWithRightsEndsARead has a peer send descriptors along: on a local socket such a
// message ends a read short of what is there.
func TestMessageWithRightsEndsARead(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Local, passive)
	raw, err := peer.(*net.UnixConn).SyscallConn()
	require.NoError(t, err)
	pipe := newPipe(t)
	require.NoError(t, raw.Write(func(fd uintptr) bool {
		for _, text := range []string{"one ", "two "} {
			require.NoError(t, unix.Sendmsg(int(fd), []byte(text), unix.UnixRights(pipe[0]), nil, 0))
		}
		return true
	}))
	_, err = io.WriteString(peer, "three")
	require.NoError(t, err)
	require.NoError(t, w.set(s, activeTrue))
	require.Equal(t, "one two three", w.stream(s, 13))
}

// late is a System that accepts and connects a second late.
type late struct {
	System
	s       *Socket
	timer   Timer
	due     bool
	to      Addr
	dialled bool
}

func (l *late) wait(r Readiness) {
	if l.timer.index == 0 {
		l.s.After(&l.timer, time.Second, func() { l.due = true; l.s.Wake(r) })
	}
}

func (l *late) Accept() (int, error) {
	if !l.due {
		l.wait(Readable)
		return -1, unix.EAGAIN
	}
	return l.System.Accept()
}

func (l *late) Connect(to Addr) error {
	l.to = to
	l.wait(Writable)
	return unix.EINPROGRESS
}

func (l *late) Connected() error {
	if !l.due {
		return unix.EAGAIN
	}
	if !l.dialled {
		l.dialled = true
		if err := l.System.Connect(l.to); err != unix.EINPROGRESS {
			return err
		}
		return unix.EAGAIN
	}
	return l.System.Connected()
}

func TestAttachedSystemDelaysOpening(t *testing.T) {
	for _, f := range []Family{Inet, Local} {
		t.Run(f.String(), func(t *testing.T) {
			c := &manualClock{now: time.Now()}
			w := newWorld(t, Config{Clock: c.Now})
			l, at := w.listen(f)
			lateListener := &late{s: l}
			w.do(func() {
				lateListener.System = l.System()
				l.Attach(lateListener)
			})
			accepted, connected := w.startAccept(l, -1, false), w.answer()
			var dials *late
			w.do(func() {
				start := with()
				start.Attach = func(s *Socket) {
					dials = &late{System: s.System(), s: s}
					s.Attach(dials)
				}
				w.st.Connect(f, at, nil, start, -1, connected)
			})
			w.until("the connect waits", func() bool { return dials.timer.index > 0 })
			w.do(connected.open)
			c.pass(w, time.Second)
			require.NotNil(t, connected.socket())
			w.do(func() { lateListener.due = false })
			w.do(func() { lateListener.wait(Readable) })
			c.pass(w, time.Second)
			require.NotNil(t, accepted.socket())
		})
	}
}

func TestFilesPassAnAttachedSystem(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		var calls []string
		w.do(func() { s.Attach(tracer{s.System(), &calls}) })
		content := pattern(2 * big)
		file, fd := w.answer(), fileOf(t, content)
		w.do(func() { s.SendFile(fd, 0, 0, file) })
		require.True(t, content == read(t, peer, len(content)))
		require.NoError(t, file.error())
		w.do(func() {
			require.NotEmpty(t, calls)
			s.Attach(nil)
			calls = nil
		})
		require.NoError(t, w.send(s, "past it"))
		require.Equal(t, "past it", read(t, peer, 7))
		w.do(func() { require.Empty(t, calls) })
	})
}

func TestCallsOnlyClosesTheWindow(t *testing.T) {
	w := newWorld(t, Config{})
	s, _ := w.withPeer(Inet, passive)
	before := w.sink.grants(s)
	w.do(func() { s.CallsOnly(true) })
	require.NoError(t, w.send(s, "x"))
	grants := w.sink.grants(s)
	require.Equal(t, grant{0, 0}, grants[len(grants)-1])
	w.do(func() { s.CallsOnly(false) })
	grants = w.sink.grants(s)
	require.Equal(t, before[len(before)-1].window, grants[len(grants)-1].window)
}
