package sockets

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

const (
	// maxRecv is the largest length of a Recv, as in inet_drv.c (TCP_MAX_PACKET_SIZE).
	maxRecv = 64 << 20
	// Packets that are taken one at a time are read in pieces of this size: what
	// is read ahead stays in memory until somebody asks for it.
	readAheadSize = 64 << 10
	// readsATurn, and octetsATurn, bound how long one socket keeps the others waiting.
	readsATurn = 16
	// maxPiece is the most octets of a raw packet, unless the option buffer or the caller says
	// how many there are to be: who takes what comes in one piece should not get too much.
	maxPiece = 64 << 10
)

// incoming is what a socket has read and nobody has taken yet, who is to take it, and how it ends.
type incoming struct {
	framer     packet.Framer
	in         []byte // received and not delivered
	borrowed   bool   // in lies in the Stack's buffer: only while a read delivers
	delivering bool   // a callback is being called with a packet
	room       []byte // what in was cut from, if it came from the Stack
	recv       receiver
	peerEnded  bool    // the poller has reported the end of the stream
	readEnded  bool    // the end of the stream has been reported; only calls look again
	held       bool    // accepted and not adopted
	from       *Socket // the listener of a held connection
	bulk       bool    // the last read has brought a lot
	shared     bool    // another process has the descriptor, too: what is there may be read by that
	inputLost  bool    // input that was promised to somebody could not be read
	needed     int     // octets that complete the packet at the front of in, if known
	loan       *loan   // packets at the front of in that the sink has ahead of time, see Lender
	asked      asked
}

// receiver is a Recv that waits.
type receiver struct {
	r      Receiver
	want   int    // octets, 0 for a packet
	serial uint64 // which Recv it is: a Receiver may be used again
	timer  Timer
}

