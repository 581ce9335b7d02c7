package sockets

import "golang.org/x/sys/unix"

// This file is how connections end: which call, or which message, tells about it,
// and what the calls after it say. It follows tcp_recv_closed, tcp_recv_error and
// tcp_send_or_shutdown_error of inet_drv.c.

// endForRecv is what recv says on a socket that is not connected. The first call
// after a failure that no recv has told yet hears of it.
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
	s.setStrict()
	s.readEnded, s.canRead = true, false
	s.clearInput()
	if s.opts.active.armed() {
		s.tellClosed()
		if s.opts.exitOnClose {
			s.end(nil)
		}
		s.resumeSuspended()
		return
	}
	if s.opts.exitOnClose {
		s.becomeHuskQuietly()
	}
	s.recvFailed(ErrClosed)
	s.resumeSuspended()
}

// recvError: a read, or the framing, has failed.
func (s *Socket) recvError(err error) {
	s.abortSenders()
	s.setStrict()
	s.canRead = false
	s.clearInput()
	if s.opts.active.armed() {
		s.readEnded = true
		s.st.sink.Error(s, err)
		s.tellClosed()
		if s.opts.exitOnClose {
			s.end(err)
		}
		s.resumeSuspended()
		return
	}
	if s.opts.exitOnClose {
		s.becomeHuskQuietly()
	}
	s.recvFailed(err)
	s.resumeSuspended()
}

// abortSenders drops the output of a socket with a blocked sender, or a sendfile,
// and tells whether there was one.
func (s *Socket) abortSenders() bool {
	if s.blocked == nil && !s.hasFile() {
		return false
	}
	b := s.blocked
	s.blocked = nil
	s.clearOutput()
	if b != nil {
		s.st.stop(&b.timer)
		b.done.Done(ErrClosed)
	}
	return true
}

// sendFailed: a write has failed. done is the call that made it, nil if nobody waits.
func (s *Socket) sendFailed(err error, done Completer) {
	if err == unix.EPIPE && !s.shutdownDone && s.shutdownPending == 0 {
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
	if b := s.blocked; b != nil {
		s.blocked = nil
		s.st.stop(&b.timer)
		done = b.done
	}
	if s.opts.active.armed() {
		if reset {
			s.st.sink.Error(s, err)
		}
		s.tellClosed()
		if done != nil {
			done.Done(told)
		}
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
	if done != nil {
		done.Done(told)
	} else {
		s.delayedCloseSend = true
	}
	s.resumeSuspended()
}

// tellClosed tells Closed once in the life of a socket.
func (s *Socket) tellClosed() {
	if !s.closedTold {
		s.closedTold = true
		s.st.sink.Closed(s)
	}
}

// armedAfterEnd: a husk has been armed, so its end becomes a message.
func (s *Socket) armedAfterEnd() {
	if s.delayedReset {
		s.delayedReset = false
		s.st.sink.Error(s, unix.ECONNRESET)
	}
	s.tellClosed()
	if s.opts.exitOnClose {
		s.end(nil)
	}
}

// becomeHusk releases the descriptor and what was queued, and keeps the socket.
func (s *Socket) becomeHusk() {
	s.becomeHuskQuietly()
	s.resumeSuspended()
}

func (s *Socket) becomeHuskQuietly() {
	if s.state == gone {
		return // closed by a callback that has just been told
	}
	s.setState(husk)
	s.clearInput()
	s.clearOutput()
	s.partial = nil
	s.release()
	s.setStrict()
}

// setStrict makes every send a call from now on: there is something to be told.
func (s *Socket) setStrict() {
	s.strict = true
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
	s.partial = nil
	if b := s.blocked; b != nil {
		s.blocked = nil
		s.st.stop(&b.timer)
		b.done.Done(ErrClosed)
	}
	s.resumeSuspended()
	s.st.sink.Gone(s, reason)
	s.clearInput()
	if !flush || !wasConnected || s.out.empty() || s.opts.lingerZero || s.hasFile() {
		s.clearOutput()
		s.release()
	} else {
		s.st.later(s) // the connection may have failed already
	}
	s.answerClosers()
}

// crash ends a socket whose state cannot be trusted.
func (s *Socket) crash() {
	if s.crashed {
		s.release()
		return
	}
	s.crashed = true
	if s.state == connected && s.opts.active.armed() {
		s.st.sink.Error(s, unix.EFAULT)
		s.tellClosed()
	}
	s.end(unix.EFAULT)
	s.release()
}

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
		if !s.out.empty() {
			s.shutdownPending = how
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
