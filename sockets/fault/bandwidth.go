package fault

import (
	"math"
	"math/bits"
	"time"
)

// Bandwidth passes PerSecond octets a second. It has room for a tenth of a second's worth,
// so that a sender notices.
type Bandwidth struct{ PerSecond int64 }

const (
	// How much of a narrow stream goes on together, and how much of it may wait.
	narrowPiece   = 10 * time.Millisecond
	narrowBacklog = 100 * time.Millisecond
)

func (b Bandwidth) part(*random) part { return &bandwidth{rate: max(b.PerSecond, 1)} }

type bandwidth struct {
	rate int64
	free Instant // when the last octet has gone through
	rest uint64  // billionths of octets that fractions of nanoseconds add up to
}

func (b *bandwidth) shape(at Instant, octets []byte) (int, Instant) {
	n := min(len(octets), b.octetsIn(narrowPiece))
	if at > b.free {
		b.free, b.rest = at, 0
	}
	high, low := bits.Mul64(uint64(n), uint64(time.Second))
	low, carry := bits.Add64(low, b.rest, 0)
	takes, rest := bits.Div64(high+carry, low, uint64(b.rate)) // n is small where the rate is
	b.rest = rest
	b.free = later(b.free, time.Duration(takes))
	return n, b.free
}

// octetsIn is how many octets pass in a time, 1 at least.
func (b *bandwidth) octetsIn(d time.Duration) int {
	high, low := bits.Mul64(uint64(b.rate), uint64(d))
	if high >= uint64(time.Second) {
		return math.MaxInt32
	}
	n, _ := bits.Div64(high, low, uint64(time.Second))
	return int(min(max(n, 1), math.MaxInt32))
}

// room is how many octets may wait here.
func (b *bandwidth) room() int { return b.octetsIn(narrowBacklog) }
