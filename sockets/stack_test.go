package sockets

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// TestMain lets package net open what it keeps, so that tests can count descriptors.
func TestMain(m *testing.M) {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = l.Close()
	}
	os.Exit(m.Run())
}

func TestEchoOverAllFamilies(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		client, server := w.pair(f, mode(packet.Two))
		w.onPacket(func(s *Socket, p packet.Packet) {
			if s == server {
				s.Send(p.Data)
			}
		})
		require.NoError(t, w.send(client, "one"))
		require.NoError(t, w.send(client, "two"))
		w.expect(client, "packet one", "packet two")
		w.do(client.CloseNow)
		w.expect(server, "packet one", "packet two", "closed", "gone")
		w.expect(client, "packet one", "packet two", "gone")
	})
}

func TestPostFromManyGoroutines(t *testing.T) {
	w := newWorld(t, Config{})
	const each, goroutines = 500, 8
	var posted sync.WaitGroup
	seen := make([][]int, goroutines) // only touched on the Stack's goroutine
	for g := range goroutines {
		posted.Add(1)
		go func() {
			defer posted.Done()
			for i := range each {
				w.st.Post(func() { seen[g] = append(seen[g], i) })
			}
		}()
	}
	posted.Wait()
	w.do(func() {
		for g := range seen {
			require.Len(t, seen[g], each)
			assert.IsIncreasing(t, seen[g])
		}
	})
}

func TestPostAfterTheEndDoesNothing(t *testing.T) {
	w := newWorld(t, Config{})
	w.stop()
	// The descriptors of the wake-up pipe may be somebody else's by now.
	var fds [2]int
	require.NoError(t, unix.Pipe(fds[:]))
	require.NoError(t, unix.SetNonblock(fds[0], true))
	defer func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) }()
	w.st.Post(func() { t.Error("a post ran after the end") })
	_, err := unix.Read(fds[0], make([]byte, 1))
	require.ErrorIs(t, err, unix.EAGAIN, "something was written to a foreign descriptor")
}

var _ = bytes.NewReader
var _ = slog.New
var _ = strings.Repeat
