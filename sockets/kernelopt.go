package sockets

import (
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
