// Package iovec writes several pieces of memory with one system call and no allocation.
package iovec

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Max is the most pieces that one call writes; the ones behind are left out.
const Max = 16

// Write is writev(2): it returns how many octets were written.
func Write(fd int, pieces [][]byte) (int, error) {
	var vector [Max]unix.Iovec
	n := 0
	for _, b := range pieces {
		if len(b) > 0 && n < Max {
			vector[n].Base = &b[0]
			vector[n].SetLen(len(b))
			n++
		}
	}
	written, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&vector[0])), uintptr(n))
	runtime.KeepAlive(pieces)
	if errno != 0 {
		return 0, box(errno)
	}
	return int(written), nil
}

// box makes an error of an everyday errno without an allocation.
func box(e syscall.Errno) error {
	switch e {
	case unix.EAGAIN:
		return again
	case unix.EINTR:
		return interrupted
	}
	return e
}

var again, interrupted error = unix.EAGAIN, unix.EINTR
