package sockets

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for descriptors with epoll(7). Sockets are registered once,
// edge-triggered for reading and writing: the state of a socket says what
// is done with an event, so that re-arming costs no system call.
type poller struct {
	fd     int
	events [128]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &poller{fd: fd}, nil
}

func (p *poller) close() error { return unix.Close(p.fd) }

// add registers fd under a token.
func (p *poller) add(fd int, t token, on trigger) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: t.index, Pad: t.generation}
	if on == edges {
		ev.Events |= unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLPRI | unix.EPOLLET
	}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &ev)
}

// remove forgets fd. Closing a descriptor does the same, unless it is shared.
func (p *poller) remove(fd int) {
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil)
}

// fetch waits for events, which tell then hands out: n of them. A negative timeout waits for
// ever.
func (p *poller) fetch(timeout time.Duration) (n int, err error) {
	ms := -1
	if timeout >= 0 {
		// Round up: a timer must not be looked at before its time.
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	n, err = unix.EpollWait(p.fd, p.events[:], ms)
	if err == unix.EINTR {
		return 0, nil
	}
	return max(n, 0), err
}

// look is fetch for those that are there. It never blocks, so the scheduler of goroutines need
// not know of the system call.
func (p *poller) look() (n int, err error) {
	got, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return p.fetch(0)
	}
	return int(got), nil
}

// yieldThread lets other threads have the processor, if any waits for it.
func yieldThread() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// tell calls ready for each of n events that have been fetched.
func (p *poller) tell(n int, ready func(token, Readiness)) {
	for i := range p.events[:n] {
		ev := &p.events[i]
		var r Readiness
		if ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			r |= Readable
		}
		if ev.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			r |= Writable
		}
		if ev.Events&unix.EPOLLPRI != 0 {
			r |= Urgent
		}
		if ev.Events&unix.EPOLLRDHUP != 0 {
			r |= PeerClosed
		}
		if ev.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			r |= HungUp
		}
		ready(token{ev.Fd, ev.Pad}, r)
	}
}
