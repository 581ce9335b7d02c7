package sockets

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/internal/iovec"
)

const (
	// writesATurn and octetsATurn bound how long one socket keeps the others waiting.
	writesATurn = 16
	octetsATurn = 1 << 20
)

// output is what a socket has to send, in one order: the queue, whose octets go to the kernel as
// it takes them, and behind it those who wait to get there.
//
// There is one rule for who waits: as long as a sender is blocked, whoever comes to send waits
// behind it; so does a cast of send if anybody waits already. All others go to the queue at
// once, behind what is there, also if that is a send of which parts are still to come.
type output struct {
	queue
	waiting   fifo[Completer, waitingSend]
	waitHeld  int            // octets of those who wait
	blocked   *blockedSender // nil, or the last call of send in the queue
	fileWaits bool           // a file does
	parts     []*partialSend // sends of which parts are to come
	corked    []byte         // small sends that wait for each other
	isCorked  bool

	patience        Timer // with the parts of a socket that has gone
	shutdownPending int   // unix.SHUT_WR or SHUT_RDWR if it is in the queue, else 0
	shutdownDone    bool

	uncredited int
	window     int
	strict     bool // every send is to be a call: the end is near
	callsOnly  bool // the same, as long as somebody wants it
}

// blockedSender is a call of send that waits for the queue to come down to the low
// watermark.
type blockedSender struct {
	done  Completer    // nil: only the last part of parts is answered
	parts *partialSend // nil, or the send whose last part the call is
	timer Timer
}

// Send sends data; nobody waits for the outcome, which the next call reports. While
// more commands follow (see Stack.Cork), small sends wait for each other.
func (s *Socket) Send(data []byte) {
	switch {
	case s.state != connected:
		return // its end has been, or will be, reported
	case s.out.waiting.count > 0:
		s.waitToSend(waitingSend{kind: aSend, data: data})
		return
	}
	s.sendUncalled(data)
}

