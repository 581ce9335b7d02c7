package fault_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/sockets/fault"
)

func TestRulesAreInTheOrderOfTheirIDs(t *testing.T) {
	set := fault.NewSet(1)
	for _, id := range []int64{5, 2, 9} {
		set.Add(0, fault.Rule{ID: id, Selector: fault.All{}, Term: id})
	}
	set.Add(0, fault.Rule{ID: 5, Selector: fault.All{}, Term: "again"})
	var terms []any
	for _, r := range set.Rules() {
		terms = append(terms, r.Term)
	}
	assert.Equal(t, []any{int64(2), "again", int64(9)}, terms)
	assert.True(t, set.Remove(5))
	assert.False(t, set.Remove(5))
	assert.Len(t, set.Rules(), 2)
	set.Clear()
	assert.True(t, set.Empty())
}

func TestTheSameSeedDoesTheSame(t *testing.T) {
	traffic := func(seed uint64, latest, socket int64) ([]out, []fault.Entry) {
		set := fault.NewSet(1)
		set.Reseed(seed, latest)
		set.Add(0, fault.Rule{ID: 1, Selector: fault.All{}, Faults: []fault.Fault{
			both(fault.Latency{Delay: 20 * ms, Jitter: 10 * ms}), both(fault.Slice{Min: 1, Max: 9}), both(fault.Corrupt{Probability: 0.1}),
			failing(fault.Send, fault.Probability(0.5)),
		}})
		f := facts
		f.Socket = socket
		w := &wire{set: set, line: set.Meet(0, nil, &f, nil)}
		var got []out
		for range 20 {
			w.push("0123456789012345678901234567890123456789")
			more, _ := w.run(5 * ms)
			got = append(got, more...)
			outcomes(w, 1)
		}
		more, _ := w.run(time.Second)
		entries := set.Log.Entries()
		for i := range entries {
			entries[i].Socket = 0
		}
		return append(got, more...), entries
	}
	first, firstLog := traffic(42, 0, 1)
	second, secondLog := traffic(42, 0, 1)
	assert.Equal(t, first, second)
	assert.Equal(t, firstLog, secondLog)
	later, laterLog := traffic(42, 100, 101)
	assert.Equal(t, first, later, "sockets count from where the seed was set")
	assert.Equal(t, firstLog, laterLog)
	other, _ := traffic(43, 0, 1)
	assert.NotEqual(t, first, other)
	another, _ := traffic(42, 0, 2)
	assert.NotEqual(t, first, another, "each socket has a generator of its own")
}

func TestTheLogSaysWhatWasInjectedWhere(t *testing.T) {
	w := &wire{set: fault.NewSet(1)}
	slow, cut, send := both(fault.Latency{Delay: ms}), both(fault.Cut{Octets: 5}), failing(fault.Send)
	slow.Way, cut.Way = fault.In, fault.In
	w.set.Add(0, fault.Rule{ID: 3, Selector: fault.All{}, Faults: []fault.Fault{slow, send}})
	f := facts
	f.Received = 100
	w.line = w.set.Meet(0, nil, &f, fault.NewOwn(0, []fault.Fault{cut}, nil))
	w.now = ms
	w.push("abc")
	w.now = 2 * ms
	w.push("defgh")
	w.run(time.Second)
	w.line.Call(5*ms, fault.Send, 17)
	assert.Equal(t, []fault.Entry{
		{At: ms, Socket: 1, Way: fault.In, Offset: 100, Fault: slow, Rule: 3},
		{At: 2 * ms, Socket: 1, Way: fault.In, Offset: 105, Fault: cut},
		{At: 5 * ms, Socket: 1, Call: fault.Send, Offset: 17, Fault: send, Rule: 3},
	}, w.set.Log.Entries())
}

func TestTheLogIsBounded(t *testing.T) {
	w := newWire(t, failing(fault.Send))
	for i := range 5000 {
		w.line.Call(fault.Instant(i), fault.Send, 0)
	}
	entries := w.set.Log.Entries()
	require.Len(t, entries, 4096)
	assert.Equal(t, fault.Instant(904), entries[0].At)
	assert.Equal(t, fault.Instant(4999), entries[4095].At)
	assert.Equal(t, uint64(5000), w.set.Log.Injected())
	assert.Equal(t, uint64(904), w.set.Log.Dropped())
	w.set.Log.Clear()
	assert.Empty(t, w.set.Log.Entries())
	assert.Zero(t, w.set.Log.Injected())
}

func TestRecordsChangeNothing(t *testing.T) {
	w := newWire(t, both(fault.Record{}), fault.Fault{Action: fault.RecordCalls{}})
	w.push("abc")
	w.push("de")
	got, _ := w.pull()
	assert.Equal(t, "abcde", joined(got))
	for _, name := range []fault.CallName{fault.Listen, fault.Connect, fault.Accept, fault.Send, fault.Recv, fault.Close} {
		assert.True(t, w.line.Calls(name))
		assert.False(t, w.line.Call(0, name, 0).Injected())
	}
	entries := w.set.Log.Entries()
	assert.Len(t, entries, 8)
	assert.Equal(t, int64(3), entries[1].Offset)
	assert.Equal(t, 2, entries[1].Size)
	assert.Equal(t, fault.Close, entries[7].Call)
}
