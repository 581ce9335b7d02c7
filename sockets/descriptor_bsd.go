//go:build darwin || freebsd

package sockets

import "golang.org/x/sys/unix"

func openSocket(f Family, mptcp bool) (int, error) {
	if mptcp && f != Local {
		return -1, unix.EPROTONOSUPPORT
	}
	fd, err := unix.Socket(f.domain(), unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	return prepare(fd)
}

func acceptDescriptor(fd int) (int, error) {
	conn, _, err := unix.Accept(fd)
	if err != nil {
		return -1, err
	}
	return prepare(conn)
}

// prepare sets what Linux can set at birth, and that a write to a connection that
// has gone is an error and no signal.
func prepare(fd int) (int, error) {
	unix.CloseOnExec(fd)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NOSIGPIPE, 1)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func socketInNamespace(string, Family, bool) (int, error) { return -1, unix.EINVAL }

func sendFile(int, int, int64, int) (int, error) { return 0, unix.ENOSYS }
