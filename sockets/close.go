package sockets

import "time"

const (
	// How long close waits for queued output, and how long for any of it to move,
	// as in prim_inet:close/1.
	closePatience   = 180 * time.Second
	closeInactivity = 5 * time.Second
)

// closer is a call of close that waits for the queue to be empty.
type closer struct {
	done   Completer
	queued int // when the call came
	timer  Timer
	limit  Timer
}

// Close closes the socket as gen_tcp:close/1 does. done is answered when stock close would
// return: at once if no output is queued; with linger {true, N} after N seconds at the
// latest; else when the queue is empty or has not moved for a while. What is queued by
// then is flushed in the background.
func (s *Socket) Close(done Completer) {
	if s.state == gone {
		done.Done(nil)
		return
	}
	s.flushCork()
	if s.state != connected || s.out.empty() || s.opts.lingerZero {
		s.closeNow()
		done.Done(nil)
		return
	}
	c := &closer{done: done, queued: s.out.octets}
	patience := closePatience
	if l, err := s.desc.linger(); err == nil && l[0] != 0 {
		patience = time.Duration(l[1]) * time.Second
	}
	s.after(&c.limit, patience, s.closeNow)
	s.after(&c.timer, closeInactivity, func() { s.closerInactive(c) })
	s.closers = append(s.closers, c)
}

// CloseNow closes the socket without waiting: what is queued is flushed in the
// background.
func (s *Socket) CloseNow() {
	if s.state == gone {
		return
	}
	s.flushCork()
	s.closeNow()
}

func (s *Socket) closeNow() { s.finish(nil, true) }

// closerInactive gives up if the queue is as long as it was when close began; if it
// has moved at all, the call waits on.
func (s *Socket) closerInactive(c *closer) {
	if s.out.octets == c.queued {
		s.closeNow()
		return
	}
	s.after(&c.timer, closeInactivity, func() { s.closerInactive(c) })
}

// closersEmpty ends the socket if a close has waited for the queue to be empty.
func (s *Socket) closersEmpty() {
	if len(s.closers) > 0 && s.state != gone {
		s.closeNow()
	}
}

func (s *Socket) answerClosers() {
	closers := s.closers
	s.closers = nil
	for _, c := range closers {
		s.st.stop(&c.timer)
		s.st.stop(&c.limit)
		c.done.Done(nil)
	}
}
