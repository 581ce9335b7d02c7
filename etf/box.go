//go:build !purego

package etf

import "unsafe"

// Converting a value to an interface allocates room for the value. The decoder
// has that room already, in a slice of values made for a whole message, and
// lets the interface point into it. The values never change afterwards. Build
// with the tag purego to do without; all else stays the same.

// typeWord is the half of an interface that says its type.
type typeWord = unsafe.Pointer

func typeWordOf(v any) typeWord { return (*[2]unsafe.Pointer)(unsafe.Pointer(&v))[0] }

// boxed returns *p, of the type that word says, as an interface that points to p.
func boxed[T any](word typeWord, p *T) any {
	v := [2]unsafe.Pointer{word, unsafe.Pointer(p)}
	return *(*any)(unsafe.Pointer(&v))
}

// textOf returns b, which nobody will change, as a string.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf returns the bytes of s, which nobody may change.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
