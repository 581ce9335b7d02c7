package sockets

import "golang.org/x/sys/unix"

// This file is how connections end: which call, or which message, reports it,
// and what the calls after it say. It follows tcp_recv_closed, tcp_recv_error and
// tcp_send_or_shutdown_error of inet_drv.c.

// ending is what a socket that has come to its end has still to report, and who waits for it to close.
type ending struct {
	delayedCloseSend bool // the next send says that the connection is closed, those behind it ENOTCONN
	delayedCloseRecv bool // the same for recv
	delayedReset     bool // and that it has been reset
	closedTold       bool // Closed has been reported
	closers          []*closer
	crashed          bool
	drains           bool // Drain waits for it
}

// endForRecv is what recv says on a socket that is not connected. The first call
// after a failure that no recv has reported yet reports it.
func (s *Socket) endForRecv() error {
	if s.state == gone {
		return ErrClosed
	}
	if !s.delayedCloseRecv {
		return unix.ENOTCONN
	}
	s.delayedCloseRecv, s.delayedCloseSend = false, false
	if s.delayedReset {
		s.delayedReset = false
		return unix.ECONNRESET
	}
	return ErrClosed
}

// endForSend is what send says on a socket that is not connected.
func (s *Socket) endForSend() error {
	if s.state == gone {
		return ErrClosed
	}
	if !s.delayedCloseSend {
		return unix.ENOTCONN
	}
	s.delayedCloseSend = false
	if s.delayedReset {
		return unix.ECONNRESET // kept for the next recv
	}
	return ErrClosed
}

// recvClosed: a read has found the end of the stream, or a reset that is not shown.
func (s *Socket) recvClosed() {
	if !s.abortSenders() {
		s.delayedCloseSend = true
	}
	if s.state == gone {
		return // a close has waited for what has been dropped now
	}
	s.setStrict()
	s.readEnded, s.canRead = true, false
	s.clearInput()
	if s.opts.active.armed() {
		s.tellClosed()
		if s.opts.exitOnClose {
			s.end(nil)
		}
		s.resumeWaiting()
		return
	}
	if s.opts.exitOnClose {
		s.becomeHuskQuietly()
	}
	s.recvFailed(ErrClosed)
	s.resumeWaiting()
}

// recvError: a read, or the framing, has failed.
func (s *Socket) recvError(err error) {
	s.abortSenders()
	if s.state == gone {
		return // a close has waited for what has been dropped now
	}
	s.setStrict()
	s.canRead = false
	s.clearInput()
	if s.opts.active.armed() {
		s.readEnded = true
		s.tellError(err)
		s.tellClosed()
		if s.opts.exitOnClose {
			s.end(err)
		}
		s.resumeWaiting()
		return
	}
	if s.opts.exitOnClose {
		s.becomeHuskQuietly()
	}
	s.recvFailed(err)
	s.resumeWaiting()
}

// abortSenders drops the output of a socket with a blocked sender, or a sendfile,
// and reports whether there was one.
func (s *Socket) abortSenders() bool {
	if s.out.blocked == nil && s.out.files == 0 {
		return false
	}
	b := s.out.blocked
	s.out.blocked = nil
	s.clearOutput()
	if b != nil {
		s.st.stop(&b.timer)
		if b.done != nil {
			b.done.Done(ErrClosed)
		}
	}
	return true
}

// sendFailed: a write has failed. done is the call that made it, nil if nobody waits.
func (s *Socket) sendFailed(err error, done Completer) {
	if err == unix.EPIPE && !s.out.shutdownDone && s.out.shutdownPending == 0 {
		// Unless we have shut down ourselves, the peer has reset the connection.
		err = unix.ECONNRESET
	}
	if s.state == gone {
		s.clearOutput()
		s.release()
		return
	}
	told := ErrClosed
	reset := err == unix.ECONNRESET && s.opts.showEconnreset
	if reset {
		told = err
	}
	var waited Completer
	if b := s.out.blocked; b != nil {
		s.out.blocked = nil
		s.st.stop(&b.timer)
		waited = b.done
	}
	answer := func() (heard bool) {
		for _, c := range [...]Completer{waited, done} {
			if c != nil {
				c.Done(told)
				heard = true
			}
		}
		return heard
	}
	if s.opts.active.armed() {
		if reset {
			s.tellError(err)
		}
		s.tellClosed()
		answer()
		if s.opts.exitOnClose {
			s.end(nil)
		} else {
			s.becomeHusk()
		}
		return
	}
	s.delayedCloseRecv, s.delayedReset = true, reset
	s.becomeHuskQuietly()
	s.recvFailed(ErrClosed)
	if !answer() {
		s.delayedCloseSend = true
	}
	s.resumeWaiting()
}

