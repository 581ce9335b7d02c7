package fault

import "slices"

// Line is the faults that one socket meets. A nil Line has none.
type Line struct {
	// In and Out are what its octets pass through, nil without a fault on the stream.
	In, Out *Chain

	set    *Set
	socket int64
	met    map[key]*meeting
	order  []key
	calls  []callFault
	names  uint16   // of calls with a fault, as bits
	silent []*stage // have silenced the peer
}

// key names a fault.
type key struct {
	origin *origin
	index  int
}

// meeting is a fault that the socket has met.
type meeting struct {
	stages map[Direction]*stage
	call   *callFault
}

// Meet gives the faults that a socket with such facts meets: its own, then those of the rules that select
// it. line is what it has met so far, which is changed; faults that it keeps go on as they were, octets that the
// others hold are passed on. The result is nil if there is no fault and nothing is held.
func (s *Set) Meet(now Instant, line *Line, f *Facts, own *Own) *Line {
	var origins []*origin
	if own != nil {
		origins = append(origins, own.origin)
	}
	for _, o := range s.rules {
		if o.selector.Selects(f) {
			origins = append(origins, o)
		}
	}
	if line == nil {
		if len(origins) == 0 {
			return nil
		}
		line = &Line{set: s, socket: f.Socket, met: make(map[key]*meeting)}
	}
	line.meet(now, f, origins)
	if len(line.order) == 0 && line.In.idle() && line.Out.idle() {
		return nil
	}
	return line
}

// idle reports whether the chain is of no use.
func (c *Chain) idle() bool { return c == nil || len(c.stages) == 0 && c.Empty() }

// Idle reports whether the Line has neither a fault nor anything that is held.
func (l *Line) Idle() bool {
	return l == nil || len(l.order) == 0 && l.In.idle() && l.Out.idle()
}

func (l *Line) meet(now Instant, f *Facts, origins []*origin) {
	wanted := make(map[key]bool)
	var order []key
	for _, o := range origins {
		for i := range o.faults {
			if o.faults[i].OnCall() || f.Connection {
				k := key{o, i}
				wanted[k] = true
				order = append(order, k)
			}
		}
	}
	for _, k := range l.order {
		if !wanted[k] {
			l.leave(now, k)
		}
	}
	l.order = order
	l.calls, l.names = nil, 0
	places := map[Direction]int{}
	for _, k := range order {
		m := l.met[k]
		if m == nil {
			m = l.newMeeting(now, k, f, places)
			l.met[k] = m
		}
		for way := range m.stages {
			places[way]++
		}
		if m.call != nil {
			l.calls = append(l.calls, *m.call)
			l.names |= k.origin.faults[k.index].calls()
		}
	}
}

// newMeeting lets the socket meet a fault. places is where in each chain it belongs.
func (l *Line) newMeeting(now Instant, k key, f *Facts, places map[Direction]int) *meeting {
	fault := &k.origin.faults[k.index]
	m := &meeting{}
	r := l.random(k, 0)
	if fault.OnCall() {
		m.call = &callFault{origin: k.origin, index: k.index, random: r}
		return m
	}
	for i, c := range fault.When {
		if c.ofOccasions() && !c.hold(&k.origin.tallies[k.index][i], &occasion{random: r}) {
			return m
		}
	}
	if cut, ok := fault.Action.(Cut); ok && cut.How == Silent {
		l.chain(In, f) // both directions fall silent
		l.chain(Out, f)
	}
	m.stages = make(map[Direction]*stage)
	for _, way := range [...]Direction{In, Out} {
		if fault.Way&way == 0 {
			continue
		}
		c := l.chain(way, f)
		st := newStage(c, k.origin, k.index, now, l.random(k, way))
		c.advance(now) // what has passed this place does not meet the fault
		c.insert(places[way], st)
		m.stages[way] = st
	}
	return m
}

func (l *Line) random(k key, way Direction) *random {
	return newRandom(l.set.seed, k.origin.number, uint64(l.socket-l.set.base), uint64(k.index), uint64(way))
}

// chain is the chain of a direction.
func (l *Line) chain(way Direction, f *Facts) *Chain {
	at, offset := &l.In, f.Received
	if way == Out {
		at, offset = &l.Out, f.Sent
	}
	if *at == nil {
		*at = &Chain{line: l, way: way, offset: offset}
	}
	return *at
}

// leave ends a meeting.
func (l *Line) leave(now Instant, k key) {
	for _, st := range l.met[k].stages {
		for i, other := range st.chain.stages {
			if st == other {
				st.chain.remove(now, i)
				break
			}
		}
	}
	delete(l.met, k)
}

// silence: the peer has gone, and says nothing.
func (l *Line) silence(by *stage) { l.silent = append(l.silent, by) }

// unsilence: the fault that has silenced the peer, if it has, is over.
func (l *Line) unsilence(by *stage) {
	l.silent = slices.DeleteFunc(l.silent, func(st *stage) bool { return st == by })
}

// silencedFor reports whether nothing goes through a chain because the peer is silent. What has come out
// of the chain before the peer fell silent still does.
func (l *Line) silencedFor(c *Chain, now Instant) bool {
	for _, st := range l.silent {
		if st.chain != c && now < st.until {
			return true
		}
	}
	return false
}

func (l *Line) silencedBy(by *stage, now Instant) bool {
	return slices.Contains(l.silent, by) && now < by.until
}

// silentUntil is when there will be less silence, never if that does not come by itself.
func (l *Line) silentUntil(now Instant) Instant {
	at := never
	for _, st := range l.silent {
		if now < st.until {
			at = min(at, st.until)
		}
	}
	return at
}

// Silenced reports whether the peer has gone and says nothing.
func (l *Line) Silenced(now Instant) bool {
	return l != nil && slices.ContainsFunc(l.silent, func(st *stage) bool { return now < st.until })
}

// Streams reports whether octets pass through a chain.
func (l *Line) Streams() bool { return l != nil && (l.In != nil || l.Out != nil) }

// Release reports whether no chain has a fault or anything that is held: then there are none any longer.
func (l *Line) Release() bool {
	if l == nil {
		return true
	}
	if !l.In.idle() || !l.Out.idle() {
		return false
	}
	l.In, l.Out = nil, nil
	return true
}
