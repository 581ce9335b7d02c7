package etf

import (
	"errors"
	"fmt"
	"io"
)

// What can be wrong with bytes that should hold a term. An [Error] wraps one
// of them; test for it with errors.Is.
var (
	// ErrTruncated: the input ends inside a term, or a term claims more than
	// the input holds. errors.Is(err, io.ErrUnexpectedEOF) holds as well.
	ErrTruncated error = truncated{}
	// ErrTrailing: bytes follow the term.
	ErrTrailing = errors.New("trailing bytes")
	// ErrVersion: the first byte is not 131.
	ErrVersion = errors.New("wrong version")
	// ErrTag: a byte that starts no term, or not here.
	ErrTag = errors.New("unexpected tag")
	// ErrKind: a term of another class than the caller asked for.
	ErrKind = errors.New("unexpected term")
	// ErrRange: a number that the caller's type cannot hold.
	ErrRange = errors.New("out of range")
	// ErrValue: a malformed value, such as an atom that is not UTF-8.
	ErrValue = errors.New("malformed value")
	// ErrLimit: more than a limit of [Limits] allows.
	ErrLimit = errors.New("over the limit")
)

type truncated struct{}

func (truncated) Error() string        { return "truncated" }
func (truncated) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// An Error tells where in the input a term could not be read and why.
type Error struct {
	Offset int    // of the term's tag, from the start of the input (of the inflated bytes if it was compressed)
	Tag    Tag    // the tag there, 0 if the input ends before it
	Err    error  // the kind of failure: ErrTruncated, ErrTag, ...
	Detail string // the facts, for a reader
}

func (e *Error) Error() string {
	return fmt.Sprintf("etf: at offset %d: %s", e.Offset, e.Detail)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }
