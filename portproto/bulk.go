package portproto

import (
	"encoding/binary"

	"github.com/gentcp/gentcp/etf"
)

// Bulk is the beginning of a send or send_part whose data is one long binary at the end
// of its frame, so that the data can be moved before all of it has arrived.
type Bulk struct {
	Command
	ID    int64
	Part  bool  // send_part
	Key   int64 // of a part
	Total int   // octets of the send that a part belongs to
	Head  int   // octets of the frame before the data, its length included
	Data  int   // octets of data
}

// binaryHead is the tag and the length of BINARY_EXT.
const binaryHead = 5

// ReadBulk reads the beginning b of a frame that is size octets long, its length included.
// Not ok: it is another command, or not enough of it is there, or anything is wrong with it;
// then the frame is to be read as a whole.
func ReadBulk(b []byte, size int) (bulk Bulk, ok bool) {
	if len(b) <= FrameHeader+binaryHead {
		return bulk, false
	}
	c, err := ReadCommand(b[FrameHeader:])
	if err != nil || c.Owned {
		return bulk, false
	}
	bulk.Command = c
	s := &bulk.Args
	switch {
	case string(c.Name) == "send" && c.Arity == 3:
		bulk.ID = s.Int()
	case string(c.Name) == "send_part" && c.Arity == 5:
		bulk.Part = true
		bulk.ID, bulk.Key = s.Int(), s.Int()
		bulk.Total = int(s.Int())
	default:
		return bulk, false
	}
	rest := s.Rest()
	if s.Err() != nil || len(rest) < binaryHead || s.Kind() != etf.KindBinary {
		return bulk, false
	}
	bulk.Data = int(binary.BigEndian.Uint32(rest[1:]))
	bulk.Head = len(b) - len(rest) + binaryHead
	if !bulk.Part {
		bulk.Total = bulk.Data
	}
	return bulk, bulk.Head+bulk.Data == size && bulk.Total >= bulk.Data && bulk.Total <= MaxSend
}

// MaxSend is the most octets that a send of several parts may have.
const MaxSend = 1 << 39
