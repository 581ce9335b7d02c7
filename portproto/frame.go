package portproto

import (
	"encoding/binary"
	"fmt"

	"github.com/gentcp/gentcp/etf"
)

// FrameHeader is the length of a frame's own length.
const FrameHeader = 4

// FrameError is a frame that breaks the stream: what follows it cannot be found.
type FrameError struct {
	Length uint32
	Max    int
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("portproto: a frame of %d octets, at most %d are allowed", e.Length, e.Max)
}

// NextFrame finds the frame at the front of b. n is the octets that it takes, its
// length included; while it is not complete payload is nil and n is the size that
// it will have, or 0 if not even that is known.
func NextFrame(b []byte, most int) (payload []byte, n int, err error) {
	if len(b) < FrameHeader {
		return nil, 0, nil
	}
	length := binary.BigEndian.Uint32(b)
	if int64(length) > int64(most) {
		return nil, 0, &FrameError{Length: length, Max: most}
	}
	n = FrameHeader + int(length)
	if len(b) < n {
		return nil, n, nil
	}
	return b[FrameHeader:n:n], n, nil
}

// maxBatch is the size from which on a batch is closed and another frame begun.
const maxBatch = 64 << 10

// Batch gathers messages into frames, each a list of messages. Buf is what to write;
// messages are appended to it between Begin and End.
type Batch struct {
	Buf   []byte
	start int // of the open frame
	count int // messages in the open frame
}

// Begin makes room for a message. Append it to Buf, then call End.
func (b *Batch) Begin() {
	if b.count == 0 {
		b.start = len(b.Buf)
		b.Buf = append(b.Buf, 0, 0, 0, 0)
		b.Buf = etf.AppendListHeader(etf.AppendVersion(b.Buf), 0)
	}
	b.count++
}

// End ends a message.
func (b *Batch) End() {
	if len(b.Buf)-b.start >= maxBatch {
		b.Close()
	}
}

// Close ends the open frame, so that Buf holds whole frames.
func (b *Batch) Close() {
	if b.count > 0 {
		b.Buf = etf.AppendNil(b.Buf)
		b.seal(0)
	}
}

// CloseWithout ends the open frame as if n more octets were in Buf: the rest of
// the last message, which is written behind Buf by other means, and ListEnd.
func (b *Batch) CloseWithout(n int) { b.seal(n) }

// ListEnd is what ends a frame.
var ListEnd = etf.AppendNil(nil)

func (b *Batch) seal(more int) {
	head := b.Buf[b.start:]
	binary.BigEndian.PutUint32(head, uint32(len(head)-FrameHeader+more))
	binary.BigEndian.PutUint32(head[FrameHeader+2:], uint32(b.count))
	b.count = 0
}

// Open reports whether a frame is open, so that Buf may not be written yet.
func (b *Batch) Open() bool { return b.count > 0 }

// Reset drops what is in Buf: it has been written, or is kept elsewhere. No frame may be open.
func (b *Batch) Reset() { b.Buf = b.Buf[:0] }
