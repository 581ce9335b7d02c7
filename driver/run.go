package driver

import (
	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/packet"
)

const (
	// aheadFrame is the size from which on another message of a loan is begun, so that the
	// node can report that the packets of the first have been taken while it still has others.
	aheadFrame = 32 << 10
	// linesFrame is the same for http packets that are sent to be parsed. A node that keeps
	// a part of one keeps the frame: in stock it keeps a buffer of 1460 octets.
	linesFrame = 2 << 10
)

// runKind is how the packets of a run are written.
type runKind uint8

const (
	noRun   runKind = iota
	inList          // a list of binaries, on loan
	inLoan          // lines, on loan
	inEvent         // lines, for the owner of an active socket
)

// run is a message that packets of one socket are added to, as long as nothing else is
// written. Its frame ends with it.
type run struct {
	kind  runKind
	d     *Session
	s     *sockets.Socket
	mode  packet.Mode
	head  int // where the packets begin in the buffer
	count int
}

// is reports whether the next packet of s can be added.
func (r *run) is(s *sockets.Socket, kind runKind) bool {
	return r.kind == kind && r.s == s && (kind == inList || r.mode == s.PacketMode())
}

func (r *run) octets() int { return len(r.d.out.batch.Buf) - r.head }

func (d *Session) beginList(s *sockets.Socket) {
	b := etf.AppendListHeader(d.out.batch.Buf, 0)
	d.out.buf(b)
	d.run = run{kind: inList, d: d, s: s, head: len(b)}
}

// beginLines begins {lines, Mode, Headers, Count, Octets}.
func (d *Session) beginLines(s *sockets.Socket, p packet.Packet, kind runKind) {
	b := portproto.AppendLines(d.out.batch.Buf, s.PacketMode().String(), p.Headers)
	d.out.buf(b)
	d.run = run{kind: kind, d: d, s: s, mode: s.PacketMode(), head: len(b)}
}

// http writes a packet into {http, Id, Lines}, which the node parses.
func (d *Session) http(s *sockets.Socket, p packet.Packet) {
	if !d.run.is(s, inEvent) {
		d.out.buf(d.event(s, "http", 3))
		d.beginLines(s, p, inEvent)
	}
	d.out.buf(append(d.out.batch.Buf, p.Data...))
	d.run.count++
	if d.run.octets() >= linesFrame {
		d.endRun()
	}
}

// endRun ends the message that is being added to, if there is one.
func (d *Session) endRun() {
	r := &d.run
	b := d.out.batch.Buf
	switch r.kind {
	case noRun:
		return
	case inList:
		portproto.PatchList(b, r.head, r.count)
		b = etf.AppendNil(b)
	default:
		// A header ends only where what follows it is known.
		b = append(b, '.')
		portproto.PatchLines(b, r.head, r.count)
	}
	*r = run{}
	d.out.buf(b)
	d.out.end()
	d.out.batch.Close()
}
