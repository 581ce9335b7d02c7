package fault

import "time"

// CallName is a call that a socket's user makes.
type CallName uint8

// The calls. NoCall is none.
const (
	NoCall CallName = iota
	Listen
	Connect
	Accept
	Send
	Recv
	Close
	callCount
)

var callNames = [callCount]string{"", "listen", "connect", "accept", "send", "recv", "close"}

func (c CallName) String() string { return callNames[c] }

// CallByName finds a call.
func CallByName(name string) (CallName, bool) {
	for i, n := range callNames {
		if i > 0 && n == name {
			return CallName(i), true
		}
	}
	return NoCall, false
}

// Call is what a call comes to: Err if it is not nil, no answer at all with Never, else what it would come
// to, Delay later.
type Call struct {
	Name  CallName
	Err   error
	Delay time.Duration
	Never bool
}

func (Call) part(*random) part { return nil }

// Outcome is what all faults together make of a call: after Delay, Err or no answer at all; else the
// call is made then.
type Outcome struct {
	Delay time.Duration
	Err   error
	Never bool
}

// Injected reports whether there is anything but the call itself.
func (o Outcome) Injected() bool { return o != Outcome{} }

// anyCall has the bits of all calls.
const anyCall = 1<<callCount - 1

// calls are the calls that a fault may act on, as bits.
func (f *Fault) calls() uint16 {
	switch a := f.Action.(type) {
	case Call:
		return 1 << a.Name
	case RecordCalls:
		return anyCall
	}
	return 0
}

// callFault is a fault on calls, as one socket meets it.
type callFault struct {
	origin *origin
	index  int
	random *random
}

// Call asks what a call of this name comes to. octets have gone by on the socket, in the direction that
// the call is about. Asking counts as calling.
func (l *Line) Call(now Instant, name CallName, octets int64) Outcome {
	var out Outcome
	if l == nil || l.names&(1<<name) == 0 {
		return out
	}
	for i := range l.calls {
		c := &l.calls[i]
		f := &c.origin.faults[c.index]
		call, injects := f.Action.(Call)
		if injects && call.Name != name {
			continue
		}
		o := occasion{now: now, since: c.origin.since, octets: octets, calls: -1, random: c.random, until: never, next: never}
		if !all(f.When, c.origin.tallies[c.index], &o) || out.Err != nil || out.Never {
			continue // the conditions count this call also if it has come to something already
		}
		l.set.Log.add(Entry{At: now, Socket: l.socket, Call: name, Offset: octets, Fault: *f, Rule: c.origin.rule})
		out.Delay = later(out.Delay, call.Delay)
		out.Err, out.Never = call.Err, call.Never
	}
	return out
}

// Calls reports whether there is a fault on calls of this name, which may or may not act.
func (l *Line) Calls(name CallName) bool { return l != nil && l.names&(1<<name) != 0 }
