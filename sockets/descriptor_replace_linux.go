package sockets

import "golang.org/x/sys/unix"

// replaceDescriptor closes what fd is and makes it what by is, which is closed.
func replaceDescriptor(fd, by int) error {
	defer func() { _ = unix.Close(by) }()
	return unix.Dup3(by, fd, unix.O_CLOEXEC)
}
