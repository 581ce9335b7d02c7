//go:build darwin || freebsd

package sockets

import "golang.org/x/sys/unix"

// replaceDescriptor closes what fd is and makes it what by is, which is closed.
func replaceDescriptor(fd, by int) error {
	defer func() { _ = unix.Close(by) }()
	if err := unix.Dup2(by, fd); err != nil {
		return err
	}
	unix.CloseOnExec(fd)
	return nil
}
