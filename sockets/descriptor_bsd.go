//go:build darwin || freebsd

package sockets

import "golang.org/x/sys/unix"

func openSocket(f Family) (int, error) {
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

func socketInNamespace(string, Family) (int, error) { return -1, unix.EINVAL }

// writevAll writes piece by piece.
func writevAll(fd int, iov [][]byte) (int, error) {
	written := 0
	for _, b := range iov {
		if len(b) == 0 {
			continue
		}
		n, err := unix.Write(fd, b)
		if err != nil {
			if written > 0 {
				return written, nil
			}
			return 0, err
		}
		written += n
		if n < len(b) {
			break
		}
	}
	return written, nil
}

func sendFile(to, from int, offset int64, n int) (int, error) {
	return copyFile(to, from, offset, n)
}
