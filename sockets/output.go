package sockets

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/internal/iovec"
)

const (
	// maxCork is how much small output may wait for more of it.
	maxCork = 64 << 10
	// corkBelow is the size below which a send may wait.
	corkBelow = 16 << 10
	// keepCorkBuffers is how many buffers are kept for the next time, however many sockets
	// one burst of commands has been for.
	keepCorkBuffers = 64
)

// blockedSender is a call of send that waits for the queue to come down to the low
// watermark.
type blockedSender struct {
	done  Completer
	timer timer
}

// suspendedSend is a send that came while another one was blocked: its data is not
// in the queue, and its send_timeout does not run.
type suspendedSend struct {
	data  []byte
	done  Completer // nil: nobody waits
	ready bool      // no send, only a question whether one might
	file  bool      // octets of a file: no header
	part  bool
	key   int64
	total int
}

// partialSend is a send of which parts have come.
type partialSend struct {
	key         int64
	left        int
	queueBefore int
	size        int
}

// Send sends data; nobody waits for the outcome, which the next call tells. While
// more commands follow (see Stack.Cork), small sends wait for each other.
func (s *Socket) Send(data []byte) {
	switch {
	case s.state != connected:
		return // its end has been, or will be, told
	case s.partial != nil || s.sendSuspended():
		s.suspend(suspendedSend{data: data})
		return
	}
	s.sendUncalled(data)
}

func (s *Socket) sendUncalled(data []byte) {
	if s.shutdownPending != 0 {
		s.sendFailed(unix.EPIPE, nil)
		return
	}
	s.uncredited += len(data)
	header := s.sendHeader(len(data))
	if s.st.cork && s.out.empty() && !s.opts.delaySend && len(data) < corkBelow && len(s.corked) < maxCork {
		if s.corked == nil {
			s.corked = s.st.corkBuffer()
		}
		s.corked = append(append(s.corked, header...), data...)
		if !s.isCorked {
			s.isCorked = true
			s.st.corked = append(s.st.corked, s)
		}
		return
	}
	s.write(header, data, nil)
	s.returnCredit()
}

// SendCall is gen_tcp:send/2: done is answered when the data is in the kernel or in
// the queue and, if the queue was not empty and has passed the high watermark, when
// it has come down to the low one, or send_timeout has run out.
func (s *Socket) SendCall(data []byte, done Completer) {
	switch {
	case s.state != connected:
		done.Done(s.endForSend())
	case s.blocked != nil || s.partial != nil || len(s.suspended) > 0:
		s.suspend(suspendedSend{data: data, done: done})
	default:
		s.sendNow(data, done)
	}
}

// SendFileOctets is SendCall for the octets of a file that the caller has read itself:
// without packet header, and not counted in the statistics, as SendFile.
func (s *Socket) SendFileOctets(data []byte, done Completer) {
	switch {
	case s.state != connected:
		done.Done(s.endForSend())
	case s.blocked != nil || s.partial != nil || len(s.suspended) > 0:
		s.suspend(suspendedSend{data: data, done: done, file: true})
	default:
		s.sendFileNow(data, done)
	}
}

func (s *Socket) sendFileNow(data []byte, done Completer) {
	if s.shutdownPending != 0 {
		s.sendFailed(unix.EPIPE, done)
		return
	}
	s.flushCork()
	if s.state != connected {
		done.Done(s.endForSend())
		return
	}
	before, wasEmpty := s.out.octets, s.out.empty()
	if s.write(nil, data, done) {
		s.sendQueued(before, wasEmpty, len(data), done)
	}
}

// CreditPart counts the octets of a part that nobody has called with the uncalled sends.
func (s *Socket) CreditPart(n int) { s.uncredited += n }

// SendPart sends one part of a send of total octets, which nothing comes between.
// done may be given for the part that completes it.
func (s *Socket) SendPart(key int64, total int, data []byte, done Completer) {
	switch {
	case s.state != connected:
		if done != nil {
			done.Done(s.endForSend())
		}
	case s.partial != nil && s.partial.key == key && !s.partSuspended(key),
		s.partial == nil && s.blocked == nil && len(s.suspended) == 0:
		s.partNow(key, total, data, done)
	default:
		s.suspend(suspendedSend{data: data, done: done, part: true, key: key, total: total})
	}
}

// Busy tells whether a call of send waits, so that others would have to wait behind it.
func (s *Socket) Busy() bool { return s.blocked != nil }

// SendReady is answered when a send would not be suspended.
func (s *Socket) SendReady(done Completer) {
	if s.state != connected || s.blocked == nil && s.partial == nil && len(s.suspended) == 0 {
		done.Done(nil)
		return
	}
	s.suspend(suspendedSend{done: done, ready: true})
}

