package sockets

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The outcomes that are not errors of the operating system.
var (
	// ErrClosed: the connection has ended, or the socket does not exist any longer.
	ErrClosed = errors.New("sockets: closed")
	// ErrTimeout: the time that the caller allowed has run out.
	ErrTimeout = errors.New("sockets: timeout")
	// ErrCancelled: the caller has withdrawn the call.
	ErrCancelled = errors.New("sockets: cancelled")
	// ErrBadPort: what inet calls exbadport, a request to a socket without descriptor.
	ErrBadPort = errors.New("sockets: exbadport")
)

// PosixName is the only place where an error becomes the name by which Erlang
// knows it: "econnrefused" for ECONNREFUSED, "closed", "timeout", ... An error
// that has no name of its own is "einval".
func PosixName(err error) string {
	switch {
	case errors.Is(err, ErrClosed):
		return "closed"
	case errors.Is(err, ErrTimeout):
		return "timeout"
	case errors.Is(err, ErrCancelled):
		return "cancelled"
	case errors.Is(err, ErrBadPort):
		return "exbadport"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if errno == unix.EWOULDBLOCK {
			return "eagain"
		}
		if name := unix.ErrnoName(errno); name != "" {
			return strings.ToLower(name)
		}
	}
	return "einval"
}

// PosixError finds the error with a name that PosixName gives, nil if there is none.
func PosixError(name string) error {
	switch name {
	case "closed":
		return ErrClosed
	case "timeout":
		return ErrTimeout
	}
	return errnoByName[name]
}

var errnoByName = func() map[string]error {
	const most = 256 // above the errors of any system
	m := make(map[string]error)
	for n := syscall.Errno(1); n < most; n++ {
		if name := unix.ErrnoName(n); name != "" {
			m[strings.ToLower(name)] = n
		}
	}
	return m
}()
