//go:build darwin || freebsd

package sockets

import "golang.org/x/sys/unix"

// TakeDescriptor makes a copy of a descriptor of another process: not on this system.
func TakeDescriptor(int, int) (int, error) { return -1, unix.ENOTSUP }
