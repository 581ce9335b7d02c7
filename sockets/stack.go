package sockets

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// ID names a socket of a Stack. IDs count up from 1 and are never used again.
type ID int64

// A Sink gets the reports of what happens on the sockets of a Stack. It is called on the
// Stack's goroutine; slices are valid only during the call.
type Sink interface {
	// Packet is a packet on an active socket.
	Packet(s *Socket, p packet.Packet)
	// Passive: an {active, N} count has come to 0.
	Passive(s *Socket)
	// Error is an error on an active socket.
	Error(s *Socket, err error)
	// Closed is the end of the stream of an active socket.
	Closed(s *Socket)
	// Gone: the socket exists no longer. reason is nil for a normal end.
	Gone(s *Socket, reason error)
	// Credit: n more octets of Send have left the queue, and window octets can
	// be sent before the next Credit without filling the kernel's buffer.
	Credit(s *Socket, n, window int)
}

// Config sets the limits of a Stack. The zero value is ready to use.
type Config struct {
	// MaxQueue is the most octets of output that one socket may hold, default
	// 1 GiB. Beyond it the socket ends with ENOBUFS.
	MaxQueue int
	// MaxSockets is the most sockets a Stack opens, listeners included; more
	// are refused with EMFILE. 0 leaves it to the operating system.
	MaxSockets int
	// BusyWait is for how long the Stack looks for events before it sleeps, as long as
	// they come that fast: a sleeping thread takes some ten microseconds to wake up. 0 is
	// not at all.
	BusyWait time.Duration
	// IPv6Hosts parses IPv6 literals in HTTP request URIs as OTP 26 and newer do.
	IPv6Hosts bool
	// Buffer is the option buffer of a socket that is not given another, in octets: 9216 since
	// OTP 28, and 1460 before, which is the default.
	Buffer int
	// CloseTold reports to the sink that a send_timeout with send_timeout_close has closed an
	// armed socket, as OTP does since 2026; before it reported nothing.
	CloseTold bool
	// HTTPLines leaves HTTP headers unparsed, see packet.Framer.
	HTTPLines bool
	// Clock is the time that timeouts run in, default time.Now. It must not go backwards. Whoever
	// moves it from outside, as a test does, has to make the Stack look with Post.
	Clock func() time.Time
	// Log is where failures are reported that no caller sees. Default: nowhere.
	Log *slog.Logger
}

const (
	defaultMaxQueue = 1 << 30
	// A socket is read this much at a time: large enough for bulk transfers, small
	// enough that one socket does not keep the others waiting for long.
	readSize = 256 << 10
)

// token names a registered descriptor; the generation distinguishes an event that was
// under way for a descriptor that has since been closed.
type token struct {
	index      int32
	generation int32
}

// watcher is whoever waits for a descriptor: a Socket, or a function given to Watch.
type watcher interface {
	ready(r Readiness)
}

type watchSlot struct {
	w          watcher
	generation int32
}

// Stack is a set of sockets that one goroutine serves.
type Stack struct {
	cfg  Config
	sink Sink
	poll *poller

	slots     []watchSlot
	free      []int32
	sockets   map[ID]*Socket
	ending    map[ID]*Socket // gone, and parts of a send are still to come
	keptParts *partialSend   // for the next send in parts
	lastID    ID

	missed int // busy waits in a row that came to nothing, nor would have soon
	timers timers
	// runnable sockets have more to read or write than their turn allowed.
	runnable, running []*Socket
	// corked sockets hold small sends that wait for more of them.
	corked  []*Socket
	cork    bool
	scratch []byte
	header  [8]byte // of the packet that is being sent
	// corkBuffers are free buffers for small sends.
	corkBuffers [][]byte
	// rooms are free buffers for long packets.
	rooms  [][]byte
	paused bool
	// Packets that are given out before they are asked for. See Lender.
	lender    Lender
	attacher  Attacher
	faults    *stackFaults // nil until there are any
	ahead     int          // octets that one socket may lend, 0 for none
	lent      int          // octets that are on loan from all sockets
	freeLoans []*loan
	// parked sockets have more to read once the Stack is no longer paused.
	parked []*Socket

	beforeWait func()
	stopped    bool
	draining   int // sockets that Drain waits for

	wake  wakeup
	mu    sync.Mutex // guards what follows
	posts []func()
	begun bool // Run or Close has
	ended bool // wake is closed
}

