package sockets

// segment is a piece of a queue: octets, or a part of a file.
type segment struct {
	data []byte
	file *fileSend
}

// queue is output that the kernel has not taken yet, in order.
type queue struct {
	segments []segment
	head     int
	octets   int // of data; files do not count
}

func (q *queue) empty() bool { return q.head == len(q.segments) }

// push appends a copy of data.
func (q *queue) push(data []byte) {
	if len(data) == 0 {
		return
	}
	q.octets += len(data)
	if !q.empty() {
		last := &q.segments[len(q.segments)-1]
		if last.file == nil && cap(last.data)-len(last.data) >= len(data) {
			last.data = append(last.data, data...)
			return
		}
	}
	// Small pieces share a segment.
	buf := make([]byte, len(data), max(len(data), 4096))
	copy(buf, data)
	q.segments = append(q.segments, segment{data: buf})
}

func (q *queue) pushFile(f *fileSend) { q.segments = append(q.segments, segment{file: f}) }

// next is the segment at the front. The queue must not be empty.
func (q *queue) next() *segment { return &q.segments[q.head] }

// took drops n octets of data from the front.
func (q *queue) took(n int) {
	q.octets -= n
	for n > 0 {
		seg := q.next()
		if n < len(seg.data) {
			seg.data = seg.data[n:]
			return
		}
		n -= len(seg.data)
		q.drop()
	}
}

// drop removes the segment at the front.
func (q *queue) drop() {
	q.segments[q.head] = segment{}
	q.head++
	if q.empty() {
		q.segments, q.head = nil, 0 // an idle socket holds no queue
	}
}

// gather appends the data at the front, up to a file, to iov.
func (q *queue) gather(iov [][]byte, most int) [][]byte {
	for i := q.head; i < len(q.segments) && len(iov) < most; i++ {
		if q.segments[i].file != nil {
			break
		}
		iov = append(iov, q.segments[i].data)
	}
	return iov
}
