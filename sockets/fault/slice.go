package fault

// Slice has octets read and written in pieces of Min to Max of them.
type Slice struct{ Min, Max int }

func (s Slice) part(r *random) part { return &slice{Slice: s, random: r} }

// slice cuts at places in the stream that do not depend on how the octets come.
type slice struct {
	Slice
	random *random
	left   int // of the present piece
}

func (s *slice) shape(at Instant, octets []byte) (int, Instant) {
	if s.left == 0 {
		s.left = s.Min
		if s.Max > s.Min {
			s.left += int(s.random.below(uint64(s.Max-s.Min) + 1))
		}
		s.left = max(s.left, 1)
	}
	n := min(len(octets), s.left)
	s.left -= n
	return n, at
}

// room keeps the pieces of one turn few: each is a system call, and takes more memory than it has octets.
func (s *slice) room() int { return min(max(s.Min, 1), 1<<8) << 10 }
