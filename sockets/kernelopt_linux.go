package sockets

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const (
	solSocket  = unix.SOL_SOCKET
	soRcvbuf   = unix.SO_RCVBUF
	soPriority = unix.SO_PRIORITY
)

func kernelOptions() []row {
	const (
		sock, ip, ip6, tcp = unix.SOL_SOCKET, unix.IPPROTO_IP, unix.IPPROTO_IPV6, unix.IPPROTO_TCP
	)
	v4, v6 := []Family{Inet}, []Family{Inet6}
	return []row{
		{name: "reuseaddr", typ: BoolValue, where: everywhere, level: sock, opt: unix.SO_REUSEADDR},
		{name: "reuseport", typ: BoolValue, where: everywhere, since: 26, level: sock, opt: unix.SO_REUSEPORT},
		{name: "reuseport_lb", typ: BoolValue, where: everywhere, since: 26, level: sock, opt: unix.SO_REUSEPORT},
		{name: "keepalive", typ: BoolValue, where: everywhere, level: sock, opt: unix.SO_KEEPALIVE, inherited: allFamilies},
		{name: "dontroute", typ: BoolValue, where: setAndGet, level: sock, opt: unix.SO_DONTROUTE},
		{name: "broadcast", typ: BoolValue, where: setAndGet, level: sock, opt: unix.SO_BROADCAST},
		{name: "sndbuf", typ: IntValue, where: everywhere, level: sock, opt: unix.SO_SNDBUF},
		{name: "priority", typ: IntValue, where: everywhere, level: sock, opt: unix.SO_PRIORITY, told: true, inherited: allFamilies},
		{name: "tos", typ: IntValue, where: everywhere, level: ip, opt: unix.IP_TOS, told: true, inherited: v4},
		{name: "ttl", typ: IntValue, where: everywhere, level: ip, opt: unix.IP_TTL, told: true, inherited: v4},
		{name: "recvtos", typ: BoolValue, where: everywhere, level: ip, opt: unix.IP_RECVTOS, told: true, inherited: v4},
		{name: "recvttl", typ: BoolValue, where: everywhere, level: ip, opt: unix.IP_RECVTTL, told: true, inherited: v4},
		{name: "tclass", typ: IntValue, where: everywhere, level: ip6, opt: unix.IPV6_TCLASS, told: true, inherited: v6},
		{name: "recvtclass", typ: BoolValue, where: everywhere, level: ip6, opt: unix.IPV6_RECVTCLASS, told: true, inherited: v6},
		{name: "ipv6_v6only", typ: BoolValue, where: ForListen | ForSet | ForGet, level: ip6, opt: unix.IPV6_V6ONLY, told: true},
		{name: "nodelay", typ: BoolValue, where: everywhere, level: tcp, opt: unix.TCP_NODELAY, inherited: allFamilies},
		{name: "nopush", typ: BoolValue, where: setAndGet, level: tcp, opt: unix.TCP_CORK},
		{name: "keepcnt", typ: IntValue, where: everywhere, since: 28, level: tcp, opt: unix.TCP_KEEPCNT},
		{name: "keepidle", typ: IntValue, where: everywhere, since: 28, level: tcp, opt: unix.TCP_KEEPIDLE},
		{name: "keepintvl", typ: IntValue, where: everywhere, since: 28, level: tcp, opt: unix.TCP_KEEPINTVL},
		{name: "user_timeout", typ: UintValue, where: everywhere, since: 28, level: tcp, opt: unix.TCP_USER_TIMEOUT},
		{name: "multicast_ttl", typ: IntValue, where: setAndGet, level: ip, opt: unix.IP_MULTICAST_TTL},
		{name: "multicast_loop", typ: BoolValue, where: setAndGet, level: ip, opt: unix.IP_MULTICAST_LOOP},
	}
}

func bindToDevice(d *descriptor, name []byte) error {
	if len(name) >= unix.IFNAMSIZ {
		return unix.EINVAL
	}
	return d.setOption(unix.SOL_SOCKET, unix.SO_BINDTODEVICE, name)
}

func boundDevice(d *descriptor) ([]byte, error) {
	b, err := d.option(unix.SOL_SOCKET, unix.SO_BINDTODEVICE, make([]byte, unix.IFNAMSIZ))
	if err != nil {
		return nil, err
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b, nil
}

func setMulticastIf(d *descriptor, f Family, o *Option) error {
	switch f {
	case Inet:
		var addr [4]byte
		binary.BigEndian.PutUint32(addr[:], uint32(o.Int))
		return d.setOption(unix.IPPROTO_IP, unix.IP_MULTICAST_IF, addr[:])
	case Inet6:
		return d.setIntOption(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, int(int32(o.Int)))
	}
	return unix.EINVAL
}

func multicastIf(d *descriptor, f Family) (o Option, err error) {
	o.Name = optMulticastIf
	switch f {
	case Inet:
		addr, err := d.option(unix.IPPROTO_IP, unix.IP_MULTICAST_IF, make([]byte, 4))
		if err == nil && len(addr) == 4 {
			o.Int = int64(binary.BigEndian.Uint32(addr))
		}
		return o, err
	case Inet6:
		var n int
		n, err = d.intOption(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF)
		o.Int, o.Int2 = int64(n), 1
		return o, err
	}
	return o, unix.EINVAL
}

const (
	ipPktoptions   = 9 // IP_PKTOPTIONS of linux/in.h
	ipv6Pktoptions = 6 // IPV6_2292PKTOPTIONS of linux/in6.h, what inet_drv.c uses
)

// pktOptions reads the type of service, time to live and traffic class of the last
// segments, as far as recvtos, recvttl and recvtclass ask for them.
func (s *Socket) pktOptions() (o Option, ok bool, err error) {
	o.Name = optPktoptions
	level, opt := unix.IPPROTO_IP, ipPktoptions
	switch s.family {
	case Inet6:
		level, opt = unix.IPPROTO_IPV6, ipv6Pktoptions
	case Local:
		return o, false, unix.EINVAL
	}
	if !s.desc.open() {
		return o, false, nil
	}
	buf, err := s.desc.option(level, opt, make([]byte, 256))
	if err != nil {
		return o, false, nil
	}
	msgs, err := unix.ParseSocketControlMessage(buf)
	if err != nil {
		return o, false, nil
	}
	for _, m := range msgs {
		name := ""
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TOS:
			name = "tos"
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TTL:
			name = "ttl"
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_TCLASS:
			name = "tclass"
		default:
			continue
		}
		v := int64(m.Data[0])
		if len(m.Data) >= 4 {
			v = int64(int32(binary.NativeEndian.Uint32(m.Data)))
		}
		o.Pkt = append(o.Pkt, Option{Name: byName[name], Int: v})
	}
	return o, true, nil
}
