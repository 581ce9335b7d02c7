package sockets

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/fault"
)

// listener is what a listening socket has beyond the others.
type listener struct {
	acceptors fifo[Opened, *acceptor]
	returned  []*Socket // accepted, and given back: the last one is the next
}

// acceptor is an Accept that waits.
type acceptor struct {
	done  Opened
	hold  bool
	timer Timer
}

func (l *listener) waiting() int { return l.acceptors.count }

// Start is what opens a socket: options in the order in which the user gave them (of
// several with one name the last one counts), and what must be known first.
type Start struct {
	Options []Option
	Backlog int
	Netns   string
	MPTCP   bool // multipath TCP, which falls back to TCP where the peer has none
	// Fd is an open descriptor to use, if it is more than 0: standard input is not adopted. It is
	// closed if it cannot be used.
	Fd int
	// Attach, if not nil, is called for this socket after what an Attacher does.
	Attach func(*Socket)
}

func (start Start) adopts() bool { return start.Fd > 0 }

// Listen opens a listening socket. A nil address is only for descriptors that are bound. Faults on the call
// are for ListenCall. Errors are of type *OpError.
func (st *Stack) Listen(f Family, addr *Addr, start Start) (l *Socket, err error) {
	defer func() { err = opFailed("listen", f, addr, err) }()
	s, err := st.open(f, start)
	if err != nil {
		return nil, err
	}
	s.attach(Opening{Local: addr}, start.Attach)
	if err := s.beginToListen(addr, start.Backlog); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

// ListenCall is Listen for a caller that waits, as faults may have it do. It returns the socket that is being opened,
// for CancelConnect, or nil if it could not be opened; done may have been answered already.
func (st *Stack) ListenCall(f Family, addr *Addr, start Start, done Opened) *Socket {
	done = &openOp{done: done, op: "listen", f: f, addr: addr}
	s, err := st.open(f, start)
	if err != nil {
		done.Opened(nil, err)
		return nil
	}
	s.dial = &dial{done: done}
	s.attach(Opening{Local: addr}, start.Attach)
	s.openWithFaults(fault.Listen, func() {
		if err := s.beginToListen(addr, start.Backlog); err != nil {
			s.connectDone(err)
			return
		}
		s.dial = nil
		done.Opened(s, nil)
	})
	if s.state == gone {
		return nil
	}
	return s
}

func (s *Socket) beginToListen(addr *Addr, backlog int) error {
	if err := s.bindAndListen(addr, backlog); err != nil {
		return err
	}
	s.setState(listening)
	s.listener = &listener{}
	if err := s.register(); err != nil {
		return fmt.Errorf("watch a listener: %w", err)
	}
	s.meetFaults()
	return nil
}

func (s *Socket) bindAndListen(addr *Addr, backlog int) error {
	if addr != nil {
		if addr.Family != s.family {
			return unix.EINVAL // as stock, which does not let such an address near the socket
		}
		if err := s.bind(*addr); err != nil {
			return err
		}
	}
	// The backlog crosses inet_drv's protocol as 16 bits.
	return s.desc.listen(int(uint16(backlog)))
}

func (s *Socket) bind(addr Addr) error {
	if _, err := addr.sockaddr(s.family); err != nil {
		return err
	}
	return s.desc.bind(addr)
}

// open makes a socket with its options set, neither bound nor connected.
func (st *Stack) open(f Family, start Start) (*Socket, error) {
	if st.full() {
		if start.adopts() {
			_ = unix.Close(start.Fd)
		}
		return nil, unix.EMFILE
	}
	fd, err := start.descriptor(f)
	if err != nil {
		return nil, err
	}
	if start.adopts() {
		if err := takeOver(fd, f); err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
	}
	s := st.newSocket(fd, f)
	s.state, s.opening, s.shared = connecting, true, start.adopts()
	if err := s.SetOptions(start.Options); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

// takeOver makes a descriptor non-blocking, and refuses one of another family.
func takeOver(fd int, f Family) error {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	if addrOf(sa).Family != f {
		return unix.EINVAL
	}
	return unix.SetNonblock(fd, true)
}

// Open says that the user knows of a new socket, so that what happens on it may be reported.
func (s *Socket) Open() {
	s.opening = false
	if s.fell {
		s.fell = false
		s.tellPassive()
	}
}

func (start Start) descriptor(f Family) (int, error) {
	if start.adopts() {
		return start.Fd, nil
	}
	if start.Netns != "" {
		return socketInNamespace(start.Netns, f, start.MPTCP)
	}
	return openSocket(f, start.MPTCP)
}

// discard takes back a socket that the user does not know of.
func (s *Socket) discard() {
	s.setState(gone)
	delete(s.st.sockets, s.id)
	s.dropLoan()
	s.release()
}

// Accept is gen_tcp:accept/2: it takes a connection from a listener. A negative timeout waits
// for ever, 0 takes only a connection that is there. With hold the connection is on hold until
// Adopt or Return.
//
// The error is ErrTimeout, ErrCancelled (see CancelAccept), ErrClosed if the listener has gone,
// EINVAL if the socket does not listen, EMFILE if there are Config.MaxSockets sockets, or
// what accept(2) has failed with.
func (s *Socket) Accept(timeout time.Duration, hold bool, done Opened) {
	switch s.state {
	case listening:
	case gone:
		done.Opened(nil, ErrClosed)
		return
	default:
		done.Opened(nil, unix.EINVAL)
		return
	}
	l := s.listener
	a := &acceptor{done: done, hold: hold}
	p := l.acceptors.add(done, a)
	if l.waiting() == 1 {
		s.acceptWaiting()
	}
	if !p.in {
		return
	}
	if timeout == 0 {
		l.acceptors.remove(p)
		done.Opened(nil, ErrTimeout)
	} else if timeout > 0 {
		s.after(&a.timer, timeout, func() {
			l.acceptors.remove(p)
			done.Opened(nil, ErrTimeout)
		})
	}
}

// CancelAccept withdraws the Accept with completion done.
func (s *Socket) CancelAccept(done Opened) bool {
	if s.listener == nil {
		return false
	}
	p := s.listener.acceptors.find(done)
	if p == nil {
		return false
	}
	s.listener.acceptors.remove(p)
	s.st.stop(&p.value.timer)
	done.Opened(nil, ErrCancelled)
	return true
}

// acceptWaiting accepts for those who wait, in their order.
func (s *Socket) acceptWaiting() {
	l := s.listener
	for l.waiting() > 0 {
		conn, err := s.acceptOne()
		switch err {
		case unix.EAGAIN:
			s.canRead = false
			return
		case unix.EINTR, unix.ECONNABORTED:
			continue
		}
		a := l.acceptors.take()
		s.st.stop(&a.timer)
		if err != nil {
			a.done.Opened(nil, err)
			continue
		}
		conn.inherit(s)
		conn.held, conn.from = true, s
		a.done.Opened(conn, nil)
		if !a.hold {
			conn.Adopt()
		}
	}
}

func (s *Socket) acceptOne() (*Socket, error) {
	l := s.listener
	for n := len(l.returned); n > 0; n = len(l.returned) {
		conn := l.returned[n-1]
		l.returned[n-1] = nil
		l.returned = l.returned[:n-1]
		if conn.state == connected { // not closed in the meantime
			return conn, nil
		}
	}
	if s.st.full() {
		return nil, unix.EMFILE
	}
	fd, err := s.desc.accept()
	if err != nil {
		return nil, err
	}
	conn := s.st.newSocket(fd, s.family)
	conn.setState(connected)
	if err := conn.register(); err != nil {
		conn.discard()
		return nil, err
	}
	conn.attach(Opening{Listener: s}, nil)
	return conn, nil
}

// inherit gives an accepted socket the values that its listener has now. The kernel has
// copied most of its own options when the connection came; the ones that the user has set are
// set again, as prim_inet:accept/3 does, since they may have changed.
func (s *Socket) inherit(from *Socket) {
	netns, netnsSet := s.opts.netns, s.opts.netnsSet
	s.opts = from.opts
	s.opts.netns, s.opts.netnsSet, s.opts.debug, s.opts.bufferSet = netns, netnsSet, false, false
	s.framer.Mode, s.framer.Size, s.framer.Buffer = from.framer.Mode, from.framer.Size, from.framer.Buffer
	s.framer.Unparsed = from.framer.Unparsed
	s.accepted = true
	s.kernelSet |= from.kernelSet & (1 << optRaw) // the kernel has passed them on
	for i := range table {
		if from.kernelSet&(1<<i) == 0 {
			continue
		}
		for _, f := range table[i].inherited {
			if f != s.family {
				continue
			}
			if o, ok, err := from.kernelOption(Option{Name: OptionName(i)}); ok && err == nil {
				_ = s.setKernelOption(&o)
			}
		}
	}
}

// Adopt wakes a held connection: it becomes active if its listener is.
func (s *Socket) Adopt() {
	if !s.held || s.state != connected || s.from == nil {
		return
	}
	s.held, s.from = false, nil
	s.openWindow()
	if s.opts.active.armed() {
		s.input()
	}
}

// Return gives a held connection back to the head of its listener's queue. If the
// listener has gone the connection is reset, as the kernel does with those that nobody
// has accepted.
func (s *Socket) Return() {
	to := s.from
	if !s.held || s.state != connected || to == nil {
		return
	}
	s.from = nil
	if to.state != listening {
		s.desc.resetOnClose()
		s.end(nil)
		return
	}
	to.listener.returned = append(to.listener.returned, s)
	to.acceptWaiting()
}

// end answers the acceptors of a listener that has gone, and resets what was returned.
func (l *listener) end(st *Stack) {
	returned := l.returned
	l.returned = nil
	for l.waiting() > 0 {
		a := l.acceptors.take()
		st.stop(&a.timer)
		a.done.Opened(nil, ErrClosed)
	}
	for _, c := range returned {
		c.desc.resetOnClose()
		c.end(nil)
	}
}
