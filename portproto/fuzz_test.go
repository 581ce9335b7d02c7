package portproto_test

import (
	"bytes"
	"testing"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// What is read as a command is a term that the codec reads too, its parts are parts of the
// frame, and a call can be answered.
func FuzzReadCommand(f *testing.F) {
	for _, e := range readExamples(f) {
		f.Add(e.frame[portproto.FrameHeader:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		c, err := portproto.ReadCommand(frame)
		if c.Called {
			reply := portproto.AppendError(portproto.AppendReply([]byte{etf.Version}, c.Tag), "closed")
			if _, err := etf.Decode(reply); err != nil {
				t.Fatalf("the tag % x cannot be sent back: %v", c.Tag, err)
			}
		}
		if c.Owned != (c.Owner != nil) || err == nil && c.Arity < 1 {
			t.Fatalf("%+v", c)
		}
		if err != nil {
			return
		}
		for range c.Arity - 1 {
			c.Args.Skip()
		}
		scanned := c.Args.Finish()
		if _, decoded := etf.Decode(frame); scanned != nil && decoded == nil {
			t.Fatalf("the codec reads % x, which is refused here: %v", frame, scanned)
		}
	})
}

// The hello, whatever its map holds, is read or refused.
func FuzzReadHello(f *testing.F) {
	for _, name := range []string{"hello_short", "node_hello", "ping"} {
		f.Add(exampleNamed(f, name).frame[portproto.FrameHeader:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		c, err := portproto.ReadCommand(frame)
		if err != nil || c.Arity < 2 || c.Arity > 3 {
			return
		}
		h, err := portproto.ReadHello(&c)
		if err == nil && h.Version != portproto.Version && h != (portproto.NodeHello{Version: h.Version}) {
			t.Fatalf("%+v", h)
		}
	})
}

// Frames that are found are what the stream consists of, wherever it is cut.
func FuzzNextFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x02bc"), 3)
	f.Add([]byte("\x00\x00\x04\x01a"), 2)
	f.Add([]byte("\xff\xff\xff\xff"), 4)
	f.Fuzz(func(t *testing.T, stream []byte, at int) {
		const most = 1024
		whole, err := frames(stream, most)
		if at >= 0 && at < len(stream) {
			// The first part alone has a part of the frames, and the rest follows.
			first, ferr := frames(stream[:at], most)
			if ferr == nil {
				rest, rerr := frames(stream[len(first):], most)
				if !bytes.Equal(append(first, rest...), whole) || (rerr == nil) != (err == nil) {
					t.Fatalf("cut at %d: % x and % x instead of % x", at, first, rest, whole)
				}
			}
		}
		if !bytes.HasPrefix(stream, whole) {
			t.Fatalf("% x is not what % x begins with", whole, stream)
		}
	})
}

// frames gives back all frames of a stream as they were, one after the other.
func frames(stream []byte, most int) (all []byte, err error) {
	for {
		payload, n, err := portproto.NextFrame(stream, most)
		if err != nil || payload == nil {
			return all, err
		}
		all = append(all, frame(payload)...)
		stream = stream[n:]
	}
}
