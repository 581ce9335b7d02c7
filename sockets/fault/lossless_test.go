package fault_test

import (
	"hash/crc64"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gentcp/gentcp/sockets/fault"
)

var crcTable = crc64.MakeTable(crc64.ECMA)

func drawDuration(t *rapid.T) time.Duration {
	return time.Duration(rapid.Int64Range(0, 300).Draw(t, "ms")) * ms
}

// drawFault draws a fault that loses nothing once it is gone.
func drawFault(t *rapid.T) fault.Fault {
	f := fault.Fault{Way: fault.Both}
	switch rapid.IntRange(0, 6).Draw(t, "action") {
	case 0:
		f.Action = fault.Latency{Delay: drawDuration(t), Jitter: drawDuration(t)}
	case 1:
		f.Action = fault.Bandwidth{PerSecond: rapid.Int64Range(1, 1<<20).Draw(t, "rate")}
	case 2:
		least := rapid.IntRange(1, 50).Draw(t, "least")
		f.Action = fault.Slice{Min: least, Max: least + rapid.IntRange(0, 50).Draw(t, "more")}
	case 3:
		f.Action = fault.Stall{For: drawDuration(t), Every: rapid.Int64Range(1, 1000).Draw(t, "every")}
	case 4:
		f.Action = fault.Blackhole{}
	case 5:
		f.Action = fault.Corrupt{} // never
	case 6:
		f.Action = fault.Cut{Octets: rapid.Int64Range(0, 2000).Draw(t, "octets"), Time: drawDuration(t), Timed: rapid.Bool().Draw(t, "timed"), How: fault.Silent}
	}
	for range rapid.IntRange(0, 3).Draw(t, "conditions") {
		f.When = append(f.When, drawCondition(t))
	}
	return f
}

func drawCondition(t *rapid.T) fault.Condition {
	n := rapid.Int64Range(0, 1000).Draw(t, "n")
	switch rapid.IntRange(0, 6).Draw(t, "condition") {
	case 0:
		return fault.Probability(rapid.Float64Range(0.5, 1).Draw(t, "p"))
	case 1:
		return fault.Nth(1)
	case 2:
		return fault.Once()
	case 3:
		return fault.AfterOctets(n)
	case 4:
		return fault.AfterCalls(n % 10)
	case 5:
		return fault.AfterTime(drawDuration(t))
	}
	return fault.For(drawDuration(t))
}

// Through any faults, which come and go while octets are under way, the same octets come out
// in the same order, and all of them once the faults have gone.
func TestNothingIsLostDoubledOrReordered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := fault.NewSet(rapid.Uint64().Draw(t, "seed"))
		var (
			line     *fault.Line
			own      *fault.Own
			now      fault.Instant
			sent     = crc64.New(crcTable)
			received = crc64.New(crcTable)
			sums     []uint64 // of each prefix that was sent
			out      int
			next     byte
		)
		sums = append(sums, 0)
		meet := func() { line = set.Meet(now, line, &facts, own) }
		take := func(octets []byte) {
			received.Write(octets)
			out += len(octets)
			if out >= len(sums) || sums[out] != received.Sum64() {
				t.Fatalf("what has come out after %d octets is not what went in", out)
			}
		}
		pull := func(limit int) {
			for limit > 0 && line != nil && line.In != nil {
				octets, end := line.In.Front(now)
				if end != nil {
					t.Fatalf("an end: %v", end)
				}
				if len(octets) == 0 {
					return
				}
				n := min(len(octets), limit)
				take(octets[:n])
				line.In.Took(n)
				limit -= n
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0:
				var faults []fault.Fault
				for range rapid.IntRange(0, 3).Draw(t, "own faults") {
					faults = append(faults, drawFault(t))
				}
				own = fault.NewOwn(now, faults, nil)
				meet()
			case 1:
				set.Add(now, fault.Rule{ID: rapid.Int64Range(1, 3).Draw(t, "id"), Selector: fault.All{}, Faults: []fault.Fault{drawFault(t), drawFault(t)}})
				meet()
			case 2:
				set.Remove(rapid.Int64Range(1, 3).Draw(t, "id"))
				meet()
			case 3, 4:
				octets := make([]byte, rapid.IntRange(0, 300).Draw(t, "octets"))
				if line != nil && line.In != nil {
					octets = octets[:min(len(octets), line.In.Room(now))]
				}
				for i := range octets {
					next = next*5 + 1
					octets[i] = next
					sent.Write(octets[i : i+1])
					sums = append(sums, sent.Sum64())
				}
				if line == nil || line.In == nil {
					take(octets)
					continue
				}
				line.In.Push(now, octets)
				clear(octets) // they have been copied
			case 5:
				pull(rapid.IntRange(1, 500).Draw(t, "limit"))
			case 6:
				now += drawDuration(t)
			}
		}
		set.Clear()
		own = nil
		meet()
		pull(1 << 30)
		if out != len(sums)-1 {
			t.Fatalf("%d octets went in, %d came out", len(sums)-1, out)
		}
		if !line.Idle() {
			t.Fatalf("something is left")
		}
	})
}

// With time alone, without a change of the faults, whatever is due comes out: Next says when.
func TestNextSaysWhenThereIsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := fault.NewSet(rapid.Uint64().Draw(t, "seed"))
		var faults []fault.Fault
		for range rapid.IntRange(1, 5).Draw(t, "faults") {
			f := drawFault(t)
			switch f.Action.(type) {
			case fault.Blackhole, fault.Cut:
				continue
			}
			faults = append(faults, f)
		}
		line := set.Meet(0, nil, &facts, fault.NewOwn(0, faults, nil))
		if line == nil || line.In == nil {
			return
		}
		now, in, out := fault.Instant(0), 0, 0
		for in < 500 || out < in {
			if in < 500 {
				n := min(rapid.IntRange(1, 100).Draw(t, "n"), line.In.Room(now))
				line.In.Push(now, make([]byte, n))
				in += n
			}
			for {
				octets, _ := line.In.Front(now)
				if len(octets) == 0 {
					break
				}
				out += len(octets)
				line.In.Took(len(octets))
			}
			if out == in {
				continue
			}
			next, ok := line.In.Next(now)
			if !ok || next <= now {
				t.Fatalf("at %v: %d octets are held, and the next time is %v %v", now, in-out, next, ok)
			}
			now = next
		}
	})
}