// Recv is gen_tcp:recv/3: a packet of the socket's packet mode, or in raw mode exactly
// length octets if length > 0. A negative timeout waits for ever, 0 takes only what has
// arrived.
//
// The error is ErrTimeout, ErrCancelled (see CancelRecv), ErrClosed after the end of the stream or of
// the socket, EINVAL on an armed socket or for a length in another mode than raw, ENOMEM for a
// length above 64 MB, EALREADY while another Recv waits, ENOTCONN after an end that has been
// reported, or what ended the connection, such as ECONNRESET or, for a packet that is too long, EMSGSIZE.
func (s *Socket) Recv(length int, timeout time.Duration, r Receiver) {
	if err := s.mayRecv(length); err != nil {
		r.Received(s, packet.Packet{}, err)
		return
	}
	s.reclaim()
	s.recv.serial++
	serial := s.recv.serial
	s.recv.r, s.recv.want = r, length
	s.restartInput()
	s.input()
	if s.recv.r == nil || s.recv.serial != serial {
		return
	}
	if timeout == 0 && !s.delivering {
		s.recvFailed(ErrTimeout)
	} else if timeout >= 0 {
		s.after(&s.recv.timer, timeout, func() { s.recvFailed(ErrTimeout) })
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
	if len(s.in) == 0 {
		s.in, s.room = nil, nil // what a long recv has waited with
	}
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
	s.reclaim()
	joined := make([]byte, 0, len(data)+len(s.in))
	s.in, s.borrowed, s.room = append(append(joined, data...), s.in...), false, nil
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

// mayRead reports whether events of the poller lead to reading.
func (s *Socket) mayRead() bool {
	return s.state == connected && !s.held && s.wanted() && (!s.readEnded || s.recv.r != nil)
}

// input delivers what is buffered, then reads as long as there is something to
// read, somebody to take it, and time left in this turn.
func (s *Socket) input() {
	if !s.deliverBuffered() {
		return
	}
	before := s.received.octets
	for turn := 0; s.mayReadNow(); turn++ {
		switch {
		case turn > 0 && s.st.paused:
			s.st.park(s)
			return
		case turn == readsATurn || s.received.octets-before >= octetsATurn:
			s.st.later(s)
			return
		}
		if !s.readOnce() {
			return
		}
	}
}

func (s *Socket) mayReadNow() bool {
	return s.state == connected && s.desc.open() && s.wanted()
}

// deliverBuffered delivers from the input that was read before. It reports whether
// reading may go on.
func (s *Socket) deliverBuffered() bool {
	if s.delivering {
		// A call from a callback. Whoever delivers goes on with what it finds then.
		s.st.later(s)
		return false
	}
	if len(s.in) == 0 {
		return true
	}
	if s.needed > 0 && s.recv.want == 0 {
		return true // the packet at the front is known to be incomplete
	}
	delivered, err := s.parse()
	if err != nil {
		if delivered > 0 {
			return true // reported with the next event: inet_drv.c is as late
		}
		s.recvError(err)
		return false
	}
	return true
}

// consume drops the first n octets of the input.
func (s *Socket) consume(n int) {
	if n == len(s.in) {
		s.in, s.borrowed = nil, false // an idle socket holds no buffer
		return
	}
	s.in = s.in[n:]
}

// readOnce reads once and delivers. It reports whether there may be more to read.
func (s *Socket) readOnce() bool {
	if s.splice() {
		return s.mayReadNow()
	}
	limit := s.readLimit()
	if len(s.in) > 0 || s.expected() > readSize {
		s.growInput(limit)
		space := s.in[len(s.in):cap(s.in)]
		limit = min(limit, len(space))
		n, drained, err := s.desc.read(space[:limit])
		s.in = s.in[:len(s.in)+n]
		return s.hasRead(n, drained, err)
	}
	// What is delivered at once needs no buffer of its own.
	scratch := s.st.takeScratch()
	n, drained, err := s.desc.read(scratch[:limit])
	if n > 0 {
		s.in, s.borrowed = scratch[:n], true
	}
	more := s.hasRead(n, drained, err)
	if s.borrowed {
		s.in, s.borrowed = append([]byte(nil), s.in...), false
	}
	s.st.scratch = scratch
	return more
}

// hasRead deals with the outcome of a read of n octets. drained: the next octet, or the end of
// the stream, makes a new event.
func (s *Socket) hasRead(n int, drained bool, err error) bool {
	switch {
	case err == unix.EAGAIN:
		s.canRead = false
		return false
	case err == unix.EINTR:
		return true
	case err == unix.ECONNRESET && !s.opts.showEconnreset, err == nil && n == 0:
		s.recvClosed()
		return false
	case err != nil:
		s.recvError(err)
		return false
	}
	s.bulk = n >= spliceFrom
	if s.needed > n && s.recv.want == 0 {
		s.needed -= n
		s.canRead = !drained
		return s.canRead
	}
	s.needed = 0
	delivered, perr := s.parse()
	if s.state != connected {
		return false
	}
	if perr != nil {
		if delivered == 0 {
			s.recvError(perr)
			return false
		}
		s.canRead = !drained
		if s.canRead {
			s.st.later(s)
		}
		return false
	}
	s.canRead = !drained
	return s.canRead
}

func (s *Socket) readLimit() int {
	switch {
	case s.framer.Mode == packet.Raw:
		switch {
		case s.recv.r != nil && s.recv.want > 0 && !s.opts.active.armed():
			return min(max(s.recv.want-len(s.in), 1), readSize)
		case s.opts.capped:
			return min(s.opts.buffer, readSize)
		case s.opts.active.mode != Active:
			return maxPiece // the rest may as well stay where it is
		}
		return readSize
	case s.opts.noReadAhead && s.needed > 0:
		return min(s.needed, readSize)
	case s.opts.noReadAhead:
		return max(packet.HeaderLen(s.framer.Mode), 1)
	case s.needed > readAheadSize:
		return min(s.needed, readSize)
	case s.opts.active.mode == Active:
		return readSize
	}
	return readAheadSize
}

// growInput makes room for n more octets. The room grows with what has arrived, not
// with what the peer claims.
func (s *Socket) growInput(n int) {
	free := cap(s.in) - len(s.in)
	if free >= n || free > 0 && free >= len(s.in)/2 {
		return
	}
	s.moveInput(max(len(s.in)+max(n, len(s.in)), s.expected()))
}

// moveInput moves the input to room for n octets.
func (s *Socket) moveInput(n int) {
	grown := append(s.st.takeRoom(n), s.in...)
	s.st.putRoom(s.room)
	s.in, s.room = grown, grown[:0]
}

// expected is the octets that the user waits for in one piece, 0 if it is not known.
func (s *Socket) expected() int {
	if s.recv.r == nil || s.opts.active.armed() {
		return 0
	}
	return s.recv.want
}

// parse delivers the packets at the front of the input while somebody takes them. A
// callback may do with the socket what it likes, so each packet is taken off before it
// is delivered.
func (s *Socket) parse() (delivered int, err error) {
	s.delivering = true
	for len(s.in) > 0 && s.wanted() && s.state == connected {
		var p packet.Packet
		var n int
		if want := s.recv.want; s.recv.r != nil && want > 0 && !s.opts.active.armed() {
			if len(s.in) < want {
				break
			}
			p.Data, n = s.in[:want], want
		} else {
			var need int
			p, n, need, err = s.framer.Next(s.in)
			if err != nil {
				break
			}
			if n == 0 {
				s.needed = 0
				if need > 1 {
					s.needed = need
				}
				break
			}
			if s.framer.Mode == packet.Raw && !s.opts.capped && n > maxPiece {
				p.Data, n = p.Data[:maxPiece], maxPiece
			}
		}
		delivered++
		s.consume(n)
		s.deliver(p, n)
	}
	s.delivering = false
	if len(s.in) == 0 && s.room != nil {
		s.st.putRoom(s.room)
		s.room = nil
	}
	if delivered > 0 && err == nil {
		s.lend()
	}
	return delivered, err
}

// deliver gives a packet of n octets to whoever takes it.
func (s *Socket) deliver(p packet.Packet, n int) {
	s.received.count(n)
	if s.opts.active.armed() {
		s.asked.singly = s.opts.active.mode == Once
		if s.opts.deliverPort {
			s.portInput += uint64(len(p.Data))
		}
		// Counted before it is reported, so that the sink may arm the socket again.
		fell := s.opts.active.delivered()
		s.st.sink.Packet(s, p)
		if fell && s.state == connected {
			s.tellPassive()
		}
		return
	}
	s.asked.singly = s.recv.want == 0
	r := s.recv.r
	s.recv.r = nil
	s.st.stop(&s.recv.timer)
	r.Received(s, p, nil)
}

func (s *Socket) clearInput() {
	s.dropLoan()
	s.in, s.borrowed, s.room = nil, false, nil
	s.restartInput()
}
