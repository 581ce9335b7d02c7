package sockets

// waitingSend is an entry of the output that is not in the queue yet: its send_timeout does
// not run.
type waitingSend struct {
	kind  waitingKind
	data  []byte
	done  Completer // nil: nobody waits
	file  *fileSend
	parts *partialSend
	how   int
}

// waitingKind is which of its fields an entry has.
type waitingKind uint8

const (
	aSend     waitingKind = iota // data, and done if it is a call
	aChunk                       // the same, octets of a file: without header
	aFile                        // file
	aQuestion                    // done: no send, only whether one might
	someParts                    // parts, of which all may have come
	aShutdown                    // how: behind casts of send that wait
)

// waitToSend puts e in the line of those who wait.
func (s *Socket) waitToSend(e waitingSend) {
	if !s.fits(len(e.data)) {
		s.overflow(e.done)
		return
	}
	e.data = append([]byte(nil), e.data...)
	s.out.waitHeld += len(e.data)
	p := s.out.waiting.add(e.done, e)
	if e.parts != nil {
		e.parts.place = p
	}
}

// fits reports whether n more octets may be held.
func (s *Socket) fits(n int) bool { return s.out.held+s.out.waitHeld+n <= s.st.cfg.MaxQueue }

// resumeWaiting lets those who wait go on until one of them is blocked.
func (s *Socket) resumeWaiting() {
	for s.out.waiting.count > 0 && s.out.blocked == nil {
		e := s.out.waiting.take()
		s.out.waitHeld -= len(e.data)
		switch {
		case e.kind == someParts:
			s.resumeParts(e.parts)
		case s.state != connected:
			s.refuse(e)
		case e.kind == aQuestion:
			e.done.Done(nil)
		case e.kind == aShutdown:
			s.shutdownBehindQueue(e.how)
		case e.kind == aFile:
			s.out.fileWaits = false
			s.queueFile(e.file)
		case e.done == nil:
			s.sendUncalled(e.data)
		default:
			s.sendNow(e)
		}
	}
}

// refuse answers one who has waited for a connection that has ended.
func (s *Socket) refuse(e waitingSend) {
	switch {
	case e.kind == aFile:
		s.out.fileWaits = false
		e.file.finish(ErrClosed)
	case e.done != nil:
		e.done.Done(s.endForSend())
	}
}
