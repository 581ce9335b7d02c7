package driver

import "hash/maphash"

// waitingCalls are the calls that are not answered yet, by their tags, so that one of very many
// is withdrawn as fast as one of a few. A call is in the table from wait to its answer, which is
// the hot path: the table is made of lists of calls, and costs no allocation but when it grows.
type waitingCalls struct {
	seed  maphash.Seed
	lists []*call // as many as a power of 2
	count int
}

const fewCalls = 64

// first is the head of the list in which a call with a tag would be.
func (w *waitingCalls) first(tag []byte) *call {
	if w.count == 0 {
		return nil
	}
	return w.lists[w.place(maphash.Bytes(w.seed, tag))]
}

func (w *waitingCalls) place(hash uint64) uint64 { return hash & uint64(len(w.lists)-1) }

func (w *waitingCalls) add(k *call) {
	switch {
	case w.lists == nil:
		w.seed, w.lists = maphash.MakeSeed(), make([]*call, fewCalls)
	case w.count == len(w.lists):
		w.resize(2 * w.count)
	}
	w.count++
	k.hash = maphash.Bytes(w.seed, k.tag)
	w.link(k)
}

func (w *waitingCalls) link(k *call) {
	head := &w.lists[w.place(k.hash)]
	k.next, k.prev = *head, nil
	if k.next != nil {
		k.next.prev = k
	}
	*head = k
}

func (w *waitingCalls) remove(k *call) {
	w.count--
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		w.lists[w.place(k.hash)] = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	}
	if len(w.lists) > fewCalls && w.count == 0 {
		w.lists = make([]*call, fewCalls)
	}
}

func (w *waitingCalls) resize(n int) {
	old := w.lists
	w.lists = make([]*call, n)
	for _, k := range old {
		for k != nil {
			next := k.next
			w.link(k)
			k = next
		}
	}
}
