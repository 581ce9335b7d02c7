//go:build darwin || freebsd

package sockets

import "golang.org/x/sys/unix"

const (
	solSocket  = unix.SOL_SOCKET
	soRcvbuf   = unix.SO_RCVBUF
	soPriority = -1 // Linux only
)

// kernelOptions leaves out what these systems do not have (priority, and the
// receiving of tos, which has other names there).
func kernelOptions() []row {
	const (
		sock, ip, ip6, tcp = unix.SOL_SOCKET, unix.IPPROTO_IP, unix.IPPROTO_IPV6, unix.IPPROTO_TCP
	)
	v4, v6 := []Family{Inet}, []Family{Inet6}
	return []row{
		{name: "reuseaddr", typ: BoolValue, where: everywhere, level: sock, opt: unix.SO_REUSEADDR},
		{name: "reuseport", typ: BoolValue, where: everywhere, since: 26, level: sock, opt: unix.SO_REUSEPORT},
		{name: "keepalive", typ: BoolValue, where: everywhere, level: sock, opt: unix.SO_KEEPALIVE, inherited: allFamilies},
		{name: "dontroute", typ: BoolValue, where: setAndGet, level: sock, opt: unix.SO_DONTROUTE},
		{name: "broadcast", typ: BoolValue, where: setAndGet, level: sock, opt: unix.SO_BROADCAST},
		{name: "sndbuf", typ: IntValue, where: everywhere, level: sock, opt: unix.SO_SNDBUF},
		{name: "tos", typ: IntValue, where: everywhere, level: ip, opt: unix.IP_TOS, told: true, inherited: v4},
		{name: "ttl", typ: IntValue, where: everywhere, level: ip, opt: unix.IP_TTL, told: true, inherited: v4},
		{name: "tclass", typ: IntValue, where: everywhere, level: ip6, opt: unix.IPV6_TCLASS, told: true, inherited: v6},
		{name: "recvtclass", typ: BoolValue, where: everywhere, level: ip6, opt: unix.IPV6_RECVTCLASS, told: true, inherited: v6},
		{name: "ipv6_v6only", typ: BoolValue, where: ForListen | ForSet | ForGet, level: ip6, opt: unix.IPV6_V6ONLY, told: true},
		{name: "nodelay", typ: BoolValue, where: everywhere, level: tcp, opt: unix.TCP_NODELAY, inherited: allFamilies},
		{name: "nopush", typ: BoolValue, where: setAndGet, level: tcp, opt: unix.TCP_NOPUSH},
	}
}

func bindToDevice(*descriptor, []byte) error            { return unix.EINVAL }
func boundDevice(*descriptor) ([]byte, error)           { return nil, unix.EINVAL }
func setMulticastIf(*descriptor, Family, *Option) error { return unix.EINVAL }

func multicastIf(*descriptor, Family) (o Option, err error) { return o, unix.EINVAL }

func (s *Socket) pktOptions() (o Option, ok bool, err error) { return o, false, unix.EINVAL }
