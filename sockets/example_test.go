package sockets_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"time"

	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/packet"
)

// echo sends every packet back, and accepts connections as long as its listener is there.
type echo struct {
	sockets.NopSink
	listener *sockets.Socket
}

func (e *echo) Packet(s *sockets.Socket, p packet.Packet) { s.Send(p.Data) }

// Opened is the answer of Accept: the connection, which is active as its listener is.
func (e *echo) Opened(_ *sockets.Socket, err error) {
	if err == nil {
		e.listener.Accept(-1, false, e)
	}
}

// A server that returns each line. The Stack does all the work in the goroutine that
// calls Run; others reach it through Post.
func Example() {
	server := &echo{}
	stack, err := sockets.NewStack(sockets.Config{}, server)
	if err != nil {
		fmt.Println(err)
		return
	}
	at := sockets.Addr{Family: sockets.Inet, IP: sockets.Loopback(sockets.Inet)}
	server.listener, err = stack.Listen(sockets.Inet, &at, sockets.Start{
		Options: []sockets.Option{sockets.WithPacket(packet.Line)},
		Backlog: 128,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	at, _ = server.listener.Sockname()
	server.listener.Accept(-1, false, server)
	ended := make(chan error)
	go func() { ended <- stack.Run() }()

	client, err := net.Dial("tcp", netip.AddrPortFrom(at.IP, at.Port).String())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.WriteString(client, "hello\nworld\n")
	reply := make([]byte, 12)
	_, _ = io.ReadFull(client, reply)
	fmt.Printf("%s", reply)
	_ = client.Close()

	stack.Close()
	fmt.Println(<-ended)
	// Output:
	// hello
	// world
	// <nil>
}

// receiver prints what a Recv has answered.
type receiver struct{}

func (receiver) Received(_ *sockets.Socket, p packet.Packet, err error) {
	if err != nil {
		fmt.Println(sockets.PosixName(err))
		return
	}
	fmt.Printf("%q\n", p.Data)
}

// A passive socket gives nothing unless it is asked. Unrecv puts octets in front of
// what has arrived.
func ExampleSocket_Recv() {
	stack, err := sockets.NewStack(sockets.Config{}, sockets.NopSink{})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	to := sockets.Addr{Family: sockets.Inet, IP: sockets.Loopback(sockets.Inet), Port: uint16(l.Addr().(*net.TCPAddr).Port)}
	passive := sockets.WithActive(sockets.Passive)
	stack.Connect(sockets.Inet, to, nil, sockets.Start{Options: []sockets.Option{passive}}, 5*time.Second,
		opened(func(s *sockets.Socket, err error) {
			if err != nil {
				fmt.Println(sockets.PosixName(err))
				stack.Stop()
				return
			}
			_ = s.Unrecv([]byte("hello"))
			s.Recv(4, 0, receiver{})
			s.Recv(4, 0, receiver{})
			s.Recv(0, 0, receiver{})
			s.CloseNow()
			s.Recv(0, 0, receiver{})
			stack.Stop()
		}))
	fmt.Println(stack.Run(), l.Close())
	// Output:
	// "hell"
	// timeout
	// "o"
	// closed
	// <nil> <nil>
}

type opened func(s *sockets.Socket, err error)

func (f opened) Opened(s *sockets.Socket, err error) { f(s, err) }

// An error says what was tried, and where. Its reason can be compared, and has Erlang's name.
func ExampleOpError() {
	stack, err := sockets.NewStack(sockets.Config{}, sockets.NopSink{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stack.Close()
	nowhere := sockets.Addr{Family: sockets.Local, Path: "/nonexistent/socket"}
	stack.Connect(sockets.Local, nowhere, nil, sockets.Start{}, -1, opened(func(_ *sockets.Socket, err error) {
		fmt.Println(err)
		fmt.Println(errors.Is(err, fs.ErrNotExist), sockets.PosixName(err))
	}))
	// Output:
	// sockets: connect local /nonexistent/socket: no such file or directory
	// true enoent
}
