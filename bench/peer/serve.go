package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// transferSize is what the peer reads or writes at once, large enough that it
// is never the slower end.
const transferSize = 256 << 10

func echo(conn *net.TCPConn, in *bufio.Reader, _ []string) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := in.Read(buf)
		if err != nil {
			return ignoreEnd(err)
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return ignoreEnd(err)
		}
	}
}

func exchange(conn *net.TCPConn, in *bufio.Reader, args []string) error {
	if _, err := fmt.Fprintf(conn, "exchange %s\n", strings.Join(args, " ")); err != nil {
		return err
	}
	err := waitForEnd(in)
	reset(conn)
	return err
}

// reset makes the coming close send RST. The other side has closed already, so
// nothing is lost, and its end does not stay in TIME_WAIT: without this a
// benchmark of connection rates runs out of ports.
func reset(conn *net.TCPConn) { conn.SetLinger(0) }

func sink(conn *net.TCPConn, in *bufio.Reader, _ []string) error {
	total := uint64(in.Buffered())
	buf := make([]byte, transferSize)
	for {
		n, err := conn.Read(buf)
		total += uint64(n)
		if err == io.EOF {
			return binary.Write(conn, binary.BigEndian, total)
		}
		if err != nil {
			return ignoreEnd(err) // the BEAM may drop a neighbour's connection
		}
	}
}

func source(conn *net.TCPConn, _ *bufio.Reader, args []string) error {
	if len(args) != 4 {
		return errors.New("want KIND SIZE ms|count LIMIT")
	}
	numbers, err := integers(args[1], args[3])
	if err != nil {
		return err
	}
	size, limit := numbers[0], numbers[1]
	message, err := sourceMessage(args[0], size)
	if err != nil {
		return err
	}
	batch := max(1, transferSize/len(message))
	block := bytes.Repeat(message, batch)
	switch args[2] {
	case "ms":
		end := time.Now().Add(time.Duration(limit) * time.Millisecond)
		for time.Now().Before(end) {
			if _, err := conn.Write(block); err != nil {
				return ignoreEnd(err)
			}
		}
	case "count":
		for left := limit; left > 0; left -= batch {
			if _, err := conn.Write(block[:min(left, batch)*len(message)]); err != nil {
				return ignoreEnd(err)
			}
		}
	default:
		return fmt.Errorf("limit in %q: want ms or count", args[2])
	}
	return nil
}

func sourceMessage(kind string, size int) ([]byte, error) {
	switch kind {
	case "raw":
		return bytes.Repeat([]byte{'x'}, size), nil
	case "packet4":
		message := binary.BigEndian.AppendUint32(nil, uint32(size))
		return append(message, bytes.Repeat([]byte{'x'}, size)...), nil
	case "http":
		// A small request as clients send it; SIZE does not apply.
		return []byte("GET /a/path/to?some=thing HTTP/1.1\r\n" +
			"Host: localhost:8080\r\n" +
			"User-Agent: bench/1.0\r\n" +
			"Accept: text/html,application/json;q=0.9,*/*;q=0.8\r\n" +
			"Accept-Encoding: gzip, deflate\r\n" +
			"Connection: keep-alive\r\n\r\n"), nil
	default:
		return nil, fmt.Errorf("unknown kind of message %q", kind)
	}
}

// ignoreEnd drops the errors that mean that the BEAM closed its end.
func ignoreEnd(err error) error {
	if err == io.EOF || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

func integers(words ...string) ([]int, error) {
	numbers := make([]int, len(words))
	for i, word := range words {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, fmt.Errorf("negative number %d", n)
		}
		numbers[i] = n
	}
	return numbers, nil
}
