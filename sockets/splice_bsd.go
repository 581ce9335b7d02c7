//go:build darwin || freebsd

package sockets

import "golang.org/x/sys/unix"

// SpliceFrom moves nothing: these systems copy.
func (s *Socket) SpliceFrom(int, int64, int) int { return 0 }

// SpliceTo moves nothing: these systems copy.
func (s *Socket) SpliceTo(int, int) int { return 0 }

func available(int) int { return 0 }

func readMessages(fd int, p []byte) (n int, more bool, err error) {
	n, err = unix.Read(fd, p)
	return max(n, 0), true, err
}

func writeMore(fd int, data []byte) (int, error) {
	n, err := unix.Write(fd, data)
	return max(n, 0), err
}
