package packet

import (
	"encoding/binary"
	"math"
)

// DefaultBuffer is the stock driver's default for the option buffer.
const DefaultBuffer = 1460

// A Framer cuts one direction of a connection into packets. Its fields are the
// socket's options and may change between two calls of Next.
type Framer struct {
	Mode Mode

	// Size is the option packet_size: the longest body, or the longest line,
	// in bytes. 0 is no limit.
	Size uint32

	// Buffer is the option buffer in bytes. Longer lines are cut, longer HTTP
	// lines are an error (unless Size is larger), and so are length headers
	// that do not fit. 0 is no limit.
	Buffer int

	// Delimiter ends a line in mode Line: the option line_delimiter.
	Delimiter byte

	// Headers is the state of HTTP parsing: false while a request or response
	// line is due, true while headers are. It belongs to the connection and
	// not to the mode, so other modes leave it alone.
	Headers bool

	// Unparsed delivers HTTP lines and TLS records as Bytes, as the stock
	// driver does with {deliver,port}. Headers does not advance then.
	Unparsed bool

	// Lines leaves HTTP headers unparsed: the receiver goes by their Data, or calls
	// Packet.Parse. Any of them may turn out to be an HTTPError then.
	Lines bool

	// IPv6Hosts takes [::1]:80 in a URI for a host and a port, as OTP 27 does.
	// OTP 25 stops at the first colon and has the host "[".
	IPv6Hosts bool

	// How far the packet at the front of the buffer has been searched for its
	// end, and under which settings that was.
	seen   int
	seenAs search
}

// search is what a search for the end of a line depends on.
type search struct {
	mode      Mode
	delimiter byte
	headers   bool
}

// New returns a Framer with the stock defaults for everything but the mode.
func New(m Mode) *Framer {
	return &Framer{Mode: m, Buffer: DefaultBuffer, Delimiter: '\n'}
}

// Next finds the packet at the front of buf, the bytes received so far.
//
// There are three outcomes. n > 0: the packet takes n bytes, and p describes
// it; its slices alias buf. need > 0: buf holds no whole packet and at least
// need more bytes must come first. need can be close to 2 GiB on the word of
// the peer alone, so it is no measure for an allocation. err: the bytes are no
// packet (see Error), and Next says so again until they are taken away.
//
// How the stream is split over calls makes no difference to its packets. Next
// remembers how far it has searched: buf may grow at the end from call to
// call, but whoever takes other than the reported n bytes from its front, or
// puts bytes there, must call Rescan.
func (f *Framer) Next(buf []byte) (p Packet, n, need int, err error) {
	switch {
	case f.Mode == Raw:
		if n = len(buf); n == 0 {
			need = 1
		}
	case f.Mode == Line:
		n, need, err = f.line(buf)
	case f.Mode.isHTTP():
		n, need, err = f.httpLine(buf)
	default:
		n, need, err = f.frame(buf)
	}
	if n > 0 {
		f.Rescan()
		p = f.packet(buf[:n:n])
	}
	return p, n, need, err
}

// Rescan forgets what Next has found out about the bytes seen so far.
func (f *Framer) Rescan() { f.seen = 0 }

// AppendHeader appends what goes before n bytes of data when they are sent:
// the length, modulo its range, in modes One, Two and Four, and nothing in any
// other.
func (f *Framer) AppendHeader(dst []byte, n int) []byte {
	switch f.Mode {
	case One:
		return append(dst, byte(n))
	case Two:
		return binary.BigEndian.AppendUint16(dst, uint16(n))
	case Four:
		return binary.BigEndian.AppendUint32(dst, uint32(n))
	}
	return dst
}

// packet describes b, a whole packet.
func (f *Framer) packet(b []byte) Packet {
	switch {
	case f.Mode == FCGI:
		padding := int(b[6])
		return Packet{Data: b[:len(b)-padding]}
	case f.Mode.isHTTP() && !f.Unparsed:
		return f.parseHTTP(b)
	case f.Mode == SSLTLS && !f.Unparsed:
		return parseTLS(b)
	}
	return Packet{Data: b[HeaderLen(f.Mode):]}
}

// window is how many bytes the stock driver can look at while it does not know
// the length of a packet: its buffer, which it enlarges to packet_size.
func (f *Framer) window() int {
	if f.Buffer <= 0 {
		return math.MaxInt
	}
	return max(f.Buffer, int(min(f.Size, math.MaxInt32)))
}

// frame finds the end of a packet that begins with its length.
func (f *Framer) frame(buf []byte) (n, need int, err error) {
	limit := f.window()
	seen := buf[:min(len(buf), limit)]
	h, more, reason := f.header(seen)
	switch {
	case reason != "":
		return 0, 0, f.fail(reason)
	case more > 0 && len(seen) == limit:
		return 0, 0, f.fail("header longer than the buffer")
	case more > 0:
		return 0, min(more, limit-len(seen)), nil
	case f.Size != 0 && h.body > f.Size:
		return 0, 0, f.fail("body longer than packet_size")
	}
	total := int64(h.len) + int64(h.body)
	switch {
	case total > math.MaxInt32:
		return 0, 0, f.fail("longer than 2 GiB")
	case total > int64(len(buf)):
		return 0, int(total) - len(buf), nil
	}
	return int(total), 0, nil
}

func (f *Framer) fail(reason string) error { return &Error{Mode: f.Mode, Reason: reason} }

// resume is where the search for the end of the packet in buf goes on.
func (f *Framer) resume(buf []byte) int {
	if f.seenAs != f.search() || f.seen > len(buf) {
		return 0
	}
	return f.seen
}

// searched records that the end of the packet is not before offset i.
func (f *Framer) searched(i int) { f.seen, f.seenAs = i, f.search() }

func (f *Framer) search() search { return search{f.Mode, f.Delimiter, f.Headers} }
