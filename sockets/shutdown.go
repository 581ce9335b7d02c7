package sockets

import "golang.org/x/sys/unix"

// Shutdown is gen_tcp:shutdown/2; how is unix.SHUT_RD, SHUT_WR or SHUT_RDWR. With output
// queued, the writing side is shut down behind it.
func (s *Socket) Shutdown(how int) error {
	switch {
	case s.state == gone:
		return ErrClosed
	case s.state != connected:
		return unix.ENOTCONN
	}
	s.flushCork()
	if s.state != connected {
		return unix.ENOTCONN
	}
	if how != unix.SHUT_RD {
		s.setStrict()
		if s.out.waiting.count > 0 {
			s.shutdownBehindWaiting(how)
			return nil
		}
		if !s.out.empty() {
			s.shutdownBehindQueue(how)
			return nil
		}
	}
	if err := s.desc.shutdown(how); err != nil {
		return err
	}
	if how != unix.SHUT_WR {
		s.canRead = true // the end of the stream is there now
		s.st.later(s)
	}
	return nil
}

// shutdownBehindQueue shuts the writing side down once the queue has been sent.
func (s *Socket) shutdownBehindQueue(how int) {
	if s.out.shutdownPending == 0 {
		s.out.shutdownPending = how
		s.out.pushShutdown(how)
		s.st.later(s)
		return
	}
	for i := range s.out.segments {
		if seg := s.out.at(i); seg.shutdown != 0 && seg.shutdown != how {
			seg.shutdown = unix.SHUT_RDWR
		}
	}
}

// shutdownBehindWaiting does not wait for senders that wait: they are answered that the socket is closed.
// But casts of send have been taken as sent.
func (s *Socket) shutdownBehindWaiting(how int) {
	p := s.out.waiting.last
	for p != nil && (p.value.kind != aSend || p.value.done != nil) {
		p = p.prev
	}
	if p == nil {
		s.shutdownBehindQueue(how)
		return
	}
	s.out.waiting.addBehind(p, nil, waitingSend{kind: aShutdown, how: how})
}