// NewStack makes an empty Stack.
func NewStack(cfg Config, sink Sink) (*Stack, error) {
	if cfg.MaxQueue <= 0 {
		cfg.MaxQueue = defaultMaxQueue
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	poll, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("sockets: open a poller: %w", err)
	}
	st := &Stack{
		cfg: cfg, sink: sink, poll: poll,
		sockets: make(map[ID]*Socket), ending: make(map[ID]*Socket),
		scratch: make([]byte, readSize),
	}
	st.lender, _ = sink.(Lender)
	st.attacher, _ = sink.(Attacher)
	if err := st.wake.open(); err != nil {
		_ = poll.close()
		return nil, fmt.Errorf("sockets: open a wake-up pipe: %w", err)
	}
	if _, err := st.watch(st.wake.read, &st.wake, edges); err != nil {
		st.wake.close()
		_ = poll.close()
		return nil, fmt.Errorf("sockets: watch the wake-up pipe: %w", err)
	}
	return st, nil
}

// Run serves the sockets until Stop is called, then closes all of them. Calls that
// wait at that time are not answered.
func (st *Stack) Run() error {
	if !st.begin() {
		return ErrClosed
	}
	defer st.closeAll()
	for !st.stopped {
		st.runPosts()
		st.run()
		st.fireTimers()
		st.Uncork()
		if st.beforeWait != nil {
			st.beforeWait()
		}
		if st.stopped {
			break
		}
		timeout := st.untilTimer()
		if len(st.runnable) > 0 {
			timeout = 0
		}
		n, err := st.wait(timeout)
		if err != nil {
			return fmt.Errorf("sockets: wait for events: %w", err)
		}
		st.poll.tell(n, st.dispatch)
	}
	return nil
}

// Close ends a Stack from any goroutine: it has Run return, or, if that has not been called,
// closes all sockets. Run says ErrClosed from then on.
func (st *Stack) Close() {
	if st.begin() {
		st.closeAll()
		return
	}
	st.Post(st.Stop)
}

// begin reports whether the caller is the first to run or to close the Stack.
func (st *Stack) begin() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	first := !st.begun
	st.begun = true
	return first
}

// Stop makes Run return after the present event.
func (st *Stack) Stop() { st.stopped = true }

// SetIPv6Hosts changes Config.IPv6Hosts for sockets that are opened from now on.
func (st *Stack) SetIPv6Hosts(on bool) { st.cfg.IPv6Hosts = on }

// SetBuffer changes Config.Buffer for sockets that are opened from now on.
func (st *Stack) SetBuffer(octets int) { st.cfg.Buffer = octets }

// SetCloseTold changes Config.CloseTold.
func (st *Stack) SetCloseTold(on bool) { st.cfg.CloseTold = on }

// SetHTTPLines changes Config.HTTPLines for sockets that are opened from now on.
func (st *Stack) SetHTTPLines(on bool) { st.cfg.HTTPLines = on }

// Post runs f on the Stack's goroutine. It may be called from any goroutine. Once Run has
// returned it does nothing.
func (st *Stack) Post(f func()) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended {
		return
	}
	st.posts = append(st.posts, f)
	if len(st.posts) == 1 {
		st.wake.signal()
	}
}

func (st *Stack) runPosts() {
	st.mu.Lock()
	posts := st.posts
	st.posts = nil
	st.mu.Unlock()
	for _, f := range posts {
		f()
	}
}

