package driver

import (
	"time"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/fault"

	"golang.org/x/sys/unix"
)

// start sorts the options of an opening command.
func (d *Session) start(s *etf.Scanner, where sockets.Where) (sockets.Start, error) {
	st := sockets.Start{Backlog: defaultBacklog, Fd: -1}
	opts, err := d.readOptions(s, where)
	if err != nil {
		return st, err
	}
	if err := s.Finish(); err != nil {
		return st, err
	}
	if d.cfg.Without.Inline {
		st.Options = append(st.Options, delayed) // the first one, so it counts
	}
	fd := int64(-1)
	for _, o := range lastOfEach(opts) {
		switch o.Name {
		case sockets.BacklogOption:
			st.Backlog = int(o.Int)
		case sockets.FdOption:
			fd = o.Int
		case sockets.ProtocolOption:
			st.MPTCP = o.Int != 0
		case sockets.NetnsOption:
			st.Netns = string(o.Bytes)
			st.Options = append(st.Options, o)
		default:
			st.Options = append(st.Options, o)
		}
	}
	if fd >= 0 {
		st.Fd, err = d.takeDescriptor(fd)
	}
	return st, err
}

// delayed has the sends of a socket written after the turn in which their commands were read.
var delayed = func() sockets.Option {
	name, _ := sockets.OptionByName([]byte("delay_send"), sockets.ForSet, 0)
	return sockets.Option{Name: name, Int: 1}
}()

// defaultBacklog is the default of gen_tcp:listen/2.
const defaultBacklog = 5

// takeDescriptor copies a descriptor of the node.
func (d *Session) takeDescriptor(n int64) (int, error) {
	if d.nodePID == 0 {
		return -1, unix.ENOTSUP
	}
	return sockets.TakeDescriptor(d.nodePID, int(n))
}

// cmdListen is {listen, Family, Address, Options}.
func (d *Session) cmdListen(c *portproto.Command, _ *sockets.Socket) error {
	f, err := readFamily(&c.Args)
	if err != nil {
		return err
	}
	addr, bound, err := readAddress(&c.Args, f)
	if err != nil {
		return err
	}
	start, err := d.start(&c.Args, sockets.ForListen)
	if err != nil {
		return err
	}
	var at *sockets.Addr
	if bound {
		at = &addr
	}
	k := d.newCall(c)
	k.wait(nil, cancelConnect)
	if s := d.stack.ListenCall(f, at, start, k); s != nil && k.waits && k.socket == nil {
		k.socket = s
	}
	return nil
}

// cmdConnect is {connect, Family, Remote, Local, Options, Timeout}.
func (d *Session) cmdConnect(c *portproto.Command, _ *sockets.Socket) error {
	f, err := readFamily(&c.Args)
	if err != nil {
		return err
	}
	remote, ok, err := readAddress(&c.Args, f)
	if err != nil {
		return err
	}
	if !ok {
		return bad("connect needs an address")
	}
	local, bound, err := readAddress(&c.Args, f)
	if err != nil {
		return err
	}
	options := c.Args.Raw()
	limit, err := timeout(&c.Args)
	if err == nil {
		err = c.Args.Finish()
	}
	if err != nil {
		return err
	}
	args := etf.NewScanner(options)
	start, err := d.start(&args, sockets.ForConnect)
	if err != nil {
		return err
	}
	var from *sockets.Addr
	if bound {
		from = &local
	}
	k := d.newCall(c)
	k.wait(nil, cancelConnect)
	if s := d.stack.Connect(f, remote, from, start, limit, k); s != nil && k.waits && k.socket == nil {
		k.socket = s
	}
	return nil
}

func cancelConnect(k *call) bool { return k.socket.CancelConnect() }

// cmdFdOpen is {fdopen, Family, Fd, Options}.
func (d *Session) cmdFdOpen(c *portproto.Command, _ *sockets.Socket) error {
	f, err := readFamily(&c.Args)
	if err != nil {
		return err
	}
	n := c.Args.Uint()
	start, err := d.start(&c.Args, sockets.ForSet)
	if err != nil {
		return err
	}
	if start.Fd, err = d.takeDescriptor(int64(n)); err != nil {
		return err
	}
	s, err := d.stack.FdOpen(f, start)
	d.newCall(c).Opened(s, err)
	return nil
}

// cmdAccept is {accept, Id, Timeout}, {accept, Id, Timeout, hold} or {accept, Id, Timeout, hold, Kin}.
func (d *Session) cmdAccept(c *portproto.Command, s *sockets.Socket) error {
	limit, err := timeout(&c.Args)
	if err != nil {
		return err
	}
	hold := c.Arity >= 4
	if hold && string(c.Args.Atom()) != "hold" {
		return bad("accept knows hold and nothing else")
	}
	var kin [][]byte
	if c.Arity == 5 {
		if kin, err = readKin(&c.Args); err != nil {
			return bad("kin is a list: %v", err)
		}
	}
	if err := c.Args.Finish(); err != nil {
		return err
	}
	k := d.newCall(c)
	k.kin = kin
	k.wait(s, cancelAccept)
	if s.CallFaults(fault.Accept) {
		d.inject(k, fault.Accept, limit, func(left time.Duration) { s.Accept(left, hold, k) })
		return nil
	}
	s.Accept(limit, hold, k)
	return nil
}

func cancelAccept(k *call) bool { return k.socket.CancelAccept(k) }

// cmdAdopt is {adopt, Id}.
func (d *Session) cmdAdopt(_ *portproto.Command, s *sockets.Socket) error {
	s.Adopt()
	return nil
}

// cmdReturn is {return, Id}.
func (d *Session) cmdReturn(_ *portproto.Command, s *sockets.Socket) error {
	s.Return()
	return nil
}
