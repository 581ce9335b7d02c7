package fault

import "time"

// Cut ends the connection, in both directions, after so many octets of the one that it acts on, or, with
// Timed, when so much time has gone by.
type Cut struct {
	Octets int64
	Time   time.Duration
	Timed  bool
	How    How
}

// How is how a connection ends.
type How uint8

// The ways in which a connection ends.
const (
	// Finish ends it in order: each side sees the end of the stream.
	Finish How = iota
	// Reset resets it, for both sides.
	Reset
	// Silent is a peer that has gone and says nothing: no octet goes either way any more. What
	// was held goes on when the fault is removed.
	Silent
)

func (c Cut) part(*random) part { return &cut{Cut: c, left: c.Octets} }

type cut struct {
	Cut
	left int64
}

func (c *cut) shape(at Instant, octets []byte) (int, Instant) {
	if c.Timed {
		return len(octets), at
	}
	n := int(min(int64(len(octets)), c.left))
	c.left -= int64(n)
	return n, at
}

// due is when the connection is to be cut, for a cut that has been in force since an instant.
func (c *cut) due(since Instant) Instant {
	switch {
	case c.Timed:
		return later(since, c.Time)
	case c.left == 0:
		return since
	}
	return never
}
