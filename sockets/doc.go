// Package sockets gives TCP and local stream sockets the behaviour of the
// stock TCP driver of Erlang/OTP (inet_drv.c): packet modes, active modes,
// send queues with watermarks, timeouts, half close, linger.
//
// # Concurrency
//
// A [Stack] owns its sockets and serves them from one goroutine, the one that
// calls [Stack.Run]. Every method of Stack and Socket must be called there:
// from the callbacks of the [Sink], from a handler registered with
// [Stack.WatchRead], from a completion, or through [Stack.Post], the only method
// that other goroutines may use. There are no locks: one event loop over
// non-blocking descriptors spares the hand-over between goroutines, which
// costs more than the system calls of a small message.
//
// # Slices
//
// Bytes given to a Sink or a [Receiver] are valid only during the call. Bytes
// given to a Socket are copied if they have to outlive the call.
//
// # Calls and completions
//
// A call that may have to wait takes a completion and answers it exactly once,
// perhaps before the call returns. Nothing here blocks.
//
// # Limits
//
// A socket that nobody reads from holds no input buffer. Output that the
// kernel does not take is queued without limit by Send, as in the stock driver:
// the limit is [Config.MaxQueue], beyond which the socket is closed with
// ENOBUFS. Lengths that a peer claims are never allocated in advance.
//
// Differences from inet_drv.c that are deliberate: raw chunks are as large as
// what has arrived unless the user has set `buffer`; a receiver that is
// cancelled takes no data with it.
package sockets
