//go:build !purego

package etf

import "unsafe"

// Converting a value to an interface allocates room for the value. The decoder
// has that room already, in a slice of values made for a whole message, and
// lets the interface point into it. The values never change afterwards. Build
// with the tag purego to do without; all else stays the same.

// boxed returns *p as an interface that points to p.
func boxed[T any](p *T) any {
	var zero T
	v := any(zero)
	(*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] = unsafe.Pointer(p)
	return v
}

// textOf returns b, which nobody will change, as a string.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
