package fault

import "math"

// Corrupt changes each octet with this probability into another one.
type Corrupt struct{ Probability float64 }

func (c Corrupt) part(r *random) part {
	p := &corrupt{Corrupt: c, random: r}
	p.good = p.distance()
	return p
}

type corrupt struct {
	Corrupt
	random *random
	good   int64 // octets before the next one to be changed
	acts   bool  // the first octet of the last piece has been changed
}

// distance draws how many octets stay as they are, which says the same as a draw for each of them.
func (c *corrupt) distance() int64 {
	switch {
	case c.Probability >= 1:
		return 0
	case c.Probability <= 0:
		return math.MaxInt64
	}
	d := math.Log(1-c.random.float()) / math.Log1p(-c.Probability)
	if d >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(d)
}

func (c *corrupt) shape(at Instant, octets []byte) (int, Instant) {
	c.acts = c.good == 0 && len(octets) > 0
	if c.acts {
		octets[0] ^= byte(1 + c.random.below(255))
		c.good = c.distance()
		return 1, at
	}
	n := int(min(int64(len(octets)), c.good))
	c.good -= int64(n)
	return n, at
}

func (c *corrupt) acted() bool { return c.acts }
