package driver

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/packet"
)

// call is a command that is to be answered. It is the completion that sockets are given.
// An answered call is used again.
type call struct {
	d     *Session
	tag   etf.RawTerm
	owner etf.RawTerm // of a call that opens a socket, nil if it is not owned
	kin   [][]byte    // of a call that accepts, nil if it is not given

	// How the call is withdrawn while it waits.
	waits    bool
	cancel   func(*call) bool
	socket   *sockets.Socket
	injected *injection // a fault has it wait

	hash       uint64 // of the tag, while it waits
	next, prev *call  // among the waiting calls, next also in the free list
}

// newCall takes a call for the command that is being dealt with.
func (d *Session) newCall(c *portproto.Command) *call {
	d.taken++
	k := d.freeCalls
	if k == nil {
		k = &call{d: d}
	} else {
		d.freeCalls = k.next
		k.next = nil
	}
	k.tag = append(k.tag[:0], c.Tag...)
	k.owner, k.kin = nil, nil
	if c.Owned {
		k.owner = append(etf.RawTerm(nil), c.Owner...)
	}
	return k
}

// wait keeps the call where cancel finds it. It must be called before the call can be answered.
func (k *call) wait(s *sockets.Socket, cancel func(*call) bool) {
	k.socket, k.cancel, k.waits = s, cancel, true
	k.d.waiting.add(k)
}

func (k *call) answered() {
	if k.waits {
		k.d.waiting.remove(k)
	}
	k.waits, k.prev, k.socket, k.cancel, k.injected = false, nil, nil, nil, nil
	k.next = k.d.freeCalls
	k.d.freeCalls = k
}

// cancelCall withdraws the call with a tag that waits.
func (d *Session) cancelCall(tag etf.RawTerm) {
	for k := d.waiting.first(tag); k != nil; k = k.next {
		if bytes.Equal(k.tag, tag) {
			if k.injected != nil {
				k.injected.fail(sockets.ErrCancelled)
				return
			}
			k.cancel(k)
			return
		}
	}
	d.cancelHeld(tag)
}

// reply begins the answer; the result is to be appended, then call end.
func (k *call) reply() []byte {
	k.d.out.begin()
	return portproto.AppendReply(k.d.out.batch.Buf, k.tag)
}

func (k *call) end(b []byte) {
	k.d.out.buf(b)
	k.d.out.end()
	k.answered()
}

func (k *call) ok() { k.end(etf.AppendAtom(k.reply(), "ok")) }

func (k *call) okInt(n int64) { k.end(etf.AppendInt(portproto.AppendOK(k.reply()), n)) }

// fail answers with an error.
func (k *call) fail(err error) {
	k.end(appendFailure(k.reply(), err))
}

// appendFailure writes {error, Reason}.
func appendFailure(b []byte, err error) []byte {
	var option *badOption
	var wrong *badCommand
	var fault *badFault
	switch {
	case errors.As(err, &fault):
		return appendBadFault(portproto.AppendErrorTerm(b), fault)
	case errors.As(err, &option):
		b = etf.AppendTupleHeader(portproto.AppendErrorTerm(b), 2)
		return append(etf.AppendAtom(b, "bad_option"), option.term...)
	case errors.As(err, &wrong):
		return portproto.AppendErrorText(b, "bad_command", wrong.Error())
	}
	return portproto.AppendError(b, sockets.PosixName(err))
}

// Done answers a call without value.
func (k *call) Done(err error) {
	if err != nil {
		k.fail(err)
		return
	}
	k.ok()
}

// Received answers a recv.
func (k *call) Received(s *sockets.Socket, p packet.Packet, err error) {
	if err != nil {
		if other, ok := s.Receiver().(*call); ok && err == unix.EALREADY {
			b := etf.AppendTupleHeader(portproto.AppendErrorTerm(k.reply()), 2)
			k.end(append(etf.AppendAtom(b, "ealready"), other.tag...))
			return
		}
		k.fail(err)
		return
	}
	k.d.userOf(s).answers.given++
	b := portproto.AppendOK(k.reply())
	if p.Kind == packet.Bytes && s.Binary() && s.Header() == 0 {
		k.d.out.buf(etf.AppendBinaryHeader(b, len(p.Data)))
		k.d.out.payload(p.Data)
		k.answered()
		return
	}
	k.end(appendPacket(b, s, p))
}

// Splice answers a recv with a packet that has not been read.
func (k *call) Splice(s *sockets.Socket, n int) bool {
	if !k.d.out.splices() {
		return false
	}
	k.d.userOf(s).answers.given++
	k.d.out.buf(etf.AppendBinaryHeader(portproto.AppendOK(k.reply()), n))
	k.d.out.splice(s, n)
	k.answered()
	return true
}

// Opened answers a call that opens a socket.
func (k *call) Opened(s *sockets.Socket, err error) {
	if err != nil {
		k.fail(err)
		return
	}
	s.User = &user{}
	k.d.lastID = max(k.d.lastID, s.ID())
	if k.owner != nil {
		s.User.(*user).own(k.owner)
	}
	if k.kin != nil {
		s.SetKin(k.kin)
	}
	k.okInt(int64(s.ID()))
	s.Open()
}

// FileSent answers a sendfile.
func (k *call) FileSent(n int64, err error) {
	if err != nil {
		k.fail(err)
		return
	}
	k.okInt(n)
}

// quiet is the completion of a cast.
type quiet struct{}

func (quiet) Done(error)            {}
func (quiet) FileSent(int64, error) {}

// user is what a session keeps with a socket.
type user struct {
	to      []byte // what begins the messages of an owned socket
	answers answers
	injections
}

func (u *user) own(owner etf.RawTerm) { u.to = portproto.AppendTo(nil, owner) }
