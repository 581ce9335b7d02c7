package sockets

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTimersFireInOrder(t *testing.T) {
	st := &Stack{}
	s := &Socket{st: st}
	require.Negative(t, st.untilTimer(), "no timer, no limit")
	var fired []int
	var tm [4]Timer
	for i, d := range []time.Duration{-3 * time.Minute, -time.Minute, -4 * time.Minute, time.Hour} {
		s.after(&tm[i], d, func() { fired = append(fired, i) })
	}
	st.stop(&tm[1])
	st.stop(&tm[1]) // again is no harm
	require.Zero(t, st.untilTimer(), "one is due")
	st.fireTimers()
	require.Equal(t, []int{2, 0}, fired)
	require.Len(t, st.timers, 1)
	require.Positive(t, st.untilTimer())
	s.after(&tm[3], -1, tm[3].fire) // a timer that runs is moved
	require.Len(t, st.timers, 1)
	st.fireTimers()
	require.Equal(t, []int{2, 0, 3}, fired)
	require.Empty(t, st.timers)
}

func TestTimerThatStartsItselfAgainLetsTheOthersGo(t *testing.T) {
	st := &Stack{}
	s := &Socket{st: st}
	n := 0
	var tm Timer
	var again func()
	again = func() {
		n++
		s.after(&tm, 0, again)
	}
	s.after(&tm, 0, again)
	for n == 0 {
		st.fireTimers()
	}
	require.Equal(t, 1, n, "one turn of the loop fires it once")
	require.Len(t, st.timers, 1)
}

func TestTimeoutsOfAnyLength(t *testing.T) {
	st := &Stack{}
	s := &Socket{st: st}
	for _, d := range []time.Duration{1 << 31 * time.Millisecond, 50 * 365 * 24 * time.Hour, math.MaxInt64} {
		var tm Timer
		s.after(&tm, d, func() { t.Errorf("a timeout of %v has fired", d) })
		assert.Positive(t, st.untilTimer())
		assert.LessOrEqual(t, st.untilTimer(), time.Hour, "a poller takes 31 bits of milliseconds")
		st.fireTimers()
		st.stop(&tm)
	}
	assert.Negative(t, milliseconds(-1))
	assert.EqualValues(t, math.MaxInt64/1_000_000*1_000_000, milliseconds(math.MaxInt64), "a send_timeout is as long as can be")
}

func TestTimersProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := &Stack{}
		s := &Socket{st: st}
		all := make([]Timer, 20)
		running := map[int]bool{}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "timer")
			if rapid.Bool().Draw(t, "start") {
				d := time.Duration(rapid.IntRange(-5, -1).Draw(t, "d")) * time.Minute
				s.after(&all[i], d, func() {
					require.True(t, running[i], "a stopped timer has fired")
					delete(running, i)
				})
				running[i] = true
			} else {
				st.stop(&all[i])
				delete(running, i)
			}
			require.Len(t, st.timers, len(running))
		}
		last := time.Time{}
		for _, tm := range append(timers(nil), st.timers...) {
			fire := tm.fire
			tm.fire = func() {
				require.False(t, tm.at.Before(last), "out of order")
				last = tm.at
				fire()
			}
		}
		st.fireTimers()
		require.Empty(t, running)
		for i := range all {
			require.Zero(t, all[i].index)
		}
	})
}
