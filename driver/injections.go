package driver

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/fault"
)

// This file has calls wait, or fail, as faults want: accept, recv, send and close. What opens a socket
// does so by itself.

// injections are the calls on one socket that faults have wait.
type injections struct {
	waiting []*injection
	sends   []*injection // those of waiting that are sends, which keep their order
	parts   map[int64]*partedSend
}

// injection is a call that a fault has wait.
type injection struct {
	d     *Session
	s     *sockets.Socket
	k     *call // nil for a cast
	name  fault.CallName
	timer sockets.Timer
	run   func()
	err   error  // what it comes to in place of run, nil for run
	drop  func() // for one that is never run, may be nil
	due   bool   // a send that waits only for those before it
}

// inject makes a call of a socket, or what faults make of it. Its timeout is negative for no limit; run
// is given what is left of it.
func (d *Session) inject(k *call, name fault.CallName, timeout time.Duration, run func(left time.Duration)) {
	d.injectOr(k, name, timeout, run, func(err error) { k.fail(err) })
}

// injectOr is inject with another way to fail.
func (d *Session) injectOr(k *call, name fault.CallName, timeout time.Duration, run func(left time.Duration), fail func(error)) {
	o := k.socket.CallFault(name)
	then := func() {
		if o.Err != nil {
			fail(o.Err)
			return
		}
		run(max(timeout-o.Delay, min(timeout, 0)))
	}
	switch {
	case o.Never || timeout >= 0 && timeout < o.Delay:
		d.holdUntil(k, name, timeout)
	case o.Delay == 0:
		then()
	default:
		d.keepWaiting(k, name, then).after(o.Delay)
	}
}

// holdUntil has a call wait until its time has run out.
func (d *Session) holdUntil(k *call, name fault.CallName, timeout time.Duration) {
	j := d.keepWaiting(k, name, func() { k.fail(sockets.ErrTimeout) })
	if timeout >= 0 {
		j.after(timeout)
	}
}

// keepWaiting has a call of a socket wait for run.
func (d *Session) keepWaiting(k *call, name fault.CallName, run func()) *injection {
	j := &injection{d: d, s: k.socket, k: k, name: name, run: run}
	k.injected = j
	u := d.userOf(j.s)
	u.waiting = append(u.waiting, j)
	return j
}

func (j *injection) after(delay time.Duration) {
	j.s.After(&j.timer, delay, func() {
		j.end()
		j.run()
	})
}

// end takes the injection off its socket.
func (j *injection) end() {
	j.timer.Stop()
	u := j.d.userOf(j.s)
	is := func(other *injection) bool { return other == j }
	u.waiting = slices.DeleteFunc(u.waiting, is)
	if before := len(u.sends); before > 0 {
		u.sends = slices.DeleteFunc(u.sends, is)
		j.d.delayedSends -= before - len(u.sends)
	}
	if j.k != nil {
		j.k.injected = nil
	}
}

// fail ends the injection with an error.
func (j *injection) fail(err error) {
	j.end()
	if j.drop != nil {
		j.drop()
	}
	if j.k != nil {
		j.k.fail(err)
	}
	j.d.advanceSends(j.s)
}

// endInjections answers the calls that wait on a socket of which gone is about to be reported. Those of close
// come back: they are answered afterwards.
func (d *Session) endInjections(s *sockets.Socket) (closes []*call) {
	u, ok := s.User.(*user)
	if !ok || len(u.waiting) == 0 {
		return nil
	}
	for len(u.waiting) > 0 {
		j := u.waiting[0]
		if j.name == fault.Close {
			j.end()
			closes = append(closes, j.k)
			continue
		}
		j.fail(sockets.ErrClosed)
	}
	return closes
}

// closeWithFaults closes a socket for a caller; an error is reported of a socket that is closed all the same, as
// close(2) does.
func (d *Session) closeWithFaults(k *call, s *sockets.Socket) {
	k.wait(s, cancelNothing)
	d.injectOr(k, fault.Close, -1,
		func(time.Duration) { d.flushSends(s); s.Close(k) },
		func(err error) { d.flushSends(s); s.Close(failedClose{k, err}) })
}

// failedClose is the completion of a close that fails.
type failedClose struct {
	k   *call
	err error
}

func (f failedClose) Done(error) { f.k.fail(f.err) }

func cancelNothing(*call) bool { return false }

// faultySends reports whether sends on a socket have to be made with faults: because they have some, or because
// others wait.
func (d *Session) faultySends(s *sockets.Socket) bool {
	return s.CallFaults(fault.Send) || d.delayedSends > 0
}

// sendWithFaults is cmdSend.
func (d *Session) sendWithFaults(c *portproto.Command, s *sockets.Socket, data []byte) error {
	k := d.sender(c, s)
	data = slices.Clone(data)
	return d.sendLater(s, k, s.CallFault(fault.Send), func() {
		if k == nil {
			s.Send(data)
		} else {
			s.SendCall(data, k)
		}
	}, nil)
}