// BeforeWait sets a function that runs each time before the Stack waits for
// events: the place to write what has been gathered.
func (st *Stack) BeforeWait(f func()) { st.beforeWait = f }

// WatchRead calls f as long as there is something to read from fd, once a round.
func (st *Stack) WatchRead(fd int, f func()) error {
	_, err := st.watch(fd, watchFunc(f), levelRead)
	return err
}

// WatchPipe is WatchRead for a pipe: hungUp is called, before f, when nobody can write to it any longer, also if
// there is still something to read.
func (st *Stack) WatchPipe(fd int, f, hungUp func()) error {
	_, err := st.watch(fd, pipeWatch{f, hungUp}, levelRead)
	return err
}

// WatchWrite calls f each time fd has become writable after it was not.
func (st *Stack) WatchWrite(fd int, f func()) error {
	_, err := st.watch(fd, watchFunc(f), edges)
	return err
}

// Unwatch ends the watch of a descriptor that stays open.
func (st *Stack) Unwatch(fd int) { st.poll.remove(fd) }

type watchFunc func()

func (f watchFunc) ready(Readiness) { f() }

type pipeWatch struct{ read, hungUp func() }

func (w pipeWatch) ready(r Readiness) {
	if r&HungUp != 0 {
		w.hungUp()
	}
	w.read()
}

// trigger is when a poller reports a descriptor.
type trigger uint8

const (
	edges     trigger = iota // when it becomes readable or writable
	levelRead                // as long as it is readable
)

// Pause stops reading from all sockets until Resume: the sink cannot take more.
func (st *Stack) Pause() { st.paused = true }

// Resume ends a Pause.
func (st *Stack) Resume() {
	st.paused = false
	for i, s := range st.parked {
		st.parked[i] = nil
		s.isParked = false
		st.later(s)
	}
	st.parked = st.parked[:0]
}

// park gives s another turn after Resume.
func (st *Stack) park(s *Socket) {
	if !s.isParked {
		s.isParked = true
		st.parked = append(st.parked, s)
	}
}

// Cork says that more commands follow at once, so that small sends may wait for
// each other; Uncork sends them.
func (st *Stack) Cork() { st.cork = true }

// Uncork sends what has been gathered since Cork.
func (st *Stack) Uncork() {
	st.cork = false
	st.FlushCorked()
}

// FlushCorked sends what has been gathered so far.
func (st *Stack) FlushCorked() {
	for i := 0; i < len(st.corked); i++ {
		s := st.corked[i]
		st.corked[i] = nil
		s.out.isCorked = false
		st.guard(s, s.flushCork)
	}
	st.corked = st.corked[:0]
}

// Get finds a socket that has not gone.
func (st *Stack) Get(id ID) (*Socket, bool) {
	s, ok := st.sockets[id]
	return s, ok
}

// Sockets calls f for every socket that has not gone, in no order.
func (st *Stack) Sockets(f func(*Socket)) {
	for _, s := range st.sockets {
		f(s)
	}
}

func (st *Stack) watch(fd int, w watcher, on trigger) (token, error) {
	var t token
	if n := len(st.free); n > 0 {
		t.index = st.free[n-1]
		st.free = st.free[:n-1]
	} else {
		t.index = int32(len(st.slots))
		st.slots = append(st.slots, watchSlot{})
	}
	slot := &st.slots[t.index]
	slot.generation++
	slot.w = w
	t.generation = slot.generation
	if err := st.poll.add(fd, t, on); err != nil {
		st.unwatch(t)
		return token{}, err
	}
	return t, nil
}

func (st *Stack) unwatch(t token) {
	slot := &st.slots[t.index]
	if slot.generation != t.generation || slot.w == nil {
		return
	}
	slot.w = nil
	st.free = append(st.free, t.index)
}

func (st *Stack) dispatch(t token, r Readiness) {
	slot := &st.slots[t.index]
	if slot.generation == t.generation && slot.w != nil {
		slot.w.ready(r)
	}
}

