// Command peer is the far end of every benchmark connection: an OS process of
// its own, the same for all drivers under test.
//
// It listens on a free port of 127.0.0.1, prints that port on stdout, and ends
// when its stdin ends. The first line of a connection says what the peer does
// with it; see the services map.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"time"
)

// maxConnTime bounds every connection, whatever the driver under test does.
const maxConnTime = 2 * time.Minute

// A service handles one connection after its request line. in starts with
// whatever followed that line; args are the words after the service's name.
type service func(conn *net.TCPConn, in *bufio.Reader, args []string) error

var services = map[string]service{
	// Connections of the BEAM to the peer.
	"echo":     echo,     // echo: send back what comes
	"exchange": exchange, // exchange PADDING: send the request line back, wait for the end, close with a reset
	"sink":     sink,     // sink: count bytes up to the end of the stream, reply with the count, 8 bytes big-endian
	"source":   source,   // source raw|packet4|http SIZE ms|count LIMIT: send messages, then close

	// Requests on a control connection, where the BEAM under test is the server.
	// The reply is one line of numbers.
	"drive-echo":     driveEcho,     // drive-echo PORT CONNS SIZE MS: replies OPS NANOSECONDS, keeps them as hold does
	"drive-exchange": driveExchange, // drive-exchange PORT WORKERS SIZE MS: replies OPS NANOSECONDS
	"hold":           hold,          // hold PORT CONNS SIZE: replies CONNS, keeps them until the control connection ends
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("peer: ")
	if len(os.Args) > 1 {
		if err := pipe(os.Args[1:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(serve(listener))
}

func serve(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := handle(conn.(*net.TCPConn)); err != nil {
				log.Print(err)
			}
		}()
	}
}

func handle(conn *net.TCPConn) error {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(maxConnTime)); err != nil {
		return err
	}
	in := bufio.NewReaderSize(conn, 4096)
	line, err := in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("no request line: %w", err)
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return fmt.Errorf("empty request line")
	}
	serve, ok := services[words[0]]
	if !ok {
		return fmt.Errorf("unknown service %q", words[0])
	}
	if err := serve(conn, in, words[1:]); err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
	}
	return nil
}
