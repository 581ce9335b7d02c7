package sockets

import (
	"fmt"
	"runtime"

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
// thread, so a thread of its own goes there and ends.
func socketInNamespace(path string, f Family, mptcp bool) (fd int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var ns int
		if ns, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
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
	sent, err := unix.Sendfile(to, from, &offset, n)
	if err == unix.EINVAL || err == unix.ENOSYS {
		return copyFile(to, from, offset, n)
	}
	return max(sent, 0), err
}
