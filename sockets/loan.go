package sockets

import (
	"github.com/gentcp/gentcp/sockets/fault"
	"github.com/gentcp/gentcp/sockets/packet"
)

// Lender is a Sink that takes packets ahead of the Once or the Recv that will ask for them one
// by one, so that whoever asks need not wait for the answer.
//
// Such packets are on loan. They stay in the socket's input until they are known to have been
// taken, and count as delivered from then on. Whatever else reads the input, or changes how it
// is read, ends the loan first (see Socket.Ask), and what was not taken of it is input as before.
type Lender interface {
	// Lend takes one packet of the socket's loan. Not ok: it has no form in which it can
	// be lent.
	Lend(s *Socket, p packet.Packet) (ok bool)
	// Lent comes after some calls of Lend.
	Lent(s *Socket)
	// Recall: nothing can be taken of the loan any longer, because all of it has been, or
	// because the connection has failed.
	Recall(s *Socket)
}

const (
	// maxLent bounds the input that is on loan from all sockets together.
	maxLent = 16 << 20
	// lendAgain is how many packets are asked for, after a loan that was of no use, before
	// there is another one.
	lendAgain = 16
)

// LoanNumbers is how many numbers there are for loans: they count up and begin again.
const LoanNumbers = 1 << 16

// MaxLoan is the most packets of one loan, from its first to its last: a node counts them in 20
// bits.
const MaxLoan = 1<<20 - 1

// loan is the packets of a socket that are on loan: what they are made of is at the front of
// its input.
type loan struct {
	taken   int  // packets that have been taken, since the loan began
	headers bool // the framer's state behind the last of them
	lent    []lentPacket
	head    int // lent[:head] have been taken
	octets  int // of input, in lent[head:]
}

// lentPacket is a packet on loan: octets of input, and the framer's state behind it.
type lentPacket struct {
	octets  int
	headers bool
}

// asked remembers how the input has been asked for packets.
type asked struct {
	count  uint32 // questions so far, see Ask
	singly bool   // the last packet was asked for on its own, so the next one may be
	skip   uint8  // packets to be asked for before the next loan
}

// Ask notes that the input of a socket is asked for, or asked about, by somebody who may have taken
// packets of its loan, and ends the loan: taken is how many packets of loan number have been taken,
// which is none if the number is not the present one. What reads the input or changes how it
// is read ends a loan by itself, with nothing taken; Ask comes before, so that more can be said.
func (s *Socket) Ask(number, taken int) {
	if s.loan != nil {
		if number == s.LoanNumber() {
			s.take(taken)
		}
		s.endLoan()
	}
	s.asked.count++
}

// reclaim ends a loan whose input is about to be read, or to be read in another way.
func (s *Socket) reclaim() {
	if s.loan != nil {
		s.endLoan()
	}
}

// LoanNumber is the number of the loan that is open, or will be opened next: how often Ask has been
// called, modulo LoanNumbers.
func (s *Socket) LoanNumber() int { return int(s.asked.count % LoanNumbers) }

// Taken reports that taken packets of loan number have been taken so far. The loan goes on if
// there is more to lend.
func (s *Socket) Taken(number, taken int) {
	if s.loan == nil || number != s.LoanNumber() {
		return
	}
	s.take(taken)
	s.lendMore()
	if s.loan.head == len(s.loan.lent) {
		// Nothing is left, so that neither side need keep anything for a socket that may be
		// idle from now on.
		s.dropLoan()
	}
}

// lend begins a loan with what is complete in the input, after a packet has been delivered to
// a Once or a Recv.
func (s *Socket) lend() {
	// Raw input is no packets: all that has arrived when somebody asks is one chunk.
	if len(s.in) == 0 || !s.asked.singly || s.framer.Mode == packet.Raw || !s.mayLend() {
		return
	}
	if s.asked.skip > 0 {
		s.asked.skip--
		return
	}
	s.loan = s.st.newLoan()
	s.loan.headers = s.framer.Headers
	s.lendBuffered()
	if len(s.loan.lent) == 0 {
		s.endLoan()
	}
}

