package sockets

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// listener is what a listening socket has beyond the others.
type listener struct {
	acceptors []*acceptor // first come, first served
	returned  []*Socket   // accepted, and given back
}

// acceptor is an Accept that waits.
type acceptor struct {
	done  Opened
	hold  bool
	timer timer
}

func (l *listener) waiting() int { return len(l.acceptors) }

// Start is what opens a socket: options in the order in which the user gave them (of
// several with one name the last one counts), and what must be known first.
type Start struct {
	Options []Option
	Backlog int
	Netns   string
	MPTCP   bool // multipath TCP, which falls back to TCP where the peer has none
	Fd      int  // an open descriptor to use, or -1; it is closed if it cannot be used
}

// Listen opens a listening socket. A nil address is only for descriptors that are bound.
func (st *Stack) Listen(f Family, addr *Addr, start Start) (*Socket, error) {
	s, err := st.open(f, start)
	if err != nil {
		return nil, err
	}
	if err := s.bindAndListen(addr, start.Backlog); err != nil {
		s.discard()
		return nil, err
	}
	s.state = listening
	s.listener = &listener{}
	if err := s.register(); err != nil {
		s.discard()
		return nil, fmt.Errorf("watch a listener: %w", err)
	}
	return s, nil
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
	return unix.Listen(s.fd, int(uint16(backlog)))
}

func (s *Socket) bind(addr Addr) error {
	sa, err := addr.sockaddr(s.family)
	if err != nil {
		return err
	}
	return unix.Bind(s.fd, sa)
}

// open makes a socket with its options set, neither bound nor connected.
func (st *Stack) open(f Family, start Start) (*Socket, error) {
	if st.full() {
		if start.Fd >= 0 {
			_ = unix.Close(start.Fd)
		}
		return nil, unix.EMFILE
	}
	fd, err := start.descriptor(f)
	if err != nil {
		return nil, err
	}
	if start.Fd >= 0 {
		if err := takeOver(fd, f); err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
	}
	s := st.newSocket(fd, f)
	s.state, s.opening = connecting, true
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

// Open tells a new socket that its user has heard of it, so that it may speak.
func (s *Socket) Open() {
	s.opening = false
	if s.fell {
		s.fell = false
		s.st.sink.Passive(s)
	}
}

func (start Start) descriptor(f Family) (int, error) {
	if start.Fd >= 0 {
		return start.Fd, nil
	}
	if start.Netns != "" {
		return socketInNamespace(start.Netns, f, start.MPTCP)
	}
	return openSocket(f, start.MPTCP)
}

// discard takes back a socket that nobody has heard of.
func (s *Socket) discard() {
	s.state = gone
	delete(s.st.sockets, s.id)
	s.dropLoan()
	s.release()
}

// Accept takes a connection from a listener. A negative timeout (in milliseconds) waits for
// ever, 0 takes only a connection that is there. With hold the connection sleeps until
// Adopt or Return.
func (s *Socket) Accept(timeout int64, hold bool, done Opened) {
	switch s.state {
	case listening:
	case gone:
		done.Opened(nil, ErrClosed)
		return
	default:
		done.Opened(nil, unix.EINVAL)
		return
	}
	a := &acceptor{done: done, hold: hold}
	s.listener.acceptors = append(s.listener.acceptors, a)
	if len(s.listener.acceptors) == 1 {
		s.acceptWaiting()
	}
	if !s.listener.has(a) {
		return
	}
	if timeout == 0 {
		s.listener.remove(a)
		done.Opened(nil, ErrTimeout)
	} else if timeout > 0 {
		s.after(&a.timer, milliseconds(timeout), func() {
			s.listener.remove(a)
			done.Opened(nil, ErrTimeout)
		})
	}
}

// CancelAccept withdraws the Accept with completion done.
func (s *Socket) CancelAccept(done Opened) bool {
	if s.listener == nil {
		return false
	}
	for _, a := range s.listener.acceptors {
		if a.done == done {
			s.listener.remove(a)
			s.st.stop(&a.timer)
			done.Opened(nil, ErrCancelled)
			return true
		}
	}
	return false
}

func (l *listener) has(a *acceptor) bool {
	for _, b := range l.acceptors {
		if a == b {
			return true
		}
	}
	return false
}

func (l *listener) remove(a *acceptor) {
	for i, b := range l.acceptors {
		if a == b {
			l.acceptors = append(l.acceptors[:i], l.acceptors[i+1:]...)
			return
		}
	}
}

// acceptWaiting accepts for those who wait, in their order.
func (s *Socket) acceptWaiting() {
	l := s.listener
	for len(l.acceptors) > 0 {
		conn, err := s.acceptOne()
		switch err {
		case unix.EAGAIN:
			s.canRead = false
			return
		case unix.EINTR, unix.ECONNABORTED:
			continue
		}
		a := l.acceptors[0]
		l.acceptors[0] = nil
		l.acceptors = l.acceptors[1:]
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
	for len(s.listener.returned) > 0 {
		conn := s.listener.returned[0]
		s.listener.returned = s.listener.returned[1:]
		if conn.state == connected { // not closed in the meantime
			return conn, nil
		}
	}
	if s.st.full() {
		return nil, unix.EMFILE
	}
	fd, err := acceptDescriptor(s.fd)
	if err != nil {
		return nil, err
	}
	conn := s.st.newSocket(fd, s.family)
	conn.state = connected
	if err := conn.register(); err != nil {
		conn.discard()
		return nil, err
	}
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
		resetOnClose(s.fd)
		s.end(nil)
		return
	}
	to.listener.returned = append([]*Socket{s}, to.listener.returned...)
	to.acceptWaiting()
}

// end answers the acceptors of a listener that has gone, and resets what was returned.
func (l *listener) end(st *Stack) {
	acceptors, returned := l.acceptors, l.returned
	l.acceptors, l.returned = nil, nil
	for _, a := range acceptors {
		st.stop(&a.timer)
		a.done.Opened(nil, ErrClosed)
	}
	for _, c := range returned {
		resetOnClose(c.fd)
		c.end(nil)
	}
}
