package driver

import (
	"github.com/gentcp/gentcp/internal/iovec"
	"github.com/gentcp/gentcp/portproto"
)

// backlog is what stdout has not taken yet, in order. It is made of pieces, none of which is ever
// moved: a peer chooses how long a packet is, and so how much waits here.
type backlog struct {
	pieces []piece
	head   int // pieces[:head] have been written
	octets int
	spare  []byte // room of a piece that has been written, for the next one
}

type piece struct {
	all     []byte
	written int
}

func (q *backlog) empty() bool { return q.head == len(q.pieces) }

// push adds a piece, which belongs to the backlog from now on.
func (q *backlog) push(b []byte) {
	if len(b) > 0 {
		q.pieces = append(q.pieces, piece{all: b})
		q.octets += len(b)
	}
}

// front appends what one system call writes to iov.
func (q *backlog) front(iov [][]byte) [][]byte {
	for _, p := range q.pieces[q.head:min(q.head+iovec.Max, len(q.pieces))] {
		iov = append(iov, p.all[p.written:])
	}
	return iov
}

// took drops n octets from the front.
func (q *backlog) took(n int) {
	q.octets -= n
	for n > 0 {
		first := &q.pieces[q.head]
		left := len(first.all) - first.written
		if n < left {
			first.written += n
			break
		}
		n -= left
		if cap(first.all) <= keepOut && cap(first.all) > cap(q.spare) {
			q.spare = first.all[:0]
		}
		*first = piece{}
		q.head++
	}
	switch {
	case q.empty():
		q.pieces, q.head = q.pieces[:0], 0
	case q.head > len(q.pieces)/2:
		// What is moved here are pieces, no octets, and fewer of them than have been written.
		n := copy(q.pieces, q.pieces[q.head:])
		clear(q.pieces[n:])
		q.pieces, q.head = q.pieces[:n], 0
	}
}

// room is an empty slice with room for n octets.
func (q *backlog) room(n int) []byte {
	b := q.spare
	if cap(b) < n {
		return make([]byte, 0, n)
	}
	q.spare = nil
	return b
}

// rest copies what is left of pieces that follow each other when the first n octets have been
// written.
func (q *backlog) rest(n int, pieces ...[]byte) []byte {
	left := -n
	for _, b := range pieces {
		left += len(b)
	}
	if left <= 0 {
		return nil
	}
	all := q.room(left)
	for _, b := range pieces {
		if n < len(b) {
			all = append(all, b[n:]...)
		}
		n = max(0, n-len(b))
	}
	return all
}

// frameEnd is the size of what follows a payload in its frame.
var frameEnd = len(portproto.ListEnd)
