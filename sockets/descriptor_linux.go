package sockets

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

func openSocket(f Family, mptcp bool) (int, error) {
	protocol := 0
	if mptcp && f != Local {
		protocol = unix.IPPROTO_MPTCP
	}
	return unix.Socket(f.domain(), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
}

func acceptDescriptor(fd int) (int, error) {
	conn, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	return conn, err
}

// socketInNamespace opens a socket in another network namespace. A namespace belongs to a
// thread, so a thread of its own goes there and ends. What is no namespace, such as a pipe that
// nobody writes to, is EINVAL and not waited for.
func socketInNamespace(path string, f Family, mptcp bool) (fd int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var ns int
		if ns, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0); err != nil {
			err = fmt.Errorf("open network namespace %s: %w", path, err)
			return
		}
		defer func() { _ = unix.Close(ns) }()
		if err = unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("enter network namespace %s: %w", path, err)
			return
		}
		fd, err = openSocket(f, mptcp)
	}()
	<-done
	return fd, err
}

func sendFile(to, from int, offset int64, n int) (int, error) {
	return unix.Sendfile(to, from, &offset, n)
}

// available is the octets that can be read without waiting.
func available(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// writeMore writes what will be followed at once by more.
func writeMore(fd int, data []byte) (int, error) {
	return unix.SendmsgN(fd, data, nil, nil, unix.MSG_MORE)
}

// readMessages reads from a local socket. more: the read has ended behind a message that came
// with rights or credentials, which are not taken, so a short read says nothing.
func readMessages(fd int, p []byte) (n int, more bool, err error) {
	if len(p) == 0 {
		return 0, false, nil
	}
	var v unix.Iovec
	v.Base = &p[0]
	v.SetLen(len(p))
	var h unix.Msghdr
	h.Iov = &v
	h.SetIovlen(1)
	// It never blocks, so the scheduler of goroutines need not know of it: that makes up for what
	// recvmsg(2) costs more than read(2).
	got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), 0)
	runtime.KeepAlive(p)
	if errno != 0 {
		return 0, false, errno
	}
	return int(got), h.Flags&unix.MSG_CTRUNC != 0, nil
}

// spliceFrom moves up to n octets from a pipe to the socket.
func (d *descriptor) spliceFrom(pipe, n int, more bool) (int, error) {
	flags := unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE
	if more {
		flags |= unix.SPLICE_F_MORE
	}
	moved, err := unix.Splice(pipe, nil, d.fd, nil, n, flags)
	return max(int(moved), 0), err
}

// spliceTo moves up to n octets from the socket to a pipe.
func (d *descriptor) spliceTo(pipe, n int) (int, error) {
	moved, err := unix.Splice(d.fd, nil, pipe, nil, n, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	return max(int(moved), 0), err
}
