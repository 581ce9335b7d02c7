package sockets

import (
	"container/heap"
	"time"
)

// Timer is one deadline of a Stack. The zero value is not running.
type Timer struct {
	at    time.Time
	index int // place in the heap plus one; 0 is not running
	s     *Socket
	fire  func()
}

// timers is the heap of a Stack's deadlines.
type timers []*Timer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i+1, j+1
}
func (t *timers) Push(x any) {
	tm := x.(*Timer)
	*t = append(*t, tm)
	tm.index = len(*t)
}
func (t *timers) Pop() any {
	old := *t
	tm := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	tm.index = 0
	return tm
}

// after starts tm. A timer that runs already is moved.
func (s *Socket) after(tm *Timer, d time.Duration, fire func()) {
	s.st.stop(tm)
	tm.s, tm.at, tm.fire = s, s.st.Now().Add(d), fire
	heap.Push(&s.st.timers, tm)
}

// Stop has the Timer not run any longer.
func (tm *Timer) Stop() {
	if tm.index > 0 {
		tm.s.st.stop(tm)
	}
}

func (st *Stack) stop(tm *Timer) {
	if tm.index > 0 {
		heap.Remove(&st.timers, tm.index-1)
	}
}

// untilTimer is the time until the next deadline, negative if there is none.
func (st *Stack) untilTimer() time.Duration {
	if len(st.timers) == 0 {
		return -1
	}
	// Systems have limits of their own for how long a poller waits.
	return min(max(0, st.timers[0].at.Sub(st.Now())), time.Hour)
}

func (st *Stack) fireTimers() {
	if len(st.timers) == 0 {
		return
	}
	now := st.Now()
	for len(st.timers) > 0 && !st.timers[0].at.After(now) {
		tm := heap.Pop(&st.timers).(*Timer)
		st.guard(tm.s, tm.fire)
	}
}
