package fault

// stage is one fault in a chain: its part, its conditions, and the octets that it holds.
type stage struct {
	chain   *Chain
	origin  *origin
	index   int
	when    []Condition // those that are not about occasions
	tallies []tally
	since   Instant // when it met the connection
	random  *random
	part    part
	cut     *cut // the part, if it is one
	held    pieces
	last    Instant // due of the last piece that was held
	offset  int64   // octets that have come here
	start   int64   // how many octets had entered the chain when the stage was added
	logged  bool
	done    bool    // the connection is cut here
	until   Instant // when a peer that this has silenced is back
}

func newStage(c *Chain, o *origin, index int, now Instant, r *random) *stage {
	f := &o.faults[index]
	st := &stage{chain: c, origin: o, index: index, since: now, random: r, part: f.Action.part(r), start: c.offset}
	for _, condition := range f.When {
		if !condition.ofOccasions() {
			st.when = append(st.when, condition)
		}
	}
	st.tallies = make([]tally, len(st.when))
	st.cut, _ = st.part.(*cut)
	return st
}

func (st *stage) fault() *Fault { return &st.origin.faults[st.index] }

// ask asks the conditions about an instant, before the next octet.
func (st *stage) ask(at Instant, call int64) (occasion, bool) {
	o := occasion{now: at, since: st.since, octets: st.offset, calls: call, random: st.random, until: never, span: never.Nanoseconds(), next: never}
	return o, all(st.when, st.tallies, &o)
}

// receive shapes a piece, and holds what comes of it.
func (st *stage) receive(p piece) {
	if p.mark != nil {
		st.receiveMark(p)
		return
	}
	rest := p.octets
	for len(rest) > 0 {
		st.cutBefore(p.at, p.call)
		if st.done {
			if st.fault().Action.(Cut).How == Silent {
				st.hold(piece{octets: rest, call: p.call}, st.until, p.at)
			}
			return
		}
		o, acts := st.ask(p.at, p.call)
		n := int(min(int64(len(rest)), o.span))
		due := p.at
		if acts {
			n, due = st.part.shape(p.at, rest[:n:n])
			due = min(due, o.until)
			if st.cut == nil {
				st.note(p.at)
			}
		}
		st.offset += int64(n)
		st.hold(piece{octets: rest[:n:n], call: p.call}, due, p.at)
		rest = rest[n:]
	}
	st.cutBefore(p.at, p.call)
}

func (st *stage) receiveMark(p piece) {
	st.cutBefore(p.at, p.call)
	if st.done && st.fault().Action.(Cut).How != Silent {
		return // the end has come already
	}
	due := p.at
	if o, acts := st.ask(p.at, p.call); st.done {
		due = st.until
	} else if acts {
		_, due = st.part.shape(p.at, nil)
		due = min(due, o.until)
	}
	st.hold(p, due, p.at)
}

// hold keeps a piece until it is due, and what was held before it has gone.
func (st *stage) hold(p piece, due, at Instant) {
	st.last = max(st.last, due, at)
	p.at = st.last
	st.held.push(p)
}

// cutInTime cuts the connection if it is time to.
func (st *stage) cutInTime(now Instant) {
	if st.cut != nil && !st.done {
		st.cutBefore(now, st.chain.calls)
	}
}

// cutBefore cuts the connection if that was to happen by an instant.
func (st *stage) cutBefore(at Instant, call int64) {
	if st.cut == nil || st.done {
		return
	}
	o, acts := st.ask(at, call)
	if !acts {
		return
	}
	due := st.cut.due(o.since)
	if due > at {
		return
	}
	if !st.cut.Timed {
		due = at
	}
	st.done, st.until = true, o.until
	st.note(due)
	st.hold(piece{call: call, mark: &mark{End: End{Cut: true, How: st.cut.How}, by: st}}, due, due)
}

// nextCut is when the connection may be cut with nothing else happening.
func (st *stage) nextCut(now Instant) Instant {
	if st.cut == nil || st.done {
		return never
	}
	o, acts := st.ask(now, st.chain.calls)
	if !acts {
		return o.next
	}
	return st.cut.due(o.since)
}

// note writes into the log that the fault has acted on the octet at the front.
func (st *stage) note(at Instant) {
	if p, ok := st.part.(interface{ acted() bool }); ok {
		if !p.acted() {
			return
		}
	} else if st.logged {
		return
	}
	st.logged = true
	line := st.chain.line
	e := Entry{
		At: at, Socket: line.socket, Way: st.chain.way, Offset: st.start + st.offset, Fault: *st.fault(), Rule: st.origin.rule,
	}
	if r, ok := st.part.(*record); ok {
		e.Size = r.size
	}
	line.set.Log.add(e)
}
