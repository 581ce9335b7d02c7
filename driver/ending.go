package driver

import (
	"errors"
	"time"

	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// ErrNode ends a session whose node has not ended in good order.
var ErrNode = errors.New("driver: the node was killed, its connections are reset")

const (
	// drainPatience is for how long the output of a socket may not move once the node has ended, as
	// long as stock lets its callers of close wait.
	drainPatience = 180 * time.Second
	// outcomePatience is for how long it may be unknown how the node has ended.
	outcomePatience = 500 * time.Millisecond
	outcomeBeat     = 5 * time.Millisecond
	// silence is how long stdin may bring nothing when it should have ended; after some times of that it need not even be
	// silent.
	silence  = 100 * time.Millisecond
	silences = 4
)

// cmdGoodbye is goodbye: the end of stdin that follows is in good order. The answer is on how many
// connections there is output that the kernel has not taken.
func (d *Session) cmdGoodbye(c *portproto.Command, _ *sockets.Socket) error {
	d.goodbye = true
	if c.Called {
		d.newCall(c).okInt(int64(d.stack.Unsent()))
	}
	return nil
}

// finish ends the session after the last command, or because of cut: stdin ended within a frame.
//
// After an orderly end what the node has said is done: all that it has sent is delivered. Otherwise something may be
// missing, of any connection. Its peer must not take what it has got for all there was, so it gets a reset.
func (d *Session) finish(cut error) {
	if d.ending {
		return
	}
	d.ending = true
	d.in.ended = true
	d.stack.Unwatch(d.in.fd) // whose end would be reported again and again
	d.out.flush()
	d.out.ended = true // what follows is reported to nobody
	d.stack.Pause()
	if cut != nil {
		d.abort(cut)
		return
	}
	d.judge(time.Now().Add(outcomePatience))
}

// judge does what is due once it is known how the node has ended. Until then the sockets send on.
func (d *Session) judge(deadline time.Time) {
	how := orderly
	if !d.goodbye {
		how = d.node.outcome()
	}
	switch {
	case how == orderly:
		d.stack.Drain(drainPatience)
	case how == killed || time.Now().After(deadline):
		d.abort(ErrNode)
	default:
		time.AfterFunc(outcomeBeat, func() { d.stack.Post(func() { d.judge(deadline) }) })
	}
}

func (d *Session) abort(err error) {
	d.err = err
	d.stack.Abort()
}

// deserted: nobody can write to stdin any longer, or read stdout, so stdin is to end. What is in it is
// read first; if it does not end, because another process holds it, the session does.
func (d *Session) deserted() {
	if d.isDeserted || d.ending {
		return
	}
	d.isDeserted = true
	d.awaitSilence(silences)
}

func (d *Session) awaitSilence(most int) {
	before := d.in.reads
	time.AfterFunc(silence, func() {
		d.stack.Post(func() {
			switch {
			case d.ending:
			case d.in.reads == before:
				d.finish(d.in.cut())
			case most > 1:
				d.awaitSilence(most - 1)
			default:
				d.finish(nil) // in the middle of what is written to nobody: that is no end of it
			}
		})
	})
}

// watchNode watches a process as the node at the other end.
func (d *Session) watchNode(pid int) {
	if pid == d.watched {
		return
	}
	d.node.close()
	d.watched = pid
	d.node = watchNode(pid, d.in.fd, func() { d.stack.Post(d.deserted) })
}
