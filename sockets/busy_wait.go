package sockets

import "time"

// maxMissed is how many busy waits in a row may come to nothing before there are no more of
// them until events come fast again.
const maxMissed = 8

// wait waits for events, busily at first where that is likely to pay.
func (st *Stack) wait(timeout time.Duration) (n int, err error) {
	busy := st.cfg.BusyWait
	if busy <= 0 || timeout == 0 {
		return st.poll.fetch(timeout)
	}
	start := time.Now()
	if st.missed < maxMissed {
		for {
			if n, err = st.poll.look(); n > 0 || err != nil {
				st.missed = 0
				return n, err
			}
			if time.Since(start) >= busy {
				break
			}
			yieldThread()
		}
	}
	// A timer that has run out meanwhile is late by no more than the busy wait.
	n, err = st.poll.fetch(timeout)
	if time.Since(start) <= 2*busy {
		st.missed = 0
	} else if st.missed < maxMissed {
		st.missed++
	}
	return n, err
}

// noBusyWait has the next wait sleep at once.
func (st *Stack) noBusyWait() { st.missed = maxMissed }
