package fault

import (
	"bytes"
	"net/netip"
)

// Facts are what selectors look at.
type Facts struct {
	// Socket is the number of the socket, Listener that of the one that has accepted it, or 0.
	Socket, Listener int64
	Family           string
	// Connection says that the socket is connected, which is when faults on the stream reach it.
	Connection bool
	// Incoming says that the socket listens or was accepted.
	Incoming    bool
	Peer, Local Address
	// Kin is who owns the socket, then whoever that comes from, as bytes that are compared.
	Kin [][]byte
	// Received and Sent are how many octets went by so far.
	Received, Sent int64
}

// Address is one end of a connection: IP and Port, or the Path of a local socket. The zero value is
// an end that is not known.
type Address struct {
	IP   netip.Addr
	Port uint16
	Path string
}

// Selector says which sockets a rule is for.
type Selector interface{ Selects(f *Facts) bool }

// The selectors.
type (
	// All is every socket.
	All struct{}
	// Socket is the socket with this number.
	Socket int64
	// Listener is the listening socket with this number, and all that it has accepted.
	Listener int64
	// Owner is the sockets that somebody owns.
	Owner []byte
	// Ancestor is the sockets whose owner is or comes from somebody.
	Ancestor []byte
	// Peer is the sockets with such an address at the other end.
	Peer Addresses
	// Local is the sockets with such an address of their own.
	Local Addresses
	// Incoming is the sockets that listen or were accepted; false is those that connect.
	Incoming bool
	// Family is the sockets of this address family.
	Family string
	// AllOf is what all of them select, AnyOf what one of them does, NoneOf what none does.
	AllOf  []Selector
	AnyOf  []Selector
	NoneOf []Selector
)

// Addresses are a set of addresses.
type Addresses struct {
	// Prefix is the IP addresses, if it is valid.
	Prefix netip.Prefix
	// Port is the port, if AnyPort is not set.
	Port    uint16
	AnyPort bool
	// Path is the address of a local socket, if there is no prefix and IsPath is set.
	Path   string
	IsPath bool
}

func (a Addresses) contain(b Address) bool {
	if a.IsPath {
		return !b.IP.IsValid() && b.Path == a.Path
	}
	if !b.IP.IsValid() || !a.AnyPort && a.Port != b.Port {
		return false
	}
	// An IPv6 socket sees the addresses of IPv4 as mapped ones.
	ip := b.IP.WithZone("")
	return !a.Prefix.IsValid() || a.Prefix.Contains(ip) || a.Prefix.Contains(ip.Unmap())
}

func (All) Selects(*Facts) bool          { return true }
func (s Socket) Selects(f *Facts) bool   { return f.Socket == int64(s) }
func (o Owner) Selects(f *Facts) bool    { return len(f.Kin) > 0 && bytes.Equal(f.Kin[0], o) }
func (p Peer) Selects(f *Facts) bool     { return Addresses(p).contain(f.Peer) }
func (l Local) Selects(f *Facts) bool    { return Addresses(l).contain(f.Local) }
func (i Incoming) Selects(f *Facts) bool { return f.Incoming == bool(i) }
func (f Family) Selects(g *Facts) bool   { return g.Family == string(f) }

func (l Listener) Selects(f *Facts) bool {
	return f.Socket == int64(l) || f.Listener == int64(l)
}

func (a Ancestor) Selects(f *Facts) bool {
	for _, k := range f.Kin {
		if bytes.Equal(k, a) {
			return true
		}
	}
	return false
}

func (a AllOf) Selects(f *Facts) bool {
	for _, s := range a {
		if !s.Selects(f) {
			return false
		}
	}
	return true
}

func (a AnyOf) Selects(f *Facts) bool {
	for _, s := range a {
		if s.Selects(f) {
			return true
		}
	}
	return false
}

func (n NoneOf) Selects(f *Facts) bool { return !AnyOf(n).Selects(f) }

// NthSocket selects the Nth socket, in the order in which they are opened, that a selector selects.
type NthSocket struct {
	N        int64
	Selector Selector
	seen     map[int64]struct{}
	chosen   int64
}

// Selects counts the socket if it has not been counted.
func (n *NthSocket) Selects(f *Facts) bool {
	if n.chosen != 0 {
		return f.Socket == n.chosen
	}
	if _, seen := n.seen[f.Socket]; seen || !n.Selector.Selects(f) {
		return false
	}
	if n.seen == nil {
		n.seen = make(map[int64]struct{})
	}
	n.seen[f.Socket] = struct{}{}
	if int64(len(n.seen)) == n.N {
		n.chosen, n.seen = f.Socket, nil
	}
	return n.chosen != 0
}
