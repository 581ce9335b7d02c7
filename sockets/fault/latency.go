package fault

import "time"

// Latency delays every octet by Delay, give or take up to Jitter. Octets do not overtake each
// other, so that one which is early waits for those before it.
type Latency struct{ Delay, Jitter time.Duration }

func (l Latency) part(r *random) part { return &latency{Latency: l, random: r} }

type latency struct {
	Latency
	random *random
}

func (l *latency) shape(at Instant, octets []byte) (int, Instant) {
	d := l.Delay
	if l.Jitter > 0 {
		// From -Jitter to Jitter, without forming 2*Jitter, which may not fit.
		if j := time.Duration(l.random.below(uint64(l.Jitter) + 1)); l.random.below(2) == 0 {
			d -= j
		} else {
			d = later(d, j)
		}
	}
	return len(octets), later(at, max(d, 0))
}
