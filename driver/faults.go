package driver

import (
	"fmt"
	"math"
	"time"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/fault"
)

// This file reads the terms of faults, of PROTOCOL.md section 3.5.

// badFault is a fault or a selector that is not right: the part of it that is wrong, and why.
type badFault struct {
	which etf.RawTerm
	why   []byte // a term
}

func (e *badFault) Error() string { return fmt.Sprintf("driver: bad fault (%d octets)", len(e.which)) }

// wrong makes the error for a part of a fault. The part is copied.
func wrong(which etf.RawTerm, why string) error {
	return &badFault{append(etf.RawTerm(nil), which...), etf.AppendAtom(nil, why)}
}

func outOfRange(which etf.RawTerm, least, most int64) error {
	why := etf.AppendAtom(etf.AppendTupleHeader(nil, 3), "range")
	return &badFault{append(etf.RawTerm(nil), which...), etf.AppendInt(etf.AppendInt(why, least), most)}
}

func appendBadFault(b []byte, e *badFault) []byte {
	b = etf.AppendAtom(etf.AppendTupleHeader(b, 3), "bad_fault")
	return append(append(b, e.which...), e.why...)
}

const (
	// What a fault may say, so that no arithmetic overflows and no term of a few octets becomes much.
	maxMilliseconds = math.MaxUint32
	maxCount        = 1 << 53
	maxRate         = 1_000_000_000_000
	maxSlice        = 1 << 30
	maxNesting      = 32
	maxFaults       = 1024
)

// readFaults reads a list of faults, or one of them.
func readFaults(raw etf.RawTerm) ([]fault.Fault, error) {
	var r faultReader
	err := r.list(raw, func(raw etf.RawTerm) error {
		// What stands in the list is what the log shows.
		r.term = append(etf.RawTerm(nil), raw...)
		return r.fault(raw, fault.Fault{Way: fault.Both}, 0)
	})
	if err != nil {
		return nil, err
	}
	return r.faults, nil
}

// faultReader gathers faults.
type faultReader struct {
	faults []fault.Fault
	term   etf.RawTerm
}

// list reads a list of faults or one of them.
func (r *faultReader) list(raw etf.RawTerm, read func(etf.RawTerm) error) error {
	s := etf.NewScanner(raw)
	switch s.Kind() {
	case etf.KindNil, etf.KindList, etf.KindString:
		err := readList(&s, read)
		if err == nil {
			return nil
		}
		if s.Err() != nil {
			return wrong(raw, "bad_list")
		}
		return err
	}
	return read(raw)
}

// parts takes a tuple apart, its name and what follows; a term that is no tuple is an atom, or has no name.
func parts(raw etf.RawTerm) (name string, rest []etf.RawTerm) {
	s := etf.NewScanner(raw)
	switch s.Kind() {
	case etf.KindAtom:
		name = string(s.Atom())
	case etf.KindTuple:
		n := s.TupleHeader()
		if n == 0 || n > 8 {
			return "", nil
		}
		head := etf.NewScanner(s.Raw())
		if head.Kind() == etf.KindAtom {
			name = string(head.Atom())
		}
		for range n - 1 {
			rest = append(rest, s.Raw())
		}
	}
	if s.Err() != nil {
		return "", nil
	}
	return name, rest
}

// fault reads one fault under the conditions, and in the direction, that so says.
func (r *faultReader) fault(raw etf.RawTerm, so fault.Fault, depth int) error {
	if depth > maxNesting {
		return wrong(raw, "too_deep")
	}
	inner := func(raw etf.RawTerm, condition ...fault.Condition) error {
		so.When = append(so.When[:len(so.When):len(so.When)], condition...)
		return r.list(raw, func(raw etf.RawTerm) error { return r.fault(raw, so, depth+1) })
	}
	name, args := parts(raw)
	switch fmt.Sprintf("%s/%d", name, len(args)) {
	case "in/1", "out/1":
		way := fault.In
		if name == "out" {
			way = fault.Out
		}
		if so.Way != fault.Both {
			return wrong(raw, "two_directions")
		}
		so.Way = way
		return inner(args[0])
	case "once/1":
		return inner(args[0], fault.Once())
	case "probability/2":
		p, err := probability(raw, args[0])
		if err != nil {
			return err
		}
		return inner(args[1], fault.Probability(p))
	case "nth/2":
		n, err := number(raw, args[0], 1, maxCount)
		if err != nil {
			return err
		}
		return inner(args[1], fault.Nth(n))
	case "for/2":
		d, err := duration(raw, args[0])
		if err != nil {
			return err
		}
		return inner(args[1], fault.For(d))
	case "after/2":
		condition, err := after(raw, args[0])
		if err != nil {
			return err
		}
		return inner(args[1], condition)
	case "record/0":
		if err := r.add(raw, so, fault.RecordCalls{}); err != nil {
			return err
		}
		return r.add(raw, so, fault.Record{})
	}
	action, err := readAction(raw, name, args)
	if err != nil {
		return err
	}
	return r.add(raw, so, action)
}

func (r *faultReader) add(raw etf.RawTerm, so fault.Fault, action fault.Action) error {
	so.Action, so.Term = action, r.term
	if _, recorded := action.(fault.RecordCalls); so.OnCall() && !recorded && so.Way != fault.Both {
		return wrong(raw, "not_a_stream_fault")
	}
	if len(r.faults) == maxFaults {
		return wrong(raw, "too_many")
	}
	r.faults = append(r.faults, so)
	return nil
}

