package sockets

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gentcp/gentcp/sockets/fault"
)

// This file joins the sockets of a Stack with package fault: which faults a socket meets, and
// when it looks for them. How they act on its octets is in faulty.go.

// stackFaults is the faults of a Stack, once somebody has asked for them.
type stackFaults struct {
	set   *fault.Set
	epoch time.Time // of the set's instants
	// faulty has the sockets whose octets meet faults, those included that have gone and hold octets still.
	faulty map[*Socket]struct{}
	buffer []byte // for octets on their way into a chain
}

// socketFaults is what a socket knows of faults. Most sockets have none.
type socketFaults struct {
	own           *fault.Own
	kin           [][]byte
	remote, local *Addr // that it is opened with, until it has its own
	listens       bool  // or is about to
	line          *fault.Line
	system        *faulty // attached
}

func (st *Stack) stackFaults() *stackFaults {
	if st.faults == nil {
		st.faults = &stackFaults{set: fault.NewSet(rand.Uint64()), epoch: st.Now(), faulty: make(map[*Socket]struct{})}
	}
	return st.faults
}

// Faults is the rules for the sockets of the Stack, for looking at them and at what was injected. They are
// changed by AddFaults, RemoveFaults and ClearFaults.
func (st *Stack) Faults() *fault.Set { return st.stackFaults().set }

// FaultInstant is the present time as faults know it.
func (st *Stack) FaultInstant() fault.Instant { return st.Now().Sub(st.stackFaults().epoch) }

// AddFaults adds a rule, or replaces the one with its ID. It is in force when the call returns.
func (st *Stack) AddFaults(r fault.Rule) {
	st.Faults().Add(st.FaultInstant(), r)
	st.meetAll()
}

// RemoveFaults removes a rule, and reports whether there was one with this ID. Octets that its
// faults hold are passed on.
func (st *Stack) RemoveFaults(id int64) bool {
	removed := st.Faults().Remove(id)
	if removed {
		st.meetAll()
	}
	return removed
}

// ClearFaults removes all rules.
func (st *Stack) ClearFaults() {
	st.Faults().Clear()
	st.meetAll()
}

// SeedFaults sets the seed that all random choices come from, for sockets that are opened from now on.
func (st *Stack) SeedFaults(seed uint64) { st.Faults().Reseed(seed, int64(st.lastID)) }

// meetAll lets every socket find out which faults it meets, in the order in which they were opened.
func (st *Stack) meetAll() {
	all := make([]*Socket, 0, len(st.sockets))
	for _, s := range st.sockets {
		all = append(all, s)
	}
	for s := range st.faults.faulty {
		if s.state == gone {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *Socket) int { return int(a.id - b.id) })
	for _, s := range all {
		s.st.guard(s, s.meetFaults)
	}
}

// mayMeetFaults reports whether it is worth finding out.
func (s *Socket) mayMeetFaults() bool {
	return s.faults != nil || s.st.faults != nil && !s.st.faults.set.Empty()
}

// meetFaults finds out which faults the socket meets as things are.
func (s *Socket) meetFaults() {
	if !s.mayMeetFaults() || !s.attachedOnce || s.state == gone && !s.desc.letGo {
		return
	}
	var own *fault.Own
	var line *fault.Line
	if s.faults != nil {
		own, line = s.faults.own, s.faults.line
	}
	facts := s.faultFacts()
	line = s.st.Faults().Meet(s.st.FaultInstant(), line, &facts, own)
	if s.faults == nil {
		if line == nil {
			return
		}
		s.faults = &socketFaults{}
	}
	f := s.faults
	f.line = line
	if only := line.Calls(fault.Send); only != s.out.callsOnly && s.state != gone {
		s.CallsOnly(only)
	}
	switch {
	case f.system != nil:
		f.system.changed()
	case line.Streams():
		s.beFaulty()
	}
}

// faultFacts is what selectors may want to know.
func (s *Socket) faultFacts() fault.Facts {
	f := fault.Facts{
		Socket: int64(s.id), Listener: int64(s.listenerID), Family: s.family.String(),
		Connection: s.state == connected || s.desc.letGo,
		Incoming:   s.listenerID != 0 || s.state == listening,
		Received:   int64(s.received.octets), Sent: int64(s.sent.octets),
	}
	if k := s.faults; k != nil {
		f.Kin = k.kin
		f.Peer, f.Local = k.remote.forFaults(), k.local.forFaults()
		f.Incoming = f.Incoming || k.listens
	}
	if s.desc.fd < 0 {
		return f
	}
	if a, err := s.desc.sockname(); err == nil && (f.Connection || s.state == listening) {
		f.Local = a.forFaults()
	}
	if f.Connection {
		if a, err := s.desc.peername(); err == nil {
			f.Peer = a.forFaults()
		}
	}
	return f
}

func (a *Addr) forFaults() fault.Address {
	switch {
	case a == nil:
		return fault.Address{}
	case a.Family == Local:
		return fault.Address{Path: a.Path}
	}
	return fault.Address{IP: a.IP, Port: a.Port}
}

// meetFaultsAtOpening is meetFaults for a socket that comes to be.
func (s *Socket) meetFaultsAtOpening(o Opening) {
	s.attachedOnce = true
	if l := o.Listener; l != nil {
		s.listenerID = l.id
		if l.faults != nil && l.faults.own != nil {
			s.withFaults().own = l.faults.own.Inherit(s.st.FaultInstant())
		}
	}
	if !s.mayMeetFaults() {
		return
	}
	// What it is opened with is of use until it has addresses of its own.
	f := s.withFaults()
	f.remote, f.local = o.Remote, o.Local
	f.listens = o.Remote == nil && o.Listener == nil && s.state == connecting
	s.meetFaults()
}

func (s *Socket) withFaults() *socketFaults {
	if s.faults == nil {
		s.faults = &socketFaults{}
	}
	return s.faults
}

// setFaults replaces the socket's own faults.
func (s *Socket) setFaults(own *fault.Own) {
	if own == nil && s.faults == nil {
		return
	}
	s.withFaults().own = own
	s.meetFaults()
}

// SetKin says who owns the socket, then whoever that comes from, for selectors.
func (s *Socket) SetKin(kin [][]byte) {
	s.withFaults().kin = kin
	s.meetFaults()
}

// CallFaults reports whether there is a fault on calls of this name, so that CallFault has to be asked.
func (s *Socket) CallFaults(name fault.CallName) bool {
	return s.faults != nil && s.faults.line.Calls(name)
}

// CallFault is what faults make of a call on the socket that begins now. Connect and Listen ask by themselves;
// it is for whoever makes the others.
func (s *Socket) CallFault(name fault.CallName) fault.Outcome {
	if s.faults == nil {
		return fault.Outcome{}
	}
	octets := s.received.octets + s.sent.octets
	switch name {
	case fault.Send:
		octets = s.sent.octets
	case fault.Recv:
		octets = s.received.octets
	}
	return s.faults.line.Call(s.st.FaultInstant(), name, int64(octets))
}

// faultsHold is how many octets of output faults hold.
func (s *Socket) faultsHold() int {
	if s.faults == nil || s.faults.line == nil || s.faults.line.Out == nil {
		return 0
	}
	return s.faults.line.Out.Held()
}

// NewFaults makes the faults of a socket, the value of its option gentcp_fault.
func (st *Stack) NewFaults(faults []fault.Fault, term any) *fault.Own {
	return fault.NewOwn(st.FaultInstant(), faults, term)
}
