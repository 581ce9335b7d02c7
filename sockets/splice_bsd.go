//go:build darwin || freebsd

package sockets

import "golang.org/x/sys/unix"

// SpliceFrom moves nothing: these systems copy.
func (s *Socket) SpliceFrom(int, int64, int) int { return 0 }

// SpliceTo moves nothing: these systems copy.
func (s *Socket) SpliceTo(int, int) int { return 0 }

func (s *Socket) available() int { return 0 }

func writeMore(fd int, data []byte) (int, error) { return unix.Write(fd, data) }
