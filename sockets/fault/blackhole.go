package fault

// Blackhole takes octets and does not deliver them, the end of the stream included. It takes as many as
// the buffers of a system would; a sender of more waits, as it does for a peer that has vanished.
type Blackhole struct{}

func (Blackhole) part(*random) part { return blackhole{} }

type blackhole struct{}

func (blackhole) shape(_ Instant, octets []byte) (int, Instant) { return len(octets), never }