func (s *Socket) sendUncalled(data []byte) {
	if s.out.shutdownPending != 0 {
		s.sendFailed(unix.EPIPE, nil)
		return
	}
	s.out.uncredited += len(data)
	header := s.sendHeader(len(data))
	if s.st.cork && s.out.empty() && !s.opts.delaySend && len(data) < corkBelow && len(s.out.corked) < maxCork {
		if s.out.corked == nil {
			s.out.corked = s.st.corkBuffer()
		}
		s.out.corked = append(append(s.out.corked, header...), data...)
		if !s.out.isCorked {
			s.out.isCorked = true
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
	s.sendCalled(waitingSend{kind: aSend, data: data, done: done})
}

// SendFileOctets is SendCall for the octets of a file that the caller has read itself:
// without packet header, and not counted in the statistics, as SendFile.
func (s *Socket) SendFileOctets(data []byte, done Completer) {
	s.sendCalled(waitingSend{kind: aChunk, data: data, done: done})
}

func (s *Socket) sendCalled(e waitingSend) {
	switch {
	case s.state != connected:
		e.done.Done(s.endForSend())
	case s.mustWait():
		s.waitToSend(e)
	default:
		s.sendNow(e)
	}
}

// mustWait is the rule for who waits.
func (s *Socket) mustWait() bool { return s.out.blocked != nil || s.out.waiting.count > 0 }

// Busy reports whether a call of send waits, so that others would have to wait behind it.
func (s *Socket) Busy() bool { return s.out.blocked != nil }

// Parted reports whether a part of a send has come, and the one that completes it has not.
func (s *Socket) Parted(key int64) bool { return s.findParts(key) != nil }

// SendReady is answered when a send would not have to wait.
func (s *Socket) SendReady(done Completer) {
	if s.state != connected || !s.mustWait() {
		done.Done(nil)
		return
	}
	s.waitToSend(waitingSend{kind: aQuestion, done: done})
}

// CancelSend withdraws the wait of the call with completion done. What it has queued
// stays queued; what it had not yet queued is dropped.
func (s *Socket) CancelSend(done Completer) bool {
	if s.out.blocked != nil && s.out.blocked.done == done {
		s.unblock(ErrCancelled)
		return true
	}
	p := s.out.waiting.find(done)
	if p == nil {
		return false
	}
	s.out.waitHeld -= len(p.value.data)
	s.out.waiting.remove(p)
	done.Done(ErrCancelled)
	return true
}

// sendHeader counts a send of n octets and makes its packet header.
func (s *Socket) sendHeader(n int) []byte {
	header := s.framer.AppendHeader(s.st.header[:0], n)
	s.sent.count(len(header) + n)
	s.userOutput += uint64(n)
	return header
}

func (s *Socket) sendNow(e waitingSend) {
	if s.out.shutdownPending != 0 {
		s.sendFailed(unix.EPIPE, e.done)
		return
	}
	s.flushCork()
	if s.state != connected {
		e.done.Done(s.endForSend())
		return
	}
	var header []byte
	if e.kind == aSend {
		header = s.sendHeader(len(e.data))
	}
	before := s.queueBefore()
	if s.write(header, e.data, e.done) {
		s.sendQueued(before, len(header)+len(e.data), e.done)
	}
}

// queueBefore is the length of the queue, -1 if it is empty.
func (s *Socket) queueBefore() int {
	if s.out.empty() {
		return -1
	}
	return s.out.octets
}

// sendQueued decides whether the sender of size octets blocks: not if the queue was empty before,
// however much has been put there now.
func (s *Socket) sendQueued(before, size int, done Completer) {
	switch {
	case !s.isLong(before, size):
		done.Done(nil)
	case s.opts.sendTimeout == 0:
		done.Done(ErrTimeout)
	case s.isShort():
		done.Done(nil)
	default:
		s.block(&blockedSender{done: done})
	}
}

// isLong reports whether a send of size octets makes a queue too long for its sender.
func (s *Socket) isLong(before, size int) bool { return before >= 0 && before+size >= s.opts.high }

// isShort reports whether the queue is short enough for a blocked sender to go on.
func (s *Socket) isShort() bool { return s.out.octets <= s.opts.low && s.out.files == 0 }

func (s *Socket) block(b *blockedSender) {
	s.out.blocked = b
	if b.done != nil && s.opts.sendTimeout > 0 {
		s.after(&b.timer, milliseconds(s.opts.sendTimeout), s.sendTimedOut)
	}
}

// write writes header and data behind what is queued, and queues what the kernel
// does not take. It reports whether the socket is still connected; if not, done has been
// answered.
func (s *Socket) write(header, data []byte, done Completer) bool {
	if !s.fits(len(data)) {
		s.overflow(done)
		return false
	}
	if !s.out.empty() {
		s.out.push(header)
		s.out.push(data)
		return true
	}
	if s.delays() {
		// The write is made right after this turn.
		s.out.push(s.out.corked)
		s.dropCork()
		s.out.push(header)
		s.out.push(data)
		s.canWrite = true
		s.st.later(s)
		return true
	}
	var iov [3][]byte
	n := pieces(&iov, s.out.corked, header, data)
	if n == 0 {
		return true
	}
	written, err := s.desc.write(iov[:n], false)
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		s.sendFailed(err, done)
		return false
	}
	for _, b := range iov[:n] {
		k := min(max(written, 0), len(b))
		s.out.push(b[k:])
		written -= k
	}
	s.dropCork()
	s.leftover(err)
	return true
}

// pieces gathers those that are not empty.
func pieces(iov *[3][]byte, all ...[]byte) (n int) {
	for _, b := range all {
		if len(b) > 0 {
			iov[n] = b
			n++
		}
	}
	return n
}

// leftover sees to what a write, which has ended with err, has left in the queue.
func (s *Socket) leftover(err error) {
	if s.out.empty() {
		return
	}
	s.setWindow(0)
	if s.canWrite && err == nil {
		s.st.later(s)
	}
}

// output writes from the queue, as far as the kernel takes it and the turn goes.
func (s *Socket) output() {
	for writes, octets := 0, 0; !s.out.empty(); writes++ {
		if s.out.waitsForParts() {
			return
		}
		if writes == writesATurn || octets >= octetsATurn {
			s.st.later(s)
			return
		}
		n, err := s.outputOnce(octetsATurn - octets)
		octets += n
		if err == unix.EAGAIN {
			s.canWrite = false
			return
		}
		if err != nil && err != unix.EINTR {
			s.sendFailed(err, nil)
			return
		}
		if !s.desc.open() {
			return // what was reported has ended it
		}
		if s.out.blocked != nil && s.isShort() {
			s.unblock(nil)
		}
	}
	if s.desc.open() {
		s.outputEmpty()
	}
}

// outputOnce makes one call for what is at the front of the queue.
func (s *Socket) outputOnce(most int) (n int, err error) {
	seg := s.out.front()
	switch {
	case seg.file != nil:
		if n, err = s.sendFilePart(seg.file, most); err == unix.EAGAIN {
			s.st.noBusyWait() // the longer the wait, the more goes at once
		}
		return n, err
	case seg.shutdown != 0:
		how := seg.shutdown
		s.out.drop()
		s.out.shutdownPending, s.out.shutdownDone = 0, true
		return 0, s.desc.shutdown(how)
	}
	var vector [iovec.Max][]byte
	n, err = s.desc.write(s.out.gather(vector[:0], iovec.Max), false)
	if n > 0 {
		s.out.took(n)
	}
	return n, err
}

// outputEmpty does what has waited for the queue to be empty.
func (s *Socket) outputEmpty() {
	if s.state == gone {
		s.release()
		return
	}
	s.openWindow()
	s.closersEmpty()
}

// unblock answers the blocked sender and lets those behind it go on.
func (s *Socket) unblock(err error) {
	s.answerBlocked(err)
	s.resumeWaiting()
}

// answerBlocked ends the wait of the blocked sender, if there is one.
func (s *Socket) answerBlocked(err error) {
	b := s.out.blocked
	if b == nil {
		return
	}
	s.out.blocked = nil
	s.st.stop(&b.timer)
	if b.done == nil {
		b.parts.passed, b.parts.outcome = true, err
		return
	}
	b.done.Done(err)
}

func (s *Socket) sendTimedOut() {
	b := s.out.blocked
	s.out.blocked = nil
	b.done.Done(ErrTimeout)
	switch {
	case !s.opts.sendTimeoutClose:
		s.resumeWaiting()
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

// pending is the octets that the kernel has not taken.
func (s *Socket) pending() int { return s.out.octets + len(s.out.corked) }

// clearOutput drops the queue. What is still to come of it is dropped when it comes.
func (s *Socket) clearOutput() {
	if f := s.out.cutAtFile(); f != nil {
		f.finish(ErrClosed)
	}
	for _, p := range s.out.parts {
		if p.place == nil {
			p.dropped = true
			p.have = queue{}
		}
	}
	s.out.queue = queue{}
	s.out.shutdownPending = 0
	s.dropCork()
	s.closersEmpty()
}

// overflow ends a socket whose queue has reached Config.MaxQueue.
func (s *Socket) overflow(done Completer) {
	if done != nil {
		done.Done(unix.ENOBUFS)
	}
	s.st.cfg.Log.Warn("output queue is full", "socket", s.id, "octets", s.out.held+s.out.waitHeld)
	if s.opts.active.armed() {
		s.tellError(unix.ENOBUFS)
		s.tellClosed()
	}
	s.end(unix.ENOBUFS)
}
