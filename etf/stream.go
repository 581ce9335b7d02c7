package etf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Framing is how messages are told apart on a stream: by a length before each,
// as the options {packet, N} of Erlang's ports and sockets, or not at all.
type Framing int

const (
	Unframed Framing = 0 // each term says itself where it ends
	Packet1  Framing = 1
	Packet2  Framing = 2
	Packet4  Framing = 4
)

func (f Framing) check() error {
	switch f {
	case Unframed, Packet1, Packet2, Packet4:
		return nil
	}
	return fmt.Errorf("etf: framing %d is unknown: 0, 1, 2 and 4 are known", int(f))
}

// max is the largest message that f can announce.
func (f Framing) max() uint64 {
	if f == Unframed {
		return 1<<64 - 1
	}
	return 1<<(8*f) - 1
}

// An Encoder writes terms to a stream, each with one call of Write. It is for
// one goroutine.
type Encoder struct {
	Options EncodeOptions

	w       io.Writer
	framing Framing
	buf     []byte
}

// NewEncoder returns an Encoder that writes to w.
func NewEncoder(w io.Writer, framing Framing) *Encoder { return &Encoder{w: w, framing: framing} }

// Encode writes v as [Marshal] encodes it. Nothing is written if v cannot be
// encoded, or is larger than the framing allows.
func (e *Encoder) Encode(v any) error {
	if err := e.framing.check(); err != nil {
		return err
	}
	head := int(e.framing)
	e.buf = append(append(e.buf[:0], 0, 0, 0, 0)[:head], Version)
	var err error
	if e.Options.Compress != 0 {
		var msg []byte
		msg, err = e.Options.Marshal(v)
		e.buf = append(e.buf[:head], msg...)
	} else {
		e.buf, err = e.Options.Append(e.buf, v)
	}
	if err != nil {
		return err
	}
	n := len(e.buf) - head
	if uint64(n) > e.framing.max() {
		return fmt.Errorf("etf: a message of %d bytes, {packet,%d} holds %d: %w", n, head, e.framing.max(), ErrLimit)
	}
	for i := range head {
		e.buf[i] = byte(n >> (8 * (head - 1 - i)))
	}
	_, err = e.w.Write(e.buf)
	return err
}

// A Decoder reads terms from a stream. It is for one goroutine. Memory for a
// message grows as its bytes come in, whatever length it claims.
type Decoder struct {
	r       *bufio.Reader
	framing Framing
	opts    *DecodeOptions
	msg     []byte
	err     error // that ends the stream
}

// NewDecoder returns a Decoder that reads from r, which it may read ahead.
func NewDecoder(r io.Reader, framing Framing) *Decoder {
	return (*DecodeOptions)(nil).NewDecoder(r, framing)
}

// NewDecoder is the function [NewDecoder] with options.
func (o *DecodeOptions) NewDecoder(r io.Reader, framing Framing) *Decoder {
	d := &Decoder{r: bufio.NewReaderSize(r, 64<<10), framing: framing, opts: o}
	if d.err = framing.check(); d.err == nil {
		d.err = o.check()
	}
	return d
}

// Decode reads the next term into what v points to, as [Unmarshal] does. At
// the end of the stream the error is io.EOF, within a message one that wraps
// [ErrTruncated].
//
// After a term that is damaged or does not fit in v the next call reads the
// next message; without framing the damaged term ends the stream.
func (d *Decoder) Decode(v any) error {
	msg, err := d.Next()
	if err != nil {
		return err
	}
	if d.opts.alias() {
		d.msg = nil
	}
	return d.opts.Unmarshal(msg, v)
}

// Next returns the bytes of the next message, from its version byte on; a
// compressed one without framing comes inflated. They are valid until the next
// call.
func (d *Decoder) Next() ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	d.msg = d.msg[:0]
	if d.framing == Unframed {
		d.err = d.readTerm()
	} else {
		d.err = d.readPacket()
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.msg, nil
}

func (d *Decoder) readPacket() error {
	var head [8]byte
	if _, err := io.ReadFull(d.r, head[8-d.framing:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			return d.truncated()
		}
		return err
	}
	n := binary.BigEndian.Uint64(head[:])
	if n > uint64(d.opts.maxMessage()) {
		return d.tooLong(n)
	}
	return d.fill(int(n))
}

// readTerm reads one term that says itself where it ends, and not a byte more.
func (d *Decoder) readTerm() error {
	b, err := d.r.Peek(1)
	if err != nil {
		return err // io.EOF: between two terms
	}
	if b[0] != Version {
		return &Error{Err: ErrVersion, Detail: fmt.Sprintf("the version is %d, not %d", b[0], Version)}
	}
	if err := d.fill(2); err != nil {
		return err
	}
	if Tag(d.msg[1]) == tagCompressed {
		return d.readCompressed()
	}
	off := 1
	for pending := 1; pending > 0; pending-- {
		size, children := 0, 0
		for {
			var need int
			if size, children, need = extent(d.msg[off:]); need == 0 {
				break
			}
			if err := d.fill(off + need); err != nil {
				return err
			}
		}
		switch {
		case size < 0:
			return &Error{Offset: off, Tag: Tag(d.msg[off]), Err: ErrTag, Detail: fmt.Sprintf("%s has no end that can be seen", Tag(d.msg[off]))}
		case off+size > d.opts.maxMessage():
			return d.tooLong(uint64(off + size))
		case pending+children > 2*d.opts.maxElements()+maxMaxDepth:
			return &Error{Offset: off, Tag: Tag(d.msg[off]), Err: ErrLimit, Detail: fmt.Sprintf("%s brings the elements above the limit of %d", Tag(d.msg[off]), d.opts.maxElements())}
		}
		off += size
		if err := d.fill(off); err != nil {
			return err
		}
		pending += children
	}
	return nil
}

