package sockets

import (
	"slices"

	"golang.org/x/sys/unix"
)

// A send in parts has its place in the output from its first part on, and counts in full from
// then on: what comes behind it stays behind all of its parts. A shutdown and a close wait for
// them as for what is queued; a socket that has gone, because somebody has closed it or its owner
// is no longer there, takes the parts of what has begun until the last one has come, or none has
// come for a while.

// partialSend is a send that comes in parts.
type partialSend struct {
	key   int64
	left  int // octets that are to come
	have  queue
	place *place[Completer, waitingSend] // while it waits
	done  Completer                      // of the last part, which has come while it waits
	total int

	queueBefore int // -1 if it was empty
	size        int
	passed      bool  // it was blocked, and its wait is over already
	outcome     error // what the wait ended with: nil where the queue came down
	dropped     bool  // what is still to come is not sent
}

// CreditPart counts the octets of a part that is cast with those of casts of send.
func (s *Socket) CreditPart(n int) { s.out.uncredited += n }

// Sending finds a socket that has not gone, or one that has and still takes the parts of what had
// begun before: no other part should be given to it.
func (st *Stack) Sending(id ID) (*Socket, bool) {
	if s, ok := st.sockets[id]; ok {
		return s, true
	}
	s, ok := st.ending[id]
	return s, ok
}

func (s *Socket) findParts(key int64) *partialSend {
	for _, p := range s.out.parts {
		if p.key == key {
			return p
		}
	}
	return nil
}

// SendPart sends one part of a send of total octets, which nothing comes between.
// done may be given for the part that completes it.
func (s *Socket) SendPart(key int64, total int, data []byte, done Completer) {
	p := s.findParts(key)
	var header []byte
	switch {
	case p == nil && s.state != connected:
		if done != nil {
			done.Done(s.endForSend())
		}
		return
	case p == nil && s.mustWait():
		p = &partialSend{key: key, total: total, left: total}
		s.waitToSend(waitingSend{kind: someParts, parts: p})
		s.out.parts = append(s.out.parts, p)
	case p == nil:
		p = s.st.newParts()
		p.key, p.total, p.left = key, total, total
		var err error
		if header, err = s.beginParts(p, !s.delays()); err != nil {
			s.partsFailed(err, done)
			return
		}
		s.out.parts = append(s.out.parts, p)
	}
	if !p.dropped && !s.fits(len(data)) {
		s.overflow(done)
		return
	}
	if s.state == gone {
		s.after(&s.out.patience, closePatience, s.partsLate)
	}
	last := len(data) >= p.left
	if extra := len(data) - p.left; extra > 0 && p.place == nil && !p.dropped {
		s.out.octets += extra
	}
	p.left = max(p.left-len(data), 0)
	if last {
		i := slices.Index(s.out.parts, p)
		s.out.parts = slices.Delete(s.out.parts, i, i+1)
	}
	switch {
	case p.dropped:
		if done != nil {
			done.Done(ErrClosed)
		}
	case p.place != nil: // it waits
		p.have.push(data)
		s.out.waitHeld += len(data)
		if last {
			p.done = done
		} else if done != nil {
			done.Done(nil)
		}
	default:
		s.part(p, header, data, last, done)
	}
}

// beginParts gives a send its place in the queue. direct: if nothing is queued its packet header
// is returned, to be written with what has come of it.
func (s *Socket) beginParts(p *partialSend, direct bool) (header []byte, err error) {
	if s.out.shutdownPending != 0 {
		return nil, unix.EPIPE
	}
	s.flushCork()
	if s.state != connected {
		return nil, ErrClosed
	}
	header = s.sendHeader(p.total)
	p.queueBefore, p.size = s.queueBefore(), len(header)+p.total
	if !direct || !s.out.empty() {
		s.out.push(header)
		header = nil
	}
	s.out.pushParts(p)
	s.out.octets += len(header)
	if s.isLong(p.queueBefore, p.size) && s.opts.sendTimeout != 0 {
		s.block(&blockedSender{parts: p})
	}
	return header, nil
}

// partsFailed ends the send whose place was refused.
func (s *Socket) partsFailed(err error, done Completer) {
	if err == unix.EPIPE {
		s.sendFailed(err, done)
	} else if done != nil {
		done.Done(s.endForSend())
	}
}

// delays reports whether what is sent is written right after this turn, and not at once.
func (s *Socket) delays() bool { return s.opts.delaySend }

