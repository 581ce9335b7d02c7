package fault

import "time"

// Stall lets the stream stand still for a time after every so many octets, as it does when
// a packet is lost and sent again.
type Stall struct {
	For   time.Duration
	Every int64
}

func (s Stall) part(*random) part { return &stall{Stall: s, left: max(s.Every, 1)} }

type stall struct {
	Stall
	left int64 // octets before the next stall
	due  Instant
	acts bool // the last piece has been delayed
}

func (s *stall) shape(at Instant, octets []byte) (int, Instant) {
	s.acts = s.left == 0
	if s.acts {
		s.left = max(s.Every, 1)
		s.due = later(max(at, s.due), s.For)
	}
	n := int(min(int64(len(octets)), s.left))
	s.left -= int64(n)
	return n, max(at, s.due)
}

func (s *stall) acted() bool { return s.acts }
