package sockets

// OpError is the failure of a call that opens a socket.
type OpError struct {
	Op     string // "listen", "connect" or "fdopen"
	Family Family
	Addr   *Addr // the address that was to be bound or connected to, nil if there was none
	Err    error
}

func (e *OpError) Error() string {
	text := "sockets: " + e.Op + " " + e.Family.String()
	if e.Addr != nil {
		text += " " + e.Addr.String()
	}
	return text + ": " + e.Err.Error()
}

// Unwrap gives the reason: mostly an errno, or ErrTimeout, ErrClosed or ErrCancelled.
func (e *OpError) Unwrap() error { return e.Err }

// opFailed wraps an error that there may be.
func opFailed(op string, f Family, addr *Addr, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Family: f, Addr: addr, Err: err}
}
