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
// perhaps before the call returns. Nothing here blocks. A timeout is a [time.Duration]: a negative
// one waits for ever, and 0 takes only what is there.
//
// # Limits
//
// A socket that nobody reads from holds no input buffer. Output that the
// kernel does not take is queued without limit by Send, as in the stock driver:
// the limit is [Config.MaxQueue], beyond which the socket is closed with
// ENOBUFS. Lengths that a peer claims are never allocated in advance.
//
// # Systems and clocks
//
// All calls on a socket's descriptor go through one place, and a [System] can be attached there to
// a single socket, to see them or to change what they do. Timeouts run in the time of
// [Config.Clock].
//
// # As a net.Conn
//
// There is no net.Conn here, whose methods block. One could be made of a passive raw socket: Read
// posts a [Socket.Recv] of length 0, waits for its completion on a channel, and withdraws it with
// [Socket.CancelRecv] when a deadline passes, which loses nothing (what a caller's slice has no
// room for goes back with [Socket.Unrecv]); Write does the same with [Socket.SendCall], with the difference
// that what has been queued by its deadline is sent all the same; Close posts [Socket.Close]. Each
// call would cost two changes of goroutine, which is what this package is made to avoid.
//
// Differences from inet_drv.c that are deliberate: raw chunks are as large as what has arrived, up to
// 64 KB, unless the user has set `buffer`; a receiver that is cancelled takes no data with it.
package sockets
