package driver

import (
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// This file has the commands that ask for something or set something, of PROTOCOL.md sections 3.3 and
// 3.4. The table has their names and what they take.

// value answers a command with {ok, Value}.
func (d *Session) value(c *portproto.Command, appendValue func([]byte) []byte) error {
	if err := c.Args.Finish(); err != nil {
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

// cmdSetopts is {setopts, Id, Options} or {setopts, Id, Options, Told}.
func (d *Session) cmdSetopts(c *portproto.Command, s *sockets.Socket) error {
	opts, err := d.appendOptions(d.options[:0], &c.Args, sockets.ForSet)
	d.options = opts[:0] // re-arming is not to cost an allocation
	if err == nil {
		err = d.endOfQuestion(c, s, 4)
	}
	if err != nil {
		return err
	}
	return s.SetOptions(opts)
}

func (d *Session) cmdGetopts(c *portproto.Command, s *sockets.Socket) error {
	opts, err := d.getOptions(&c.Args, s)
	if err != nil {
		return err
	}
	return d.value(c, func(b []byte) []byte { return appendOptions(b, opts) })
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

func (d *Session) cmdPeername(c *portproto.Command, s *sockets.Socket) error {
	return d.address(c, s.Peername)
}

func (d *Session) cmdSockname(c *portproto.Command, s *sockets.Socket) error {
	return d.address(c, s.Sockname)
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

func (d *Session) cmdSockets(c *portproto.Command, _ *sockets.Socket) error {
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

func (d *Session) cmdControllingProcess(c *portproto.Command, s *sockets.Socket) error {
	owner := c.Args.Raw()
	if err := c.Args.Finish(); err != nil {
		return err
	}
	d.userOf(s).own(owner)
	return nil
}

func (d *Session) cmdPing(c *portproto.Command, _ *sockets.Socket) error {
	return d.value(c, func(b []byte) []byte { return etf.AppendAtom(b, "pong") })
}

func (d *Session) cmdCredit(c *portproto.Command, _ *sockets.Socket) error {
	n := c.Args.Uint()
	if err := c.Args.Finish(); err != nil {
		return err
	}
	if n > uint64(d.out.unsent) {
		return bad("credit for %d octets, %d are without", n, d.out.unsent)
	}
	d.out.credit(int(min(n, math.MaxInt)))
	return nil
}

func (d *Session) cmdCancel(c *portproto.Command, _ *sockets.Socket) error {
	tag := c.Args.Raw()
	if err := c.Args.Finish(); err != nil {
		return err
	}
	d.cancelCall(tag)
	return nil
}

func (d *Session) cmdHello(*portproto.Command, *sockets.Socket) error { return bad("hello comes once") }
