package sockets

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/fault"
)

// faulty is a System whose octets pass through the chains of a fault.Line. What a chain holds counts as
// under way: it is delivered behind a shutdown or a close, too, as what the kernel holds is.
type faulty struct {
	System
	s     *Socket
	timer Timer
	limit Timer // of the life after Close

	ended    bool // the end of the input has been pushed, or reported where there is no chain for it
	inFull   bool // there was more to read than the chain takes
	blocked  bool // the kernel takes no more for now
	waits    bool // a write has been refused until there is room
	shut     int  // how the next System is to be shut down behind what is held, plus one; 0: not at all
	shutDone bool
	failed   error // of a write of what was held: the next write reports it
	cut      bool
	how      fault.How // the connection has been cut
	closing  bool
	closed   bool
}

const (
	// faultyBuffer is how much is read into a chain at a time.
	faultyBuffer = 64 << 10
	// A system gives up a vanished peer after about so long (tcp_retries2 of tcp(7)), and one that only
	// keeps it waiting for the end after so long (tcp_fin_timeout).
	vanishedPatience = 15 * time.Minute
	finishPatience   = time.Minute
)

// beFaulty puts the chains of the socket's line between it and the system.
func (s *Socket) beFaulty() {
	f := &faulty{System: s.System(), s: s}
	s.faults.system = f
	s.st.faults.faulty[s] = struct{}{}
	s.Attach(f)
	f.changed()
}

func (f *faulty) line() *fault.Line  { return f.s.faults.line }
func (f *faulty) now() fault.Instant { return f.s.st.FaultInstant() }

// changed goes on after a change of the line.
func (f *faulty) changed() {
	if f.leave() {
		return
	}
	f.turn()
}

// leave takes f away if its line is of no use any longer.
func (f *faulty) leave() bool {
	if f.cut || f.failed != nil || f.closing || f.closed || !f.line().Release() {
		return false
	}
	f.timer.Stop()
	f.s.faults.system = nil
	if f.line().Idle() {
		f.s.faults.line = nil
	}
	delete(f.s.st.faults.faulty, f.s)
	if f.System == f.s.Kernel() {
		f.s.Attach(nil)
	} else {
		f.s.Attach(f.System)
	}
	return true
}

// turn does all that is due, and comes again when there is more.
func (f *faulty) turn() {
	if f.closed {
		return
	}
	f.fill()
	if l := f.line(); l != nil && l.In != nil && !f.cut {
		if end := l.In.Cut(f.now()); end != nil {
			f.cutBy(end.How, l.In)
		}
	}
	f.drain()
	if f.closed {
		return
	}
	f.schedule()
	if l := f.line(); l != nil && l.In != nil {
		// Perhaps it was read here and now, so that the poller has nothing to report.
		if octets, end := l.In.Front(f.now()); len(octets) > 0 || end != nil {
			f.s.Wake(Readable)
		}
	}
}

func (f *faulty) schedule() {
	now := f.now()
	next, ok := fault.Instant(0), false
	for _, c := range f.chains() {
		if at, comes := c.Next(now); comes && (!ok || at < next) {
			next, ok = at, true
		}
	}
	if !ok {
		f.timer.Stop()
		return
	}
	f.s.After(&f.timer, next-now, func() {
		f.turn()
		f.leave()
	})
}

func (f *faulty) chains() []*fault.Chain {
	var chains []*fault.Chain
	if l := f.line(); l != nil {
		for _, c := range [...]*fault.Chain{l.In, l.Out} {
			if c != nil {
				chains = append(chains, c)
			}
		}
	}
	return chains
}

// fill reads what has arrived into the chain: the time that an octet is held counts from its arrival.
func (f *faulty) fill() {
	l := f.line()
	if f.closing || f.cut {
		f.discard()
		return
	}
	if l == nil || l.In == nil {
		return
	}
	for !f.ended {
		room := l.In.Room(f.now())
		f.inFull = room == 0
		if f.inFull {
			return
		}
		buffer := f.s.st.faults.buffer
		if buffer == nil {
			buffer = make([]byte, faultyBuffer)
			f.s.st.faults.buffer = buffer
		}
		// Up to EAGAIN, whatever is said to be drained: the end of the stream may have come meanwhile, and
		// nobody else looks for it.
		n, _, err := f.System.Read(buffer[:min(room, len(buffer))])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return
		case err != nil, n == 0:
			f.ended = true
			l.In.PushEnd(f.now(), err)
			return
		}
		l.In.Push(f.now(), buffer[:n])
	}
}

