package fault_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/fault"
)

func failing(name fault.CallName, when ...fault.Condition) fault.Fault {
	return fault.Fault{When: when, Action: fault.Call{Name: name, Err: unix.EPIPE}}
}

// outcomes makes n calls of send and says which of them failed.
func outcomes(w *wire, n int) []bool {
	var failed []bool
	for range n {
		failed = append(failed, w.line.Call(w.now, fault.Send, 0).Err != nil)
	}
	return failed
}

func TestConditionsOfCalls(t *testing.T) {
	for name, test := range map[string]struct {
		when []fault.Condition
		want []bool
	}{
		"none":              {nil, []bool{true, true, true, true}},
		"nth":               {[]fault.Condition{fault.Nth(3)}, []bool{false, false, true, false}},
		"once":              {[]fault.Condition{fault.Once()}, []bool{true, false, false, false}},
		"after calls":       {[]fault.Condition{fault.AfterCalls(2)}, []bool{false, false, true, true}},
		"nth of those left": {[]fault.Condition{fault.AfterCalls(1), fault.Nth(2)}, []bool{false, false, true, false}},
		"never":             {[]fault.Condition{fault.Probability(0)}, []bool{false, false, false, false}},
		"always":            {[]fault.Condition{fault.Probability(1)}, []bool{true, true, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, failing(fault.Send, test.when...))
			assert.Equal(t, test.want, outcomes(w, 4))
		})
	}
}

func TestOtherCallsAreNotCounted(t *testing.T) {
	w := newWire(t, failing(fault.Send, fault.Nth(2)))
	w.line.Call(0, fault.Send, 0)
	w.line.Call(0, fault.Recv, 0)
	assert.True(t, w.line.Call(0, fault.Send, 0).Injected())
	assert.False(t, w.line.Calls(fault.Recv))
	assert.True(t, w.line.Calls(fault.Send))
}

func TestConditionsOfTimeOnCalls(t *testing.T) {
	w := newWire(t, failing(fault.Send, fault.AfterTime(time.Second), fault.For(time.Second)))
	for _, test := range []struct {
		at   fault.Instant
		want bool
	}{{0, false}, {999 * ms, false}, {1000 * ms, true}, {1999 * ms, true}, {2000 * ms, false}} {
		assert.Equal(t, test.want, w.line.Call(test.at, fault.Send, 0).Injected(), test.at)
	}
}

func TestForBeginsWithWhatIsAroundIt(t *testing.T) {
	w := newWire(t, failing(fault.Send, fault.AfterOctets(10), fault.For(time.Second)))
	assert.False(t, w.line.Call(5000*ms, fault.Send, 9).Injected())
	assert.True(t, w.line.Call(6000*ms, fault.Send, 10).Injected())
	assert.True(t, w.line.Call(6999*ms, fault.Send, 11).Injected())
	assert.False(t, w.line.Call(7000*ms, fault.Send, 12).Injected())
}

func TestFaultsOnOneCallCombineInOrder(t *testing.T) {
	delay := fault.Fault{Action: fault.Call{Name: fault.Send, Delay: time.Second}}
	w := newWire(t, delay, delay, failing(fault.Send), delay)
	assert.Equal(t, fault.Outcome{Delay: 2 * time.Second, Err: unix.EPIPE}, w.line.Call(0, fault.Send, 0))
	w = newWire(t, delay, fault.Fault{Action: fault.Call{Name: fault.Send, Never: true}}, failing(fault.Send))
	assert.Equal(t, fault.Outcome{Delay: time.Second, Never: true}, w.line.Call(0, fault.Send, 0))
}

func TestEachFaultCountsAllCalls(t *testing.T) {
	w := newWire(t, failing(fault.Send, fault.Nth(2)), failing(fault.Send, fault.Nth(3)))
	assert.Equal(t, []bool{false, true, true, false}, outcomes(w, 4))
}

func TestANilLineInjectsNothing(t *testing.T) {
	var l *fault.Line
	assert.False(t, l.Call(0, fault.Send, 0).Injected())
	assert.False(t, l.Calls(fault.Send))
	assert.True(t, l.Idle())
}

