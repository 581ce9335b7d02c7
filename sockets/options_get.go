package sockets

import "golang.org/x/sys/unix"

// maxRawOption is the largest raw option value that is read. inet_drv.c has a reply of 64 KB at
// most, with one octet before the options and 13 before a raw value.
const maxRawOption = 64<<10 - 14

// GetOption reads an option. For raw options want holds the level, the option and
// either the value to pass in (Bytes) or room for its size. Not ok: the option has
// no value here and is left out of the list, as inet:getopts/2 does.
func (s *Socket) GetOption(want Option) (o Option, ok bool, err error) {
	if s.state == gone {
		return o, false, ErrClosed
	}
	o.Name = want.Name
	switch want.Name {
	case optActive:
		o.Active, o.Int = s.opts.active.mode, int64(s.opts.active.count)
	case optMode:
		o.Int = btoi(s.opts.binary)
	case optPacket:
		o.Int = int64(s.framer.Mode)
	case optPacketSize:
		o.Int = int64(s.framer.Size)
	case optHeader:
		o.Int = int64(s.opts.header)
	case optDeliver:
		o.Int = btoi(s.opts.deliverPort)
	case optBuffer:
		o.Int = int64(s.opts.buffer)
	case optExitOnClose:
		o.Int = btoi(s.opts.exitOnClose)
	case optShowEconnreset:
		if s.family == Local {
			return o, false, nil
		}
		o.Int = btoi(s.opts.showEconnreset)
	case optSendTimeout:
		o.Int = s.opts.sendTimeout
	case optSendTimeoutClose:
		o.Int = btoi(s.opts.sendTimeoutClose)
	case optDelaySend:
		o.Int = btoi(s.opts.delaySend)
	case optHighWatermark:
		o.Int = int64(s.opts.high)
	case optLowWatermark:
		o.Int = int64(s.opts.low)
	case optHighMsgqWatermark:
		o.Int = s.opts.highMsgq
	case optLowMsgqWatermark:
		o.Int = s.opts.lowMsgq
	case optDebug:
		o.Int = btoi(s.opts.debug)
	case optReadAhead:
		o.Int = btoi(!s.opts.noReadAhead)
	case optNonBlockSend, optExclusiveAddrUse:
		// Known, without effect on this system.
	case optNetns:
		if !s.opts.netnsSet {
			return o, false, nil
		}
		o.Bytes = []byte(s.opts.netns)
	case optReadPackets:
		return o, false, nil
	case optFaults:
		if s.faults != nil {
			o.Faults = s.faults.own
		}
	case optPktoptions:
		return s.pktOptions()
	default:
		return s.kernelOption(want)
	}
	return o, true, nil
}

func (s *Socket) kernelOption(want Option) (o Option, ok bool, err error) {
	r := &table[want.Name]
	o.Name = want.Name
	if !s.desc.open() {
		return o, false, nil
	}
	switch want.Name {
	case optLinger:
		var l [2]int32
		l, err = s.desc.linger()
		o.Int, o.Int2 = btoi(l[0] != 0), int64(l[1])
	case optBindToDevice:
		o.Bytes, err = boundDevice(&s.desc)
	case optRaw:
		size := want.Bytes
		if size == nil {
			if want.Pkt == nil || want.Pkt[0].Int > maxRawOption {
				return o, false, unix.EINVAL
			}
			size = make([]byte, want.Pkt[0].Int)
		}
		if len(size) > maxRawOption {
			return o, false, unix.EINVAL
		}
		o.Int, o.Int2 = want.Int, want.Int2
		o.Bytes, err = s.desc.option(int(want.Int), int(want.Int2), size)
	case optMulticastIf:
		o, err = multicastIf(&s.desc, s.family)
	default:
		var n int
		n, err = s.desc.intOption(r.level, r.opt)
		o.Int = int64(n)
		if r.typ == BoolValue {
			o.Int = btoi(n != 0)
		}
	}
	// A value that the kernel does not give is left out, as inet_drv.c does.
	return o, err == nil, nil
}

// RawRequest is the want of GetOption for {raw, level, opt, size}.
func RawRequest(level, opt, size int64) Option {
	return Option{Name: optRaw, Int: level, Int2: opt, Pkt: []Option{{Int: size}}}
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
