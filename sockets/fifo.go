package sockets

// fifo is a line of those who wait: first come, first served, and each may leave in no time. Who
// has a key that is not nil can be found by it.
type fifo[K comparable, V any] struct {
	first, last *place[K, V]
	byKey       map[K]*place[K, V]
	count       int
}

// place is one in the line.
type place[K comparable, V any] struct {
	value      V
	key        K
	next, prev *place[K, V]
	in         bool
}

// add puts value at the end.
func (f *fifo[K, V]) add(key K, value V) *place[K, V] { return f.addBehind(f.last, key, value) }

// addBehind puts value behind p, at the front if p is nil.
func (f *fifo[K, V]) addBehind(p *place[K, V], key K, value V) *place[K, V] {
	n := &place[K, V]{value: value, key: key, prev: p, in: true}
	if p == nil {
		n.next, f.first = f.first, n
	} else {
		n.next, p.next = p.next, n
	}
	if n.next == nil {
		f.last = n
	} else {
		n.next.prev = n
	}
	f.count++
	var none K
	if key != none {
		if f.byKey == nil {
			f.byKey = make(map[K]*place[K, V])
		}
		f.byKey[key] = n
	}
	return n
}

// remove takes p out of the line, if it is still there.
func (f *fifo[K, V]) remove(p *place[K, V]) {
	if !p.in {
		return
	}
	p.in = false
	if p.prev == nil {
		f.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		f.last = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.next, p.prev = nil, nil
	f.count--
	var none K
	if p.key != none && f.byKey[p.key] == p {
		delete(f.byKey, p.key)
	}
	if f.count == 0 {
		f.byKey = nil // however many it has been made for
	}
}

// take removes the first of the line, which must not be empty.
func (f *fifo[K, V]) take() V {
	p := f.first
	f.remove(p)
	return p.value
}

// find is the one with a key, nil if there is none.
func (f *fifo[K, V]) find(key K) *place[K, V] { return f.byKey[key] }
