package fault

import "time"

// Condition says when a fault acts.
type Condition struct {
	kind  conditionKind
	p     float64
	n     int64
	after time.Duration
}

type conditionKind uint8

const (
	probability conditionKind = iota
	nth
	once
	afterOctets
	afterCalls
	afterTime
	within
)

// Probability lets each occasion through with probability p. The occasions of a fault on calls are the
// calls; those of a fault on the stream are the connections that it meets.
func Probability(p float64) Condition { return Condition{kind: probability, p: p} }

// Nth lets only the nth occasion through, from 1.
func Nth(n int64) Condition { return Condition{kind: nth, n: n} }

// Once lets only the first occasion through.
func Once() Condition { return Condition{kind: once} }

// AfterOctets holds once n octets have gone by.
func AfterOctets(n int64) Condition { return Condition{kind: afterOctets, n: n} }

// AfterCalls holds after the first n calls; on a stream, after n reads or writes.
func AfterCalls(n int64) Condition { return Condition{kind: afterCalls, n: n} }

// AfterTime holds once a time has gone by: since the rule was added, for faults on calls, or since the fault
// met the connection.
func AfterTime(d time.Duration) Condition { return Condition{kind: afterTime, after: d} }

// For holds for a time, from the same instant on as AfterTime, or from when the conditions around it began
// to hold.
func For(d time.Duration) Condition { return Condition{kind: within, after: d} }

// ofOccasions reports whether the condition is about occasions rather than about when.
func (c Condition) ofOccasions() bool { return c.kind <= once }

// tally is what a condition has counted.
type tally struct {
	count int64
	began Instant // when it began to hold
	holds bool
}

// occasion is what conditions are asked about.
type occasion struct {
	now    Instant
	since  Instant // when what the next condition sees has begun
	octets int64
	calls  int64 // before this one; -1: the tallies count them
	random *random
	// Filled in: until when, and up to how many octets further, the answer is the same.
	until Instant
	span  int64
	// When a condition of time that does not hold yet will; never if there is none.
	next Instant
}

// all reports whether all of the conditions hold.
func all(when []Condition, tallies []tally, o *occasion) bool {
	for i, c := range when {
		if !c.hold(&tallies[i], o) {
			return false
		}
	}
	return true
}

func (c Condition) hold(t *tally, o *occasion) bool {
	switch c.kind {
	case probability:
		return o.random.float() < c.p
	case nth:
		t.count++
		return t.count == c.n
	case once:
		t.count++
		return t.count == 1
	case afterOctets:
		if o.octets < c.n {
			o.span = min(o.span, c.n-o.octets)
			return false
		}
		return t.begin(o)
	case afterCalls:
		calls := o.calls
		if calls < 0 {
			calls = t.count
			t.count++
		}
		return calls >= c.n && t.begin(o)
	case afterTime:
		o.since = later(o.since, c.after)
		if o.now < o.since {
			o.next = min(o.next, o.since)
			return false
		}
		return true
	default: // within
		end := later(o.since, c.after)
		o.until = min(o.until, end)
		return o.now < end
	}
}

// begin notes when a condition held for the first time.
func (t *tally) begin(o *occasion) bool {
	if !t.holds {
		t.holds, t.began = true, o.now
	}
	o.since = max(o.since, t.began)
	return true
}
