//go:build !linux

// Package iovec writes several pieces of memory to a descriptor.
package iovec

import "golang.org/x/sys/unix"

// Max is the most pieces that one call writes; the ones behind are left out.
const Max = 16

// Write writes piece by piece and returns how many octets were written.
func Write(fd int, pieces [][]byte) (int, error) {
	written := 0
	for i, b := range pieces {
		if len(b) == 0 {
			continue
		}
		if i == Max {
			break
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