// part sends one part of a send that has its place in the queue.
func (s *Socket) part(p *partialSend, header, data []byte, last bool, done Completer) {
	if s.out.front().parts != p || !p.have.empty() || s.delays() {
		s.out.pushPart(p, data)
		s.canWrite = s.canWrite || s.delays()
		s.st.later(s)
	} else if !s.partDirect(p, header, data, done) {
		return
	}
	if !last {
		if done != nil {
			done.Done(nil)
		}
		return
	}
	s.partsComplete(p, done)
}

// partDirect writes a part of the send at the front, of which nothing is queued.
func (s *Socket) partDirect(p *partialSend, header, data []byte, done Completer) bool {
	var iov [3][]byte
	n := pieces(&iov, header, data)
	if n == 0 {
		return true
	}
	written, err := s.desc.write(iov[:n], n == 1 && p.left > 0)
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		s.sendFailed(err, done)
		return false
	}
	s.out.octets -= max(written, 0)
	for _, b := range iov[:n] {
		k := min(max(written, 0), len(b))
		s.out.pushPart(p, b[k:])
		written -= k
	}
	if !p.have.empty() {
		s.leftover(err)
	}
	return true
}

// partsComplete: the last part has come.
func (s *Socket) partsComplete(p *partialSend, done Completer) {
	b := s.out.blocked
	mine := b != nil && b.parts == p
	ended := s.out.dropFinished()
	switch {
	case mine && done == nil:
		s.out.blocked = nil
	case mine && s.isShort():
		s.out.blocked = nil
		done.Done(nil)
	case mine:
		b.done, b.parts = done, nil
		s.block(b)
	case done == nil:
	case p.outcome != nil:
		done.Done(p.outcome)
	case p.passed || !s.isLong(p.queueBefore, p.size):
		done.Done(nil)
	case s.opts.sendTimeout == 0:
		done.Done(ErrTimeout)
	default:
		done.Done(nil)
	}
	if s.state == gone {
		s.allPartsHaveCome()
	}
	if s.desc.open() && ended {
		s.st.keptParts = p
		if s.out.empty() {
			s.partsEmpty()
		} else {
			s.st.later(s)
		}
	}
	if s.out.blocked != nil && s.isShort() {
		s.unblock(nil) // it may have been a send of nothing, so no write sees to that
		return
	}
	s.resumeWaiting()
}

// awaitParts has a socket that has gone take the parts of what had begun before.
func (s *Socket) awaitParts() {
	for _, p := range s.out.parts {
		if !p.dropped {
			s.st.ending[s.id] = s
			s.after(&s.out.patience, closePatience, s.partsLate)
			return
		}
	}
}

// allPartsHaveCome ends that once there is nothing to wait for.
func (s *Socket) allPartsHaveCome() {
	for _, p := range s.out.parts {
		if !p.dropped {
			return
		}
	}
	s.forgetParts()
}

func (s *Socket) forgetParts() {
	delete(s.st.ending, s.id)
	s.st.stop(&s.out.patience)
}

// newParts gives a new send in parts.
func (st *Stack) newParts() *partialSend {
	p := st.keptParts
	if p == nil {
		return &partialSend{}
	}
	st.keptParts = nil
	*p = partialSend{}
	return p
}

// partsEmpty does what has waited for the queue to be empty, which it is now that the last part
// has gone straight to the kernel.
func (s *Socket) partsEmpty() {
	if s.state != gone && s.out.window > 0 {
		s.returnCredit()
		s.closersEmpty()
		return
	}
	s.outputEmpty()
}

// resumeParts gives a send that has waited its place in the queue.
func (s *Socket) resumeParts(p *partialSend) {
	p.place = nil
	s.out.waitHeld -= p.have.held
	complete := p.left == 0
	err := error(ErrClosed)
	if s.state == connected {
		_, err = s.beginParts(p, false)
	}
	if err != nil {
		p.dropped, p.have = true, queue{}
		if complete {
			s.partsFailed(err, p.done)
		} else if err == unix.EPIPE {
			s.sendFailed(err, nil)
		}
		return
	}
	s.st.later(s)
	if complete {
		s.partsComplete(p, p.done)
	}
}

// partsLate ends a socket that has gone, of which a part has not come for too long: nobody may
// take for a whole what its peer has.
func (s *Socket) partsLate() {
	s.st.cfg.Log.Warn("a send has not been completed", "socket", s.id)
	s.desc.resetOnClose()
	s.clearOutput()
	s.release()
}
