package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialers is how many connections are opened at the same time: enough to be
// quick, few enough for any listen backlog.
const dialers = 32

func driveEcho(control *net.TCPConn, in *bufio.Reader, args []string) error {
	numbers, err := integers(args...)
	if err != nil || len(numbers) != 4 {
		return fmt.Errorf("want PORT CONNS SIZE MS: %v", err)
	}
	port, size := numbers[0], numbers[2]
	limit := time.Duration(numbers[3]) * time.Millisecond
	conns, err := openAll(port, numbers[1], size)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	var ops atomic.Int64
	started := time.Now()
	end := started.Add(limit)
	err = each(len(conns), len(conns), func(i int) error {
		message, reply := bytes.Repeat([]byte{'x'}, size), make([]byte, size)
		for time.Now().Before(end) {
			if err := roundTrip(conns[i], message, reply); err != nil {
				return err
			}
			ops.Add(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	elapsed := time.Since(started)
	if _, err := fmt.Fprintf(control, "%d %d\n", ops.Load(), elapsed.Nanoseconds()); err != nil {
		return err
	}
	return waitForEnd(in) // the BEAM measures the memory of open connections
}

func driveExchange(control *net.TCPConn, _ *bufio.Reader, args []string) error {
	numbers, err := integers(args...)
	if err != nil || len(numbers) != 4 {
		return fmt.Errorf("want PORT WORKERS SIZE MS: %v", err)
	}
	port, workers, size := numbers[0], numbers[1], numbers[2]
	var ops atomic.Int64
	started := time.Now()
	end := started.Add(time.Duration(numbers[3]) * time.Millisecond)
	err = each(workers, workers, func(int) error {
		message, reply := bytes.Repeat([]byte{'x'}, size), make([]byte, size)
		for time.Now().Before(end) {
			if err := exchangeOnce(port, message, reply); err != nil {
				return err
			}
			ops.Add(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(control, "%d %d\n", ops.Load(), time.Since(started).Nanoseconds())
	return err
}

// exchangeOnce connects, sends, reads the reply and then the end that the
// server sends.
func exchangeOnce(port int, message, reply []byte) error {
	conn, err := dial(port)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := roundTrip(conn, message, reply); err != nil {
		return err
	}
	if _, err := conn.Read(reply); err != io.EOF {
		return fmt.Errorf("after the exchange: want the end of the stream, got %v", err)
	}
	reset(conn)
	return nil
}

func hold(control *net.TCPConn, in *bufio.Reader, args []string) error {
	numbers, err := integers(args...)
	if err != nil || len(numbers) != 3 {
		return fmt.Errorf("want PORT CONNS SIZE: %v", err)
	}
	conns, err := openAll(numbers[0], numbers[1], numbers[2])
	defer closeAll(conns)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(control, "%d\n", len(conns)); err != nil {
		return err
	}
	return waitForEnd(in)
}

func waitForEnd(in *bufio.Reader) error {
	_, err := io.Copy(io.Discard, in)
	return ignoreEnd(err)
}

// openAll opens count connections and makes one exchange on each, so that the
// server has accepted all of them before anything is measured.
func openAll(port, count, size int) ([]*net.TCPConn, error) {
	conns := make([]*net.TCPConn, count)
	err := each(count, dialers, func(i int) error {
		conn, err := dial(port)
		if err != nil {
			return err
		}
		conns[i] = conn
		return roundTrip(conn, bytes.Repeat([]byte{'x'}, size), make([]byte, size))
	})
	return conns, err
}

func closeAll(conns []*net.TCPConn) {
	for _, conn := range conns {
		if conn != nil {
			reset(conn)
			conn.Close()
		}
	}
}

func dial(port int) (*net.TCPConn, error) {
	conn, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(maxConnTime))
}

func roundTrip(conn net.Conn, message, reply []byte) error {
	if _, err := conn.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, reply)
	return err
}

// each calls do for 0..count-1 from at most workers goroutines. A worker stops
// at its first error.
func each(count, workers int, do func(i int) error) error {
	workers = min(count, workers)
	var next atomic.Int64
	errs := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				if errs[w] = do(i); errs[w] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