func TestAStreamFaultBeginsAtTheOctetThatItIsToBeginAt(t *testing.T) {
	w := newWire(t, both(fault.Latency{Delay: 100 * ms}, fault.AfterOctets(4)))
	w.push("abcdef")
	got, _ := w.run(time.Second)
	assert.Equal(t, []out{{0, "abcd"}, {100 * ms, "ef"}}, got)
}

func TestAStreamFaultThatIsOverHoldsNothing(t *testing.T) {
	w := newWire(t, both(fault.Blackhole{}, fault.For(100*ms)))
	w.push("abc")
	w.now = 50 * ms
	w.push("def")
	w.now = 60 * ms
	got, _ := w.run(time.Second)
	assert.Equal(t, []out{{100 * ms, "abc"}, {100 * ms, "def"}}, got)
	w.push("ghi")
	got, _ = w.pull()
	assert.Equal(t, "ghi", joined(got))
}

func TestAPeerThatIsSilentForAWhile(t *testing.T) {
	w := newWire(t, both(fault.Cut{Octets: 1, How: fault.Silent}, fault.For(100*ms)))
	w.push("abc")
	got, _ := w.run(99 * ms)
	assert.Equal(t, []out{{0, "a"}}, got)
	w.push("d")
	got, _ = w.run(ms)
	assert.Equal(t, "bcd", joined(got))
	w.push("e")
	got, _ = w.pull()
	assert.Equal(t, "e", joined(got))
}

func TestAfterReads(t *testing.T) {
	w := newWire(t, both(fault.Blackhole{}, fault.AfterCalls(2)))
	for range 4 {
		w.push("a")
	}
	got, _ := w.run(time.Hour)
	assert.Equal(t, "aa", joined(got))
}

func TestTheNthConnection(t *testing.T) {
	set := fault.NewSet(1)
	set.Add(0, fault.Rule{ID: 5, Selector: fault.Listener(1), Faults: []fault.Fault{both(fault.Blackhole{}, fault.Nth(2))}})
	listener := fault.Facts{Socket: 1, Incoming: true}
	assert.True(t, set.Meet(0, nil, &listener, nil).Idle(), "a listener is no connection")
	for i, want := range []bool{false, true, false} {
		f := fault.Facts{Socket: int64(i + 2), Listener: 1, Connection: true}
		line := set.Meet(0, nil, &f, nil)
		assert.Equal(t, want, line.In != nil, i)
		again := set.Meet(0, line, &f, nil)
		assert.Equal(t, want, again.In != nil, "to meet the same again is not another occasion")
	}
}

func TestInheritedFaultsCountTheConnectionsAndTheCallsOfEach(t *testing.T) {
	set := fault.NewSet(1)
	own := fault.NewOwn(0, []fault.Fault{both(fault.Blackhole{}, fault.Nth(2)), failing(fault.Send, fault.Nth(2))}, "term")
	for i, want := range []bool{false, true, false} {
		mine := own.Inherit(0)
		assert.Equal(t, "term", mine.Term())
		line := set.Meet(0, nil, &fault.Facts{Socket: int64(i + 2), Listener: 1, Connection: true}, mine)
		assert.Equal(t, want, line.In != nil, i)
		assert.False(t, line.Call(0, fault.Send, 0).Injected())
		assert.True(t, line.Call(0, fault.Send, 0).Injected())
	}
}

func TestARuleCountsTheCallsOfAllSockets(t *testing.T) {
	set := fault.NewSet(1)
	set.Add(0, fault.Rule{ID: 1, Selector: fault.All{}, Faults: []fault.Fault{failing(fault.Connect, fault.Nth(3))}})
	for i, want := range []bool{false, false, true, false} {
		line := set.Meet(0, nil, &fault.Facts{Socket: int64(i + 1)}, nil)
		assert.Equal(t, want, line.Call(0, fault.Connect, 0).Injected(), i)
	}
}
