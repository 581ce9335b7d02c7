package sockets

import "github.com/gentcp/gentcp/sockets/packet"

// NopSink is a Sink that lets everything pass. Embedded in a Sink of one's own it leaves only
// what is of interest to be written.
type NopSink struct{}

// Packet drops the packet.
func (NopSink) Packet(*Socket, packet.Packet) {}

// Passive does nothing.
func (NopSink) Passive(*Socket) {}

// Error does nothing.
func (NopSink) Error(*Socket, error) {}

// Closed does nothing.
func (NopSink) Closed(*Socket) {}

// Gone does nothing.
func (NopSink) Gone(*Socket, error) {}

// Credit does nothing.
func (NopSink) Credit(*Socket, int, int) {}
