package sockets

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// spliceFrom is the size from which on moving a raw chunk within the kernel is worth
// the extra system calls.
const spliceFrom = 32 << 10

// Splicer is a Sink, or a Receiver, that can take a raw packet of n octets from where it is,
// in the kernel, with SpliceTo and ReadInput, and takes all of it if it takes any.
type Splicer interface {
	Splice(s *Socket, n int) bool
}

// splice delivers a raw packet without reading it, if it is long enough, the last one was, and
// its taker can do that.
func (s *Socket) splice() bool {
	if !s.bulk || s.shared || !s.desc.moves() || s.framer.Mode != packet.Raw || len(s.in) > 0 || !s.opts.binary || s.opts.header > 0 ||
		s.opts.deliverPort || s.opts.capped {
		return false
	}
	available := s.desc.available()
	n := min(available, maxPiece)
	taker, ok := s.st.sink.(Splicer)
	if r := s.recv.r; r != nil && !s.opts.active.armed() {
		if s.recv.want > min(available, 2*readSize) {
			return false
		}
		if s.recv.want > 0 {
			n = s.recv.want
		}
		taker, ok = r.(Splicer)
	}
	if !ok || n < spliceFrom || !taker.Splice(s, n) {
		s.bulk = false
		return false
	}
	s.received.count(n)
	if s.opts.active.armed() {
		if s.opts.active.delivered() {
			s.st.sink.Passive(s)
		}
	} else {
		s.recv.r = nil
		s.st.stop(&s.recv.timer)
	}
	if s.inputLost {
		s.crash()
	}
	return true
}

// ReadInput appends to b what is left of n octets that are known to be there. If they are not,
// because another process has the descriptor and has read them, or because the kernel fails, b is filled up
// with zeros, and the socket ends with EFAULT as soon as the Splice that has asked returns: whoever takes
// the packet may have said already how long it is.
func (s *Socket) ReadInput(b []byte, n int) []byte {
	for n > 0 {
		at := len(b)
		b = append(b, make([]byte, n)...)
		got, _, err := s.desc.read(b[at:])
		if err == unix.EINTR {
			b = b[:at]
			continue
		}
		if err != nil || got == 0 {
			s.inputLost = true
			s.st.cfg.Log.Error("input that was there cannot be read", "socket", s.id, "octets", n, "reason", err)
			clear(b[at:])
			return b
		}
		b = b[:at+got]
		n -= got
	}
	return b
}
