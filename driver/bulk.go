package driver

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

const (
	// bulkFrom is the length from which on the data of a frame is moved piece by piece,
	// and not gathered first.
	bulkFrom = 32 << 10
	// bulkTurn is how much of it is moved before the sockets have their turn.
	bulkTurn = 1 << 20
	// bulkProbe is the most that is read of a frame to find where its data begins.
	bulkProbe = 256
)

// bulkSend is a long send of which a part has not been read from stdin yet. Its data goes to
// the socket as parts of one send, and on Linux straight from the pipe.
type bulkSend struct {
	id   sockets.ID
	key  int64
	size int
	left int   // octets that have not been read
	last *call // to be answered with the last of them, nil if nobody waits
}

// begin starts with the frame at the front of the buffer, of size octets, if it is a long send.
func (r *commandReader) begin(size int) bool {
	if size < bulkFrom || !r.d.greeted {
		return false
	}
	have := r.buf[r.start:r.end]
	b, ok := portproto.ReadBulk(have, size)
	if !ok {
		return false
	}
	// A send to nobody is refused as a whole, and a cast does not wait for
	// calls, as its parts would. Faults want to see all of it.
	if s, ok := r.d.stack.Sending(sockets.ID(b.ID)); !ok || s.Busy() && !b.Called && !b.Part || r.d.faultySends(s) {
		return false
	}
	r.bulk = bulkSend{id: sockets.ID(b.ID), key: b.Key, size: b.Total, left: b.Data}
	if !b.Part {
		r.bulkKey--
		r.bulk.key = r.bulkKey // users count parts with keys of their own, from 0 on
	}
	if b.Called {
		r.bulk.last = r.d.newCall(&b.Command)
	}
	if s, ok := r.d.stack.Sending(r.bulk.id); ok && !b.Called && !b.Part {
		s.CreditPart(b.Data)
	}
	r.probe = min(b.Head, bulkProbe) // after one bulk send another is likely
	data := have[b.Head:]
	r.start = r.end
	r.feed(data)
	return true
}

// feed hands on data that has been read.
func (r *commandReader) feed(data []byte) {
	r.bulk.left -= len(data)
	r.part(data)
}

// part sends data as the next part; with the last one the send is answered.
func (r *commandReader) part(data []byte) {
	defer r.d.contain(nil, 0)
	b := &r.bulk
	var done sockets.Completer
	s, ok := r.d.stack.Sending(b.id)
	k := b.last
	if b.left == 0 && k != nil {
		b.last = nil
		if !ok {
			k.fail(sockets.ErrClosed)
			return
		}
		k.wait(s, cancelSend)
		done = k
	}
	r.d.current = s
	if ok {
		s.SendPart(b.key, b.size, data, done) // also without data: the first part begins the send
	}
}

// move moves more of a bulk send from stdin to its socket.
func (r *commandReader) move() {
	r.room()
	for moved := 0; r.bulk.left > 0 && moved < bulkTurn; {
		if s, ok := r.d.stack.Sending(r.bulk.id); ok && !r.d.cfg.Without.Splice {
			if n := s.SpliceFrom(r.fd, r.bulk.key, r.bulk.left); n > 0 {
				moved += n
				r.bulk.left -= n
				if r.bulk.left == 0 {
					r.part(nil)
				}
				continue
			}
		}
		n, err := unix.Read(r.fd, r.buf[:min(r.bulk.left, len(r.buf))])
		if !r.read(n, err) {
			return
		}
		moved += n
		r.feed(r.buf[:n])
	}
}