// discard takes what comes after the end of a connection out of the kernel: closing a descriptor with
// unread octets would send a reset.
func (f *faulty) discard() {
	if f.how != fault.Finish || !f.cut || !f.ended && !f.closing {
		return // what came before the end can be read still
	}
	var b [4096]byte
	for range 64 {
		if n, drained, err := f.System.Read(b[:]); n == 0 || drained || err != nil {
			return
		}
	}
}

func (f *faulty) Read(p []byte) (int, bool, error) {
	l := f.line()
	if l == nil || l.In == nil {
		n, drained, err := 0, true, error(unix.EAGAIN)
		if !f.cut || f.how == fault.Finish && !f.ended {
			n, drained, err = f.System.Read(p)
		}
		if f.cut && (err == unix.EAGAIN || err == nil && n == 0) {
			f.ended = true
			return 0, true, f.cutError(nil)
		}
		return n, drained && !f.cut, err
	}
	f.turn()
	octets, end := l.In.Front(f.now())
	if len(octets) > 0 && (!f.cut || f.how == fault.Finish || l.In.Cut(f.now()) != nil) {
		n := copy(p, octets)
		l.In.Took(n)
		if f.inFull {
			f.turn()
		}
		f.leave()
		return n, false, nil
	}
	switch {
	case end != nil && !end.Cut:
		return 0, true, end.Err
	case f.cut && (end != nil || f.how == fault.Reset):
		return 0, true, f.cutError(nil)
	}
	f.leave()
	return 0, true, unix.EAGAIN
}

// cutError is what a call says after the connection was cut; finished what it says after an end in order.
func (f *faulty) cutError(finished error) error {
	if f.how == fault.Reset {
		return unix.ECONNRESET
	}
	return finished
}

func (f *faulty) Available() int {
	if l := f.line(); l != nil && l.In != nil {
		return l.In.Ready(f.now())
	}
	return f.System.Available()
}

func (f *faulty) Write(pieces [][]byte, more bool) (int, error) {
	switch {
	case f.cut:
		return 0, f.cutError(unix.EPIPE)
	case f.failed != nil:
		return 0, f.failed
	case f.shut != 0:
		return 0, unix.EPIPE
	}
	l := f.line()
	if l == nil || l.Out == nil {
		return f.System.Write(pieces, more)
	}
	f.drain()
	total := 0
	for _, b := range pieces {
		total += len(b)
	}
	n := min(l.Out.Room(f.now()), total)
	f.waits = n < total
	if n == 0 {
		f.schedule()
		return 0, unix.EAGAIN
	}
	octets := make([]byte, 0, n)
	for _, b := range pieces {
		octets = append(octets, b[:min(len(b), n-len(octets))]...)
	}
	l.Out.Push(f.now(), octets)
	f.turn()
	f.leave()
	return n, nil
}

// drain writes what has come out of the chain.
func (f *faulty) drain() {
	l := f.line()
	if l == nil || l.Out == nil || f.closed {
		return
	}
	for !f.blocked && f.failed == nil && !f.shutDone && !(f.cut && f.how == fault.Reset) {
		octets, end := l.Out.Front(f.now())
		if end != nil && end.Cut {
			f.cutBy(end.How, l.Out)
			break
		}
		if end != nil {
			f.shutDone = true
			f.failed = f.System.Shutdown(f.shut - 1)
			break
		}
		if len(octets) == 0 {
			break
		}
		n, err := f.System.Write([][]byte{octets}, false)
		l.Out.Took(max(n, 0))
		switch err {
		case nil, unix.EINTR:
		case unix.EAGAIN:
			f.blocked = true
		default:
			f.failed = err
			f.s.Wake(Writable)
		}
	}
	if f.closing {
		if f.shutDone || f.failed != nil || f.cut {
			f.finish()
		}
		return
	}
	if f.waits && l.Out.Room(f.now()) > 0 {
		f.waits = false
		f.s.Wake(Writable)
	}
}

