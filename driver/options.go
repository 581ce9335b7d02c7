package driver

import (
	"math"
	"math/big"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/fault"
	"github.com/gentcp/gentcp/sockets/packet"
)

// readOptions reads a list of options for a call. The first that is not right
// is the error, and then none counts.
func (d *Session) readOptions(s *etf.Scanner, where sockets.Where) ([]sockets.Option, error) {
	return d.appendOptions(nil, s, where)
}

// appendOptions is readOptions into a slice that is there already.
func (d *Session) appendOptions(opts []sockets.Option, s *etf.Scanner, where sockets.Where) ([]sockets.Option, error) {
	err := readList(s, func(raw etf.RawTerm) error {
		o, ok := d.readOption(raw, where)
		if ok && o.Name == sockets.FaultsOption {
			var err error
			if o.Faults, err = d.readFaultsOption(raw); err != nil {
				return err
			}
		}
		if !ok {
			return &badOption{append(etf.RawTerm(nil), raw...)}
		}
		opts = append(opts, o)
		return nil
	})
	return opts, err
}

// readList calls f with each element of a proper list.
func readList(s *etf.Scanner, f func(etf.RawTerm) error) error {
	var n int
	switch s.Kind() {
	case etf.KindNil:
		s.Nil()
		return s.Err()
	case etf.KindString: // how the BEAM writes a list of small integers
		for _, c := range s.String() {
			if err := f(etf.AppendInt(nil, int64(c))); err != nil {
				return err
			}
		}
		return s.Err()
	default:
		n = s.ListHeader()
	}
	for range n {
		raw := s.Raw()
		if s.Err() != nil {
			break
		}
		if err := f(raw); err != nil {
			return err
		}
	}
	s.Nil()
	return s.Err()
}

func (d *Session) readOption(raw etf.RawTerm, where sockets.Where) (o sockets.Option, ok bool) {
	s := etf.NewScanner(raw)
	if s.Kind() == etf.KindAtom {
		o.Name = sockets.ModeOption
		switch string(s.Atom()) {
		case "list":
		case "binary":
			o.Int = 1
		default:
			return o, false
		}
		return o, true
	}
	if s.Kind() != etf.KindTuple {
		return o, false
	}
	arity := s.TupleHeader()
	if arity < 2 || s.Kind() != etf.KindAtom {
		return o, false
	}
	name, known := sockets.OptionByName(s.Atom(), where, d.otp)
	if !known || arity != 2 && (name != sockets.RawOption || arity != 4) {
		return o, false
	}
	o.Name = name
	if name == sockets.RawOption && arity == 2 && (s.Kind() != etf.KindTuple || s.TupleHeader() != 3) {
		return o, false // {raw, {Level, Option, Value}}, as inet.erl rewrites it
	}
	return o, readValue(&s, &o) && s.Err() == nil
}

// readFaultsOption reads the value of {gentcp_fault, Faults}.
func (d *Session) readFaultsOption(raw etf.RawTerm) (*fault.Own, error) {
	s := etf.NewScanner(raw)
	s.TupleHeader()
	s.Skip()
	term := append(etf.RawTerm(nil), s.Raw()...)
	faults, err := readFaults(term)
	if err != nil {
		return nil, err
	}
	return d.stack.NewFaults(faults, term), nil
}

// readValue reads the value of an option and checks its type.
func readValue(s *etf.Scanner, o *sockets.Option) bool {
	switch o.Name.Type() {
	case sockets.BoolValue:
		return readBool(s, &o.Int)
	case sockets.IntValue:
		return readInt(s, &o.Int)
	case sockets.UintValue, sockets.IgnoredValue:
		return readInt(s, &o.Int) && o.Int >= 0
	case sockets.TimeValue:
		if s.Kind() == etf.KindAtom {
			o.Int = -1
			return string(s.Atom()) == "infinity"
		}
		return readInt(s, &o.Int) && o.Int >= 0
	case sockets.LingerValue:
		return s.Kind() == etf.KindTuple && s.TupleHeader() == 2 && readBool(s, &o.Int) && readInt(s, &o.Int2)
	case sockets.ActiveValue:
		return readActive(s, o)
	case sockets.PacketValue:
		return readPacketMode(s, o)
	case sockets.ModeValue:
		return readChoice(s, &o.Int, "list", "binary")
	case sockets.DeliverValue:
		return readChoice(s, &o.Int, "term", "port")
	case sockets.ProtocolValue:
		return readChoice(s, &o.Int, "tcp", "mptcp")
	case sockets.BytesValue:
		return readBinary(s, o)
	case sockets.PathValue:
		if s.Kind() == etf.KindString {
			o.Bytes = s.String()
			return true
		}
		return readBinary(s, o)
	case sockets.MembershipValue:
		return readMembership(s)
	case sockets.FaultsValue:
		s.Skip() // says itself what is wrong, see readFaultsOption
		return true
	case sockets.KinValue:
		kin, err := readKin(s)
		o.Kin = kin
		return err == nil
	case sockets.RawValue:
		return readInt(s, &o.Int) && readInt(s, &o.Int2) && readBinary(s, o)
	case sockets.MifValue:
		if s.Kind() != etf.KindTuple {
			return readInt(s, &o.Int)
		}
		ip, err := readIP(s)
		if err != nil || !ip.Is4() {
			return false
		}
		for _, c := range ip.As4() {
			o.Int = o.Int<<8 | int64(c)
		}
		return true
	}
	return false
}

