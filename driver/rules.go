package driver

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/fault"
)

// ruleTerm is a rule as the node wrote it.
type ruleTerm struct{ selector, faults etf.RawTerm }

// cmdFaultRule is {fault_rule, RuleId, Selector, Faults}.
func (d *Session) cmdFaultRule(c *portproto.Command, _ *sockets.Socket) error {
	id, err := ruleID(&c.Args)
	if err != nil {
		return err
	}
	term := ruleTerm{c.Args.Raw(), c.Args.Raw()}
	if err := c.Args.Finish(); err != nil {
		return err
	}
	r := fault.Rule{ID: id}
	if r.Selector, err = readSelector(term.selector); err != nil {
		return err
	}
	if r.Faults, err = readFaults(term.faults); err != nil {
		return err
	}
	r.Term = ruleTerm{append(etf.RawTerm(nil), term.selector...), append(etf.RawTerm(nil), term.faults...)}
	d.stack.AddFaults(r)
	return nil
}

// ruleID reads the number of a rule.
func ruleID(s *etf.Scanner) (int64, error) {
	id := s.Int()
	if s.Err() != nil || id < 1 {
		return 0, bad("the number of a rule is a positive integer")
	}
	return id, nil
}

// cmdFaultRemove is {fault_remove, RuleId}.
func (d *Session) cmdFaultRemove(c *portproto.Command, _ *sockets.Socket) error {
	id, err := ruleID(&c.Args)
	if err == nil {
		err = c.Args.Finish()
	}
	if err == nil && !d.stack.RemoveFaults(id) {
		err = unix.ENOENT
	}
	return err
}

// cmdFaultClear is {fault_clear}.
func (d *Session) cmdFaultClear(*portproto.Command, *sockets.Socket) error {
	d.stack.ClearFaults()
	return nil
}

// cmdFaultSeed is {fault_seed, Seed}.
func (d *Session) cmdFaultSeed(c *portproto.Command, _ *sockets.Socket) error {
	seed := c.Args.Uint()
	if err := c.Args.Finish(); err != nil {
		return bad("a seed is an integer from 0 to %d", uint64(math.MaxUint64))
	}
	d.stack.SeedFaults(seed)
	return nil
}

// cmdFaultRules is {fault_rules}.
func (d *Session) cmdFaultRules(c *portproto.Command, _ *sockets.Socket) error {
	return d.value(c, func(b []byte) []byte {
		rules := d.stack.Faults().Rules()
		if len(rules) > 0 {
			b = etf.AppendListHeader(b, len(rules))
		}
		for _, r := range rules {
			term := r.Term.(ruleTerm)
			b = etf.AppendInt(etf.AppendTupleHeader(b, 3), r.ID)
			b = append(append(b, term.selector...), term.faults...)
		}
		return etf.AppendNil(b)
	})
}

// cmdFaultInfo is {fault_info}.
func (d *Session) cmdFaultInfo(c *portproto.Command, _ *sockets.Socket) error {
	set := d.stack.Faults()
	return d.value(c, func(b []byte) []byte {
		pair := func(b []byte, name string) []byte { return etf.AppendAtom(etf.AppendTupleHeader(b, 2), name) }
		b = etf.AppendListHeader(b, 4)
		b = etf.AppendUint(pair(b, "seed"), set.Seed())
		b = etf.AppendUint(pair(b, "injected"), set.Log.Injected())
		b = etf.AppendUint(pair(b, "dropped"), set.Log.Dropped())
		b = etf.AppendInt(pair(b, "now"), int64(d.stack.FaultInstant()))
		return etf.AppendNil(b)
	})
}

// cmdFaultLog is {fault_log} or {fault_log, clear}.
func (d *Session) cmdFaultLog(c *portproto.Command, _ *sockets.Socket) error {
	set := d.stack.Faults()
	if c.Arity == 2 {
		if string(c.Args.Atom()) != "clear" {
			return bad("fault_log knows clear and nothing else")
		}
		if err := c.Args.Finish(); err != nil {
			return err
		}
		set.Log.Clear()
		return nil
	}
	return d.value(c, func(b []byte) []byte {
		entries := set.Log.Entries()
		if len(entries) > 0 {
			b = etf.AppendListHeader(b, len(entries))
		}
		for _, e := range entries {
			b = appendEntry(b, e)
		}
		return etf.AppendNil(b)
	})
}

// appendEntry writes {At, Id, Where, Fault, RuleId}.
func appendEntry(b []byte, e fault.Entry) []byte {
	b = etf.AppendTupleHeader(b, 5)
	b = etf.AppendInt(etf.AppendInt(b, int64(e.At)), e.Socket)
	if e.Call != fault.NoCall {
		b = etf.AppendAtom(b, e.Call.String())
	} else {
		way := "in"
		if e.Way == fault.Out {
			way = "out"
		}
		if e.Size > 0 {
			b = etf.AppendInt(etf.AppendInt(etf.AppendAtom(etf.AppendTupleHeader(b, 3), way), e.Offset), int64(e.Size))
		} else {
			b = etf.AppendInt(etf.AppendAtom(etf.AppendTupleHeader(b, 2), way), e.Offset)
		}
	}
	b = append(b, e.Fault.Term.(etf.RawTerm)...)
	return etf.AppendInt(b, e.Rule)
}

// cmdKin is {kin, Id, [Owner | Ancestors]}.
func (d *Session) cmdKin(c *portproto.Command, s *sockets.Socket) error {
	kin, err := readKin(&c.Args)
	if err == nil {
		err = c.Args.Finish()
	}
	if err != nil {
		return bad("kin is a list: %v", err)
	}
	s.SetKin(kin)
	return nil
}

// readKin reads a list of terms, which are compared by their bytes.
func readKin(s *etf.Scanner) ([][]byte, error) {
	kin := [][]byte{}
	err := readList(s, func(raw etf.RawTerm) error {
		kin = append(kin, append([]byte(nil), raw...))
		return nil
	})
	return kin, err
}