// later gives s another turn after everybody else.
func (st *Stack) later(s *Socket) {
	if !s.isRunnable {
		s.isRunnable = true
		st.runnable = append(st.runnable, s)
	}
}

// run gives every runnable socket one turn.
func (st *Stack) run() {
	st.running, st.runnable = st.runnable, st.running[:0]
	for i, s := range st.running {
		st.running[i] = nil
		s.isRunnable = false
		st.guard(s, s.progress)
	}
	st.running = st.running[:0]
}

// guard keeps a failure in the handling of one socket from the others.
func (st *Stack) guard(s *Socket, f func()) {
	defer func() {
		if r := recover(); r != nil {
			st.Fail(s, r)
		}
	}()
	f()
}

// Fail ends a socket whose handling has panicked with r.
func (st *Stack) Fail(s *Socket, r any) {
	st.cfg.Log.Error("socket handling failed", "socket", s.id, "panic", r, "stack", string(debug.Stack()))
	defer func() {
		if recover() != nil {
			s.discard() // not even its end can be reported
		}
	}()
	s.crash()
}

func (st *Stack) newSocket(fd int, f Family) *Socket {
	st.lastID++
	s := &Socket{st: st, id: st.lastID, desc: newDescriptor(fd, f), family: f, opts: defaultOptions(st.cfg.Buffer)}
	s.framer = packet.Framer{Buffer: s.opts.buffer, Delimiter: '\n', IPv6Hosts: st.cfg.IPv6Hosts, Lines: st.cfg.HTTPLines}
	st.sockets[s.id] = s
	return s
}

// takeScratch takes the buffer for what is read, which is put back afterwards. A read from
// within a callback finds it taken, and gets one of its own.
func (st *Stack) takeScratch() []byte {
	b := st.scratch
	if b == nil {
		b = make([]byte, readSize)
	}
	st.scratch = nil
	return b
}

const (
	// keptRooms and keptRoom bound what is kept for the next packet that arrives in pieces.
	keptRooms = 4
	keptRoom  = 4 << 20
)

// takeRoom gives an empty slice with room for n octets.
func (st *Stack) takeRoom(n int) []byte {
	for i, b := range st.rooms {
		if cap(b) >= n {
			last := len(st.rooms) - 1
			st.rooms[i] = st.rooms[last]
			st.rooms = st.rooms[:last]
			return b
		}
	}
	return make([]byte, 0, n)
}

// putRoom keeps the room of a slice for takeRoom.
func (st *Stack) putRoom(b []byte) {
	if cap(b) >= readAheadSize && cap(b) <= keptRoom && len(st.rooms) < keptRooms {
		st.rooms = append(st.rooms, b[:0])
	}
}

func (st *Stack) full() bool {
	return st.cfg.MaxSockets > 0 && len(st.sockets) >= st.cfg.MaxSockets
}

func (st *Stack) closeAll() {
	for _, s := range st.sockets {
		s.abandon()
	}
	for i := range st.slots {
		if s, ok := st.slots[i].w.(*Socket); ok {
			s.abandon() // gone, with output that was being flushed
		}
	}
	st.mu.Lock()
	st.ended, st.posts = true, nil
	st.wake.close()
	st.mu.Unlock()
	_ = st.poll.close()
}

// wakeup is a pipe that makes a waiting poller return.
type wakeup struct {
	read, write int
}

func (w *wakeup) open() error {
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		return err
	}
	w.read, w.write = fds[0], fds[1]
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			w.close()
			return err
		}
	}
	return nil
}

func (w *wakeup) signal() { _, _ = unix.Write(w.write, []byte{0}) }

func (w *wakeup) ready(Readiness) {
	var buf [64]byte
	for {
		if n, err := unix.Read(w.read, buf[:]); n < len(buf) || err != nil {
			return
		}
	}
}

func (w *wakeup) close() {
	_ = unix.Close(w.read)
	_ = unix.Close(w.write)
}
