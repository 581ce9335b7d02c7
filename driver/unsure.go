package driver

import (
	"bytes"
	"errors"
	"math"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// This file keeps the packets that recv gives in order when one of them comes back
// (PROTOCOL.md section 6.2).
//
// Whoever called recv may be dead by the time the answer arrives; then the node gives the
// packet back with unread. A recv, or a setopts, that another has called meanwhile must not get what is
// behind it. So these say how many answers the node has told so far. If that is not all of them the
// command waits, and so does all behind it that asks for the input of the socket, until the node has said
// that it knows of the others by now.

// errHeld has a command wait. Nothing of it has been done, but that it is counted.
var errHeld = errors.New("driver: an answer of recv may come back")

// turn is how a command comes to be carried out.
type turn uint8

const (
	fresh  turn = iota // it has just been read
	sure               // it has waited, and all answers before it are known of
	behind             // it has waited behind that one
)

// answers are those that recv on a socket has given, with what waits for news of them.
type answers struct {
	given   uint16   // without those that came back; modulo 65536, as the node counts
	inDoubt uint16   // given when the node was asked
	held    [][]byte // frames of commands, first come first; nil for one that was withdrawn
}

// endOfQuestion reads the end of a command that asks for input: the count that it has as its last
// argument, if it has so many, or nothing. errHeld says that there are more answers than that.
func (d *Session) endOfQuestion(c *portproto.Command, s *sockets.Socket, arity int) error {
	if c.Arity < arity {
		return c.Args.Finish()
	}
	told := c.Args.Uint()
	if err := c.Args.Finish(); err != nil || told > math.MaxUint16 {
		return bad("answers are counted in 16 bits")
	}
	if d.turn != sure && uint16(told) != d.userOf(s).answers.given {
		return errHeld
	}
	return nil
}

// mustWait reports whether a command that asks for input comes behind one that is held.
func (d *Session) mustWait(row *command, s *sockets.Socket) bool {
	return d.turn == fresh && len(d.userOf(s).answers.held) > 0 && row != unreadRow
}

// holdFrame keeps the frame of the present command.
func (d *Session) holdFrame(frame []byte) {
	s := d.current
	a := &d.userOf(s).answers
	a.held = append(a.held, bytes.Clone(frame))
	if len(a.held) == 1 {
		d.beUnsure(s, a)
	}
}

// beUnsure asks the node to say when it knows of all answers.
func (d *Session) beUnsure(s *sockets.Socket, a *answers) {
	if d.unsure == nil {
		d.unsure = map[sockets.ID]*answers{}
	}
	d.unsure[s.ID()] = a
	a.inDoubt = a.given
	d.send(d.event(s, "unsure", 2))
}

// cmdTold is {told, Id, Count}: the node knows of all answers that were given when it was asked, and has
// told Count. What has not been told came back before this.
func (d *Session) cmdTold(c *portproto.Command, s *sockets.Socket) error {
	told := c.Args.Uint()
	if err := c.Args.Finish(); err != nil || told > math.MaxUint16 {
		return bad("answers are counted in 16 bits")
	}
	a := &d.userOf(s).answers
	switch {
	case len(a.held) == 0: // not asked
	case a.given != a.inDoubt:
		d.beUnsure(s, a) // a recv that waited already has been answered since
	default:
		a.given = uint16(told)
		d.resumed = s
	}
	return nil
}

// unread counts an answer that came back.
func (a *answers) unread() {
	a.given--
	a.inDoubt--
}

// resume carries out what has been held, as far as it need not wait again.
func (d *Session) resume() {
	s := d.resumed
	d.resumed = nil
	a := &d.userOf(s).answers
	held := a.held
	a.held = nil
	delete(d.unsure, s.ID())
	d.turn = sure
	for i, frame := range held {
		if frame != nil {
			d.command(frame)
		}
		d.turn = behind
		if len(a.held) > 0 {
			a.held = append(a.held, held[i+1:]...)
			break
		}
	}
	d.turn = fresh
}

// endHeld answers what has been held for a socket that is gone.
func (d *Session) endHeld(s *sockets.Socket) {
	u, ok := s.User.(*user)
	if !ok || len(u.answers.held) == 0 {
		return
	}
	for _, frame := range u.answers.held {
		d.answerHeld(frame, sockets.ErrClosed)
	}
	u.answers.held = nil
	delete(d.unsure, s.ID())
}

// cancelHeld withdraws the call with a tag, if it is held.
func (d *Session) cancelHeld(tag etf.RawTerm) {
	for _, a := range d.unsure {
		for i, frame := range a.held {
			if c, _ := portproto.ReadCommand(frame); c.Called && bytes.Equal(c.Tag, tag) {
				a.held[i] = nil // the node has been asked, and will say something
				d.answerHeld(frame, sockets.ErrCancelled)
				return
			}
		}
	}
}

func (d *Session) answerHeld(frame []byte, err error) {
	if c, _ := portproto.ReadCommand(frame); c.Called {
		d.out.begin()
		d.send(appendFailure(portproto.AppendReply(d.out.batch.Buf, c.Tag), err))
	}
}
