package driver

import (
	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/packet"
)

// event begins a message about a socket.
func (d *Session) event(s *sockets.Socket, name string, arity int) []byte {
	d.out.begin()
	b := d.out.batch.Buf
	if u, ok := s.User.(*user); ok {
		b = append(b, u.to...)
	}
	return portproto.AppendEvent(b, name, arity, int64(s.ID()))
}

func (d *Session) send(b []byte) {
	d.out.buf(b)
	d.out.end()
}

// Packet writes the message for a packet on an active socket.
func (d *Session) Packet(s *sockets.Socket, p packet.Packet) {
	name := "tcp"
	switch {
	case s.DeliverPort():
		name = "data"
	case p.Kind == packet.TLSRecord:
		b := d.event(s, "ssl_tls", 5)
		d.send(appendTLS(b, p))
		return
	case p.Kind != packet.Bytes && d.lines:
		d.http(s, p)
		return
	case p.Kind != packet.Bytes:
		name = "http"
	}
	b := d.event(s, name, 3)
	if s.DeliverPort() && s.Accepted() {
		// An accepted port of the stock driver is not opened with binary.
		d.send(etf.AppendString(b, p.Data))
		return
	}
	if p.Kind == packet.Bytes && s.Binary() && s.Header() == 0 {
		d.out.buf(etf.AppendBinaryHeader(b, len(p.Data)))
		d.out.payload(p.Data)
		return
	}
	d.send(appendPacket(b, s, p))
}

// Splice is Packet for a raw packet that has not been read.
func (d *Session) Splice(s *sockets.Socket, n int) bool {
	if !d.out.splices() {
		return false
	}
	d.out.buf(etf.AppendBinaryHeader(d.event(s, "tcp", 3), n))
	d.out.splice(s, n)
	return true
}

// Passive writes {tcp_passive, Id}.
func (d *Session) Passive(s *sockets.Socket) { d.send(d.event(s, "tcp_passive", 2)) }

// Error writes {tcp_error, Id, Reason}.
func (d *Session) Error(s *sockets.Socket, err error) {
	d.send(etf.AppendAtom(d.event(s, "tcp_error", 3), sockets.PosixName(err)))
}

// Closed writes {tcp_closed, Id}.
func (d *Session) Closed(s *sockets.Socket) { d.send(d.event(s, "tcp_closed", 2)) }

// Gone writes {gone, Id, Reason}.
func (d *Session) Gone(s *sockets.Socket, reason error) {
	closes := d.endInjections(s)
	name := "normal"
	if reason != nil {
		name = sockets.PosixName(reason)
	}
	d.endHeld(s)
	d.send(etf.AppendAtom(d.event(s, "gone", 3), name))
	for _, k := range closes {
		k.ok()
	}
}

// Credit writes {credit, Id, Octets, Window} for nodes that keep account.
func (d *Session) Credit(s *sockets.Socket, octets, window int) {
	if !d.sendCredit {
		return
	}
	d.out.begin()
	d.send(portproto.AppendCredit(d.out.batch.Buf, int64(s.ID()), octets, window))
}
