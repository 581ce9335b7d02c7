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
	if !s.bulk || !s.desc.moves() || s.framer.Mode != packet.Raw || len(s.in) > 0 || !s.opts.binary || s.opts.header > 0 ||
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
	return true
}

// ReadInput appends to b what is left of n octets that are known to be there.
func (s *Socket) ReadInput(b []byte, n int) ([]byte, error) {
	for n > 0 {
		at := len(b)
		b = append(b, make([]byte, n)...)
		got, _, err := s.desc.read(b[at:])
		b = b[:at+got]
		n -= got
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return b, err
		}
		if got == 0 {
			return b, ErrClosed
		}
	}
	return b, nil
}
