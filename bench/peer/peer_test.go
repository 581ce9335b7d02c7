package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// open starts a peer and makes one request.
func open(t *testing.T, request string) *net.TCPConn {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go serve(listener)
	return ask(t, listener, request)
}

func ask(t *testing.T, listener net.Listener, request string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp4", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	return conn.(*net.TCPConn)
}

func TestEchoKeepsBytesThatFollowTheRequest(t *testing.T) {
	conn := open(t, "echo\nearly ")
	_, err := io.WriteString(conn, "late")
	require.NoError(t, err)
	got := make([]byte, 10)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	assert.Equal(t, "early late", string(got))
}

func TestSinkCountsAllBytes(t *testing.T) {
	conn := open(t, "sink\nfirst")
	_, err := conn.Write(make([]byte, 100_000))
	require.NoError(t, err)
	require.NoError(t, conn.CloseWrite())
	var total uint64
	require.NoError(t, binary.Read(conn, binary.BigEndian, &total))
	assert.EqualValues(t, 100_005, total)
}

func TestSource(t *testing.T) {
	tests := map[string]struct {
		request string
		length  int
		start   string
	}{
		"raw":     {"source raw 1000 count 600", 600_000, "xxxx"},
		"packet4": {"source packet4 64 count 10000", 680_000, "\x00\x00\x00\x40xx"},
		"none":    {"source raw 10 count 0", 0, ""},
		"unknown": {"source raw5 10 count 1", 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := io.ReadAll(open(t, test.request+"\n"))
			require.NoError(t, err)
			assert.Len(t, got, test.length)
			assert.True(t, strings.HasPrefix(string(got), test.start))
		})
	}
}

func TestSourceForATimeSendsWholeMessages(t *testing.T) {
	got, err := io.ReadAll(open(t, "source packet4 100 ms 5\n"))
	require.NoError(t, err)
	assert.NotEmpty(t, got)
	assert.Zero(t, len(got)%104)
}

func TestExchange(t *testing.T) {
	conn := open(t, "exchange xyz\n")
	require.NoError(t, conn.CloseWrite())
	got := make([]byte, 13)
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	assert.Equal(t, "exchange xyz\n", string(got))
}

func TestUnknownServiceIsClosed(t *testing.T) {
	got, err := io.ReadAll(open(t, "ecco\n"))
	require.NoError(t, err)
	assert.Empty(t, got)
}

// A second peer is the server that the first one drives.
func TestDrive(t *testing.T) {
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go io.Copy(conn, conn)
		}
	}()
	port := server.Addr().(*net.TCPAddr).Port

	var ops, nanoseconds, conns int
	_, err = fmt.Fscan(open(t, fmt.Sprintf("drive-echo %d 20 256 20\n", port)), &ops, &nanoseconds)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, ops, 20)
	assert.GreaterOrEqual(t, time.Duration(nanoseconds), 20*time.Millisecond)

	_, err = fmt.Fscan(open(t, fmt.Sprintf("hold %d 50 64\n", port)), &conns)
	require.NoError(t, err)
	assert.Equal(t, 50, conns)
}
