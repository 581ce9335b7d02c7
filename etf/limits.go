package etf

import "fmt"

// What Limits means where a field is 0. They suit a server that reads from
// anyone: the largest term model that they let through takes some 50 MB.
const (
	DefaultMaxDepth    = 1000
	DefaultMaxElements = 1 << 20
	DefaultMaxAtom     = 255
	DefaultMaxBig      = 1 << 19
	DefaultMaxInflated = 16 << 20
	DefaultMaxMessage  = 64 << 20
)

// Limits bounds what a message may make its reader do. They hold before
// anything is allocated. A field that is 0 takes its default.
type Limits struct {
	MaxDepth    int // terms within terms; a list in the tail of a list goes no deeper
	MaxElements int // elements of tuples and lists, keys and values of maps, free variables of funs, all together
	MaxAtom     int // characters of an atom; the BEAM's own limit is the default, 255
	MaxBig      int // bytes of an integer's magnitude; the default is the BEAM's limit since OTP 27
	MaxInflated int // bytes of a compressed term after inflation
	MaxMessage  int // bytes of one message on a stream, see Decoder
}

// DecodeOptions chooses how terms are read. The zero value and nil are the
// defaults. They may be used by many goroutines as long as none changes it.
type DecodeOptions struct {
	Limits

	// Alias lets decoded binaries and atoms point into the input instead of
	// into copies of it. The caller must leave the input alone while the
	// terms live.
	Alias bool

	// AtomCache holds what ATOM_CACHE_REF indexes, as the distribution
	// protocol keeps it for each connection. Without it such references are
	// refused.
	AtomCache []Atom
}

func (o *DecodeOptions) maxDepth() int {
	if o == nil || o.MaxDepth == 0 {
		return DefaultMaxDepth
	}
	return o.MaxDepth
}

func (o *DecodeOptions) maxElements() int {
	if o == nil || o.MaxElements == 0 {
		return DefaultMaxElements
	}
	return o.MaxElements
}

func (o *DecodeOptions) maxAtom() int {
	if o == nil || o.MaxAtom == 0 {
		return DefaultMaxAtom
	}
	return o.MaxAtom
}

func (o *DecodeOptions) maxBig() int {
	if o == nil || o.MaxBig == 0 {
		return DefaultMaxBig
	}
	return o.MaxBig
}

func (o *DecodeOptions) maxInflated() int {
	if o == nil || o.MaxInflated == 0 {
		return DefaultMaxInflated
	}
	return o.MaxInflated
}

func (o *DecodeOptions) maxMessage() int {
	if o == nil || o.MaxMessage == 0 {
		return DefaultMaxMessage
	}
	return o.MaxMessage
}

func (o *DecodeOptions) cached(i byte) (Atom, bool) {
	if o == nil || int(i) >= len(o.AtomCache) {
		return "", false
	}
	return o.AtomCache[i], true
}

func (o *DecodeOptions) alias() bool { return o != nil && o.Alias }

// The deepest nesting that may be asked for: a level takes a few hundred
// bytes of stack, and a goroutine that outgrows its stack ends the process.
const maxMaxDepth = 100_000

// check refuses limits that make no sense, before any input is read.
func (o *DecodeOptions) check() error {
	if o == nil {
		return nil
	}
	for _, f := range []struct {
		name string
		v    int
		max  int
	}{
		{"MaxDepth", o.MaxDepth, maxMaxDepth},
		{"MaxElements", o.MaxElements, 1 << 31},
		{"MaxAtom", o.MaxAtom, 65535},
		{"MaxBig", o.MaxBig, 1 << 31},
		{"MaxInflated", o.MaxInflated, 1 << 32},
		{"MaxMessage", o.MaxMessage, 1 << 32},
	} {
		if f.v < 0 || f.v > f.max {
			return fmt.Errorf("etf: %s is %d, allowed are 1 to %d, and 0 for the default", f.name, f.v, f.max)
		}
	}
	return nil
}
