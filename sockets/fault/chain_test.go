package fault_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/sockets/fault"
)

const ms = time.Millisecond

// wire is one connection, with a clock that the test moves.
type wire struct {
	set  *fault.Set
	line *fault.Line
	now  fault.Instant
}

// out is what has come out of a chain, as one read or write of it.
type out struct {
	at     fault.Instant
	octets string
}

var facts = fault.Facts{Socket: 1, Family: "inet", Connection: true}

func both(a fault.Action, when ...fault.Condition) fault.Fault {
	return fault.Fault{When: when, Way: fault.Both, Action: a}
}

func newWire(t testing.TB, faults ...fault.Fault) *wire {
	w := &wire{set: fault.NewSet(7)}
	w.own(faults...)
	if len(faults) > 0 {
		require.NotNil(t, w.line)
	}
	return w
}

// own gives the socket faults, in place of those that it has.
func (w *wire) own(faults ...fault.Fault) {
	w.line = w.set.Meet(w.now, w.line, &facts, fault.NewOwn(w.now, faults, nil))
}

func (w *wire) push(octets string) { w.line.In.Push(w.now, []byte(octets)) }

// pull takes what has come out by now.
func (w *wire) pull() (got []out, end *fault.End) {
	for {
		octets, end := w.line.In.Front(w.now)
		if len(octets) == 0 {
			return got, end
		}
		got = append(got, out{w.now, string(octets)})
		w.line.In.Took(len(octets))
	}
}

// run moves the clock to each instant at which there is something to do, up to a time from now.
func (w *wire) run(d time.Duration) (got []out, end *fault.End) {
	last := w.now + d
	for {
		more, e := w.pull()
		got = append(got, more...)
		if e != nil {
			return got, e
		}
		next, ok := w.line.In.Next(w.now)
		if ok && next <= w.now {
			panic("there is always more")
		}
		if !ok || next > last {
			w.now = last
			more, e := w.pull()
			return append(got, more...), e
		}
		w.now = next
	}
}

func joined(outs []out) string {
	s := ""
	for _, o := range outs {
		s += o.octets
	}
	return s
}

func TestOctetsPassAtOnceWhereNothingActs(t *testing.T) {
	w := newWire(t, both(fault.Latency{Delay: time.Second}, fault.AfterOctets(100)))
	w.push("abc")
	got, _ := w.pull()
	assert.Equal(t, []out{{0, "abc"}}, got)
	assert.True(t, w.line.In.Empty())
}

func TestLatencyDelaysEachPush(t *testing.T) {
	w := newWire(t, both(fault.Latency{Delay: 100 * ms}))
	w.push("one")
	w.now += 30 * ms
	w.push("two")
	got, _ := w.run(time.Second)
	assert.Equal(t, []out{{100 * ms, "one"}, {130 * ms, "two"}}, got)
}

func TestLatencyIsCountedFromArrivalHoweverLateOneLooks(t *testing.T) {
	w := newWire(t, both(fault.Latency{Delay: 100 * ms}), both(fault.Latency{Delay: 100 * ms}))
	w.push("one")
	w.now = 150 * ms
	got, _ := w.pull()
	require.Empty(t, got)
	next, ok := w.line.In.Next(w.now)
	require.True(t, ok)
	assert.Equal(t, 200*ms, next)
}

func TestJitterDoesNotReorder(t *testing.T) {
	w := newWire(t, both(fault.Latency{Delay: 50 * ms, Jitter: 50 * ms}))
	for _, c := range "abcdefghij" {
		w.push(string(c))
		w.now += ms
	}
	w.now = 0
	got, _ := w.run(time.Second)
	assert.Equal(t, "abcdefghij", joined(got))
	different := map[fault.Instant]bool{}
	for i, o := range got {
		assert.LessOrEqual(t, o.at, 100*ms+fault.Instant(i)*ms)
		different[o.at] = true
	}
	assert.Greater(t, len(different), 1, "no jitter at all")
}

func TestTheEndOfTheStreamIsDelayedToo(t *testing.T) {
	w := newWire(t, both(fault.Latency{Delay: 100 * ms}))
	w.push("one")
	w.line.In.PushEnd(w.now, nil)
	got, end := w.run(99 * ms)
	assert.Empty(t, got)
	assert.Nil(t, end)
	got, end = w.run(ms)
	assert.Equal(t, "one", joined(got))
	assert.Equal(t, &fault.End{}, end)
}

func TestBandwidthPassesSoManyOctetsASecond(t *testing.T) {
	w := newWire(t, both(fault.Bandwidth{PerSecond: 1000}))
	w.push(string(make([]byte, 500)))
	got, _ := w.run(499 * ms)
	assert.Less(t, len(joined(got)), 500)
	assert.GreaterOrEqual(t, len(joined(got)), 490)
	rest, _ := w.run(ms)
	assert.Equal(t, 500*ms, rest[len(rest)-1].at)
	assert.Len(t, joined(append(got, rest...)), 500)
}

