package sockets

import (
	"time"

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

// wait calls ready for every event. A negative timeout waits for ever.
func (p *poller) wait(timeout time.Duration, ready func(token, readiness)) error {
	ms := -1
	if timeout >= 0 {
		// Round up: a timer must not be looked at before its time.
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.EpollWait(p.fd, p.events[:], ms)
	if err != nil {
		if err == unix.EINTR {
			return nil
		}
		return err
	}
	for i := range p.events[:n] {
		ev := &p.events[i]
		var r readiness
		if ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			r |= readable
		}
		if ev.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			r |= writable
		}
		if ev.Events&unix.EPOLLPRI != 0 {
			r |= urgent
		}
		if ev.Events&unix.EPOLLRDHUP != 0 {
			r |= peerClosed
		}
		if ev.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			r |= hungUp
		}
		ready(token{ev.Fd, ev.Pad}, r)
	}
	return nil
}
