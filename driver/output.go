package driver

import (
	"fmt"

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
	batch   portproto.Batch
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
	if len(data) < directFrom || w.blocked || w.ended {
		w.batch.Buf = append(w.batch.Buf, data...)
		w.end()
		return
	}
	w.batch.CloseWithout(len(data) + len(portproto.ListEnd))
	iov := [3][]byte{w.batch.Buf, data, portproto.ListEnd}
	n, err := iovec.Write(w.fd, iov[:])
	w.written(n, err)
	rest := w.batch.Buf
	w.batch.Buf = w.batch.Buf[:0]
	if n < len(rest) {
		w.batch.Buf = append(w.batch.Buf, rest[n:]...)
	}
	n = max(0, n-len(rest))
	for _, b := range [...][]byte{data, portproto.ListEnd} {
		if n < len(b) {
			w.batch.Buf = append(w.batch.Buf, b[n:]...)
		}
		n = max(0, n-len(b))
	}
	w.pace()
}

// splice ends a message whose last part is n octets that are in the input of a socket, and
// moves them to stdout without reading them.
func (w *messageWriter) splice(s *sockets.Socket, n int) {
	w.batch.CloseWithout(n + len(portproto.ListEnd))
	w.write()
	if len(w.batch.Buf) == 0 {
		moved := s.SpliceTo(w.fd, n)
		w.unsent += moved
		n -= moved
	}
	// What stdout does not take is read after all.
	b, err := s.ReadInput(w.batch.Buf, n)
	if err != nil {
		w.d.stop(fmt.Errorf("driver: %d octets of input are gone in the middle of a frame: %w", n, err))
		return
	}
	w.batch.Buf = append(b, portproto.ListEnd...)
	w.pace()
}

// splices tells whether stdout takes everything at once, also from another descriptor.
func (w *messageWriter) splices() bool {
	return !w.d.cfg.Without.Splice && !w.blocked && !w.ended && len(w.batch.Buf) < directFrom
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

func (w *messageWriter) write() {
	for len(w.batch.Buf) > 0 && !w.blocked && !w.ended {
		n, err := unix.Write(w.fd, w.batch.Buf)
		w.written(n, err)
		if n > 0 {
			w.batch.Written(n)
		}
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
		w.batch = portproto.Batch{}
		w.d.in.ended = true
		w.d.stack.Stop()
	}
}

// credit: the node has dealt with n octets of frames.
func (w *messageWriter) credit(n int) {
	w.unsent = max(0, w.unsent-n)
	w.pace()
}

// pace stops the reading of sockets while the node is behind.
func (w *messageWriter) pace() {
	if len(w.batch.Buf) > pauseAbove || w.window > 0 && w.unsent > w.window {
		w.d.stack.Pause()
	} else {
		w.d.stack.Resume()
	}
}
