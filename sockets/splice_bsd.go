//go:build darwin || freebsd

package sockets

// SpliceFrom moves nothing: these systems copy.
func (s *Socket) SpliceFrom(int, int64, int) int { return 0 }

// SpliceTo moves nothing: these systems copy.
func (s *Socket) SpliceTo(int, int) int { return 0 }

func (s *Socket) available() int { return 0 }

func writeMore(fd int, data []byte) (int, error) { return writev(fd, [][]byte{data}) }
