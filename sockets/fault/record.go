package fault

// Record changes nothing: it writes each read and write of the stream into the Log.
type Record struct{}

func (Record) part(*random) part { return &record{} }

type record struct{ size int }

func (r *record) shape(at Instant, octets []byte) (int, Instant) {
	r.size = len(octets)
	return len(octets), at
}

func (r *record) acted() bool { return r.size > 0 }

// RecordCalls changes nothing: it writes each call into the Log.
type RecordCalls struct{}

func (RecordCalls) part(*random) part { return nil }
