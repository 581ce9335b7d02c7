package sockets

import "golang.org/x/sys/unix"

// SpliceFrom moves up to n octets of the send that is being sent in parts under key
// from a pipe to the socket, without copying them. It reports how many went: none if
// something is queued before them, or the kernel takes no more for now.
func (s *Socket) SpliceFrom(pipe int, key int64, n int) int {
	if !s.desc.moves() || !s.desc.open() || s.out.empty() || s.delays() {
		return 0
	}
	p := s.out.front().parts
	if p == nil || p.key != key || !p.have.empty() || n > p.left {
		return 0
	}
	moved, err := s.desc.spliceFrom(pipe, n, n < p.left)
	if err != nil {
		if err != unix.EAGAIN && err != unix.EINTR && err != unix.EINVAL {
			s.sendFailed(err, nil)
		}
		return 0
	}
	p.left -= moved
	s.out.octets -= moved
	return moved
}

// SpliceTo moves n octets of input, which are known to be there, to a pipe without
// copying them. It reports how many went; the rest is still to be read.
func (s *Socket) SpliceTo(pipe, n int) int {
	total := 0
	for total < n {
		moved, err := s.desc.spliceTo(pipe, n-total)
		if err == unix.EINTR {
			continue
		}
		if err != nil || moved <= 0 {
			break
		}
		total += moved
	}
	return total
}
