package fault

import "slices"

const (
	// capacity is how much one direction holds before it takes no more, about as much as the buffers of
	// a system do.
	capacity = 1 << 20
	// pieceCost is what a piece counts for beside its octets.
	pieceCost = 64
)

// Chain is what the octets of one direction of a connection pass through.
//
// It is made for one goroutine, and works when it is asked: Front does all that is due by now.
type Chain struct {
	line   *Line
	way    Direction
	stages []*stage
	ready  pieces // have passed all stages
	cut    *End   // has passed all stages
	offset int64  // of the next octet to enter
	calls  int64  // of Push so far
}

// piece is octets that go on together, or a mark between octets. It has come to where it is at an instant.
type piece struct {
	octets []byte
	at     Instant
	call   int64 // which Push, from 0
	mark   *mark
}

// mark is an end of the stream on its way through a chain.
type mark struct {
	End
	by *stage // nil if it came with PushEnd
}

// silence reports whether from the mark on the peer says nothing.
func (m *mark) silence() bool { return m.Cut && m.How == Silent }

// End is how a stream ends.
type End struct {
	// Cut says that a fault ends the whole connection, as How says. Else the stream has ended with Err
	// by itself, see PushEnd.
	Cut bool
	How How
	Err error
}

// Push lets octets enter. They are copied.
func (c *Chain) Push(now Instant, octets []byte) {
	c.advance(now)
	if len(octets) > 0 {
		c.enter(0, piece{octets: slices.Clone(octets), at: now, call: c.calls})
	}
	c.calls++
	c.offset += int64(len(octets))
}

// PushEnd marks the end of the stream, which comes out behind the octets that were pushed.
func (c *Chain) PushEnd(now Instant, err error) {
	c.advance(now)
	c.enter(0, piece{at: now, call: c.calls, mark: &mark{End: End{Err: err}}})
}

// Front is the next octets that have come out, which are valid until Took or Push, or the end. There is neither if
// nothing has come out by now.
func (c *Chain) Front(now Instant) ([]byte, *End) {
	c.advance(now)
	for c.ready.len() > 0 {
		p := c.ready.front()
		switch {
		case c.line.silencedFor(c, now):
			return nil, nil
		case p.mark == nil:
			return p.octets, nil
		case !p.mark.silence():
			return nil, &p.mark.End
		case c.line.silencedBy(p.mark.by, now):
			return nil, nil // what was before it has been heard
		}
		c.ready.pop()
	}
	return nil, nil
}

// Took takes n octets off the front. The end, once it is there, stays.
func (c *Chain) Took(n int) { c.ready.took(n) }

// Cut is the end by which a fault has ended the connection, once it has come out, whether or not there are
// octets before it; nil if none has.
func (c *Chain) Cut(now Instant) *End {
	c.advance(now)
	return c.cut
}

// Next is when more will come out than has by now. Not ok: only after another call.
func (c *Chain) Next(now Instant) (at Instant, ok bool) {
	c.advance(now)
	at = c.line.silentUntil(now)
	for _, st := range c.stages {
		if st.held.len() > 0 {
			at = min(at, st.held.front().at)
		}
		at = min(at, st.nextCut(now))
	}
	return at, at != never
}

// Held is the octets that have entered and not come out.
func (c *Chain) Held() int {
	n := c.ready.octets
	for _, st := range c.stages {
		n += st.held.octets
	}
	return n
}

// Ready is how many octets have come out and not been taken.
func (c *Chain) Ready(now Instant) int {
	c.advance(now)
	if c.line.silencedFor(c, now) {
		return 0
	}
	return c.ready.octets
}

// Empty reports whether neither octets nor an end are on their way.
func (c *Chain) Empty() bool {
	for _, st := range c.stages {
		if st.held.len() > 0 {
			return false
		}
	}
	return c.ready.len() == 0
}

// Room is how many octets may enter now. Whoever has more is to wait until there is less in the Chain.
func (c *Chain) Room(now Instant) int {
	c.advance(now)
	cost := c.ready.octets + pieceCost*c.ready.len()
	most := capacity
	for _, st := range c.stages {
		cost += st.held.octets + pieceCost*st.held.len()
		if p, ok := st.part.(interface{ room() int }); ok {
			most = min(most, p.room()-st.held.octets)
		}
	}
	return max(min(most, capacity-cost), 0)
}

// advance moves what is due.
func (c *Chain) advance(now Instant) {
	for i, st := range c.stages {
		st.cutInTime(now)
		for st.held.len() > 0 && st.held.front().at <= now {
			c.enter(i+1, st.held.pop())
		}
	}
}

// enter gives a piece to stage i, or to whoever takes what is ready.
func (c *Chain) enter(i int, p piece) {
	if i == len(c.stages) {
		c.arrive(p)
		return
	}
	c.stages[i].receive(p)
}

// arrive puts a piece where it can be taken.
func (c *Chain) arrive(p piece) {
	c.ready.push(p)
	switch {
	case p.mark == nil || !p.mark.Cut:
	case p.mark.silence():
		c.line.silence(p.mark.by)
	case c.cut == nil:
		c.cut = &p.mark.End
	}
}

// insert adds a stage at place i.
func (c *Chain) insert(i int, st *stage) { c.stages = slices.Insert(c.stages, i, st) }

// remove takes stage i out. What it holds goes on at once, behind what is there already.
func (c *Chain) remove(now Instant, i int) {
	c.advance(now)
	st := c.stages[i]
	c.stages = slices.Delete(c.stages, i, i+1)
	c.line.unsilence(st)
	for st.held.len() > 0 {
		p := st.held.pop()
		p.at = now
		c.enter(i, p)
	}
	// A peer that went silent is back. Other ends have happened.
	for _, later := range c.stages[i:] {
		later.held.dropSilence(st)
	}
	c.ready.dropSilence(st)
}

// pieces is a queue of pieces.
type pieces struct {
	list   []piece
	head   int
	octets int
}

func (q *pieces) len() int      { return len(q.list) - q.head }
func (q *pieces) front() *piece { return &q.list[q.head] }

func (q *pieces) push(p piece) {
	if q.head > 0 && len(q.list) == cap(q.list) && q.head >= len(q.list)/2 {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, p)
	q.octets += len(p.octets)
}

func (q *pieces) pop() piece {
	p := q.list[q.head]
	q.list[q.head] = piece{}
	q.head++
	q.octets -= len(p.octets)
	if q.head == len(q.list) {
		*q = pieces{}
	}
	return p
}

// took drops n octets at the front.
func (q *pieces) took(n int) {
	for n > 0 {
		p := q.front()
		if n < len(p.octets) {
			p.octets = p.octets[n:]
			q.octets -= n
			return
		}
		n -= len(p.octets)
		q.pop()
	}
}

// dropSilence drops marks of silence by a stage.
func (q *pieces) dropSilence(by *stage) {
	kept := q.list[:q.head]
	for _, p := range q.list[q.head:] {
		if p.mark == nil || p.mark.by != by || !p.mark.silence() {
			kept = append(kept, p)
		}
	}
	clear(q.list[len(kept):])
	q.list = kept
	if q.len() == 0 {
		*q = pieces{}
	}
}