// CancelSend withdraws the wait of the call with completion done. What it has queued
// stays queued; what it had not yet queued is dropped.
func (s *Socket) CancelSend(done Completer) bool {
	if s.blocked != nil && s.blocked.done == done {
		s.unblock(ErrCancelled)
		return true
	}
	for i := range s.suspended {
		if s.suspended[i].done == done && !s.suspended[i].part {
			s.suspended = append(s.suspended[:i], s.suspended[i+1:]...)
			done.Done(ErrCancelled)
			return true
		}
	}
	return false
}

func (s *Socket) suspend(e suspendedSend) {
	e.data = append([]byte(nil), e.data...)
	s.suspended = append(s.suspended, e)
}

// sendSuspended tells whether an uncalled send would overtake one that came before it.
func (s *Socket) sendSuspended() bool {
	for i := range s.suspended {
		if s.suspended[i].done == nil {
			return true
		}
	}
	return false
}

func (s *Socket) partSuspended(key int64) bool {
	for i := range s.suspended {
		if s.suspended[i].part && s.suspended[i].key == key {
			return true
		}
	}
	return false
}

// sendHeader counts a send of n octets and makes its packet header.
func (s *Socket) sendHeader(n int) []byte {
	header := s.framer.AppendHeader(s.st.header[:0], n)
	s.sent.count(len(header) + n)
	s.userOutput += uint64(n)
	return header
}

func (s *Socket) sendNow(data []byte, done Completer) {
	if s.shutdownPending != 0 {
		s.sendFailed(unix.EPIPE, done)
		return
	}
	s.flushCork()
	if s.state != connected {
		done.Done(s.endForSend())
		return
	}
	header := s.sendHeader(len(data))
	before, wasEmpty := s.out.octets, s.out.empty()
	if !s.write(header, data, done) {
		return
	}
	s.sendQueued(before, wasEmpty, len(header)+len(data), done)
}

// sendQueued decides whether a sender waits: not if the queue was empty, however
// much has been put there now.
func (s *Socket) sendQueued(before int, wasEmpty bool, size int, done Completer) {
	switch {
	case wasEmpty || before+size < s.opts.high:
		done.Done(nil)
	case s.opts.sendTimeout == 0:
		done.Done(ErrTimeout)
	case s.out.octets <= s.opts.low && !s.hasFile():
		done.Done(nil)
	default:
		s.blocked = &blockedSender{done: done}
		if s.opts.sendTimeout > 0 {
			s.after(&s.blocked.timer, milliseconds(s.opts.sendTimeout), s.sendTimedOut)
		}
	}
}

func (s *Socket) partNow(key int64, total int, data []byte, done Completer) {
	if s.shutdownPending != 0 {
		s.sendFailed(unix.EPIPE, done)
		return
	}
	var header []byte
	if s.partial == nil {
		s.flushCork()
		if s.state != connected {
			if done != nil {
				done.Done(s.endForSend())
			}
			return
		}
		header = s.sendHeader(total)
		before := s.out.octets
		if s.out.empty() {
			before = -1
		}
		s.partial = &partialSend{key: key, left: total, queueBefore: before, size: len(header) + total}
	}
	p := s.partial
	p.left -= len(data)
	if p.left <= 0 {
		s.partial = nil
	}
	if !s.write(header, data, done) {
		return
	}
	if p.left <= 0 {
		if done != nil {
			s.sendQueued(p.queueBefore, p.queueBefore < 0, p.size, done)
		}
		s.returnCredit()
		s.resumeSuspended()
	} else if done != nil {
		done.Done(nil)
	}
}

// write writes header and data behind what is queued, and queues what the kernel
// does not take. It tells whether the socket is still connected; if not, done has been
// answered.
func (s *Socket) write(header, data []byte, done Completer) bool {
	if s.out.octets+len(data) > s.st.cfg.MaxQueue {
		s.overflow(done)
		return false
	}
	if !s.out.empty() {
		s.out.push(header)
		s.out.push(data)
		return true
	}
	if s.opts.delaySend || s.st.cfg.DelaySend {
		// The write is made right after this turn.
		s.out.push(s.corked)
		s.dropCork()
		s.out.push(header)
		s.out.push(data)
		s.canWrite = true
		s.st.later(s)
		return true
	}
	var iov [3][]byte
	n := 0
	for _, b := range [...][]byte{s.corked, header, data} {
		if len(b) > 0 {
			iov[n] = b
			n++
		}
	}
	if n == 0 {
		return true
	}
	var written int
	var err error
	if n == 1 && s.partial != nil {
		written, err = writeMore(s.fd, iov[0])
	} else {
		written, err = writev(s.fd, iov[:n])
	}
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		s.sendFailed(err, done)
		return false
	}
	for _, b := range iov[:n] {
		if written >= len(b) {
			written -= len(b)
			continue
		}
		s.out.push(b[written:])
		written = 0
	}
	s.dropCork()
	if !s.out.empty() {
		s.setWindow(0)
		if s.canWrite && err == nil {
			s.st.later(s)
		}
	}
	return true
}

// dropCork gives back the buffer of small sends: an idle socket holds none.
func (s *Socket) dropCork() {
	if s.corked != nil && len(s.st.corkBuffers) < keepCorkBuffers {
		s.st.corkBuffers = append(s.st.corkBuffers, s.corked[:0])
	}
	s.corked = nil
}

