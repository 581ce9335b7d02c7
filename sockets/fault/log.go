package fault

// Entry is a fault that was injected.
type Entry struct {
	At     Instant
	Socket int64
	// Call is the call that it was injected into, or Way the direction and Offset the place in the
	// stream. What goes on for long (latency, bandwidth, slices) has one entry, where it began.
	Call   CallName
	Way    Direction
	Offset int64
	Size   int // of what was recorded, see Record
	Fault  Fault
	Rule   int64 // 0: it is the socket's own
}

// logSize is how many entries a Log keeps.
const logSize = 4096

// Log has the latest entries.
type Log struct {
	ring     []Entry
	first    int
	injected uint64
	dropped  uint64
}

func (l *Log) add(e Entry) {
	l.injected++
	if len(l.ring) < logSize {
		l.ring = append(l.ring, e)
		return
	}
	l.ring[l.first] = e
	l.first = (l.first + 1) % logSize
	l.dropped++
}

// Entries are the entries that are kept, the oldest first.
func (l *Log) Entries() []Entry {
	return append(append([]Entry(nil), l.ring[l.first:]...), l.ring[:l.first]...)
}

// Injected is how many entries there were since Clear, Dropped how many of them are not kept.
func (l *Log) Injected() uint64 { return l.injected }

// Dropped is how many entries have made room for later ones.
func (l *Log) Dropped() uint64 { return l.dropped }

// Clear forgets all entries.
func (l *Log) Clear() { *l = Log{} }
