package driver

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// command deals with the command of one frame.
func (d *Session) command(frame []byte) {
	var c portproto.Command
	defer d.contain(&c, d.taken)
	c, err := portproto.ReadCommand(frame)
	if err == nil && !d.greeted {
		err = d.greet(&c)
		if err == nil || d.in.ended {
			return
		}
	}
	if err == nil {
		err = d.dispatch(&c)
	}
	if err != nil {
		d.refuse(&c, err)
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
		return // the socket's end has been told already
	}
	d.out.begin()
	b := d.out.batch.Buf
	var option *badOption
	var wrong *badCommand
	if errors.As(err, &option) || errors.As(err, &wrong) {
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
	d.out.window = int(min(h.Window, math.MaxInt32))
	if !d.cfg.Without.Ahead {
		d.stack.SetAhead(int(min(h.Ahead, maxAhead)))
	}
	d.lines = h.Lines && !d.cfg.Without.Lines
	d.stack.SetHTTPLines(d.lines)
	follow(d.stack, h)
	return nil
}

// arities are the arities of the commands, their names included.
var arities = map[string][2]int{
	"send": {3, 3}, "recv": {4, 4}, "setopts": {3, 3}, "getopts": {3, 3}, "accept": {3, 4}, "adopt": {2, 2},
	"return": {2, 2}, "listen": {4, 4}, "connect": {6, 6}, "fdopen": {4, 4}, "send_part": {5, 5}, "ready": {2, 2},
	"unrecv": {3, 3}, "unread": {3, 3}, "sendfile": {5, 5}, "sendfile_part": {3, 3}, "shutdown": {3, 3},
	"close": {2, 2}, "getstat": {3, 3}, "peername": {2, 2}, "sockname": {2, 2}, "info": {2, 2}, "sockets": {1, 1},
	"controlling_process": {3, 3}, "ping": {1, 1}, "credit": {2, 2}, "cancel": {2, 2}, "hello": {2, 3},
	"taken": {4, 4}, "settle": {4, 5},
}

// dispatch carries out a command. An error is one that the command itself has, and that has
// not been answered.
func (d *Session) dispatch(c *portproto.Command) error {
	name := c.Name
	if string(name) == "send" && c.Arity == 3 { // before all others: this is the hot one
		return d.cmdSend(c)
	}
	// What other commands find out, or let others find out, must not be overtaken by it.
	d.stack.FlushCorked()
	if err := checkArity(c); err != nil {
		return err
	}
	switch string(name) {
	case "listen":
		return d.cmdListen(c)
	case "connect":
		return d.cmdConnect(c)
	case "fdopen":
		return d.cmdFdOpen(c)
	case "ping":
		return d.value(c, func(b []byte) []byte { return etf.AppendAtom(b, "pong") })
	case "credit":
		return d.cmdCredit(c)
	case "cancel":
		tag := c.Args.Raw()
		if err := c.Args.Finish(); err != nil {
			return err
		}
		d.cancelCall(tag)
		return d.done(c, nil)
	case "sockets":
		return d.cmdSockets(c)
	case "hello":
		return bad("hello comes once")
	}
	s, err := d.socket(c)
	if errors.Is(err, sockets.ErrClosed) && string(name) == "close" {
		s, err = nil, nil // there is nothing left to do
	}
	if err != nil {
		return err
	}
	if asks[string(name)] {
		s.Ask(0, 0)
	}
	return d.socketCommand(c, s)
}

func checkArity(c *portproto.Command) error {
	arity, ok := arities[string(c.Name)]
	if !ok {
		return bad("unknown command %.64q", c.Name)
	}
	if c.Arity < arity[0] || c.Arity > arity[1] {
		return bad("%s takes %s, not %d", c.Name, arguments(arity), c.Arity-1)
	}
	return nil
}

// arguments says how many arguments a command takes.
func arguments(arity [2]int) string {
	least, most := arity[0]-1, arity[1]-1
	switch {
	case least < most:
		return fmt.Sprintf("%d or %d arguments", least, most)
	case most == 0:
		return "no arguments"
	case most == 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", most)
}

// socketCommand carries out a command about a socket, which is nil only for a close
// of one that has gone.
func (d *Session) socketCommand(c *portproto.Command, s *sockets.Socket) error {
	a := &c.Args
	switch string(c.Name) {
	case "recv":
		return d.cmdRecv(c, s)
	case "setopts":
		opts, err := d.appendOptions(d.options[:0], a, sockets.ForSet)
		d.options = opts[:0] // re-arming is not to cost an allocation
		if err == nil {
			err = a.Finish()
		}
		if err != nil {
			return err
		}
		return d.done(c, s.SetOptions(opts))
	case "getopts":
		opts, err := d.getOptions(a, s)
		if err != nil {
			return err
		}
		return d.value(c, func(b []byte) []byte { return appendOptions(b, opts) })
	case "taken":
		return d.cmdTaken(c, s)
	case "settle":
		return d.cmdSettle(c, s)
	case "accept":
		return d.cmdAccept(c, s)
	case "adopt":
		if err := a.Finish(); err != nil {
			return err
		}
		s.Adopt()
		return d.done(c, nil)
	case "return":
		if err := a.Finish(); err != nil {
			return err
		}
		s.Return()
		return d.done(c, nil)
	case "send_part":
		return d.cmdSendPart(c, s)
	case "ready":
		if err := a.Finish(); err != nil {
			return err
		}
		if err := d.mustCall(c); err != nil {
			return err
		}
		k := d.newCall(c)
		k.wait(s, cancelSend)
		s.SendReady(k)
	case "unrecv":
		data := a.AppendIOData(nil)
		if err := a.Finish(); err != nil {
			return bad("the data of unrecv: %v", err)
		}
		return d.done(c, s.Unrecv(data))
	case "unread":
		data := a.AppendIOData(nil)
		if err := a.Finish(); err != nil {
			return bad("the packet of unread: %v", err)
		}
		return d.done(c, s.Unread(data))
	case "sendfile":
		return d.cmdSendFile(c, s)
	case "sendfile_part":
		data, err := iodata(a)
		if err != nil {
			return err
		}
		if !c.Called {
			s.SendFileOctets(data, quiet{})
			return nil
		}
		k := d.newCall(c)
		k.wait(s, cancelSend)
		s.SendFileOctets(data, k)
	case "shutdown":
		return d.cmdShutdown(c, s)
	case "close":
		return d.cmdClose(c, s)
	case "getstat":
		return d.cmdGetstat(c, s)
	case "peername":
		return d.address(c, s.Peername)
	case "sockname":
		return d.address(c, s.Sockname)
	case "info":
		return d.cmdInfo(c, s)
	case "controlling_process":
		owner := a.Raw()
		if err := a.Finish(); err != nil {
			return err
		}
		d.userOf(s).own(owner)
		return d.done(c, nil)
	}
	return nil
}

// socket reads the Id of a command. A socket that has gone is errGone, one that never
// was is sockets.ErrClosed.
func (d *Session) socket(c *portproto.Command) (*sockets.Socket, error) {
	if c.Args.Kind() != etf.KindInteger {
		return nil, bad("the socket of %s is not an integer", c.Name)
	}
	id := c.Args.Int()
	if err := c.Args.Err(); err != nil {
		return nil, err
	}
	s, ok := d.stack.Get(sockets.ID(id))
	switch {
	case ok:
		d.current = s
		return s, nil
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

// mustCall refuses a command that makes sense only when it is answered.
func (d *Session) mustCall(c *portproto.Command) error {
	if !c.Called {
		return bad("%s has to be called", c.Name)
	}
	return nil
}

// done answers a command that gives no value.
func (d *Session) done(c *portproto.Command, err error) error {
	if err != nil || !c.Called {
		return err
	}
	d.newCall(c).ok()
	return nil
}

// value answers a command with {ok, Value}.
func (d *Session) value(c *portproto.Command, appendValue func([]byte) []byte) error {
	if err := c.Args.Finish(); err != nil {
		return err
	}
	if err := d.mustCall(c); err != nil {
		return err
	}
	k := d.newCall(c)
	k.end(appendValue(portproto.AppendOK(k.reply())))
	return nil
}

func (d *Session) address(c *portproto.Command, get func() (sockets.Addr, error)) error {
	a, err := get()
	if err != nil {
		return err
	}
	return d.value(c, func(b []byte) []byte { return appendAddress(b, a) })
}

// timeout reads milliseconds, or infinity (-1).
func timeout(s *etf.Scanner) (int64, error) {
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
	return max(n, -1), nil
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

func (d *Session) cmdCredit(c *portproto.Command) error {
	n := c.Args.Uint()
	if err := c.Args.Finish(); err != nil {
		return err
	}
	if n > uint64(d.out.unsent) {
		return bad("credit for %d octets, %d are without", n, d.out.unsent)
	}
	d.out.credit(int(min(n, math.MaxInt)))
	return d.done(c, nil)
}

func (d *Session) cmdSockets(c *portproto.Command) error {
	return d.value(c, func(b []byte) []byte {
		var ids []int64
		d.stack.Sockets(func(s *sockets.Socket) { ids = append(ids, int64(s.ID())) })
		slices.Sort(ids)
		if len(ids) > 0 {
			b = etf.AppendListHeader(b, len(ids))
			for _, id := range ids {
				b = etf.AppendInt(b, id)
			}
		}
		return etf.AppendNil(b)
	})
}

func (d *Session) cmdShutdown(c *portproto.Command, s *sockets.Socket) error {
	var how int
	switch string(c.Args.Atom()) {
	case "read":
		how = unix.SHUT_RD
	case "write":
		how = unix.SHUT_WR
	case "read_write":
		how = unix.SHUT_RDWR
	default:
		return bad("shutdown takes read, write or read_write")
	}
	if err := c.Args.Finish(); err != nil {
		return err
	}
	return d.done(c, s.Shutdown(how))
}

func (d *Session) cmdClose(c *portproto.Command, s *sockets.Socket) error {
	if err := c.Args.Finish(); err != nil {
		return err
	}
	switch {
	case s == nil:
		return d.done(c, nil)
	case !c.Called:
		s.CloseNow()
	default:
		s.Close(d.newCall(c))
	}
	return nil
}

func (d *Session) cmdGetstat(c *portproto.Command, s *sockets.Socket) error {
	var names []sockets.Stat
	err := readList(&c.Args, func(raw etf.RawTerm) error {
		e := etf.NewScanner(raw)
		n, ok := sockets.StatByName(string(e.Atom()))
		if !ok {
			return unix.EINVAL
		}
		names = append(names, n)
		return nil
	})
	if err != nil {
		return err
	}
	return d.value(c, func(b []byte) []byte {
		if len(names) > 0 {
			b = etf.AppendListHeader(b, len(names))
			for _, n := range names {
				b = etf.AppendAtom(etf.AppendTupleHeader(b, 2), n.String())
				b = etf.AppendInt(b, s.Stat(n))
			}
		}
		return etf.AppendNil(b)
	})
}

func (d *Session) cmdInfo(c *portproto.Command, s *sockets.Socket) error {
	return d.value(c, func(b []byte) []byte {
		b = etf.AppendMapHeader(b, 4)
		states := s.States()
		b = etf.AppendAtom(b, "states")
		if len(states) > 0 {
			b = etf.AppendListHeader(b, len(states))
			for _, name := range states {
				b = etf.AppendAtom(b, name)
			}
		}
		b = etf.AppendNil(b)
		b = etf.AppendMapHeader(etf.AppendAtom(b, "counters"), len(sockets.Stats()))
		for _, n := range sockets.Stats() {
			b = etf.AppendInt(etf.AppendAtom(b, n.String()), s.Stat(n))
		}
		input, output := s.Traffic()
		b = etf.AppendInt(etf.AppendAtom(b, "input"), int64(input))
		return etf.AppendInt(etf.AppendAtom(b, "output"), int64(output))
	})
}
