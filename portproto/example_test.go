package portproto_test

import (
	"fmt"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// A command is read in two steps: its envelope, then the arguments, which the caller knows.
func ExampleReadCommand() {
	stream := []byte("\x00\x00\x00\x20\x83\x68\x03\x77\x04call\x77\x01a" +
		"\x68\x03\x77\x04send\x61\x07\x6d\x00\x00\x00\x05hello")
	frame, n, err := portproto.NextFrame(stream, portproto.DefaultMaxFrame)
	fmt.Println(len(stream), n, err)

	c, err := portproto.ReadCommand(frame)
	fmt.Printf("%s/%d, called: %t, %v\n", c.Name, c.Arity-1, c.Called, err)

	id, data := c.Args.Int(), c.Args.Binary()
	fmt.Printf("%d %s %v\n", id, data, c.Args.Finish())
	// Output:
	// 36 36 <nil>
	// send/2, called: true, <nil>
	// 7 hello <nil>
}

// Messages that are written together share a frame.
func ExampleBatch() {
	var b portproto.Batch
	b.Begin()
	b.Buf = etf.AppendBinary(portproto.AppendEvent(b.Buf, "tcp", 3, 7), "hello")
	b.End()
	b.Begin()
	b.Buf = portproto.AppendEvent(b.Buf, "tcp_closed", 2, 7)
	b.End()
	b.Close()

	frame, _, _ := portproto.NextFrame(b.Buf, portproto.DefaultMaxFrame)
	term, err := etf.Decode(frame)
	fmt.Println(etf.Format(term), err)
	b.Reset()
	fmt.Println(len(b.Buf))
	// Output:
	// [{tcp,7,<<"hello">>},{tcp_closed,7}] <nil>
	// 0
}
