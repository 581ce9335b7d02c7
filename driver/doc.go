// Package driver is a session of the port protocol: it reads commands, acts on sockets, and
// writes messages.
//
// Everything runs on the goroutine of the session's [sockets.Stack]: commands are read when
// stdin is readable, acted on at once, and what they and the sockets have to say is
// gathered and written before the Stack waits for events again. So a message that is alone
// leaves at once, and under load many share a frame and a system call. Nothing here waits:
// stdin is always read, and what stdout does not take is kept while the sockets are
// not read.
package driver
