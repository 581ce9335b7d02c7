package sockets

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// state is where a socket is in its life.
type state uint8

const (
	connecting state = iota
	listening
	connected
	// husk: the descriptor has been released, because a call has reported that the
	// connection is at its end, but the socket itself is still there: its next
	// calls report the end, then ENOTCONN.
	husk
	// gone: nobody can use the socket any longer. Output may still be flushed.
	gone
)

// Socket is a listening or connected socket, or one that connects.
type Socket struct {
	// User is for the owner of the Stack.
	User any

	st     *Stack
	id     ID
	desc   descriptor
	token  token
	family Family
	state  state
	opts   options

	isRunnable bool
	isParked   bool
	canRead    bool // as far as the poller has reported and no read has found out otherwise
	canWrite   bool

	incoming // see input.go
	out      output
	ending   // see finish.go and close.go

	listener *listener
	dial     *dial

	// Kernel options that the user has set, by their place in the table.
	kernelSet uint64
	opening   bool // the user does not know of the socket yet
	fell      bool // Passive is to be reported once the user knows
	accepted  bool

	faults       *socketFaults // nil for most
	listenerID   ID            // of the listener that has accepted it, or 0
	attachedOnce bool          // what wants to be attached from the beginning has been

	traffic // see stats.go
}

// ID is the socket's name.
func (s *Socket) ID() ID { return s.id }

// Family is the socket's address family.
func (s *Socket) Family() Family { return s.family }

// Binary reports whether packets are binaries (option mode), Header how many octets
// of a binary packet are given as a list (option header).
func (s *Socket) Binary() bool { return s.opts.binary }

// Header is the option header: how many octets of a binary packet come as a list.
func (s *Socket) Header() int { return s.opts.header }

// DeliverPort is the option deliver: messages have the form of a port's.
func (s *Socket) DeliverPort() bool { return s.opts.deliverPort }

// PacketMode is the option packet.
func (s *Socket) PacketMode() packet.Mode { return s.framer.Mode }

// Listener reports whether the socket listens.
func (s *Socket) Listener() bool { return s.state == listening }

// Accepted reports whether the socket came from a listener.
func (s *Socket) Accepted() bool { return s.accepted }

// Connected reports whether the socket is connected and has its descriptor.
func (s *Socket) Connected() bool { return s.state == connected }

// Active reports whether the socket is armed.
func (s *Socket) Active() bool { return s.opts.active.armed() }

// States are the states of inet:info/1.
func (s *Socket) States() []string {
	var states []string
	switch s.state {
	case connected:
		if s.out.blocked != nil {
			states = append(states, "busy")
		}
		return append(states, "connected", "open")
	case connecting:
		return append(states, "connecting", "open")
	case listening:
		if s.listener.waiting() > 0 {
			states = append(states, "accepting")
		}
		return append(states, "listen", "open")
	case husk:
		return nil
	}
	return []string{"closed"}
}

// Traffic is the octets of erlang:port_info/2: input are those that were delivered in the form
// of a port's messages, output those that users have sent, packet headers not included.
func (s *Socket) Traffic() (input, output uint64) { return s.portInput, s.userOutput }

// Peername is the address of the other end.
func (s *Socket) Peername() (Addr, error) { return s.name((*descriptor).peername, unix.ENOTCONN) }

// Sockname is the socket's own address.
func (s *Socket) Sockname() (Addr, error) { return s.name((*descriptor).sockname, unix.EBADF) }

func (s *Socket) name(get func(*descriptor) (Addr, error), noDescriptor error) (Addr, error) {
	if s.state == gone {
		return Addr{}, ErrClosed
	}
	if !s.desc.open() {
		return Addr{}, noDescriptor
	}
	return get(&s.desc)
}

// setState is the only place where a socket changes its state.
func (s *Socket) setState(to state) { s.state = to }

// ready is called by the poller.
func (s *Socket) ready(r Readiness) {
	if s.desc.attached != nil {
		s.desc.attached.Ready(r)
		if !s.desc.open() {
			return
		}
	}
	s.believe(r)
}

// believe gives the socket a turn with what is said of its descriptor.
func (s *Socket) believe(r Readiness) {
	if r&Readable != 0 {
		s.canRead = true
	}
	if r&Writable != 0 {
		s.canWrite = true
	}
	if r&Urgent != 0 {
		s.desc.endsShort = true
	}
	if r&(PeerClosed|HungUp) != 0 && s.state == connected {
		s.peerEnded, s.desc.endsShort = true, true
		// What the next send finds out has to reach its caller.
		s.setStrict()
	}
	s.st.later(s)
}

// progress is one turn of the socket: it does what the poller has made possible.
func (s *Socket) progress() {
	switch s.state {
	case connecting:
		s.finishConnect()
	case listening:
		if s.canRead {
			s.acceptWaiting()
		}
	case connected:
		if s.canWrite && !s.out.empty() {
			s.output()
		}
		if s.loan != nil {
			s.lendMore()
		}
		if s.state == connected && s.canRead && s.mayRead() {
			if s.st.paused {
				s.st.park(s)
				return
			}
			s.input()
		}
	case gone:
		if s.canWrite && s.desc.open() {
			s.output()
		}
	}
}

// register begins to watch the descriptor.
func (s *Socket) register() error {
	t, err := s.st.watch(s.desc.fd, s, edges)
	s.token = t
	return err
}

// release lets go of the descriptor.
func (s *Socket) release() {
	if !s.desc.open() {
		return
	}
	s.canRead, s.canWrite = false, false
	s.forgetParts()
	if s.desc.attached != nil {
		s.desc.letGo = true
		s.desc.attached.Close() // which may hold it for what it has still to send
		return
	}
	s.closeDescriptor()
}

// closeDescriptor closes the descriptor without waiting: with {linger, {true, N}} close(2)
// would, for what is in the kernel's buffer, although the descriptor does not block.
func (s *Socket) closeDescriptor() {
	s.st.unwatch(s.token)
	s.st.poll.remove(s.desc.fd)
	s.desc.attached = nil
	if s.kernelSet&(1<<optLinger|1<<optRaw) != 0 {
		if l, err := s.desc.linger(); err == nil && l[0] != 0 && l[1] != 0 {
			_ = s.desc.setLinger(0, 0)
		}
	}
	s.desc.close()
	s.hasDrained()
}

// abandon closes all descriptors of the socket, and reports it to nobody.
func (s *Socket) abandon() {
	if f := s.out.cutAtFile(); f != nil {
		_ = unix.Close(f.fd)
	}
	for s.out.waiting.count > 0 {
		if f := s.out.waiting.take().file; f != nil {
			_ = unix.Close(f.fd)
		}
	}
	s.out = output{}
	if s.desc.fd >= 0 {
		s.closeDescriptor()
	}
}

// Receiver is the completion of a Recv.
type Receiver interface {
	// Received gives a packet, or the error. The packet's slices are valid only
	// during the call.
	Received(s *Socket, p packet.Packet, err error)
}

// Completer is the completion of a call that gives no value.
type Completer interface {
	Done(err error)
}

// Opened is the completion of a call that opens a socket.
type Opened interface {
	Opened(s *Socket, err error)
}