func TestBandwidthOfOneOctetASecond(t *testing.T) {
	w := newWire(t, both(fault.Bandwidth{PerSecond: 1}))
	w.push("abc")
	got, _ := w.run(time.Minute)
	assert.Equal(t, []out{{time.Second, "a"}, {2 * time.Second, "b"}, {3 * time.Second, "c"}}, got)
}

func TestBandwidthHoldsLittle(t *testing.T) {
	w := newWire(t, both(fault.Bandwidth{PerSecond: 1000}))
	assert.Equal(t, 100, w.line.In.Room(0))
	w.push(string(make([]byte, 100)))
	assert.Equal(t, 0, w.line.In.Room(0))
	w.now = 50 * ms
	assert.Equal(t, 50, w.line.In.Room(w.now))
}

func TestBandwidthBeyondAnyLink(t *testing.T) {
	w := newWire(t, both(fault.Bandwidth{PerSecond: 1<<63 - 1}))
	w.push("abc")
	got, _ := w.run(ms)
	assert.Equal(t, "abc", joined(got))
}

func TestSliceCutsWhereTheStreamDoesNotDependOnReads(t *testing.T) {
	w := newWire(t, both(fault.Slice{Min: 2, Max: 2}))
	w.push("abc")
	w.push("defgh")
	got, _ := w.pull()
	assert.Equal(t, []out{{0, "ab"}, {0, "c"}, {0, "d"}, {0, "ef"}, {0, "gh"}}, got)
}

func TestSliceOfRandomSizes(t *testing.T) {
	w := newWire(t, both(fault.Slice{Min: 1, Max: 3}))
	w.push(string(make([]byte, 300)))
	got, _ := w.pull()
	sizes := map[int]int{}
	for _, o := range got[:len(got)-1] {
		sizes[len(o.octets)]++
	}
	assert.Len(t, sizes, 3)
	for size := range sizes {
		assert.True(t, size >= 1 && size <= 3, size)
	}
}

func TestStallHoldsWhatComesAfterEachSoManyOctets(t *testing.T) {
	w := newWire(t, both(fault.Stall{For: 100 * ms, Every: 4}))
	w.push("abcdefghij")
	got, _ := w.run(time.Second)
	assert.Equal(t, []out{{0, "abcd"}, {100 * ms, "efgh"}, {200 * ms, "ij"}}, got)
}

func TestBlackholeTakesAndDeliversNothing(t *testing.T) {
	w := newWire(t, both(fault.Blackhole{}))
	w.push("abc")
	w.line.In.PushEnd(w.now, nil)
	got, end := w.run(1000 * time.Hour)
	assert.Empty(t, got)
	assert.Nil(t, end)
	_, ok := w.line.In.Next(w.now)
	assert.False(t, ok)
	w.own()
	got, end = w.pull()
	assert.Equal(t, "abc", joined(got), "held octets are lost with the fault")
	assert.NotNil(t, end)
}

func TestBlackholeTakesNoMoreThanItMayHold(t *testing.T) {
	w := newWire(t, both(fault.Blackhole{}))
	total := 0
	for w.line.In.Room(0) > 0 {
		n := min(w.line.In.Room(0), 64<<10)
		w.push(string(make([]byte, n)))
		total += n
	}
	assert.InDelta(t, 1<<20, total, 64<<10)
}

func TestCorruptChangesOctetsAndNoMore(t *testing.T) {
	w := newWire(t, both(fault.Corrupt{Probability: 1}))
	w.push("aaaa")
	got, _ := w.pull()
	text := joined(got)
	assert.Len(t, text, 4)
	assert.NotContains(t, text, "a")

	w = newWire(t, both(fault.Corrupt{Probability: 0.01}))
	w.push(string(make([]byte, 100_000)))
	got, _ = w.pull()
	changed := 0
	for _, c := range []byte(joined(got)) {
		if c != 0 {
			changed++
		}
	}
	assert.InDelta(t, 1000, changed, 200)
	assert.Equal(t, uint64(changed), w.set.Log.Injected())
}

func TestCutAfterOctets(t *testing.T) {
	for _, how := range []fault.How{fault.Finish, fault.Reset} {
		w := newWire(t, both(fault.Cut{Octets: 5, How: how}))
		w.push("abc")
		got, end := w.pull()
		require.Equal(t, "abc", joined(got))
		require.Nil(t, end)
		w.push("defg")
		got, end = w.pull()
		assert.Equal(t, "de", joined(got))
		assert.Equal(t, &fault.End{Cut: true, How: how}, end)
		w.push("xyz")
		_, again := w.pull()
		assert.Equal(t, end, again, "the end stays")
	}
}