// readMembership checks {Group, Interface}, {Group, Interface, Index} or {Group6, Index}, where an
// interface is an IPv4 address or any.
func readMembership(s *etf.Scanner) bool {
	if s.Kind() != etf.KindTuple {
		return false
	}
	arity := s.TupleHeader()
	group, err := readIP(s)
	if err != nil || arity < 2 || arity > 3 {
		return false
	}
	var index int64
	if group.Is6() {
		return arity == 2 && readInt(s, &index)
	}
	if s.Kind() == etf.KindAtom {
		if string(s.Atom()) != "any" {
			return false
		}
	} else if ip, err := readIP(s); err != nil || !ip.Is4() {
		return false
	}
	return arity == 2 || readInt(s, &index)
}

func readBool(s *etf.Scanner, to *int64) bool { return readChoice(s, to, "false", "true") }

// readChoice reads an atom, and gives its place among the choices.
func readChoice(s *etf.Scanner, to *int64, choices ...string) bool {
	if s.Kind() != etf.KindAtom {
		return false
	}
	name := string(s.Atom())
	for i, c := range choices {
		if name == c {
			*to = int64(i)
			return true
		}
	}
	return false
}

// readInt reads an integer. Of one that does not fit, the low bits count, as in the
// protocol of the stock driver.
func readInt(s *etf.Scanner, to *int64) bool {
	if s.Kind() != etf.KindInteger {
		return false
	}
	if before := *s; true {
		if *to = s.Int(); s.Err() == nil {
			return true
		}
		*s = before
	}
	n := s.BigInt()
	if s.Err() != nil {
		return false
	}
	*to = new(big.Int).And(n, big.NewInt(math.MaxUint32)).Int64()
	if n.Sign() < 0 {
		*to -= 1 << 32 // the sign is looked at, too
	}
	return true
}

func readBinary(s *etf.Scanner, o *sockets.Option) bool {
	if s.Kind() != etf.KindBinary {
		return false
	}
	o.Bytes = append([]byte{}, s.Binary()...)
	return true
}

func readActive(s *etf.Scanner, o *sockets.Option) bool {
	if s.Kind() == etf.KindInteger {
		o.Active = sockets.ActiveN
		o.Int = s.Int() // a bignum is no count
		return s.Err() == nil && o.Int >= math.MinInt16 && o.Int <= math.MaxInt16
	}
	var n int64
	ok := readChoice(s, &n, "false", "true", "once")
	o.Active = [...]sockets.ActiveMode{sockets.Passive, sockets.Active, sockets.Once}[n]
	return ok
}

var packetModes = map[string]packet.Mode{
	"raw": packet.Raw, "asn1": packet.ASN1, "sunrm": packet.SunRM, "cdr": packet.CDR, "fcgi": packet.FCGI,
	"tpkt": packet.TPKT, "line": packet.Line, "http": packet.HTTP, "http_bin": packet.HTTPBin,
	"httph": packet.HTTPH, "httph_bin": packet.HTTPHBin, "ssl": packet.SSLTLS, "ssl_tls": packet.SSLTLS,
}

func readPacketMode(s *etf.Scanner, o *sockets.Option) bool {
	var mode packet.Mode
	ok := true
	if s.Kind() == etf.KindInteger {
		switch n := s.Int(); n { // a bignum is none of them, and leaves 0 and an error
		case 0:
			mode = packet.Raw
		case 1:
			mode = packet.One
		case 2:
			mode = packet.Two
		case 4:
			mode = packet.Four
		default:
			ok = false
		}
	} else {
		if s.Kind() != etf.KindAtom {
			return false
		}
		mode, ok = packetModes[string(s.Atom())]
	}
	o.Int = int64(mode)
	return ok
}

// lastOfEach keeps the last of several options of one name, as connect and listen
// do; raw options are all kept.
func lastOfEach(opts []sockets.Option) []sockets.Option {
	last := make(map[sockets.OptionName]int)
	for i, o := range opts {
		last[o.Name] = i
	}
	kept := opts[:0]
	for i, o := range opts {
		if o.Name == sockets.RawOption || last[o.Name] == i {
			kept = append(kept, o)
		}
	}
	return kept
}

