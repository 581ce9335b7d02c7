//go:build darwin || freebsd

package sockets

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for descriptors with kqueue(2), edge-triggered (EV_CLEAR) like
// its Linux twin. A kevent carries no room for a token that is the same on all
// systems, so the descriptor finds it.
type poller struct {
	fd     int
	tokens map[int]registration
	events [128]unix.Kevent_t
	round  uint64
}

// registration is of the round of wait in which it was made: what that round has fetched
// is about another socket, which had the same descriptor.
type registration struct {
	token
	round uint64
}

func newPoller() (*poller, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	return &poller{fd: fd, tokens: make(map[int]registration)}, nil
}

func (p *poller) close() error { return unix.Close(p.fd) }

func (p *poller) add(fd int, t token, on trigger) error {
	changes := make([]unix.Kevent_t, 2)
	flags := unix.EV_ADD
	if on == edges {
		flags |= unix.EV_CLEAR
	}
	unix.SetKevent(&changes[0], fd, unix.EVFILT_READ, flags)
	unix.SetKevent(&changes[1], fd, unix.EVFILT_WRITE, unix.EV_ADD|unix.EV_CLEAR)
	if _, err := unix.Kevent(p.fd, changes[:1], nil, nil); err != nil {
		return err
	}
	if on == edges {
		// The reading end of a pipe has no write filter: that is no failure.
		_, _ = unix.Kevent(p.fd, changes[1:], nil, nil)
	}
	p.tokens[fd] = registration{t, p.round}
	return nil
}

func (p *poller) remove(fd int) {
	delete(p.tokens, fd)
	changes := make([]unix.Kevent_t, 2)
	unix.SetKevent(&changes[0], fd, unix.EVFILT_READ, unix.EV_DELETE)
	unix.SetKevent(&changes[1], fd, unix.EVFILT_WRITE, unix.EV_DELETE)
	_, _ = unix.Kevent(p.fd, changes[:1], nil, nil)
	_, _ = unix.Kevent(p.fd, changes[1:], nil, nil)
}

func (p *poller) fetch(timeout time.Duration) (n int, err error) {
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	p.round++
	n, err = unix.Kevent(p.fd, nil, p.events[:], ts)
	if err == unix.EINTR {
		return 0, nil
	}
	return max(n, 0), err
}

func (p *poller) look() (n int, err error) { return p.fetch(0) }

func yieldThread() { runtime.Gosched() }

func (p *poller) tell(n int, ready func(token, Readiness)) {
	for i := range p.events[:n] {
		ev := &p.events[i]
		t, ok := p.tokens[int(ev.Ident)]
		if !ok || t.round == p.round {
			continue
		}
		var r Readiness
		switch int(ev.Filter) {
		case unix.EVFILT_READ:
			r |= Readable
			if ev.Flags&unix.EV_EOF != 0 {
				r |= PeerClosed
			}
		case unix.EVFILT_WRITE:
			r |= Writable
		}
		if ev.Flags&unix.EV_EOF != 0 && ev.Fflags != 0 {
			r |= HungUp | Readable | Writable
		}
		ready(t.token, r)
	}
}
