// Package heap keeps the memory of a program near what it needs.
//
// Go's collector lets garbage grow to a share of what is live, and gives memory back only
// some time after a collection, of which an idle program makes one every two minutes. For a
// small heap that is right: collecting it more often would cost more than it frees. A program
// that holds hundreds of megabytes for peers, and whose peers then go, keeps all of it for
// minutes. So the share falls as the heap grows, and after the heap has been large somebody
// looks whether it still is.
package heap

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// smallPercent is the garbage collection target of a small heap, in percent of what is live.
	smallPercent = 400
	// largePercent is that of a large one.
	largePercent = 25
	// headroom is the garbage, in octets, that is allowed whatever is live, as long as
	// smallPercent allows it as well.
	headroom = 32 << 20
	// large is the heap, in octets, above which memory is given back as soon as it is free.
	large = 64 << 20
	// The first look after a collection of a large heap, and the longest time between two.
	firstLook = time.Second
	longLook  = 30 * time.Second
)

// percent is the garbage collection target for a heap of which so many octets are live.
func percent(live uint64) int {
	if live == 0 {
		return smallPercent
	}
	return int(min(max(headroom*100/live, largePercent), smallPercent))
}

// Govern sets the garbage collection target from now on by what is live, gives memory back
// after the heap has been large, and has the collector work harder before a limit of the
// system's is reached. limit is in octets; 0 means the limit of the cgroup, if it has one.
// Where the environment says GOGC or GOMEMLIMIT, that part is left to it.
func Govern(limit uint64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit == 0 {
			limit = cgroupLimit()
		}
		// The runtime counts what it knows of: a tenth is for the rest.
		if limit > 0 && limit < math.MaxInt64 {
			debug.SetMemoryLimit(int64(limit / 10 * 9))
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(smallPercent)
		g := &governor{percent: smallPercent}
		g.afterEachCollection()
	}
}

// governor is what is known between two collections. Its fields belong to the goroutine of
// the finalizers, except looking.
type governor struct {
	percent int
	looking atomic.Bool
}

// sentinel is garbage at once, so that its finalizer runs after each collection.
type sentinel struct {
	g *governor
	_ [16]byte // not a tiny object, which would share its block with others
}

func (g *governor) afterEachCollection() {
	runtime.SetFinalizer(&sentinel{g: g}, func(s *sentinel) {
		s.g.collected()
		s.g.afterEachCollection()
	})
}

func (g *governor) collected() {
	live := liveOctets()
	// Setting it stops the world, so a small change is not worth it.
	if p := percent(live); p*10 < g.percent*9 || p*10 > g.percent*11 {
		g.percent = p
		// Not here: it waits for a collection that is under way.
		go debug.SetGCPercent(p)
	}
	if held() > large && g.looking.CompareAndSwap(false, true) {
		go g.giveBack()
	}
}

// giveBack collects and gives memory back until the heap is small again. While all of it
// is needed it looks less and less often.
func (g *governor) giveBack() {
	defer g.looking.Store(false)
	for wait := firstLook; held() > large; {
		time.Sleep(wait)
		before := held()
		debug.FreeOSMemory()
		if after := held(); after > before/4*3 {
			wait = min(2*wait, longLook)
		} else {
			wait = firstLook
		}
	}
}

// liveOctets is what the last collection has found to be in use.
func liveOctets() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// held is the memory that the heap has from the system, used or not.
func held() uint64 {
	sample := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(sample)
	var sum uint64
	for _, s := range sample {
		sum += s.Value.Uint64()
	}
	return sum
}
