package main

import (
	"os"
	"syscall"
)

// enlargePipe makes a pipe as large as those of gentcp_port.
func enlargePipe(f *os.File) {
	const setPipeSize, size = 1031, 1 << 20 // F_SETPIPE_SZ
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), setPipeSize, size)
}