// tellClosed reports Closed once in the life of a socket.
func (s *Socket) tellClosed() {
	if !s.closedTold && s.state != gone {
		s.closedTold = true
		s.st.sink.Closed(s)
	}
}

// tellError reports an error, and nothing of a socket that has gone.
func (s *Socket) tellError(err error) {
	if s.state != gone {
		s.st.sink.Error(s, err)
	}
}

// tellPassive reports that a count has come to 0.
func (s *Socket) tellPassive() {
	if s.state != gone {
		s.st.sink.Passive(s)
	}
}

// armedAfterEnd: a husk has been armed, so its end becomes a message.
func (s *Socket) armedAfterEnd() {
	if s.delayedReset {
		s.delayedReset = false
		s.tellError(unix.ECONNRESET)
	}
	s.tellClosed()
	if s.opts.exitOnClose {
		s.end(nil)
	}
}

// becomeHusk releases the descriptor and what was queued, and keeps the socket.
func (s *Socket) becomeHusk() {
	s.becomeHuskQuietly()
	s.resumeWaiting()
}

func (s *Socket) becomeHuskQuietly() {
	if s.state == gone {
		return // closed by a callback that has just been called
	}
	s.setState(husk)
	s.clearInput()
	s.clearOutput()
	s.release()
	s.setStrict()
}

// setStrict makes every send a call from now on: there is something to be reported.
func (s *Socket) setStrict() {
	s.out.strict = true
	s.setWindow(0)
}

// end makes the socket gone: whoever waits for it is answered, and reason is what
// monitors hear. Output that is still queued is dropped.
func (s *Socket) end(reason error) { s.finish(reason, false) }

// finish ends the socket; with flush, queued output still goes out in the background.
func (s *Socket) finish(reason error, flush bool) {
	if s.state == gone {
		return
	}
	wasConnected := s.state == connected
	s.setState(gone)
	delete(s.st.sockets, s.id)
	if s.listener != nil {
		s.listener.end(s.st)
	}
	if d := s.dial; d != nil {
		s.dial = nil
		s.st.stop(&d.timer)
		s.st.stop(&d.delay)
		d.done.Opened(nil, ErrClosed)
	}
	s.recvFailed(ErrClosed)
	s.answerBlocked(ErrClosed)
	flush = flush && wasConnected && !s.opts.lingerZero
	s.endWaiting(flush)
	if f := s.out.cutAtFile(); f != nil {
		f.finish(ErrClosed)
	}
	s.st.sink.Gone(s, reason)
	s.clearInput()
	if flush && !s.out.empty() {
		s.awaitParts()
		s.st.later(s) // the connection may have failed already
	} else {
		s.clearOutput()
		s.release()
	}
	s.answerClosers()
}

// endWaiting answers those who wait to send on a socket that has gone. Casts of send have been
// taken as sent: with flush they are.
func (s *Socket) endWaiting(flush bool) {
	for s.out.waiting.count > 0 {
		e := s.out.waiting.take()
		s.out.waitHeld -= len(e.data)
		switch {
		case e.kind == someParts:
			s.resumeParts(e.parts)
		case flush && e.kind == aSend && e.done == nil && s.out.shutdownPending == 0:
			s.out.push(s.sendHeader(len(e.data)))
			s.out.push(e.data)
		default:
			s.refuse(e)
		}
	}
}

// crash ends a socket whose state cannot be trusted.
func (s *Socket) crash() {
	if s.crashed {
		s.release()
		return
	}
	s.crashed = true
	if s.state == connected && s.opts.active.armed() {
		s.tellError(unix.EFAULT)
		s.tellClosed()
	}
	s.end(unix.EFAULT)
	s.release()
}