func readAction(raw etf.RawTerm, name string, args []etf.RawTerm) (fault.Action, error) {
	switch fmt.Sprintf("%s/%d", name, len(args)) {
	case "latency/1", "latency/2":
		var a fault.Latency
		var err error
		if a.Delay, err = duration(raw, args[0]); err == nil && len(args) == 2 {
			a.Jitter, err = duration(raw, args[1])
		}
		return a, err
	case "bandwidth/1":
		n, err := number(raw, args[0], 1, maxRate)
		return fault.Bandwidth{PerSecond: n}, err
	case "slice/1", "slice/2":
		least, err := number(raw, args[0], 1, maxSlice)
		most := least
		if err == nil && len(args) == 2 {
			most, err = number(raw, args[1], least, maxSlice)
		}
		return fault.Slice{Min: int(least), Max: int(most)}, err
	case "stall/2":
		d, err := duration(raw, args[0])
		if err != nil {
			return nil, err
		}
		n, err := number(raw, args[1], 1, maxCount)
		return fault.Stall{For: d, Every: n}, err
	case "blackhole/0":
		return fault.Blackhole{}, nil
	case "corrupt/1":
		p, err := probability(raw, args[0])
		return fault.Corrupt{Probability: p}, err
	case "cut/2":
		return readCut(raw, args)
	}
	if len(args) == 1 {
		return readCall(raw, name, args[0])
	}
	return nil, wrong(raw, "unknown_fault")
}

// readCut reads {cut, {bytes, N} | {ms, T}, How}.
func readCut(raw etf.RawTerm, args []etf.RawTerm) (fault.Action, error) {
	var c fault.Cut
	switch how, rest := parts(args[1]); {
	case how == "fin" && rest == nil:
		c.How = fault.Finish
	case how == "rst" && rest == nil:
		c.How = fault.Reset
	case how == "silent" && rest == nil:
		c.How = fault.Silent
	default:
		return nil, wrong(args[1], "unknown_end")
	}
	unit, rest := parts(args[0])
	var err error
	switch {
	case unit == "bytes" && len(rest) == 1:
		c.Octets, err = number(args[0], rest[0], 0, maxCount)
	case unit == "ms" && len(rest) == 1:
		c.Timed = true
		c.Time, err = duration(args[0], rest[0])
	default:
		err = wrong(args[0], "unknown_unit")
	}
	return c, err
}

// readCall reads {Call, {error, Posix} | {delay, Ms} | never}.
func readCall(raw etf.RawTerm, name string, what etf.RawTerm) (fault.Action, error) {
	c := fault.Call{}
	call, known := fault.CallByName(name)
	outcome, rest := parts(what)
	var err error
	switch {
	case outcome == "error" && len(rest) == 1:
		reason, none := parts(rest[0])
		if c.Err = sockets.PosixError(reason); c.Err == nil || none != nil {
			err = wrong(what, "unknown_posix")
		}
	case outcome == "delay" && len(rest) == 1:
		c.Delay, err = duration(what, rest[0])
	case outcome == "never" && rest == nil:
		c.Never = true
	case known:
		return nil, wrong(what, "unknown_outcome")
	default:
		return nil, wrong(raw, "unknown_fault")
	}
	if !known {
		return nil, wrong(raw, "unknown_call")
	}
	c.Name = call
	return c, err
}

// after reads {bytes, N} | {ms, T} | {calls, N}.
func after(raw, what etf.RawTerm) (fault.Condition, error) {
	unit, rest := parts(what)
	if len(rest) != 1 {
		return fault.Condition{}, wrong(raw, "unknown_unit")
	}
	switch unit {
	case "bytes":
		n, err := number(what, rest[0], 0, maxCount)
		return fault.AfterOctets(n), err
	case "ms":
		d, err := duration(what, rest[0])
		return fault.AfterTime(d), err
	case "calls":
		n, err := number(what, rest[0], 0, maxCount)
		return fault.AfterCalls(n), err
	}
	return fault.Condition{}, wrong(what, "unknown_unit")
}

// number reads an integer that stands in a term.
func number(in, raw etf.RawTerm, least, most int64) (int64, error) {
	s := etf.NewScanner(raw)
	if s.Kind() != etf.KindInteger {
		return 0, wrong(in, "bad_number")
	}
	n := s.Int()
	if s.Err() != nil || n < least || n > most {
		return 0, outOfRange(in, least, most)
	}
	return n, nil
}

// duration reads milliseconds.
func duration(in, raw etf.RawTerm) (time.Duration, error) {
	n, err := number(in, raw, 0, maxMilliseconds)
	return time.Duration(n) * time.Millisecond, err
}

// probability reads a number from 0 to 1.
func probability(in, raw etf.RawTerm) (float64, error) {
	s := etf.NewScanner(raw)
	var p float64
	switch s.Kind() {
	case etf.KindInteger:
		p = float64(s.Int())
	case etf.KindFloat:
		p = s.Float()
	default:
		return 0, wrong(in, "bad_number")
	}
	if s.Err() != nil || !(p >= 0 && p <= 1) {
		return 0, outOfRange(in, 0, 1)
	}
	return p, nil
}
