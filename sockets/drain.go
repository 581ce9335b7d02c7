package sockets

import (
	"time"

	"golang.org/x/sys/unix"
)

// This file is how all sockets of a Stack end together: in good order, with all that has been
// sent, or at once, with a reset, so that no peer takes what it has got for all there was.

// Drain ends all sockets in good order and has Run return when what they had to send is with the
// kernel. Listeners close at once, and so does a connection with nothing to send; others are
// flushed first. A connection whose peer takes nothing for patience is reset, and so is one with a send of
// which parts are still to come: they never will.
func (st *Stack) Drain(patience time.Duration) {
	for _, s := range st.all() {
		st.guard(s, func() {
			if len(s.out.parts) > 0 {
				s.reset()
			} else {
				s.CloseNow()
			}
		})
	}
	for _, s := range st.all() {
		s.drains = true
		st.draining++
		s.drainWithin(patience)
	}
	if st.draining == 0 {
		st.Stop()
	}
}

// Abort has Run return at once, with all connections reset.
func (st *Stack) Abort() {
	for _, s := range st.all() {
		if s.listener == nil {
			s.desc.resetOnClose()
		}
	}
	st.Stop()
}

// Unsent is how many connections have output that is not with the kernel yet, those included that have
// gone.
func (st *Stack) Unsent() int {
	n := 0
	for _, s := range st.all() {
		if !s.out.empty() || len(s.out.corked) > 0 || len(s.out.parts) > 0 || s.faultsHold() > 0 {
			n++
		}
	}
	return n
}

// all are the sockets whose descriptor is open, those included that have gone.
func (st *Stack) all() []*Socket {
	var all []*Socket
	for i := range st.slots {
		if s, ok := st.slots[i].w.(*Socket); ok && s.desc.fd >= 0 {
			all = append(all, s)
		}
	}
	return all
}

// drainWithin resets the connection if nothing of its output moves for patience.
func (s *Socket) drainWithin(patience time.Duration) {
	before := s.unsent()
	s.after(&s.out.patience, patience, func() {
		if s.unsent() == before {
			s.st.cfg.Log.Warn("a peer has not taken what was sent", "socket", s.id, "octets", before)
			s.reset()
			return
		}
		s.drainWithin(patience)
	})
}

// unsent is the octets that are queued, and those that faults hold.
func (s *Socket) unsent() int { return s.out.octets + s.faultsHold() }

// hasDrained: a socket that Drain has waited for has closed its descriptor.
func (s *Socket) hasDrained() {
	if !s.drains {
		return
	}
	s.drains = false
	if s.st.draining--; s.st.draining == 0 {
		s.st.Stop()
	}
}

// reset ends the connection, and has its peer know that something is missing.
func (s *Socket) reset() {
	s.desc.resetOnClose()
	s.end(unix.ECONNABORTED)
	s.clearOutput()
	s.release()
	if s.desc.fd >= 0 {
		s.closeDescriptor() // whatever holds it
	}
}
