package driver

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/internal/iovec"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

const (
	// pauseAbove is how much may wait for stdout before the sockets are not read any longer.
	pauseAbove = 1 << 20
	// directFrom is the size from which on a payload is written from where it lies.
	directFrom = 16 << 10
	// keepOut is how large the buffer may stay once it has been written.
	keepOut = 1 << 20
)

// messageWriter gathers messages and writes them to stdout.
type messageWriter struct {
	d       *Session
	fd      int
	batch   portproto.Batch // what is being gathered, to be written behind the backlog
	backlog backlog
	blocked bool // stdout takes no more for now
	ended   bool // nobody reads stdout

	window int // octets that may be without credit, 0 for no limit
	unsent int // octets of frames that the node has given no credit for
}

func (w *messageWriter) begin() {
	w.d.endRun()
	w.batch.Begin()
}
func (w *messageWriter) buf(b []byte) { w.batch.Buf = b }

func (w *messageWriter) end() {
	w.batch.End()
	if w.d.cfg.Without.Batch {
		w.flush()
	}
}

// ready is called when stdout may take more.
func (w *messageWriter) ready() {
	if w.blocked {
		w.blocked = false
		w.flush()
	}
}

// payload ends a message whose last part is data.
func (w *messageWriter) payload(data []byte) {
	if len(data) < directFrom {
		w.batch.Buf = append(w.batch.Buf, data...)
		w.end()
		return
	}
	w.batch.CloseWithout(len(data) + frameEnd)
	if w.blocked || w.ended || !w.backlog.empty() {
		// The pace is set when all who have something to say in this round have said it.
		w.keep(w.backlog.rest(0, w.batch.Buf, data, portproto.ListEnd))
		return
	}
	iov := [3][]byte{w.batch.Buf, data, portproto.ListEnd}
	n, err := iovec.Write(w.fd, iov[:])
	w.written(n, err)
	w.keep(w.backlog.rest(n, w.batch.Buf, data, portproto.ListEnd))
	w.pace()
}

// splice ends a message whose last part is n octets that are in the input of a socket, and
// moves them to stdout without reading them.
func (w *messageWriter) splice(s *sockets.Socket, n int) {
	w.batch.CloseWithout(n + frameEnd)
	w.write()
	if w.empty() && !w.ended {
		moved := s.SpliceTo(w.fd, n)
		w.unsent += moved
		n -= moved
	}
	// What stdout does not take is read after all. If it cannot be read, although it was there, the frame
	// is filled up, and s ends right behind it.
	b := s.ReadInput(w.take(n+frameEnd), n)
	w.batch.Buf = append(b, portproto.ListEnd...)
	w.pace()
}

// keep has octets wait behind all that has been gathered but for the batch, which they are in the
// place of.
func (w *messageWriter) keep(b []byte) {
	w.batch.Reset()
	if !w.ended {
		w.backlog.push(b)
	}
}

// take gives the empty batch with room for n octets, behind all that waits.
func (w *messageWriter) take(n int) []byte {
	w.postpone()
	if cap(w.batch.Buf) < n {
		w.batch.Buf = w.backlog.room(n)
	}
	return w.batch.Buf
}

// postpone moves what has been gathered to the backlog.
func (w *messageWriter) postpone() {
	if len(w.batch.Buf) > 0 {
		w.backlog.push(w.batch.Buf)
		w.batch.Buf = w.backlog.room(0)
	}
}

// empty reports whether all that was gathered has been written.
func (w *messageWriter) empty() bool { return w.backlog.empty() && len(w.batch.Buf) == 0 }

// splices reports whether stdout takes everything at once, also from another descriptor.
func (w *messageWriter) splices() bool {
	return !w.d.cfg.Without.Splice && !w.blocked && !w.ended && w.backlog.empty() && len(w.batch.Buf) < directFrom
}

// flush writes what has been gathered, as far as stdout takes it.
func (w *messageWriter) flush() {
	w.d.endRun()
	w.batch.Close()
	w.write()
	if len(w.batch.Buf) == 0 && cap(w.batch.Buf) > keepOut {
		w.batch.Buf = nil
	}
	w.pace()
}

// write writes the backlog, then the batch, which must hold whole frames. Once a part of a batch has been
// written the rest of it is a piece of the backlog.
func (w *messageWriter) write() {
	for !w.blocked && !w.ended && !w.empty() {
		if w.backlog.empty() {
			n, err := unix.Write(w.fd, w.batch.Buf)
			w.written(n, err)
			if n == len(w.batch.Buf) {
				w.batch.Reset()
			} else if n > 0 {
				w.postpone()
				w.backlog.took(n)
			}
			continue
		}
		w.postpone()
		var vector [iovec.Max][]byte
		n, err := iovec.Write(w.fd, w.backlog.front(vector[:0]))
		w.written(n, err)
		w.backlog.took(n)
	}
	if w.ended {
		w.batch, w.backlog = portproto.Batch{}, backlog{}
	}
}

func (w *messageWriter) written(n int, err error) {
	if n > 0 {
		w.unsent += n
	}
	switch err {
	case nil, unix.EINTR:
	case unix.EAGAIN:
		w.blocked = true
	default:
		// The node is gone, or has closed the port.
		w.ended = true
		w.d.deserted()
	}
}

// credit: the node has dealt with n octets of frames.
func (w *messageWriter) credit(n int) {
	w.unsent = max(0, w.unsent-n)
	w.pace()
}

// pace stops the reading of sockets while the node is behind.
func (w *messageWriter) pace() {
	if w.ended || w.backlog.octets+len(w.batch.Buf) > pauseAbove || w.window > 0 && w.unsent > w.window {
		w.d.stack.Pause()
	} else {
		w.d.stack.Resume()
	}
}
