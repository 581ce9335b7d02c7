package fault

import "math/rand/v2"

// random is a generator of random numbers.
type random struct{ pcg *rand.PCG }

// newRandom derives a generator from a seed, and from what it is for.
func newRandom(seed uint64, purpose ...uint64) *random {
	a, b := mix(seed), mix(^seed)
	for _, p := range purpose {
		a = mix(a ^ mix(p))
		b = mix(b + mix(^p))
	}
	return &random{rand.NewPCG(a, b)}
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// float is from 0 to below 1.
func (r *random) float() float64 { return float64(r.pcg.Uint64()>>11) / (1 << 53) }

// below is from 0 to below n, or 0 for n 0.
func (r *random) below(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	return rand.New(r.pcg).Uint64N(n)
}
