package driver

import (
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/etf"
)

// pipeSize is what an unprivileged process may ask for by default.
const pipeSize = 1 << 20

// enlargePipes makes room for bulk data, so that the two ends take fewer turns.
func enlargePipes(fds ...int) {
	for _, fd := range fds {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize)
	}
}

var features = []etf.Atom{"sendfile", "fd", "netns", "faults"}