// sender is the call of a command that sends, nil if it is a cast.
func (d *Session) sender(c *portproto.Command, s *sockets.Socket) *call {
	if !c.Called {
		return nil
	}
	k := d.newCall(c)
	k.wait(s, cancelSend)
	return k
}

// sendLater makes a send, or what faults make of it, behind those that wait. An error is one that has
// not been reported.
func (d *Session) sendLater(s *sockets.Socket, k *call, o fault.Outcome, run, drop func()) error {
	u := d.userOf(s)
	switch {
	case o.Never && k == nil:
		return nil
	case o.Never:
		timeout := time.Duration(-1)
		if t, ok, err := s.GetOption(sockets.Option{Name: sockets.SendTimeoutOption}); ok && err == nil {
			timeout = milliseconds(t.Int)
		}
		d.holdUntil(k, fault.Send, timeout)
		k.injected.drop = drop
		return nil
	case o.Delay == 0 && len(u.sends) == 0 && o.Err == nil:
		run()
		return nil
	case o.Delay == 0 && len(u.sends) == 0:
		if drop != nil {
			drop()
		}
		if k == nil {
			return o.Err
		}
		k.fail(o.Err)
		return nil
	}
	j := &injection{d: d, s: s, k: k, name: fault.Send, run: run, err: o.Err, drop: drop, due: o.Delay == 0}
	if k != nil {
		k.injected = j
	}
	u.waiting, u.sends = append(u.waiting, j), append(u.sends, j)
	d.delayedSends++
	if !j.due {
		s.After(&j.timer, o.Delay, func() {
			j.due = true
			d.advanceSends(s)
		})
	}
	return nil
}

// advanceSends makes the sends at the front that have waited long enough.
func (d *Session) advanceSends(s *sockets.Socket) {
	u := d.userOf(s)
	for len(u.sends) > 0 && u.sends[0].due {
		j := u.sends[0]
		j.end()
		switch {
		case j.err == nil:
			j.run()
			continue
		case j.k != nil:
			j.k.fail(j.err)
		default:
			d.out.begin()
			d.send(portproto.AppendErrorText(d.out.batch.Buf, sockets.PosixName(j.err), "send"))
		}
		if j.drop != nil {
			j.drop()
		}
	}
}

// flushSends ends the sends that wait on a socket which is to be closed: those that nobody waits for are made
// now, so that nothing of them is lost.
func (d *Session) flushSends(s *sockets.Socket) {
	if d.delayedSends == 0 {
		return
	}
	for u := d.userOf(s); len(u.sends) > 0; {
		if j := u.sends[0]; j.k != nil {
			j.fail(sockets.ErrClosed)
		} else {
			j.due = true
			d.advanceSends(s)
		}
	}
}

// partedSend is a send of which parts have come.
type partedSend struct {
	left    int
	outcome fault.Outcome
}

// sendPartWithFaults is cmdSendPart. All parts of a send are one call: they come to the same.
func (d *Session) sendPartWithFaults(c *portproto.Command, s *sockets.Socket, key int64, total int, data []byte) error {
	u := d.userOf(s)
	k := d.sender(c, s)
	data = slices.Clone(data)
	run := func() {
		if k == nil {
			s.SendPart(key, total, data, nil)
		} else {
			s.SendPart(key, total, data, k)
		}
	}
	if _, here := d.stack.Get(s.ID()); !here || s.Parted(key) && u.parts[key] == nil {
		run() // to nobody, or a part of what began before there were faults
		return nil
	}
	p := u.parts[key]
	var o fault.Outcome
	if p == nil {
		o = s.CallFault(fault.Send)
		p = &partedSend{left: total, outcome: o}
		if u.parts == nil {
			u.parts = make(map[int64]*partedSend)
		}
		u.parts[key] = p
	}
	p.left -= len(data)
	last := p.left <= 0 || k != nil
	if last {
		delete(u.parts, key)
	}
	if p.outcome.Never || p.outcome.Err != nil {
		if !last {
			return nil
		}
		return d.sendLater(s, k, p.outcome, nil, nil)
	}
	return d.sendLater(s, k, o, run, nil)
}

// sendFileWithFaults is cmdSendFile.
func (d *Session) sendFileWithFaults(k *call, s *sockets.Socket, fd int, offset, length int64) {
	k.wait(s, cancelNothing)
	_ = d.sendLater(s, k, s.CallFault(fault.Send),
		func() { s.SendFile(fd, offset, length, k) }, func() { _ = unix.Close(fd) })
}

// sendBehind has something that is no send wait for those that wait. It reports whether there are any.
func (d *Session) sendBehind(c *portproto.Command, s *sockets.Socket, run func(k *call)) bool {
	if d.delayedSends == 0 || len(d.userOf(s).sends) == 0 {
		return false
	}
	k := d.sender(c, s)
	_ = d.sendLater(s, k, fault.Outcome{}, func() { run(k) }, nil)
	return true
}
