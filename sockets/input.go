package sockets

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

const (
	// maxRecv is the largest length of a Recv, as in inet_drv.c (TCP_MAX_PACKET_SIZE).
	maxRecv = 64 << 20
	// Packets that are taken one at a time are read in pieces of this size: what
	// is read ahead stays in memory until somebody asks for it.
	readAheadSize = 64 << 10
	// readsATurn bounds how long one socket keeps the others waiting.
	readsATurn = 4
)

// receiver is a Recv that waits.
type receiver struct {
	r     Receiver
	want  int // octets, 0 for a packet
	timer timer
}

// Recv is gen_tcp:recv/3: a packet of the socket's packet mode, or in raw mode exactly
// length octets if length > 0. A negative timeout (in milliseconds) waits for ever, 0
// takes only what has arrived.
func (s *Socket) Recv(length int, timeout int64, r Receiver) {
	if err := s.mayRecv(length); err != nil {
		r.Received(s, packet.Packet{}, err)
		return
	}
	s.recv.r, s.recv.want = r, length
	s.restartInput()
	s.input()
	if s.recv.r != r {
		return
	}
	if timeout == 0 {
		s.recvFailed(ErrTimeout)
	} else if timeout > 0 {
		s.st.after(&s.recv.timer, milliseconds(timeout), func() { s.recvFailed(ErrTimeout) })
	}
}

func (s *Socket) mayRecv(length int) error {
	switch {
	case s.state == gone:
		return ErrClosed
	case s.state != connected:
		return s.endForRecv()
	case s.opts.active.armed():
		return unix.EINVAL
	case s.framer.Mode != packet.Raw && length != 0:
		return unix.EINVAL
	case length > maxRecv:
		return unix.ENOMEM
	case s.recv.r != nil:
		return unix.EALREADY
	}
	return nil
}

// Receiver is the completion of the Recv that waits, nil if none does.
func (s *Socket) Receiver() Receiver { return s.recv.r }

// CancelRecv withdraws the Recv with completion r; nothing that has arrived is lost.
func (s *Socket) CancelRecv(r Receiver) bool {
	if s.recv.r != r {
		return false
	}
	s.recvFailed(ErrCancelled)
	return true
}

// recvFailed answers the Recv that waits, if one does.
func (s *Socket) recvFailed(err error) {
	r := s.recv.r
	if r == nil {
		return
	}
	s.recv.r = nil
	s.st.stop(&s.recv.timer)
	r.Received(s, packet.Packet{}, err)
}

// Unrecv puts octets in front of the input.
func (s *Socket) Unrecv(data []byte) error {
	switch {
	case s.state == gone:
		return ErrClosed
	case s.state != connected:
		return unix.ENOTCONN
	}
	joined := make([]byte, 0, len(data)+len(s.in))
	s.in = append(append(joined, data...), s.in...)
	s.restartInput()
	if s.wanted() && !s.held {
		s.deliverBuffered()
	}
	return nil
}

// Unread puts back what a Recv has answered to somebody who is there no longer. The
// packet header that was taken off is put back as well.
func (s *Socket) Unread(data []byte) error {
	return s.Unrecv(append(s.framer.AppendHeader(nil, len(data)), data...))
}

// restartInput forgets what was known of the packet at the front of the input.
func (s *Socket) restartInput() {
	s.framer.Rescan()
	s.needed = 0
}

func (s *Socket) wanted() bool { return s.opts.active.armed() || s.recv.r != nil }

// mayRead tells whether events of the poller lead to reading.
func (s *Socket) mayRead() bool {
	return s.state == connected && !s.held && s.wanted() && (!s.readEnded || s.recv.r != nil)
}

// input delivers what is buffered, then reads as long as there is something to
// read, somebody to take it, and time left in this turn.
func (s *Socket) input() {
	if !s.deliverBuffered() {
		return
	}
	for turn := 0; s.mayReadNow(); turn++ {
		if turn == readsATurn || turn > 0 && s.st.paused {
			s.st.later(s)
			return
		}
		if !s.readOnce() {
			return
		}
	}
}

func (s *Socket) mayReadNow() bool {
	return s.state == connected && s.fd >= 0 && s.wanted()
}

// deliverBuffered delivers from the input that was read before. It tells whether
// reading may go on.
func (s *Socket) deliverBuffered() bool {
	if len(s.in) == 0 {
		return true
	}
	if s.needed > 0 && s.recv.want == 0 {
		return true // the packet at the front is known to be incomplete
	}
	used, delivered, err := s.parse(s.in)
	s.consume(used)
	if err != nil {
		if delivered > 0 {
			return true // told with the next event: inet_drv.c is as late
		}
		s.recvError(err)
		return false
	}
	return true
}

