package sockets

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBusyWaitEndsWhenNothingComes(t *testing.T) {
	st := newIdleStack(t, Config{BusyWait: time.Nanosecond})
	for i := range 2 * maxMissed {
		n, err := st.wait(time.Millisecond)
		require.NoError(t, err)
		assert.Zero(t, n)
		assert.Equal(t, min(i+1, maxMissed), st.missed)
	}
	// An event that comes faster than a busy wait takes shows that it pays again.
	st.cfg.BusyWait = time.Hour
	st.wake.signal()
	n, err := st.wait(-1)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Zero(t, st.missed)
}

func TestBusyWaitFindsEvents(t *testing.T) {
	st := newIdleStack(t, Config{BusyWait: time.Hour})
	time.AfterFunc(time.Millisecond, st.wake.signal)
	n, err := st.wait(-1)
	require.NoError(t, err)
	assert.Equal(t, 1, n, "found without sleeping: a sleep comes after an hour")
}

func TestNoBusyWaitBeforeATurn(t *testing.T) {
	st := newIdleStack(t, Config{BusyWait: time.Hour})
	n, err := st.wait(0)
	require.NoError(t, err)
	assert.Zero(t, n)
}

// newIdleStack is a Stack that nobody runs.
func newIdleStack(t *testing.T, cfg Config) *Stack {
	t.Helper()
	st, err := NewStack(cfg, newRecorder())
	require.NoError(t, err)
	t.Cleanup(st.closeAll)
	return st
}
