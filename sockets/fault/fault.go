package fault

import "time"

// Instant is a time: how long after some instant that is the same for all of a Set.
type Instant = time.Duration

// never is an Instant that does not come.
const never Instant = 1<<63 - 1

// later is at+d, or never if that does not fit.
func later(at Instant, d time.Duration) Instant {
	if at > never-d {
		return never
	}
	return at + d
}

// Direction is which way octets go, seen from the socket.
type Direction uint8

// The two directions, which can be combined.
const (
	In Direction = 1 << iota
	Out
	Both = In | Out
)

// Fault is an action under conditions.
type Fault struct {
	// When are the conditions, the outermost first. Each sees only what those before it
	// have let through.
	When []Condition
	// Way is the directions that an action on the stream acts on. Each counts on its own.
	Way Direction
	// Action is an action on the stream, or on calls.
	Action Action
	// Term is the fault as its user wrote it: it stands so in the Log.
	Term any
}

// Action is what a fault does: Latency, Bandwidth, Slice, Stall, Blackhole, Corrupt, Cut or Record on a
// stream, Call or RecordCalls on calls.
type Action interface {
	// part makes what acts on the octets of one direction, nil for an action on calls.
	part(r *random) part
}

// part is an action at work on the octets of one direction.
type part interface {
	// shape decides on octets that come at an instant, behind all those before them, and may alter
	// them: the first n of them, one at least, go on together at due, or at once behind those before
	// them if due is in the past. The others are shaped next.
	shape(at Instant, octets []byte) (n int, due Instant)
}

// OnCall reports whether the fault is one of calls.
func (f Fault) OnCall() bool {
	switch f.Action.(type) {
	case Call, RecordCalls:
		return true
	}
	return false
}
