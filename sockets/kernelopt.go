package sockets

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

func setsockoptBytes(fd, level, opt int, value []byte) error {
	return unix.SetsockoptString(fd, level, opt, string(value))
}

// getsockoptBytes reads an option into value and returns as much of it as was set.
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
