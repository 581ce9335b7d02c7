package sockets

// segment is a piece of a queue: octets, a part of a file, a send that comes in parts, or the
// place where the writing side is to be shut down.
type segment struct {
	data     []byte
	file     *fileSend
	parts    *partialSend
	shutdown int // how, if not 0
}

// queue is output that the kernel has not taken yet, in order. It is a ring, so that what has
// been sent takes no room.
type queue struct {
	ring     []segment // its length is a power of 2
	head     int
	segments int
	octets   int // of data, also of what is still to come of sends in parts; files do not count
	held     int // octets in memory
	files    int
}

func (q *queue) empty() bool { return q.segments == 0 }

func (q *queue) at(i int) *segment { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// front is the segment that is sent next. The queue must not be empty.
func (q *queue) front() *segment { return q.at(0) }

func (q *queue) add(seg segment) {
	if q.segments == len(q.ring) {
		q.resize(max(4, 2*len(q.ring)))
	}
	q.segments++
	*q.at(q.segments - 1) = seg
}

func (q *queue) resize(n int) {
	ring := make([]segment, n)
	for i := range q.segments {
		ring[i] = *q.at(i)
	}
	q.ring, q.head = ring, 0
}

// push appends a copy of data.
func (q *queue) push(data []byte) {
	if len(data) == 0 {
		return
	}
	q.octets += len(data)
	q.held += len(data)
	if !q.empty() {
		last := q.at(q.segments - 1)
		if last.data != nil && cap(last.data)-len(last.data) >= len(data) {
			last.data = append(last.data, data...)
			return
		}
	}
	// Small pieces share a segment.
	buf := make([]byte, len(data), max(len(data), 4096))
	copy(buf, data)
	q.add(segment{data: buf})
}

func (q *queue) pushFile(f *fileSend) {
	q.files++
	q.add(segment{file: f})
}

// pushParts appends a send in parts, of which p.left octets are to come.
func (q *queue) pushParts(p *partialSend) {
	q.octets += p.left + p.have.octets
	q.held += p.have.held
	q.add(segment{parts: p})
}

// pushPart appends a copy of data to a send in the queue; it is counted as to come already.
func (q *queue) pushPart(p *partialSend, data []byte) {
	p.have.push(data)
	q.held += len(data)
}

func (q *queue) pushShutdown(how int) { q.add(segment{shutdown: how}) }

// waitsForParts reports whether the queue cannot go on before more of a send has come.
func (q *queue) waitsForParts() bool {
	if q.empty() {
		return false
	}
	p := q.front().parts
	return p != nil && p.have.empty() && p.left > 0
}

// took drops n octets of data from the front.
func (q *queue) took(n int) {
	q.octets -= n
	q.held -= n
	for n > 0 {
		seg := q.front()
		if p := seg.parts; p != nil {
			k := min(n, p.have.held)
			p.have.took(k)
			n -= k
			if !q.dropFinished() && n > 0 {
				panic("sockets: more has been sent than was queued")
			}
			continue
		}
		if n < len(seg.data) {
			seg.data = seg.data[n:]
			return
		}
		n -= len(seg.data)
		q.drop()
	}
}

// dropFinished drops sends in parts at the front of which all has come and gone, and reports
// whether there was one.
func (q *queue) dropFinished() (dropped bool) {
	for !q.empty() {
		p := q.front().parts
		if p == nil || p.left > 0 || !p.have.empty() {
			break
		}
		q.pop()
		dropped = true
	}
	return dropped
}

// drop removes the segment at the front.
func (q *queue) drop() {
	q.pop()
	q.dropFinished()
}

func (q *queue) pop() {
	seg := q.front()
	if seg.file != nil {
		q.files--
	}
	*seg = segment{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.segments--
	switch {
	case q.empty():
		q.ring, q.head = nil, 0 // an idle socket holds no queue
	case len(q.ring) > 64 && q.segments <= len(q.ring)/4:
		q.resize(len(q.ring) / 2)
	}
}

// gather appends the data at the front, up to what is no data, to iov.
func (q *queue) gather(iov [][]byte, most int) [][]byte {
	for i := 0; i < q.segments && len(iov) < most; i++ {
		seg := q.at(i)
		switch {
		case seg.parts != nil:
			iov = seg.parts.have.gather(iov, most)
			if seg.parts.left > 0 {
				return iov
			}
		case seg.data == nil:
			return iov
		default:
			iov = append(iov, seg.data)
		}
	}
	return iov
}

// cutAtFile drops the first file and all behind it, and returns the file, nil if there is none.
func (q *queue) cutAtFile() *fileSend {
	for i := range q.segments {
		if f := q.at(i).file; f != nil {
			rest := queue{}
			for j := range i {
				seg := *q.at(j)
				switch {
				case seg.parts != nil:
					rest.pushParts(seg.parts)
				case seg.data != nil:
					rest.octets += len(seg.data)
					rest.held += len(seg.data)
					rest.add(seg)
				default:
					rest.add(seg)
				}
			}
			for j := i; j < q.segments; j++ {
				if p := q.at(j).parts; p != nil {
					p.dropped, p.have = true, queue{}
				}
			}
			*q = rest
			return f
		}
	}
	return nil
}
