package sockets

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// SetOptions applies options to a socket from the last to the first, as
// inet:setopts/2 does. An option that is refused is EINVAL; the ones
// applied before it stay. If the socket becomes active, what is pending is
// delivered before SetOptions returns.
func (s *Socket) SetOptions(opts []Option) error {
	if s.state == gone {
		return ErrClosed
	}
	s.reclaim()
	was, wasMode := s.opts.active.mode, s.framer.Mode
	for i := len(opts) - 1; i >= 0; i-- {
		if err := s.setOption(&opts[i]); err != nil {
			if s.state == connected && s.opts.active.armed() {
				s.st.later(s) // perhaps an option before this one has armed the socket
			}
			return err
		}
		if s.state == gone {
			return nil // armed with its end pending: it has been reported
		}
	}
	if s.state == connected && s.opts.active.armed() && !s.held {
		switch {
		case was == Passive && s.framer.Mode == wasMode:
			s.restartInput()
			s.input()
		case was == Passive, s.framer.Mode != wasMode:
			s.restartInput()
			s.deliverBuffered()
			if s.mayRead() {
				s.st.later(s)
			}
		}
	}
	return nil
}

func (s *Socket) setOption(o *Option) error {
	n := int(int32(o.Int)) // option values cross inet_drv's protocol as 32 bits
	switch o.Name {
	case optActive:
		fell, err := s.opts.active.set(o.Active, int(o.Int))
		if err != nil {
			return err
		}
		if fell && s.opening {
			s.fell = true
		} else if fell {
			s.tellPassive()
		}
		if s.opts.active.armed() && s.state == husk {
			s.armedAfterEnd()
		}
	case optMode:
		s.opts.binary = o.Int != 0
	case optPacket:
		s.setPacketMode(packet.Mode(o.Int))
	case optPacketSize:
		s.framer.Size = uint32(n)
		s.framer.Rescan()
	case optLineDelimiter:
		s.framer.Delimiter = byte(n)
		s.framer.Rescan()
	case optHeader:
		s.opts.header = max(n, 0)
	case optDeliver:
		s.opts.deliverPort = o.Int != 0
		s.framer.Unparsed = s.opts.deliverPort
		s.framer.Rescan()
	case optBuffer:
		s.opts.bufferSet, s.opts.capped = true, true
		s.setBuffer(max(n, 1))
	case optExitOnClose:
		s.opts.exitOnClose = o.Int != 0
	case optShowEconnreset:
		if s.family != Local {
			s.opts.showEconnreset = o.Int != 0
		}
	case optSendTimeout:
		s.opts.sendTimeout = o.Int
	case optSendTimeoutClose:
		s.opts.sendTimeoutClose = o.Int != 0
	case optDelaySend:
		s.opts.delaySend = o.Int != 0
	case optHighWatermark:
		s.opts.high = max(n, 0)
		s.opts.low = min(s.opts.low, s.opts.high)
	case optLowWatermark:
		s.opts.low = max(n, 0)
		s.opts.high = max(s.opts.low, s.opts.high)
	case optHighMsgqWatermark:
		return setMsgq(&s.opts.highMsgq, n, func(v int64) { s.opts.lowMsgq = min(s.opts.lowMsgq, v) })
	case optLowMsgqWatermark:
		return setMsgq(&s.opts.lowMsgq, n, func(v int64) { s.opts.highMsgq = max(s.opts.highMsgq, v) })
	case optDebug:
		s.opts.debug = o.Int != 0
	case optReadAhead:
		s.opts.noReadAhead = o.Int == 0
	case optFaults:
		s.setFaults(o.Faults)
	case optKin:
		s.SetKin(o.Kin)
	case optNetns:
		s.opts.netns, s.opts.netnsSet = string(o.Bytes), true
	case optReadPackets, optNonBlockSend, optExclusiveAddrUse, optAddMembership, optDropMembership,
		optBacklog, optFd, optProtocol:
		// Accepted without effect on a socket that exists.
	default:
		return s.setKernelOption(o)
	}
	return nil
}

// setMsgq sets one watermark of the message queue. There is no such queue here (a
// sender is never suspended before its data is queued), but the values are kept as
// erl_drv_busy_msgq_limits keeps them: 0 and -1 are refused, what does not fit reads as
// the largest value, and the two limits push each other.
func setMsgq(mark *int64, n int, push func(int64)) error {
	if n == 0 || n == -1 {
		return unix.EINVAL
	}
	v := int64(n)
	if n < 0 {
		v = maxMsgqWatermark
	}
	*mark = v
	push(v)
	return nil
}

func (s *Socket) setPacketMode(m packet.Mode) {
	s.framer.Mode = m
	s.framer.Rescan()
}

func (s *Socket) setBuffer(n int) {
	s.opts.buffer = n
	s.framer.Buffer = n
	s.framer.Rescan()
}

func (s *Socket) setKernelOption(o *Option) error {
	r := &table[o.Name]
	s.kernelSet |= 1 << o.Name
	var err error
	switch o.Name {
	case optLinger:
		s.opts.lingerZero = s.family != Local && o.Int != 0 && o.Int2 == 0
		err = s.desc.setLinger(int32(o.Int), int32(o.Int2))
	case optRecbuf:
		if n := int(int32(o.Int)); !s.opts.bufferSet && n > s.opts.buffer {
			s.setBuffer(n)
		}
		err = s.desc.setIntOption(r.level, r.opt, int(int32(o.Int)))
	case optBindToDevice:
		err = bindToDevice(&s.desc, o.Bytes)
	case optRaw:
		err = s.desc.setOption(int(o.Int), int(o.Int2), o.Bytes)
	case optMulticastIf:
		err = setMulticastIf(&s.desc, s.family, o)
	default:
		err = setIntKeepingTOS(&s.desc, r.level, r.opt, int(int32(o.Int)))
	}
	if err != nil && r.told {
		return unix.EINVAL
	}
	return nil
}

// setIntKeepingTOS sets an option and keeps the type of service and the priority as
// they were: Linux changes the one with the other, and Erlang's users see
// independent options. Only setting these two can disturb them.
func setIntKeepingTOS(d *descriptor, level, opt, value int) error {
	isTOS := level == unix.IPPROTO_IP && opt == unix.IP_TOS
	if !isTOS || soPriority < 0 {
		return d.setIntOption(level, opt, value)
	}
	priority, priorityErr := d.intOption(unix.SOL_SOCKET, soPriority)
	if err := d.setIntOption(level, opt, value); err != nil {
		return err
	}
	if priorityErr == nil {
		// Some kernels refuse to restore a priority that they gave themselves.
		if err := d.setIntOption(unix.SOL_SOCKET, soPriority, priority); err != nil && err != unix.EPERM {
			return err
		}
	}
	return nil
}
