package driver

import (
	"fmt"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/sockets"
)

// errGone is a command for a socket that has gone in the meantime: the node had no way to
// know, so it is answered only if it has called.
var errGone = fmt.Errorf("driver: the socket has gone: %w", sockets.ErrClosed)

// badOption is an option that does not exist here, or has a value of the wrong type.
type badOption struct{ term etf.RawTerm }

func (e *badOption) Error() string { return fmt.Sprintf("driver: bad option (%d octets)", len(e.term)) }

// badCommand is a command that is not known or has an argument of the wrong type.
type badCommand struct{ text string }

func (e *badCommand) Error() string { return e.text }

func bad(format string, args ...any) error { return &badCommand{fmt.Sprintf(format, args...)} }