// cutBy ends the connection, as a fault on one of the chains wants.
func (f *faulty) cutBy(how fault.How, by *fault.Chain) {
	l := f.line()
	if f.cut {
		if f.how == fault.Finish && l.Out == by {
			f.finishOutput() // which was to end behind what is held, and ends here now
		}
		return
	}
	if how == fault.Finish {
		if l.In != nil && l.In != by && !f.ended {
			f.fill() // what has arrived came before the end
			f.ended = true
			l.In.PushEnd(f.now(), nil)
		}
		f.cut, f.how = true, how
		f.ended = f.ended || l.In != nil
		switch {
		case l.Out == nil || l.Out == by:
			f.finishOutput()
		case f.shut == 0:
			f.pushShutdown(unix.SHUT_WR)
			f.drain()
		}
		f.s.Wake(Readable | PeerClosed)
		return
	}
	f.cut, f.how = true, how
	f.s.resetNow(f.System)
	f.s.Wake(Readable | Writable | HungUp)
}

// finishOutput has the peer see the end, unless it has.
func (f *faulty) finishOutput() {
	if !f.shutDone {
		f.shutDone = true
		_ = f.System.Shutdown(unix.SHUT_WR)
	}
}

// pushShutdown shuts the next System down behind what is held.
func (f *faulty) pushShutdown(how int) {
	f.shut = how + 1
	f.line().Out.PushEnd(f.now(), nil)
}

func (f *faulty) Shutdown(how int) error {
	l := f.line()
	if l == nil || l.Out == nil || f.cut {
		return f.System.Shutdown(how)
	}
	if how == unix.SHUT_RD {
		return f.System.Shutdown(how)
	}
	if how == unix.SHUT_RDWR {
		if err := f.System.Shutdown(unix.SHUT_RD); err != nil {
			return err
		}
	}
	if f.shut == 0 {
		f.pushShutdown(unix.SHUT_WR)
	}
	f.turn()
	return nil
}

// Close lets go of the descriptor once what is held has been delivered. A peer that is not to hear
// anything does not hear of the close either.
func (f *faulty) Close() {
	f.closing = true
	f.discard()
	l := f.line()
	silent := l.Silenced(f.now())
	reset := !silent && f.resets()
	if l == nil || l.Out == nil || reset || f.shutDone || f.failed != nil || f.cut && f.how == fault.Reset {
		f.finish()
		return
	}
	if f.shut == 0 {
		f.pushShutdown(unix.SHUT_WR)
	}
	f.s.After(&f.limit, vanishedPatience, f.finish)
	f.turn()
}

// resets reports whether closing the descriptor sends a reset: option linger of {true, 0}.
func (f *faulty) resets() bool {
	b, err := f.System.Option(unix.SOL_SOCKET, unix.SO_LINGER, make([]byte, 8))
	return err == nil && len(b) == 8 && f.s.family != Local &&
		binary.NativeEndian.Uint32(b) != 0 && binary.NativeEndian.Uint32(b[4:]) == 0
}

// finish closes the descriptor.
func (f *faulty) finish() {
	if f.closed {
		return
	}
	f.closed = true
	f.timer.Stop()
	f.limit.Stop()
	delete(f.s.st.faults.faulty, f.s)
	f.System.Close()
}

func (f *faulty) Ready(r Readiness) {
	f.System.Ready(r)
	if r&Writable != 0 {
		f.blocked = false
	}
	switch {
	case f.closing && r&HungUp != 0:
		f.finish() // nobody is there to deliver anything to
		return
	case f.closing && r&PeerClosed != 0:
		// As a rule nobody is there either. Who has only shut down hears what is held, if it
		// is not held for ever.
		f.s.After(&f.limit, finishPatience, f.finish)
	}
	f.turn()
	f.leave()
}

// resetNow resets the connection, for both sides; the socket keeps its descriptor, which is
// connected to nothing. A local socket knows no reset: its peer sees the end of the stream, or a reset if it
// has sent what was not read.
func (s *Socket) resetNow(system System) {
	linger := binary.NativeEndian.AppendUint32(nil, 1)
	_ = system.SetOption(unix.SOL_SOCKET, unix.SO_LINGER, binary.NativeEndian.AppendUint32(linger, 0))
	if fd, err := openSocket(s.family, false); err != nil || replaceDescriptor(s.desc.fd, fd) != nil {
		_ = system.Shutdown(unix.SHUT_RDWR)
	}
}
