package sockets

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// TakeDescriptor makes a copy of descriptor n of another process, as far as the system
// allows it (pidfd_getfd(2): Linux 5.6, the same user, and a ptrace policy that permits it).
func TakeDescriptor(pid, n int) (int, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	fd, err := unix.PidfdGetfd(pidfd, n, 0)
	if err != nil {
		return -1, fmt.Errorf("take descriptor %d of process %d: %w", n, pid, err)
	}
	if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