func TestCutComesRightBehindTheLastOctet(t *testing.T) {
	w := newWire(t, both(fault.Cut{Octets: 3}), both(fault.Latency{Delay: 10 * ms}))
	w.push("abc")
	got, end := w.run(10 * ms)
	assert.Equal(t, "abc", joined(got))
	assert.NotNil(t, end)
	assert.Equal(t, 10*ms, w.now)
}

func TestCutAtOnce(t *testing.T) {
	w := newWire(t, both(fault.Cut{How: fault.Reset}))
	_, end := w.pull()
	assert.Equal(t, &fault.End{Cut: true, How: fault.Reset}, end)
}

func TestCutInTimeNeedsNoTraffic(t *testing.T) {
	w := newWire(t, both(fault.Cut{Timed: true, Time: 100 * ms}))
	next, ok := w.line.In.Next(0)
	require.True(t, ok)
	require.Equal(t, 100*ms, next)
	w.now = 99 * ms
	w.push("abc")
	got, end := w.pull()
	assert.Equal(t, "abc", joined(got))
	assert.Nil(t, end)
	w.now = 100 * ms
	w.push("def")
	got, end = w.pull()
	assert.Empty(t, got)
	assert.NotNil(t, end)
}

func TestCutUnderConditionsNeedsNoTraffic(t *testing.T) {
	w := newWire(t, both(fault.Cut{Timed: true, Time: 100 * ms}, fault.AfterTime(time.Second)))
	_, end := w.run(1099 * ms)
	assert.Nil(t, end)
	_, end = w.run(ms)
	assert.NotNil(t, end)
}

func TestASilentPeerIsHeardAgainOnceTheFaultGoes(t *testing.T) {
	w := newWire(t, both(fault.Cut{Octets: 2, How: fault.Silent}), both(fault.Latency{Delay: ms}))
	w.push("abcd")
	got, end := w.run(time.Hour)
	assert.Equal(t, "ab", joined(got))
	assert.Nil(t, end)
	require.True(t, w.line.Silenced(w.now))
	w.line.Out.Push(w.now, []byte("x"))
	w.now += ms
	octets, _ := w.line.Out.Front(w.now)
	assert.Empty(t, octets, "the other direction is silent, too")
	w.own()
	got, _ = w.run(time.Hour)
	assert.Equal(t, "cd", joined(got))
	octets, _ = w.line.Out.Front(w.now)
	assert.Equal(t, "x", string(octets))
}

func TestFaultsActInTheOrderGiven(t *testing.T) {
	latency, stall := both(fault.Latency{Delay: 10 * ms}), both(fault.Cut{Octets: 2})
	w := newWire(t, latency, stall)
	w.push("abc")
	got, end := w.run(9 * ms)
	assert.Empty(t, got)
	assert.Nil(t, end)
	got, end = w.run(ms)
	assert.Equal(t, "ab", joined(got))
	assert.NotNil(t, end)
}

func TestHeldOctetsPassInOrderWhenAFaultGoes(t *testing.T) {
	slow := fault.NewOwn(0, []fault.Fault{both(fault.Latency{Delay: time.Hour})}, nil)
	w := &wire{set: fault.NewSet(1)}
	w.set.Add(0, fault.Rule{ID: 1, Selector: fault.All{}, Faults: []fault.Fault{both(fault.Latency{Delay: 10 * ms})}})
	w.line = w.set.Meet(0, nil, &facts, slow)
	w.push("abc")
	w.now = time.Second
	w.line = w.set.Meet(w.now, w.line, &facts, nil)
	w.push("def")
	got, _ := w.run(time.Minute)
	assert.Equal(t, []out{{1010 * ms, "abc"}, {1010 * ms, "def"}}, got, "the rule still acts")
	w.set.Clear()
	assert.Nil(t, w.set.Meet(w.now, w.line, &facts, nil), "no trace is left")
}

func TestWhatWasSlicedIsWholeWhenTheFaultGoes(t *testing.T) {
	w := newWire(t, both(fault.Slice{Min: 1, Max: 1}))
	w.push("abcdef")
	w.line.In.PushEnd(w.now, nil)
	octets, _ := w.line.In.Front(w.now)
	require.Equal(t, "a", string(octets))
	w.line.In.Took(1)
	w.own()
	got, end := w.pull()
	assert.Equal(t, []out{{0, "bcdef"}}, got)
	assert.NotNil(t, end)
}

func TestALineWithHeldOctetsStays(t *testing.T) {
	w := newWire(t, both(fault.Blackhole{}))
	w.push("abc")
	w.own()
	require.NotNil(t, w.line)
	got, _ := w.pull()
	assert.Equal(t, "abc", joined(got))
	assert.True(t, w.line.Idle())
}

func TestDirections(t *testing.T) {
	w := newWire(t, fault.Fault{Way: fault.Out, Action: fault.Blackhole{}})
	assert.Nil(t, w.line.In)
	assert.NotNil(t, w.line.Out)
}
