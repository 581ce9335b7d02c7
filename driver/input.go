package driver

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/portproto"
)

const (
	// readSize is how much of stdin is read at a time.
	readSize = 256 << 10
	// keepSize is how large the buffer may stay after a long frame.
	keepSize = 1 << 20
)

// commandReader reads frames from stdin and hands over their commands.
type commandReader struct {
	d          *Session
	fd         int
	buf        []byte
	start, end int // buf[start:end] has been read and not dealt with
	ended      bool
	reads      int // that have brought something

	bulk    bulkSend // the long send that is being read
	bulkKey int64
	probe   int // how much to read to see whether a bulk send begins, 0 to read all there is
}

// ready reads once, so that the sockets have their turn before the next read.
func (r *commandReader) ready() {
	if r.ended {
		return
	}
	if r.bulk.left > 0 {
		r.move()
		return
	}
	r.room()
	space := r.buf[r.end:]
	if r.probe > 0 {
		// Here data is likely to begin that can stay in the pipe.
		space = space[:min(r.probe, len(space))]
	}
	n, err := unix.Read(r.fd, space)
	if !r.read(n, err) {
		return
	}
	r.end += n
	r.commands()
	if r.bulk.left > 0 {
		r.move()
	}
}

// read reports whether a read of stdin has brought anything.
func (r *commandReader) read(n int, err error) bool {
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return false
	case err != nil:
		r.d.finish(fmt.Errorf("driver: read stdin: %w", err))
		return false
	case n == 0:
		r.d.finish(r.cut())
		return false
	}
	r.reads++
	return true
}

// room makes room for a read: at least readSize, and for all of a frame that has begun
// unless it is much longer than what has arrived of it.
func (r *commandReader) room() {
	if r.start == r.end {
		r.start, r.end = 0, 0
		if len(r.buf) > keepSize {
			r.buf = nil
		}
	}
	if r.buf == nil {
		r.buf = make([]byte, readSize)
	}
	pending := r.end - r.start
	if len(r.buf)-r.end >= readSize/2 {
		return
	}
	want := max(2*pending, pending+readSize)
	if r.start > 0 && len(r.buf)-pending >= readSize/2 {
		want = len(r.buf)
	}
	buf := r.buf
	if want > len(buf) {
		buf = make([]byte, want)
	}
	copy(buf, r.buf[r.start:r.end])
	r.buf, r.start, r.end = buf, 0, pending
}

// commands deals with all whole frames that have been read.
func (r *commandReader) commands() {
	for !r.ended {
		frame, n, err := portproto.NextFrame(r.buf[r.start:r.end], r.d.cfg.MaxFrame)
		if err != nil {
			r.d.finish(fmt.Errorf("%w: %w", ErrStream, err))
			return
		}
		if frame == nil {
			r.probe = 0
			if have := r.end - r.start; n >= bulkFrom && !r.begin(n) && have < bulkProbe {
				r.probe = bulkProbe - have
			}
			break
		}
		r.start += n
		r.probe = 0
		if !r.d.cfg.Without.Coalesce && r.more() {
			r.d.stack.Cork()
		}
		r.d.command(frame)
	}
	r.d.stack.Uncork()
}

// more reports whether another whole frame has been read.
func (r *commandReader) more() bool {
	frame, _, _ := portproto.NextFrame(r.buf[r.start:r.end], r.d.cfg.MaxFrame)
	return frame != nil
}

// cut is an error if stdin ends here within a frame.
func (r *commandReader) cut() error {
	switch {
	case r.bulk.left > 0:
		return fmt.Errorf("%w: it ends within a frame, %d octets before its end", ErrStream, r.bulk.left)
	case r.start != r.end:
		return fmt.Errorf("%w: it ends within a frame, after %d octets of it", ErrStream, r.end-r.start)
	}
	return nil
}