// mayLend reports whether a loan makes sense as things are.
func (s *Socket) mayLend() bool {
	return s.st.ahead > 0 && s.st.lender != nil && s.desc.attached == nil && !s.CallFaults(fault.Recv) && s.state == connected && !s.wanted() && !s.held && !s.readEnded &&
		!s.st.paused && !s.opts.deliverPort && s.opts.header == 0 && s.st.lent < maxLent
}

// lendBuffered lends from the input that is not on loan yet.
func (s *Socket) lendBuffered() {
	l := s.loan
	before := len(l.lent)
	for l.octets < s.st.ahead && s.st.lent < maxLent && l.taken+len(l.lent)-l.head < MaxLoan {
		rest := s.in[l.octets:]
		if len(rest) == 0 {
			break
		}
		headers := s.framer.Headers
		p, n, _, err := s.framer.Next(rest)
		if err != nil || n == 0 {
			break // an error is for whoever asks
		}
		if !s.st.lender.Lend(s, p) {
			s.framer.Headers = headers
			s.framer.Rescan()
			break
		}
		l.lent = append(l.lent, lentPacket{n, s.framer.Headers})
		l.octets += n
		s.st.lent += n
	}
	if len(l.lent) > before {
		s.st.lender.Lent(s)
	}
}

// lendMore goes on with a loan, of which some may have been taken, with what has arrived.
func (s *Socket) lendMore() {
	if !s.mayLend() {
		if s.st.paused && s.state == connected {
			s.st.park(s)
		}
		return
	}
	s.lendBuffered()
	l := s.loan
	if l.octets > s.st.ahead/2 || len(s.in)-l.octets > s.st.ahead || !s.canRead || s.opts.noReadAhead {
		return
	}
	// What is known to be there can be read without meeting the end of the stream, which is
	// for whoever asks.
	n := min(s.desc.available(), readAheadSize)
	if n <= 0 {
		return
	}
	if cap(s.in)-len(s.in) < n {
		s.moveInput(len(s.in) + n)
	}
	n, _, err := s.desc.read(s.in[len(s.in) : len(s.in)+n])
	if err != nil || n <= 0 {
		return
	}
	s.in = s.in[:len(s.in)+n]
	s.lendBuffered()
	if s.desc.available() > 0 {
		s.st.later(s)
	}
}

// take drops what has been taken of the loan, up to a total of taken packets.
func (s *Socket) take(taken int) {
	l := s.loan
	for l.taken < taken && l.head < len(l.lent) {
		p := l.lent[l.head]
		l.head++
		l.taken++
		l.headers = p.headers
		l.octets -= p.octets
		s.st.lent -= p.octets
		s.received.count(p.octets)
		s.consume(p.octets)
	}
	if l.head > len(l.lent)/2 {
		l.lent, l.head = l.lent[:copy(l.lent, l.lent[l.head:])], 0
	}
	if len(s.in) == 0 && s.room != nil {
		s.st.putRoom(s.room)
		s.room = nil
	}
}

// endLoan makes input again of what was not taken.
func (s *Socket) endLoan() {
	l := s.loan
	s.loan = nil
	if l.taken == 0 && l.head < len(l.lent) {
		s.asked.skip = lendAgain
	}
	s.framer.Headers = l.headers
	s.restartInput()
	s.st.lent -= l.octets
	s.st.putLoan(l)
}

// dropLoan ends a loan of which nothing is left, or whose input is dropped.
func (s *Socket) dropLoan() {
	if s.loan == nil {
		return
	}
	s.endLoan()
	if s.state != gone {
		s.st.lender.Recall(s)
	}
}

// SetAhead has up to octets of input of a socket be lent to a Sink that is a Lender. 0 is none.
func (st *Stack) SetAhead(octets int) { st.ahead = octets }

func (st *Stack) newLoan() *loan {
	if n := len(st.freeLoans); n > 0 {
		l := st.freeLoans[n-1]
		st.freeLoans = st.freeLoans[:n-1]
		return l
	}
	return &loan{}
}

// keptLoans bounds what is kept for the next loans.
const keptLoans = 64

func (st *Stack) putLoan(l *loan) {
	if len(st.freeLoans) < keptLoans {
		*l = loan{lent: l.lent[:0]}
		st.freeLoans = append(st.freeLoans, l)
	}
}