func (d *Decoder) readCompressed() error {
	if err := d.fill(1 + compressedHead); err != nil {
		return err
	}
	term, err := inflateFrom(d.r, binary.BigEndian.Uint32(d.msg[2:]), 4096, d.opts)
	switch {
	case err == io.ErrUnexpectedEOF:
		return d.truncated()
	case err != nil:
		var e *Error
		if errors.As(err, &e) {
			e.Offset = 1
			return e
		}
		return &Error{Offset: 1, Tag: tagCompressed, Err: ErrValue, Detail: fmt.Sprintf("%s is damaged: %v", tagCompressed, err)}
	}
	d.msg = append(d.msg[:1], term...)
	return nil
}

// fill reads until the message has n bytes.
func (d *Decoder) fill(n int) error {
	const step = 64 << 10
	for len(d.msg) < n {
		have := len(d.msg)
		more := min(n-have, max(step, have))
		if cap(d.msg)-have < more {
			d.msg = append(d.msg, make([]byte, more)...)
		}
		d.msg = d.msg[:have+more]
		got, err := io.ReadFull(d.r, d.msg[have:])
		if err != nil {
			d.msg = d.msg[:have+got]
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return d.truncated()
			}
			return err
		}
	}
	return nil
}

func (d *Decoder) truncated() error {
	return &Error{Offset: len(d.msg), Err: ErrTruncated, Detail: "the stream ends inside a message"}
}

func (d *Decoder) tooLong(n uint64) error {
	return &Error{Err: ErrLimit, Detail: fmt.Sprintf("a message of %d bytes or more, the limit is %d", n, d.opts.maxMessage())}
}

// extent tells how many bytes the term at the start of b takes and how many
// terms follow as its parts. If b is too short to tell, need is how much of it
// there must be. The size is -1 for a tag that nobody can see the end of.
func extent(b []byte) (size, children, need int) {
	if len(b) < 1 {
		return 0, 0, 1
	}
	head := 5
	switch tag := Tag(b[0]); tag {
	case tagSmallInteger, tagAtomCacheRef:
		return 2, 0, 0
	case tagInteger:
		return 5, 0, 0
	case tagNewFloat:
		return 9, 0, 0
	case tagFloat:
		return 32, 0, 0
	case tagNil:
		return 1, 0, 0
	case tagExport:
		return 1, 3, 0
	case tagSmallAtom, tagSmallAtomUTF8, tagSmallTuple, tagSmallBig:
		head = 2
	case tagAtom, tagAtomUTF8, tagString:
		head = 3
	case tagNewPid, tagPid, tagNewPort, tagPort, tagV4Port, tagRef, tagNewRef, tagNewerRef:
		return identifierExtent(b)
	case tagLargeTuple, tagList, tagMap, tagBinary, tagBitBinary, tagLargeBig, tagNewFun, tagFun:
	default:
		return -1, 0, 0
	}
	if len(b) < head {
		return 0, 0, head
	}
	var n int
	for _, c := range b[1:head] {
		n = n<<8 | int(c)
	}
	switch Tag(b[0]) {
	case tagSmallTuple, tagLargeTuple:
		return head, n, 0
	case tagList:
		return head, n + 1, 0
	case tagMap:
		return head, 2 * n, 0
	case tagFun:
		return head, n + 4, 0
	case tagNewFun:
		return 1 + max(n, 4), 0, 0 // its size is all of it
	case tagSmallBig, tagLargeBig, tagBitBinary:
		n++ // the sign, or the bits of the last byte
	}
	return head + n, 0, 0
}

func identifierExtent(b []byte) (size, children, need int) {
	at, tail := 1, 0
	switch Tag(b[0]) {
	case tagNewPid, tagV4Port:
		tail = 12
	case tagPid:
		tail = 9
	case tagNewPort:
		tail = 8
	case tagPort, tagRef:
		tail = 5
	default:
		if len(b) < 3 {
			return 0, 0, 3
		}
		at = 3
		tail = 4*(int(b[1])<<8|int(b[2])) + 1
		if Tag(b[0]) == tagNewerRef {
			tail += 3
		}
	}
	if len(b) <= at {
		return 0, 0, at + 1
	}
	if Tag(b[at]).Kind() != KindAtom {
		return -1, 0, 0
	}
	node, _, need := extent(b[at:])
	if need > 0 {
		return 0, 0, at + need
	}
	return at + node + tail, 0, 0
}
