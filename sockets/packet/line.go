package packet

import (
	"bytes"
	"math"
)

// line finds the end of a line. A line that is longer than the buffer comes in
// pieces of the buffer's size, whatever packet_size allows: the stock driver
// sees no more of it at a time.
func (f *Framer) line(buf []byte) (n, need int, err error) {
	limit := math.MaxInt
	if f.Buffer > 0 {
		limit = f.Buffer
	}
	buf = buf[:min(len(buf), limit)]
	from := f.resume(buf)
	n = len(buf)
	i := bytes.IndexByte(buf[from:], f.Delimiter)
	if i >= 0 {
		n = from + i + 1
	}
	switch {
	case f.Size != 0 && int64(n) > int64(f.Size):
		return 0, 0, f.fail("line longer than packet_size")
	case i >= 0 || n == limit:
		return n, 0, nil
	}
	f.searched(n)
	return 0, 1, nil
}
