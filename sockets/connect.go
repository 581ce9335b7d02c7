package sockets

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/fault"
)

// dial is what a connecting socket waits for.
type dial struct {
	done  Opened
	timer Timer
	delay Timer // of a fault
}

// Connect is gen_tcp:connect/4: it opens a connection. from, if not nil, is bound first. A
// negative timeout waits as long as the operating system does, 0 only for what succeeds at once.
// It returns the socket that connects, for CancelConnect, or nil if it could not be opened; done may
// have been answered already.
//
// Errors are of type *OpError, for ErrTimeout, ErrCancelled (see CancelConnect), EMFILE if there are
// Config.MaxSockets sockets, EAFNOSUPPORT for an address of another family, or what the system
// has failed with, such as ECONNREFUSED.
func (st *Stack) Connect(f Family, to Addr, from *Addr, start Start, timeout time.Duration, done Opened) *Socket {
	done = &openOp{done: done, op: "connect", f: f, addr: &to}
	s, err := st.open(f, start)
	if err != nil {
		done.Opened(nil, err)
		return nil
	}
	s.dial = &dial{done: done}
	s.attach(Opening{Remote: &to, Local: from}, start.Attach)
	s.openWithFaults(fault.Connect, func() {
		if err := s.bindAndConnect(to, from); err != nil || s.state == connected {
			s.connectDone(err)
		}
	})
	if s.state == gone {
		return nil
	}
	if s.dial != nil && timeout >= 0 {
		s.after(&s.dial.timer, timeout, func() { s.connectDone(ErrTimeout) })
	}
	return s
}

// openWithFaults makes the call that opens a socket which dials, or what faults make of it.
func (s *Socket) openWithFaults(name fault.CallName, open func()) {
	o := s.CallFault(name)
	then := func() {
		switch {
		case o.Never:
		case o.Err != nil:
			s.connectDone(o.Err)
		default:
			open()
		}
	}
	if o.Delay > 0 {
		s.after(&s.dial.delay, o.Delay, then)
	} else {
		then()
	}
}

func (s *Socket) bindAndConnect(to Addr, from *Addr) error {
	if _, err := to.sockaddr(s.family); err != nil {
		return err
	}
	if from != nil {
		if err := s.bind(*from); err != nil {
			return err
		}
	}
	switch err := s.desc.connect(to); err {
	case nil:
		s.setState(connected)
	case unix.EINPROGRESS, unix.EINTR:
	default:
		return err
	}
	// Registered only now: before connect(2) a socket polls as hung up.
	return s.register()
}

// finishConnect looks how an attempt has ended.
func (s *Socket) finishConnect() {
	if !s.canWrite || s.dial == nil {
		return
	}
	err := s.desc.connected()
	if err == unix.EAGAIN {
		s.canWrite = false
		return
	}
	s.connectDone(err)
}

// openOp is the completion of a call that opens a socket: it says more of its errors.
type openOp struct {
	done Opened
	op   string
	f    Family
	addr *Addr
}

func (o *openOp) Opened(s *Socket, err error) {
	o.done.Opened(s, opFailed(o.op, o.f, o.addr, err))
}

// connectDone answers the caller of Connect.
func (s *Socket) connectDone(err error) {
	d := s.dial
	s.dial = nil
	s.st.stop(&d.timer)
	s.st.stop(&d.delay)
	if err != nil {
		s.discard()
		d.done.Opened(nil, err)
		return
	}
	s.setState(connected)
	s.meetFaults()
	s.openWindow()
	d.done.Opened(s, nil)
	if s.opts.active.armed() {
		s.st.later(s)
	}
}

// CancelConnect withdraws a Connect.
func (s *Socket) CancelConnect() bool {
	if s.dial == nil {
		return false
	}
	s.connectDone(ErrCancelled)
	return true
}

// FdOpen makes a socket of a connected descriptor. It is passive and in list mode, as
// gen_tcp:fdopen/2 leaves it. Errors are of type *OpError.
func (st *Stack) FdOpen(f Family, start Start) (s *Socket, err error) {
	defer func() { err = opFailed("fdopen", f, nil, err) }()
	if !start.adopts() {
		return nil, unix.EBADF
	}
	passive := Option{Name: optActive, Active: Passive}
	start.Options = append(start.Options[:len(start.Options):len(start.Options)], passive)
	s, err = st.open(f, start)
	if err != nil {
		return nil, err
	}
	s.setState(connected)
	if _, err := s.desc.peername(); err != nil {
		s.setState(husk)
		return s, nil
	}
	if err := s.register(); err != nil {
		s.discard()
		return nil, err
	}
	s.attach(Opening{}, start.Attach)
	s.openWindow()
	return s, nil
}
