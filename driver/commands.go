package driver

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// command deals with the command of one frame.
func (d *Session) command(frame []byte) {
	c := &d.present
	defer d.contain(c, d.taken)
	var err error
	*c, err = portproto.ReadCommand(frame)
	if err == nil && !d.greeted {
		err = d.greet(c)
		if err == nil || d.in.ended {
			return
		}
	}
	if err == nil {
		err = d.dispatch(c)
	}
	if err == errHeld {
		d.holdFrame(frame)
	} else if err != nil {
		d.refuse(c, err)
	}
	*c = portproto.Command{} // it points into the frame
	if d.resumed != nil {
		d.resume()
	}
}

// contain keeps a failure in a command from the other sockets: it ends the socket that the
// command was about, and answers the command if nobody has taken it on. It has to be deferred.
func (d *Session) contain(c *portproto.Command, taken int) {
	r := recover()
	s := d.current
	d.current = nil
	if r == nil {
		return
	}
	if s != nil {
		d.stack.Fail(s, r)
	} else {
		d.log.Error("a command failed", "panic", r, "stack", string(debug.Stack()))
	}
	if c != nil && c.Called && d.taken == taken {
		d.newCall(c).fail(unix.EFAULT)
	}
}

// refuse answers a command that could not be carried out.
func (d *Session) refuse(c *portproto.Command, err error) {
	var syntax *etf.Error
	if errors.As(err, &syntax) || errors.Is(err, portproto.ErrNoCommand) {
		err = bad("%v", err)
	}
	if c.Called {
		d.newCall(c).fail(err)
		return
	}
	if err == errGone {
		return // the socket's end has been reported already
	}
	d.out.begin()
	b := d.out.batch.Buf
	var option *badOption
	var wrong *badCommand
	var fault *badFault
	if errors.As(err, &option) || errors.As(err, &wrong) || errors.As(err, &fault) {
		b = appendFailure(b, err)
	} else {
		b = portproto.AppendErrorText(b, sockets.PosixName(err), string(c.Name))
	}
	d.send(b)
}

// greet reads the node's hello.
func (d *Session) greet(c *portproto.Command) error {
	reason := ""
	h, err := portproto.NodeHello{}, error(nil)
	if string(c.Name) != "hello" || c.Called || c.Arity < 2 || c.Arity > 3 {
		reason = "hello_expected"
	} else if h, err = portproto.ReadHello(c); err != nil {
		return err
	} else if h.Version != portproto.Version {
		reason = "version"
	}
	if reason != "" {
		d.out.begin()
		b := portproto.AppendErrorTerm(d.out.batch.Buf)
		if reason == "version" {
			b = etf.AppendInt(etf.AppendAtom(etf.AppendTupleHeader(b, 2), reason), portproto.Version)
		} else {
			b = etf.AppendAtom(b, reason)
		}
		d.send(b)
		d.in.ended = true
		d.stop(fmt.Errorf("%w: got %s (version %d), speak version %d", ErrHello, c.Name, h.Version, portproto.Version))
		return ErrHello
	}
	d.greeted = true
	d.sendCredit, d.otp, d.nodePID = h.SendCredit && !d.cfg.Without.Credit, h.OTP, h.OSPid
	if h.OSPid > 0 {
		d.watchNode(h.OSPid)
	}
	d.out.window = int(min(h.Window, math.MaxInt32))
	if !d.cfg.Without.Ahead {
		d.stack.SetAhead(int(min(h.Ahead, maxAhead)))
	}
	d.lines = h.Lines && !d.cfg.Without.Lines
	d.stack.SetHTTPLines(d.lines)
	follow(d.stack, h)
	return nil
}

// socket reads the Id of a command. A socket that has gone is errGone, one that never
// was is sockets.ErrClosed; to a command that takes any it is nil.
func (d *Session) socket(c *portproto.Command, about subject) (*sockets.Socket, error) {
	if c.Args.Kind() != etf.KindInteger {
		return nil, bad("the socket of %s is not an integer", c.Name)
	}
	id := c.Args.Int()
	if err := c.Args.Err(); err != nil {
		return nil, err
	}
	s, ok := d.stack.Get(sockets.ID(id))
	if !ok && about == aSender {
		s, ok = d.stack.Sending(sockets.ID(id))
	}
	switch {
	case ok:
		d.current = s
		return s, nil
	case about == anySocket:
		return nil, nil
	case id > 0 && id <= int64(d.lastID):
		return nil, errGone
	}
	return nil, sockets.ErrClosed
}

func (d *Session) userOf(s *sockets.Socket) *user {
	u, ok := s.User.(*user)
	if !ok {
		u = &user{}
		s.User = u
	}
	return u
}

// timeout reads milliseconds, or infinity, which is negative.
func timeout(s *etf.Scanner) (time.Duration, error) {
	if s.Kind() == etf.KindAtom {
		if string(s.Atom()) != "infinity" {
			return 0, bad("a timeout is in milliseconds, or infinity")
		}
		return -1, nil
	}
	n := s.Int()
	if s.Err() != nil {
		return 0, bad("a timeout is in milliseconds, or infinity")
	}
	return milliseconds(n), nil
}

// milliseconds converts a time of the protocol. One that is too long for a Duration, 292 years, is the longest;
// any negative one is no limit.
func milliseconds(n int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(max(-1, min(n, most))) * time.Millisecond
}

// iodata reads the last argument of a command: octets that alias the frame if they are a binary.
func iodata(s *etf.Scanner) (data []byte, err error) {
	if s.Kind() == etf.KindBinary {
		data = s.Binary()
	} else {
		data = s.AppendIOData(nil)
	}
	if err := s.Finish(); err != nil {
		return nil, bad("data is a binary, or a list of octets and binaries: %v", err)
	}
	return data, nil
}