// consume drops the first n octets of the input.
func (s *Socket) consume(n int) {
	if n == len(s.in) {
		s.in = nil // an idle socket holds no buffer
		return
	}
	s.in = s.in[n:]
}

// readOnce reads once and delivers. It tells whether there may be more to read.
func (s *Socket) readOnce() bool {
	limit := s.readLimit()
	var data []byte
	var n int
	var err error
	if len(s.in) == 0 {
		n, err = unix.Read(s.fd, s.st.scratch[:limit])
		data = s.st.scratch[:max(n, 0)]
	} else {
		s.growInput(limit)
		space := s.in[len(s.in):cap(s.in)]
		limit = min(limit, len(space))
		n, err = unix.Read(s.fd, space[:limit])
		s.in = s.in[:len(s.in)+max(n, 0)]
		data = s.in
	}
	if err != nil {
		switch err {
		case unix.EAGAIN:
			s.canRead = false
		case unix.EINTR:
			return true
		case unix.ECONNRESET:
			if !s.opts.showEconnreset {
				s.recvClosed()
				return false
			}
			s.recvError(err)
		default:
			s.recvError(err)
		}
		return false
	}
	if n == 0 {
		s.recvClosed()
		return false
	}
	if s.needed > n && s.recv.want == 0 {
		s.needed -= n
		if len(s.in) == 0 {
			s.in = append(s.in, data...)
		}
		s.drained(n < limit)
		return s.canRead
	}
	s.needed = 0
	used, delivered, perr := s.parse(data)
	if s.state != connected {
		return false
	}
	if len(s.in) > 0 {
		s.consume(used)
	} else if used < len(data) {
		s.in = append(s.in[:0:0], data[used:]...)
	}
	if perr != nil {
		if delivered == 0 {
			s.recvError(perr)
			return false
		}
		s.drained(n < limit)
		if s.canRead {
			s.st.later(s)
		}
		return false
	}
	s.drained(n < limit)
	return s.canRead
}

// drained notes that a short read has emptied the kernel's buffer: the next octet, or
// the end of the stream if it has not been told of yet, makes a new event.
func (s *Socket) drained(short bool) {
	s.canRead = !short || s.peerEnded
}

func (s *Socket) readLimit() int {
	switch {
	case s.framer.Mode == packet.Raw:
		switch {
		case s.recv.r != nil && s.recv.want > 0 && !s.opts.active.armed():
			return min(max(s.recv.want-len(s.in), 1), len(s.st.scratch))
		case s.opts.capped:
			return min(s.opts.buffer, len(s.st.scratch))
		}
		return len(s.st.scratch)
	case s.opts.noReadAhead && s.needed > 0:
		return min(s.needed, len(s.st.scratch))
	case s.opts.noReadAhead:
		return max(packet.HeaderLen(s.framer.Mode), 1)
	case s.needed > readAheadSize:
		return min(s.needed, len(s.st.scratch))
	case s.opts.active.mode == Active:
		return len(s.st.scratch)
	}
	return readAheadSize
}

// growInput makes room for n more octets. The room grows with what has arrived, not
// with what the peer claims.
func (s *Socket) growInput(n int) {
	if free := cap(s.in) - len(s.in); free >= n || free > 0 && free >= len(s.in)/2 {
		return
	}
	grown := make([]byte, len(s.in), len(s.in)+max(n, len(s.in)))
	copy(grown, s.in)
	s.in = grown
}

// parse delivers the packets at the front of b while somebody takes them.
func (s *Socket) parse(b []byte) (used, delivered int, err error) {
	for used < len(b) && s.wanted() && s.state == connected {
		rest := b[used:]
		if want := s.recv.want; s.recv.r != nil && want > 0 && !s.opts.active.armed() {
			if len(rest) < want {
				return used, delivered, nil
			}
			used += want
			delivered++
			s.deliver(packet.Packet{Data: rest[:want]}, want)
			continue
		}
		p, n, need, err := s.framer.Next(rest)
		if err != nil {
			return used, delivered, err
		}
		if n == 0 {
			s.needed = 0
			if need > 1 {
				s.needed = need
			}
			return used, delivered, nil
		}
		used += n
		delivered++
		s.deliver(p, n)
	}
	return used, delivered, nil
}

// deliver gives a packet of n octets to whoever takes it.
func (s *Socket) deliver(p packet.Packet, n int) {
	s.received.count(n)
	if s.opts.active.armed() {
		if s.opts.deliverPort {
			s.portInput += uint64(len(p.Data))
		}
		s.st.sink.Packet(s, p)
		if s.opts.active.delivered() {
			s.st.sink.Passive(s)
		}
		return
	}
	r := s.recv.r
	s.recv.r = nil
	s.st.stop(&s.recv.timer)
	r.Received(s, p, nil)
}

func (s *Socket) clearInput() {
	s.in = nil
	s.restartInput()
}
