package driver

import (
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/fault"
)

// cmdSend is {send, Id, Bytes}.
func (d *Session) cmdSend(c *portproto.Command, s *sockets.Socket) error {
	data, err := iodata(&c.Args)
	switch {
	case err != nil:
		return err
	case d.faultySends(s):
		return d.sendWithFaults(c, s, data)
	case !c.Called:
		s.Send(data)
		return nil
	}
	s.SettleCredit()
	k := d.newCall(c)
	k.wait(s, cancelSend)
	s.SendCall(data, k)
	return nil
}

func cancelSend(k *call) bool { return k.socket.CancelSend(k) }

// cmdSendPart is {send_part, Id, Key, Total, Bytes}.
func (d *Session) cmdSendPart(c *portproto.Command, s *sockets.Socket) error {
	key, total := c.Args.Int(), c.Args.Uint()
	data, err := iodata(&c.Args)
	if err != nil {
		return err
	}
	if total > math.MaxInt32<<8 || uint64(len(data)) > total {
		return bad("a part of %d octets of a send of %d", len(data), total)
	}
	if d.faultySends(s) {
		return d.sendPartWithFaults(c, s, key, int(total), data)
	}
	if !c.Called {
		s.SendPart(key, int(total), data, nil)
		return nil
	}
	k := d.newCall(c)
	k.wait(s, cancelSend)
	s.SendPart(key, int(total), data, k)
	return nil
}

// cmdRecv is {recv, Id, Length, Timeout} or {recv, Id, Length, Timeout, Told}.
func (d *Session) cmdRecv(c *portproto.Command, s *sockets.Socket) error {
	n := c.Args.Uint()
	limit, err := timeout(&c.Args)
	if err == nil {
		err = d.endOfQuestion(c, s, 5)
	}
	if err != nil {
		return err
	}
	length := int(min(n, math.MaxInt32))
	k := d.newCall(c)
	k.wait(s, cancelRecv)
	if s.CallFaults(fault.Recv) {
		d.inject(k, fault.Recv, limit, func(left time.Duration) { s.Recv(length, left, k) })
		return nil
	}
	s.Recv(length, limit, k)
	return nil
}

func cancelRecv(k *call) bool { return k.socket.CancelRecv(k) }

// cmdSendFile is {sendfile, Id, Path, Offset, Length}.
func (d *Session) cmdSendFile(c *portproto.Command, s *sockets.Socket) error {
	path := string(c.Args.AppendIOData(nil))
	offset, length := c.Args.Int(), c.Args.Int()
	if err := c.Args.Finish(); err != nil {
		return err
	}
	if offset < 0 || length < 0 {
		return unix.EINVAL
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	k := d.newCall(c)
	if d.faultySends(s) {
		d.sendFileWithFaults(k, s, fd, offset, length)
		return nil
	}
	s.SendFile(fd, offset, length, k)
	return nil
}

// cmdReady is {ready, Id}.
func (d *Session) cmdReady(c *portproto.Command, s *sockets.Socket) error {
	k := d.newCall(c)
	k.wait(s, cancelSend)
	s.SendReady(k)
	return nil
}

// cmdUnrecv is {unrecv, Id, Bytes}.
func (d *Session) cmdUnrecv(c *portproto.Command, s *sockets.Socket) error {
	data := c.Args.AppendIOData(nil)
	if err := c.Args.Finish(); err != nil {
		return bad("the data of unrecv: %v", err)
	}
	return s.Unrecv(data)
}

// cmdUnread is {unread, Id, Packet}.
func (d *Session) cmdUnread(c *portproto.Command, s *sockets.Socket) error {
	data := c.Args.AppendIOData(nil)
	if err := c.Args.Finish(); err != nil {
		return bad("the packet of unread: %v", err)
	}
	d.userOf(s).answers.unread()
	return s.Unread(data)
}

// cmdSendFilePart is {sendfile_part, Id, Bytes}.
func (d *Session) cmdSendFilePart(c *portproto.Command, s *sockets.Socket) error {
	data, err := iodata(&c.Args)
	if err != nil {
		return err
	}
	if d.delayedSends > 0 {
		kept := slices.Clone(data)
		if d.sendBehind(c, s, func(k *call) {
			if k == nil {
				s.SendFileOctets(kept, quiet{})
			} else {
				s.SendFileOctets(kept, k)
			}
		}) {
			return nil
		}
	}
	if !c.Called {
		s.SendFileOctets(data, quiet{})
		return nil
	}
	k := d.newCall(c)
	k.wait(s, cancelSend)
	s.SendFileOctets(data, k)
	return nil
}

// cmdShutdown is {shutdown, Id, How}.
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
	if d.sendBehind(c, s, func(k *call) {
		if err := s.Shutdown(how); k != nil {
			k.Done(err)
		}
	}) {
		return nil
	}
	return s.Shutdown(how)
}

// cmdClose is {close, Id}. For a socket that has gone there is nothing left to do.
func (d *Session) cmdClose(c *portproto.Command, s *sockets.Socket) error {
	switch {
	case s == nil:
	case !c.Called:
		d.flushSends(s)
		s.CloseNow()
	case s.CallFaults(fault.Close) || d.delayedSends > 0:
		d.closeWithFaults(d.newCall(c), s)
	default:
		s.Close(d.newCall(c))
	}
	return nil
}
