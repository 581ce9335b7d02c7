package sockets

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/sockets/fault"
)

// besideARule has a rule that selects another socket.
func besideARule(t testing.TB, opts ...Option) *bench {
	x := newBench(t, opts...)
	x.st.AddFaults(fault.Rule{ID: 1, Selector: fault.Socket(4711), Faults: []fault.Fault{{Way: fault.Both, Action: fault.Blackhole{}}}})
	require.Nil(t, x.s.desc.attached, "nothing stands between the socket and the system")
	return x
}

// Compare with BenchmarkHotPaths: a rule for others costs nothing.
func BenchmarkHotPathsBesideARule(b *testing.B) {
	for _, path := range hotPaths {
		b.Run(path.name, func(b *testing.B) {
			x := besideARule(b, path.opts...)
			b.ReportAllocs()
			for b.Loop() {
				path.op(x, message)
			}
		})
	}
}

func TestHotPathsDoNotAllocateBesideARule(t *testing.T) {
	for _, path := range hotPaths {
		t.Run(path.name, func(t *testing.T) {
			x := besideARule(t, path.opts...)
			require.Zero(t, testing.AllocsPerRun(200, func() { path.op(x, message) }))
		})
	}
}
