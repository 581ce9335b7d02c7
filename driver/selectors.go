package driver

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/sockets/fault"
)

// readSelector reads which sockets a rule is for.
func readSelector(raw etf.RawTerm) (fault.Selector, error) {
	size := 0
	return selector(raw, 0, &size)
}

// selector reads one at a depth. size is how many there were so far.
func selector(raw etf.RawTerm, depth int, size *int) (fault.Selector, error) {
	if depth > maxNesting {
		return nil, wrong(raw, "too_deep")
	}
	if *size++; *size > maxFaults {
		return nil, wrong(raw, "too_many")
	}
	name, args := parts(raw)
	switch fmt.Sprintf("%s/%d", name, len(args)) {
	case "all/0":
		return fault.All{}, nil
	case "socket/1":
		n, err := number(raw, args[0], 1, math.MaxInt64)
		return fault.Socket(n), err
	case "listener/1":
		n, err := number(raw, args[0], 1, math.MaxInt64)
		return fault.Listener(n), err
	case "owner/1":
		return fault.Owner(append([]byte(nil), args[0]...)), nil
	case "ancestor/1":
		return fault.Ancestor(append([]byte(nil), args[0]...)), nil
	case "peer/1":
		a, err := readAddresses(raw, args[0])
		return fault.Peer(a), err
	case "local/1":
		a, err := readAddresses(raw, args[0])
		return fault.Local(a), err
	case "direction/1":
		way, rest := parts(args[0])
		if way != "in" && way != "out" || rest != nil {
			return nil, wrong(raw, "unknown_direction")
		}
		return fault.Incoming(way == "in"), nil
	case "family/1":
		family, rest := parts(args[0])
		if family != "inet" && family != "inet6" && family != "local" || rest != nil {
			return nil, wrong(raw, "unknown_family")
		}
		return fault.Family(family), nil
	case "nth/2":
		n, err := number(raw, args[0], 1, maxCount)
		if err != nil {
			return nil, err
		}
		of, err := selector(args[1], depth+1, size)
		return &fault.NthSocket{N: n, Selector: of}, err
	case "all_of/1", "any_of/1", "none_of/1":
		all, err := selectors(raw, args[0], depth, size)
		switch name {
		case "all_of":
			return fault.AllOf(all), err
		case "any_of":
			return fault.AnyOf(all), err
		}
		return fault.NoneOf(all), err
	}
	return nil, wrong(raw, "unknown_selector")
}

func selectors(in, raw etf.RawTerm, depth int, size *int) ([]fault.Selector, error) {
	var all []fault.Selector
	s := etf.NewScanner(raw)
	if k := s.Kind(); k != etf.KindNil && k != etf.KindList && k != etf.KindString {
		return nil, wrong(in, "bad_list")
	}
	err := readList(&s, func(raw etf.RawTerm) error {
		one, err := selector(raw, depth+1, size)
		all = append(all, one)
		return err
	})
	if s.Err() != nil {
		return nil, wrong(in, "bad_list")
	}
	return all, err
}

// readAddresses reads IP | {IP, Port} | {prefix, IP, Bits} | {port, Port} | {IP or prefix, {port, Port}} | {local, Path}.
func readAddresses(in, raw etf.RawTerm) (fault.Addresses, error) {
	a := fault.Addresses{AnyPort: true}
	if prefix, err := readPrefix(raw); err == nil {
		a.Prefix = prefix
		return a, nil
	}
	s := etf.NewScanner(raw)
	if s.Kind() != etf.KindTuple || s.TupleHeader() != 2 {
		return a, wrong(in, "bad_address")
	}
	first, second := s.Raw(), s.Raw()
	if s.Err() != nil {
		return a, wrong(in, "bad_address")
	}
	var err error
	switch name, _ := parts(first); name {
	case "local":
		path := etf.NewScanner(second)
		a.Path, a.IsPath = string(path.AppendIOData(nil)), true
		if path.Finish() != nil {
			err = wrong(in, "bad_address")
		}
		return a, err
	case "port":
	default:
		if a.Prefix, err = readPrefix(first); err != nil {
			return a, wrong(in, "bad_address")
		}
		if name, rest := parts(second); name == "port" && len(rest) == 1 {
			second = rest[0]
		}
	}
	port, err := number(in, second, 0, math.MaxUint16)
	a.Port, a.AnyPort = uint16(port), false
	return a, err
}

// readPrefix reads an IP address, or {prefix, IP, Bits}.
func readPrefix(raw etf.RawTerm) (netip.Prefix, error) {
	bits := int64(-1)
	if name, rest := parts(raw); name == "prefix" && len(rest) == 2 {
		n, err := number(raw, rest[1], 0, 128)
		if err != nil {
			return netip.Prefix{}, err
		}
		raw, bits = rest[0], n
	}
	s := etf.NewScanner(raw)
	if s.Kind() != etf.KindTuple {
		return netip.Prefix{}, wrong(raw, "bad_address")
	}
	ip, err := readIP(&s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if bits < 0 {
		bits = int64(ip.BitLen())
	}
	return ip.Prefix(int(bits)) // also refuses more bits than there are
}
