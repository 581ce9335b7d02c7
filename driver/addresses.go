package driver

import (
	"math"
	"net/netip"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/sockets"
)

// readFamily reads inet, inet6 or local.
func readFamily(s *etf.Scanner) (sockets.Family, error) {
	switch string(s.Atom()) {
	case "inet":
		return sockets.Inet, nil
	case "inet6":
		return sockets.Inet6, nil
	case "local":
		return sockets.Local, nil
	}
	return 0, bad("a family is inet, inet6 or local")
}

// readAddress reads an address of PROTOCOL.md section 3.1; ok is false if there is none.
func readAddress(s *etf.Scanner, f sockets.Family) (a sockets.Addr, ok bool, err error) {
	switch s.Kind() {
	case etf.KindAtom:
		if string(s.Atom()) != "undefined" {
			return a, false, bad("an address is {IP, Port}, {local, Path}, a map, or undefined")
		}
		return a, false, nil
	case etf.KindMap:
		a, err = readAddressMap(s)
		return a, true, err
	}
	if s.TupleHeader() != 2 {
		return a, false, bad("an address is {IP, Port}, {local, Path}, a map, or undefined")
	}
	if s.Kind() == etf.KindAtom {
		switch name := string(s.Atom()); name {
		case "local":
			a.Family = sockets.Local
			a.Path = string(s.AppendIOData(nil))
			return a, true, s.Err()
		case "any":
			a.IP = sockets.Any(f)
		case "loopback":
			a.IP = sockets.Loopback(f)
		default:
			return a, false, bad("%s is no address", name)
		}
		if f == sockets.Local {
			return a, false, bad("a local address is {local, Path}")
		}
		a.Family = f
	} else {
		a.IP, err = readIP(s)
		if err != nil {
			return a, false, err
		}
		a.Family = familyOf(a.IP)
	}
	port := s.Uint()
	if port > math.MaxUint16 {
		return a, false, bad("port %d is too large", port)
	}
	a.Port = uint16(port)
	return a, true, s.Err()
}

func familyOf(ip netip.Addr) sockets.Family {
	if ip.Is4() {
		return sockets.Inet
	}
	return sockets.Inet6
}

// readIP reads a tuple of 4 octets or of 8 words.
func readIP(s *etf.Scanner) (netip.Addr, error) {
	n := s.TupleHeader()
	if n != 4 && n != 8 {
		return netip.Addr{}, bad("an IP address has 4 or 8 elements")
	}
	var words [8]uint64
	for i := range n {
		words[i] = s.Uint()
		if n == 4 && words[i] > 255 || words[i] > 65535 {
			return netip.Addr{}, bad("%d in an IP address is too large", words[i])
		}
	}
	if err := s.Err(); err != nil {
		return netip.Addr{}, err
	}
	if n == 4 {
		return netip.AddrFrom4([4]byte{byte(words[0]), byte(words[1]), byte(words[2]), byte(words[3])}), nil
	}
	var ip [16]byte
	for i, w := range words {
		ip[2*i], ip[2*i+1] = byte(w>>8), byte(w)
	}
	return netip.AddrFrom16(ip), nil
}

// readAddressMap reads a socket address map of the module socket.
func readAddressMap(s *etf.Scanner) (a sockets.Addr, err error) {
	special := ""
	for range s.MapHeader() {
		switch key := string(s.Atom()); key {
		case "family":
			if a.Family, err = readFamily(s); err != nil {
				return a, err
			}
		case "addr":
			if s.Kind() == etf.KindAtom {
				special = string(s.Atom())
			} else if a.IP, err = readIP(s); err != nil {
				return a, err
			}
		case "path":
			a.Path = string(s.AppendIOData(nil))
		case "port":
			port := s.Uint()
			if port > math.MaxUint16 {
				return a, bad("port %d is too large", port)
			}
			a.Port = uint16(port)
		case "scope_id":
			scope := s.Uint()
			if scope > math.MaxUint32 {
				return a, bad("scope_id %d is too large", scope)
			}
			a.Scope = uint32(scope)
		default:
			s.Skip()
		}
	}
	if err := s.Err(); err != nil {
		return a, err
	}
	switch {
	case special == "loopback":
		a.IP = sockets.Loopback(a.Family)
	case special != "" && special != "any":
		return a, bad("%s is no address", special)
	case special == "any", !a.IP.IsValid() && a.Family != sockets.Local:
		a.IP = sockets.Any(a.Family)
	}
	return a, nil
}

// appendAddress writes an address as inet:sockname/1 gives it.
func appendAddress(b []byte, a sockets.Addr) []byte {
	b = etf.AppendTupleHeader(b, 2)
	if a.Family == sockets.Local {
		return etf.AppendBinary(etf.AppendAtom(b, "local"), a.Path)
	}
	if a.Family == sockets.Inet {
		ip := a.IP.As4()
		b = etf.AppendTupleHeader(b, 4)
		for _, c := range ip {
			b = etf.AppendInt(b, int64(c))
		}
	} else {
		ip := a.IP.As16()
		b = etf.AppendTupleHeader(b, 8)
		for i := 0; i < len(ip); i += 2 {
			b = etf.AppendInt(b, int64(ip[i])<<8|int64(ip[i+1]))
		}
	}
	return etf.AppendInt(b, int64(a.Port))
}
