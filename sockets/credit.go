package sockets

import "golang.org/x/sys/unix"

// maxWindow is the most octets that senders may have under way without a call: some
// hundred microseconds of a fast connection.
const maxWindow = 256 << 10

// openWindow reports how much can be sent without filling the kernel's buffer. The
// kernel's figure includes its own overhead, so half of it counts.
func (s *Socket) openWindow() {
	if s.state != connected || s.held || s.out.strict || s.out.callsOnly {
		return
	}
	size, err := s.desc.intOption(unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil {
		return
	}
	s.setWindow(min(size/2, maxWindow))
}

// setWindow reports a change of the window, and gives back the credit of what
// has left.
func (s *Socket) setWindow(window int) {
	if window == s.out.window && (s.out.uncredited == 0 || !s.out.empty()) {
		return
	}
	s.out.window = window
	s.credit()
}

// returnCredit gives back credit in batches, once the data is with the kernel.
func (s *Socket) returnCredit() {
	if s.out.uncredited*4 >= s.out.window && s.out.uncredited > 0 && s.out.empty() && len(s.out.corked) == 0 {
		s.credit()
	}
}

// SettleCredit gives back all credit that can be given back, so that a sender that has got none
// knows what is missing.
func (s *Socket) SettleCredit() {
	s.flushCork()
	if s.out.uncredited > 0 && s.out.empty() {
		s.credit()
	}
}

func (s *Socket) credit() {
	if s.state == gone {
		return
	}
	n := 0
	if s.out.empty() && len(s.out.corked) == 0 {
		n, s.out.uncredited = s.out.uncredited, 0
	}
	s.st.sink.Credit(s, n, s.out.window)
}
