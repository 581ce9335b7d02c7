//go:build darwin || freebsd

package sockets

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

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

func setsockoptBytes(fd, level, opt int, value []byte) error {
	return unix.SetsockoptString(fd, level, opt, string(value))
}

func getsockoptBytes(fd, level, opt int, value []byte) ([]byte, error) {
	size := uint32(len(value))
	var p unsafe.Pointer
	if len(value) > 0 {
		p = unsafe.Pointer(&value[0])
	}
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(p), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return nil, errno
	}
	return value[:min(int(size), len(value))], nil
}

func getLinger(fd int) (onoffSeconds [2]int32, err error) {
	b, err := getsockoptBytes(fd, unix.SOL_SOCKET, unix.SO_LINGER, make([]byte, 8))
	if err != nil {
		return onoffSeconds, err
	}
	onoffSeconds[0] = int32(binary.NativeEndian.Uint32(b))
	onoffSeconds[1] = int32(binary.NativeEndian.Uint32(b[4:]))
	return onoffSeconds, nil
}

func bindToDevice(int, []byte) error            { return unix.EINVAL }
func boundDevice(int) ([]byte, error)           { return nil, unix.EINVAL }
func setMulticastIf(int, Family, *Option) error { return unix.EINVAL }

func multicastIf(int, Family) (o Option, err error) { return o, unix.EINVAL }

func (s *Socket) pktOptions() (o Option, ok bool, err error) { return o, false, unix.EINVAL }
