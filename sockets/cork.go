package sockets

const (
	// maxCork is how much small output may wait for more of it.
	maxCork = 64 << 10
	// corkBelow is the size below which a send may wait.
	corkBelow = 16 << 10
	// keepCorkBuffers is how many buffers are kept for the next time, however many sockets
	// one burst of commands has been for.
	keepCorkBuffers = 64
)

// dropCork gives back the buffer of small sends: an idle socket holds none.
func (s *Socket) dropCork() {
	if s.out.corked != nil && len(s.st.corkBuffers) < keepCorkBuffers {
		s.st.corkBuffers = append(s.st.corkBuffers, s.out.corked[:0])
	}
	s.out.corked = nil
}

// corkBuffer takes a buffer from the Stack for small sends.
func (st *Stack) corkBuffer() []byte {
	if n := len(st.corkBuffers); n > 0 {
		b := st.corkBuffers[n-1]
		st.corkBuffers = st.corkBuffers[:n-1]
		return b
	}
	return make([]byte, 0, 1<<10)
}

// flushCork writes the small sends that have waited for each other.
func (s *Socket) flushCork() {
	if len(s.out.corked) == 0 || s.state != connected {
		return
	}
	if s.out.empty() {
		s.write(nil, nil, nil)
	} else {
		s.out.push(s.out.corked)
		s.dropCork()
	}
	s.returnCredit()
}
