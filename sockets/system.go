package sockets

import (
	"time"

	"golang.org/x/sys/unix"
)

// System is the calls that a socket makes on its descriptor. The kernel is one; another can be
// attached to a single socket (see Socket.Attach), where it stands between the socket and the
// System that was there before, its next one:
//
//	type slow struct {
//		sockets.System // the next one: what is not overridden goes there
//	}
//
//	func (f *slow) Read(p []byte) (int, bool, error) { return f.System.Read(p[:1]) }
//
//	s.Attach(&slow{s.System()})
//
// Calls are made on the Stack's goroutine and must not block. A System that makes its socket
// wait answers EAGAIN, and has to wake it up later with Socket.Wake, for instance by a Timer
// (Socket.After). Slices are valid only during the call: what a System keeps it has to copy.
// Errors are of type unix.Errno (syscall.Errno). While a System is attached no octets pass by
// it: nothing is spliced, files are read and written, nothing is lent to a Lender.
type System interface {
	// Bind is bind(2), Listen is listen(2).
	Bind(to Addr) error
	Listen(backlog int) error
	// Accept gives a non-blocking descriptor, or EAGAIN: then Wake(Readable) when there is one.
	Accept() (fd int, err error)
	// Connect begins a connection: nil if it is there at once, EINPROGRESS if it is not. Then
	// Connected is asked how it has ended each time the socket is writable, and answers EAGAIN if
	// it has not.
	Connect(to Addr) error
	Connected() error

	// Read reads up to len(p) octets; 0 and no error is the end of the stream. drained: nothing
	// is left, and the socket will be woken up when there is more, by the kernel or by Wake. After
	// EAGAIN it is the same. The end of the stream and errors are always asked for again.
	Read(p []byte) (n int, drained bool, err error)
	// Write writes the pieces in their order, as much as can be taken, EAGAIN if that is nothing:
	// then Wake(Writable) when it is more, unless the kernel's event will do. more: others follow
	// at once. A part of what could be taken may be taken only if the socket is woken up.
	Write(pieces [][]byte, more bool) (n int, err error)
	// Available is how many octets a Read would bring, as far as is known.
	Available() int

	// Shutdown is shutdown(2). A System that holds octets says nil and shuts the next one down
	// once they are out.
	Shutdown(how int) error
	// Close lets go of the descriptor. The socket makes no other call after it. A System that
	// holds octets calls the Close of the next one later, once they are out: until then Ready,
	// Wake and After go on although the socket has gone for its user. If a reset is wanted the
	// option SO_LINGER says so, and nothing should be held.
	Close()

	// Option is getsockopt(2): it reads into value and returns what was set of it. SetOption is
	// setsockopt(2).
	Option(level, opt int, value []byte) ([]byte, error)
	SetOption(level, opt int, value []byte) error

	// Ready reports what the poller has said of the descriptor, edge-triggered, before the socket
	// acts on it. It is the place to write octets that are held.
	Ready(r Readiness)
}

// Readiness is what is said of a descriptor.
type Readiness uint8

// What a descriptor may be ready for.
const (
	Readable   Readiness = 1 << iota
	Writable             // or connected
	PeerClosed           // the peer has shut down its writing side
	HungUp               // the connection is gone in both directions
	Urgent               // there is urgent data, before which reads end short
)

// Opening is how a socket comes to be.
type Opening struct {
	Remote   *Addr   // what is connected to, nil for others
	Local    *Addr   // what is bound to, nil if nothing is, and for accepted sockets
	Listener *Socket // what accepted it, nil for others
}

// Attacher is a Sink that wants to attach something to sockets from their beginning. Attach is
// called once for each socket when it has its descriptor: before it is bound and connects or
// listens, or as soon as it is accepted. Of a socket that cannot be opened nothing more is reported.
type Attacher interface {
	Attach(s *Socket, o Opening)
}

// System is what the socket calls at present: what was attached last, else the kernel.
func (s *Socket) System() System {
	if s.desc.attached != nil {
		return s.desc.attached
	}
	return s.Kernel()
}

// Kernel is the system itself, behind all that is attached.
func (s *Socket) Kernel() System {
	if s.desc.kernel == nil {
		s.desc.kernel = &kernel{s}
	}
	return s.desc.kernel
}

// Attach puts sys between the socket and the system, in the place of what was attached before;
// nil takes that away. It may be done at any time of a socket's life. What is taken away must
// not hold anything: the octets that it holds would be lost, and its Close would not be called.
func (s *Socket) Attach(sys System) {
	s.desc.attached = sys
	if s.desc.letGo {
		if sys == nil && s.desc.fd >= 0 {
			s.closeDescriptor()
		}
		return
	}
	if s.desc.fd >= 0 {
		s.Wake(Readable | Writable) // what the last one has made to wait may go on
	}
}

// Wake gives the socket a turn in which it reads or writes again, as if the poller had said so.
func (s *Socket) Wake(r Readiness) {
	if s.desc.open() {
		s.believe(r)
	}
}

// After calls f on the Stack's goroutine when d has passed. A Timer that runs is moved. Timers
// do not outlive the Stack.
func (s *Socket) After(tm *Timer, d time.Duration, f func()) { s.after(tm, d, f) }

// CallsOnly has all sends of a socket be calls: as long as it is on, the window that is reported by
// Credit is 0. It is for what is attached and must not let a sender believe in success.
func (s *Socket) CallsOnly(on bool) {
	s.out.callsOnly = on
	if on {
		s.setWindow(0)
	} else if s.out.empty() {
		s.openWindow()
	}
}

// Now is the time of the Stack's clock.
func (st *Stack) Now() time.Time {
	if st.cfg.Clock != nil {
		return st.cfg.Clock()
	}
	return time.Now()
}

// attach lets those who want to attach something to a new socket do so.
func (s *Socket) attach(o Opening, start func(*Socket)) {
	if s.st.attacher != nil {
		s.st.attacher.Attach(s, o)
	}
	if start != nil {
		start(s)
	}
	s.meetFaultsAtOpening(o)
}

// kernel is the system as a System: the descriptor's own calls, with nothing attached.
type kernel struct{ s *Socket }

func (k *kernel) direct() *descriptor {
	d := k.s.desc
	d.attached = nil
	return &d
}

func (k *kernel) Bind(to Addr) error          { return k.direct().bind(to) }
func (k *kernel) Listen(backlog int) error    { return k.direct().listen(backlog) }
func (k *kernel) Accept() (fd int, err error) { return k.direct().accept() }
func (k *kernel) Connect(to Addr) error       { return k.direct().connect(to) }
func (k *kernel) Connected() error            { return k.direct().connected() }
func (k *kernel) Available() int              { return k.direct().available() }
func (k *kernel) Shutdown(how int) error      { return k.direct().shutdown(how) }
func (k *kernel) Ready(Readiness)             {}

func (k *kernel) Read(p []byte) (n int, drained bool, err error) { return k.direct().read(p) }

func (k *kernel) Write(pieces [][]byte, more bool) (int, error) {
	if len(pieces) == 0 {
		return 0, nil
	}
	return k.direct().write(pieces, more)
}

func (k *kernel) Close() {
	if k.s.desc.fd >= 0 {
		k.s.closeDescriptor()
	}
}

func (k *kernel) Option(level, opt int, value []byte) ([]byte, error) {
	if k.s.desc.fd < 0 {
		return nil, unix.EBADF
	}
	return k.direct().option(level, opt, value)
}

func (k *kernel) SetOption(level, opt int, value []byte) error {
	return k.direct().setOption(level, opt, value)
}
