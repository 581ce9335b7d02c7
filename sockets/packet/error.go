package packet

import "syscall"

// Error is a framing error: the stream cannot be cut any further in this mode.
// Whatever the reason, callers of the stock driver see emsgsize, so
// errors.Is(err, syscall.EMSGSIZE) holds.
type Error struct {
	Mode   Mode
	Reason string // for logs; the texts are not part of the interface
}

func (e *Error) Error() string { return "packet " + e.Mode.String() + ": " + e.Reason }

// Unwrap makes every framing error an EMSGSIZE.
func (e *Error) Unwrap() error { return syscall.EMSGSIZE }
