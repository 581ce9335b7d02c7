package packet_test

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/gentcp/gentcp/sockets/packet"
)

func ExampleFramer_Next() {
	f := packet.New(packet.Two)
	var buf []byte
	for _, chunk := range []string{"\x00", "\x05hel", "lo\x00\x02hi"} {
		buf = append(buf, chunk...)
		for {
			p, n, need, err := f.Next(buf)
			if err != nil {
				fmt.Println(err)
				return
			}
			if n == 0 {
				fmt.Println("at least", need, "more")
				break
			}
			fmt.Printf("%q\n", p.Data)
			buf = buf[n:]
		}
	}
	// Output:
	// at least 1 more
	// at least 2 more
	// "hello"
	// "hi"
	// at least 2 more
}

func ExampleFramer_Next_http() {
	f := packet.New(packet.HTTPBin)
	buf := []byte("GET /index.html HTTP/1.1\r\nhost: localhost\r\n\r\n")
	for len(buf) > 0 {
		p, n, _, err := f.Next(buf)
		if err != nil || n == 0 {
			return
		}
		switch p.Kind {
		case packet.HTTPRequest:
			fmt.Printf("%s of %s\n", p.HTTP.Method, p.HTTP.URI.Path)
		case packet.HTTPHeader:
			fmt.Printf("%d %s is %s\n", p.HTTP.Index, p.HTTP.Name, p.HTTP.Value)
		case packet.HTTPEOH:
			fmt.Println("end of headers")
		}
		buf = buf[n:]
	}
	// Output:
	// GET of /index.html
	// 14 Host is localhost
	// end of headers
}

func ExampleError() {
	f := packet.New(packet.Four)
	f.Size = 1000
	_, _, _, err := f.Next([]byte{0, 0, 4, 0})
	fmt.Println(err)
	fmt.Println(errors.Is(err, syscall.EMSGSIZE))
	// Output:
	// packet 4: body longer than packet_size
	// true
}

func ExampleFramer_AppendHeader() {
	f := packet.New(packet.Four)
	data := "hello"
	fmt.Printf("%q\n", append(f.AppendHeader(nil, len(data)), data...))
	// Output: "\x00\x00\x00\x05hello"
}
