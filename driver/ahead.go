package driver

import (
	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/packet"
)

// maxAhead is the most that a node may ask to have ahead of one socket's input.
const maxAhead = 1 << 20

// Lend writes a packet into the message for those of the socket's loan. Only the forms that
// section 5.1 of PROTOCOL.md fixes are lent, so that a node can find their ends.
func (d *Session) Lend(s *sockets.Socket, p packet.Packet) bool {
	switch {
	case p.Kind == packet.Bytes && s.Binary():
		if !d.run.is(s, inList) {
			d.beginAhead(s)
			d.beginList(s)
		}
		d.out.buf(etf.AppendBinary(d.out.batch.Buf, p.Data))
	case p.Kind != packet.Bytes && p.Kind != packet.TLSRecord && d.lines:
		if !d.run.is(s, inLoan) {
			d.beginAhead(s)
			d.beginLines(s, p, inLoan)
		}
		d.out.buf(append(d.out.batch.Buf, p.Data...))
	default:
		return false
	}
	d.run.count++
	if d.run.octets() >= aheadFrame {
		d.endRun()
	}
	return true
}

// Lent ends the message, which is the last of its frame.
func (d *Session) Lent(*sockets.Socket) { d.endRun() }

// beginAhead begins {ahead, Id, Loan, Packets}.
func (d *Session) beginAhead(s *sockets.Socket) {
	d.out.begin()
	b := d.out.batch.Buf
	if u, ok := s.User.(*user); ok {
		b = append(b, u.to...)
	}
	d.out.buf(portproto.AppendAhead(b, int64(s.ID()), s.LoanNumber()))
}

// Recall writes {recall, Id, Loan}. The loan that ended was the one before the next.
func (d *Session) Recall(s *sockets.Socket) {
	b := d.event(s, "recall", 3)
	d.send(portproto.AppendID(b, int64(s.LoanNumber())))
}

// cmdTaken is {taken, Id, Loan, Count}.
func (d *Session) cmdTaken(c *portproto.Command, s *sockets.Socket) error {
	loan, count, err := loanArguments(c)
	if err == nil {
		err = c.Args.Finish()
	}
	if err != nil {
		return err
	}
	s.Taken(loan, count)
	return nil
}

// cmdSettle is {settle, Id, Loan, Count} or {settle, Id, Loan, Count, Command}, where Command is
// about the same socket.
func (d *Session) cmdSettle(c *portproto.Command, s *sockets.Socket) error {
	loan, count, err := loanArguments(c)
	if d.turn == fresh {
		s.Ask(loan, count) // also without any that count: the node has counted this command
	}
	if err != nil {
		return err
	}
	if c.Arity == 4 {
		return c.Args.Finish()
	}
	if err := c.Inner(); err != nil {
		return err
	}
	row, err := find(c)
	if row == nil || !row.asks {
		return bad("settle goes before a command that asks for the input, not before %.64q", c.Name)
	}
	if err != nil {
		return err
	}
	inner, err := d.socket(c, row.about)
	if err != nil {
		return err
	}
	if inner != s {
		return bad("settle and its command are about two sockets")
	}
	return d.carryOut(row, c, s)
}

func loanArguments(c *portproto.Command) (loan, count int, err error) {
	l, n := c.Args.Uint(), c.Args.Uint()
	if err := c.Args.Err(); err != nil {
		return 0, 0, err
	}
	if l >= sockets.LoanNumbers || n > sockets.MaxLoan {
		return 0, 0, bad("no loan has the number %d, or %d packets", l, n)
	}
	return int(l), int(n), nil
}
