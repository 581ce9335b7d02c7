package sockets

import (
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// Family is the address family of a socket.
type Family uint8

// The families that a TCP-like stream socket can have.
const (
	Inet Family = iota
	Inet6
	Local
)

func (f Family) String() string {
	return [...]string{"inet", "inet6", "local"}[f]
}

func (f Family) domain() int {
	return [...]int{unix.AF_INET, unix.AF_INET6, unix.AF_UNIX}[f]
}

// Addr is the address of one end of a socket. Local addresses use Path only: a
// file name, empty for an unbound end, or a name that begins with a zero byte
// (Linux's abstract names).
type Addr struct {
	Family Family
	IP     netip.Addr
	Port   uint16
	Scope  uint32
	Path   string
}

// String is HOST:PORT, or the path, of which a leading zero octet is shown as @.
func (a Addr) String() string {
	if a.Family == Local {
		return strings.Replace(a.Path, "\x00", "@", 1)
	}
	return netip.AddrPortFrom(a.IP, a.Port).String()
}

// Any is the wildcard address of a family, Loopback its loopback address.
func Any(f Family) netip.Addr {
	if f == Inet6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// Loopback is the loopback address of a family.
func Loopback(f Family) netip.Addr {
	if f == Inet6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// sockaddr converts the address for a socket of family f. A family that does
// not fit is EAFNOSUPPORT, as connect(2) would say of it.
func (a Addr) sockaddr(f Family) (unix.Sockaddr, error) {
	if a.Family != f {
		return nil, unix.EAFNOSUPPORT
	}
	switch f {
	case Inet:
		if !a.IP.Is4() {
			return nil, unix.EAFNOSUPPORT
		}
		return &unix.SockaddrInet4{Port: int(a.Port), Addr: a.IP.As4()}, nil
	case Inet6:
		if !a.IP.Is6() {
			return nil, unix.EAFNOSUPPORT
		}
		return &unix.SockaddrInet6{Port: int(a.Port), ZoneId: a.Scope, Addr: a.IP.As16()}, nil
	default:
		path := a.Path
		if strings.HasPrefix(path, "@") {
			// The unix package reads a leading @ as an abstract name; addrOf takes this off.
			path = "./" + path
		}
		if len(path) > 1 && path[0] == 0 {
			path = "@" + path[1:]
		}
		return &unix.SockaddrUnix{Name: path}, nil
	}
}

func addrOf(sa unix.Sockaddr) Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return Addr{Family: Inet, IP: netip.AddrFrom4(sa.Addr), Port: uint16(sa.Port)}
	case *unix.SockaddrInet6:
		return Addr{Family: Inet6, IP: netip.AddrFrom16(sa.Addr), Port: uint16(sa.Port), Scope: sa.ZoneId}
	case *unix.SockaddrUnix:
		path := sa.Name
		if path == "@" {
			path = "" // how the unix package shows the name of an unbound socket
		}
		if strings.HasPrefix(path, "@") {
			path = "\x00" + path[1:]
		}
		if strings.HasPrefix(path, "./@") {
			path = path[2:]
		}
		return Addr{Family: Local, Path: path}
	}
	return Addr{Family: Local}
}