// corkBuffer borrows a buffer for small sends.
func (st *Stack) corkBuffer() []byte {
	if n := len(st.corkBuffers); n > 0 {
		b := st.corkBuffers[n-1]
		st.corkBuffers = st.corkBuffers[:n-1]
		return b
	}
	return make([]byte, 0, 1<<10)
}

// flushCork writes the small sends that have waited for each other.
func (s *Socket) flushCork() {
	if len(s.corked) == 0 || s.state != connected {
		return
	}
	if s.out.empty() {
		s.write(nil, nil, nil)
	} else {
		s.out.push(s.corked)
		s.dropCork()
	}
	s.returnCredit()
}

func writev(fd int, iov [][]byte) (int, error) {
	if len(iov) == 1 {
		n, err := unix.Write(fd, iov[0])
		return max(n, 0), err
	}
	return iovec.Write(fd, iov)
}

// output writes from the queue, as far as the kernel takes it.
func (s *Socket) output() {
	for !s.out.empty() {
		var err error
		f := s.out.next().file
		if f != nil {
			err = s.sendFilePart(f)
		} else {
			var vector [iovec.Max][]byte
			var n int
			n, err = writev(s.fd, s.out.gather(vector[:0], iovec.Max))
			if n > 0 {
				s.out.took(n)
			}
		}
		if err == unix.EAGAIN {
			s.canWrite = false
			if f != nil {
				s.st.noBusyWait() // the longer the wait, the more goes at once
			}
			return
		}
		if err != nil && err != unix.EINTR {
			s.sendFailed(err, nil)
			return
		}
		if s.state == gone && s.fd < 0 {
			return
		}
		if s.blocked != nil && s.out.octets <= s.opts.low && !s.hasFile() {
			s.unblock(nil)
		}
	}
	s.outputEmpty()
}

// outputEmpty does what has waited for the queue to be empty.
func (s *Socket) outputEmpty() {
	if s.state == gone {
		s.release()
		return
	}
	s.openWindow()
	if s.shutdownPending != 0 {
		how := s.shutdownPending
		s.shutdownPending = 0
		if err := unix.Shutdown(s.fd, how); err != nil {
			s.sendFailed(err, nil)
			return
		}
		s.shutdownDone = true
	}
	s.closersEmpty()
}

// unblock answers the blocked sender and lets the suspended ones go on.
func (s *Socket) unblock(err error) {
	b := s.blocked
	s.blocked = nil
	s.st.stop(&b.timer)
	b.done.Done(err)
	s.resumeSuspended()
}

func (s *Socket) sendTimedOut() {
	b := s.blocked
	s.blocked = nil
	b.done.Done(ErrTimeout)
	switch {
	case !s.opts.sendTimeoutClose:
		s.resumeSuspended()
	case s.st.cfg.CloseTold && s.opts.active.armed():
		s.tellClosed()
		if s.opts.exitOnClose {
			s.end(nil)
			return
		}
		s.becomeHusk()
	default:
		s.becomeHusk()
	}
}

// resumeSuspended lets suspended sends go on until one of them is blocked.
func (s *Socket) resumeSuspended() {
	for len(s.suspended) > 0 && s.blocked == nil {
		i := 0
		if s.partial != nil {
			for i < len(s.suspended) && !(s.suspended[i].part && s.suspended[i].key == s.partial.key) {
				i++
			}
			if i == len(s.suspended) {
				return
			}
		}
		e := s.suspended[i]
		s.suspended = append(s.suspended[:i], s.suspended[i+1:]...)
		switch {
		case s.state != connected:
			if e.done != nil {
				e.done.Done(s.endForSend())
			}
		case e.ready:
			e.done.Done(nil)
		case e.part:
			s.partNow(e.key, e.total, e.data, e.done)
		case e.done == nil:
			s.sendUncalled(e.data)
		case e.file:
			s.sendFileNow(e.data, e.done)
		default:
			s.sendNow(e.data, e.done)
		}
	}
}

// pending is the octets that the kernel has not taken.
func (s *Socket) pending() int { return s.out.octets + len(s.corked) }

func (s *Socket) clearOutput() {
	for !s.out.empty() {
		if f := s.out.next().file; f != nil {
			s.out.drop()
			f.finish(ErrClosed)
			continue
		}
		s.out.drop()
	}
	s.out = queue{}
	s.dropCork()
	s.closersEmpty()
}

// overflow ends a socket whose queue has reached Config.MaxQueue.
func (s *Socket) overflow(done Completer) {
	if done != nil {
		done.Done(unix.ENOBUFS)
	}
	s.st.cfg.Log.Warn("output queue is full", "socket", s.id, "octets", s.out.octets)
	if s.opts.active.armed() {
		s.st.sink.Error(s, unix.ENOBUFS)
		s.tellClosed()
	}
	s.end(unix.ENOBUFS)
}
