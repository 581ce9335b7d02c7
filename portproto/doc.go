// Package portproto is the wire of gentcp: frames, the vocabulary of commands and
// messages, and how they are written in the external term format. PROTOCOL.md
// in this folder is the specification.
//
// Reading a command never allocates, and writing a message only grows the buffer that the
// caller gives. Slices of a Command point into the frame it was read from.
package portproto

// Version is the version of the protocol that hello carries.
const Version = 1

// Program is the version of the port program itself.
const Program = "0.1.0"

// DefaultMaxFrame is the longest frame that is accepted, in octets.
const DefaultMaxFrame = 128 << 20