// appendOption writes {Name, Value} as inet:getopts/2 gives it.
func appendOption(b []byte, o sockets.Option) []byte {
	if o.Name == sockets.RawOption {
		b = etf.AppendAtom(etf.AppendTupleHeader(b, 4), "raw")
		return etf.AppendBinary(etf.AppendInt(etf.AppendInt(b, o.Int), o.Int2), o.Bytes)
	}
	b = etf.AppendAtom(etf.AppendTupleHeader(b, 2), o.Name.String())
	switch o.Name.Type() {
	case sockets.BoolValue:
		return etf.AppendBool(b, o.Int != 0)
	case sockets.TimeValue:
		if o.Int < 0 {
			return etf.AppendAtom(b, "infinity")
		}
	case sockets.LingerValue:
		return etf.AppendInt(etf.AppendBool(etf.AppendTupleHeader(b, 2), o.Int != 0), o.Int2)
	case sockets.ActiveValue:
		switch o.Active {
		case sockets.Passive:
			return etf.AppendAtom(b, "false")
		case sockets.Active:
			return etf.AppendAtom(b, "true")
		case sockets.Once:
			return etf.AppendAtom(b, "once")
		}
	case sockets.PacketValue:
		switch m := packet.Mode(o.Int); m {
		case packet.Raw, packet.One, packet.Two, packet.Four:
			return etf.AppendInt(b, int64(packet.HeaderLen(m)))
		case packet.SSLTLS:
			return etf.AppendAtom(b, "ssl")
		default:
			return etf.AppendAtom(b, m.String())
		}
	case sockets.ModeValue:
		return etf.AppendAtom(b, [...]string{"list", "binary"}[o.Int])
	case sockets.DeliverValue:
		return etf.AppendAtom(b, [...]string{"term", "port"}[o.Int])
	case sockets.BytesValue:
		return etf.AppendBinary(b, o.Bytes)
	case sockets.PathValue:
		return etf.AppendString(b, o.Bytes)
	case sockets.MifValue:
		if o.Int2 == 0 {
			b = etf.AppendTupleHeader(b, 4)
			for shift := 24; shift >= 0; shift -= 8 {
				b = etf.AppendInt(b, o.Int>>shift&255)
			}
			return b
		}
	case sockets.PktValue:
		return appendOptions(b, o.Pkt)
	case sockets.FaultsValue:
		if term, ok := o.Faults.Term().(etf.RawTerm); ok {
			return append(b, term...)
		}
		return etf.AppendNil(b)
	}
	return etf.AppendInt(b, o.Int)
}

func appendOptions(b []byte, opts []sockets.Option) []byte {
	if len(opts) > 0 {
		b = etf.AppendListHeader(b, len(opts))
		for _, o := range opts {
			b = appendOption(b, o)
		}
	}
	return etf.AppendNil(b)
}

// getOptions reads names of options and gives their values.
func (d *Session) getOptions(s *etf.Scanner, sock *sockets.Socket) ([]sockets.Option, error) {
	var got []sockets.Option
	err := readList(s, func(raw etf.RawTerm) error {
		want, ok := d.readName(raw)
		if !ok {
			return &badOption{append(etf.RawTerm(nil), raw...)}
		}
		o, ok, err := sock.GetOption(want)
		if ok && err == nil {
			got = append(got, o)
		}
		return err
	})
	return got, err
}

// readName reads an option's name, or {raw, Level, Option, SizeOrValue}.
func (d *Session) readName(raw etf.RawTerm) (o sockets.Option, ok bool) {
	s := etf.NewScanner(raw)
	if s.Kind() == etf.KindAtom {
		name, known := sockets.OptionByName(s.Atom(), sockets.ForGet, d.otp)
		return sockets.Option{Name: name}, known && name != sockets.RawOption
	}
	if s.Kind() != etf.KindTuple {
		return o, false
	}
	arity := s.TupleHeader()
	if s.Kind() != etf.KindAtom || string(s.Atom()) != "raw" {
		return o, false
	}
	if arity != 4 && (arity != 2 || s.Kind() != etf.KindTuple || s.TupleHeader() != 3) {
		return o, false
	}
	o.Name = sockets.RawOption
	if !readInt(&s, &o.Int) || !readInt(&s, &o.Int2) {
		return o, false
	}
	if s.Kind() == etf.KindBinary {
		return o, readBinary(&s, &o)
	}
	var size int64
	if !readInt(&s, &size) || size < 0 {
		return o, false
	}
	return sockets.RawRequest(o.Int, o.Int2, size), true
}
