package sockets

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/sockets/packet"
)

// TestCounters: the running average and deviation of inet_drv.c (inet_input_count),
// followed by hand.
func TestCounters(t *testing.T) {
	var c counters
	for _, row := range []struct {
		n        int
		octets   uint64
		packets  uint64
		max      int
		avg, dvi float64
	}{
		{10, 10, 1, 10, 10, 0},
		{20, 30, 2, 20, 15, 2.5},
		{0, 30, 3, 20, 10, -5.0 / 3},
		{90, 120, 4, 90, 30, 13.75},
	} {
		c.count(row.n)
		require.InDelta(t, row.avg, c.avg, 1e-9)
		require.InDelta(t, row.dvi, c.dvi, 1e-9)
		require.Equal(t, counters{row.octets, row.packets, row.max, c.avg, c.dvi}, c)
	}
	c = counters{octets: 1 << 40}
	c.count(1)
	require.Equal(t, uint64(1<<40+1), c.octets, "64 bits")
}

func TestStatNames(t *testing.T) {
	for _, n := range Stats() {
		got, ok := StatByName(n.String())
		require.True(t, ok)
		require.Equal(t, n, got)
	}
	_, ok := StatByName("recv_nothing")
	require.False(t, ok)
}

func TestStatsCountPacketsWithHeaders(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		client, server := w.pair(f, mode(packet.Four))
		require.NoError(t, w.send(client, "12345"))
		require.NoError(t, w.send(client, ""))
		w.do(func() { client.Send([]byte("1")) })
		w.expect(server, "packet 12345", "packet ", "packet 1")
		w.do(func() {
			for n, want := range map[Stat]int64{SendOct: 18, SendCnt: 3, SendMax: 9, SendAvg: 6, SendPend: 0, RecvCnt: 0} {
				require.Equal(t, want, client.Stat(n), n.String())
			}
			for n, want := range map[Stat]int64{RecvOct: 18, RecvCnt: 3, RecvMax: 9, RecvAvg: 6, SendCnt: 0} {
				require.Equal(t, want, server.Stat(n), n.String())
			}
			_, out := client.Traffic()
			require.Equal(t, uint64(6), out, "what users have sent, without headers")
		})
		require.NoError(t, w.set(server, passive))
		require.NoError(t, on(w, func() error { return server.Unread([]byte("1")) }))
		data, err := w.recv(server, 0)
		require.NoError(t, err)
		require.Equal(t, "1", data)
		require.Equal(t, int64(4), on(w, func() int64 { return server.Stat(RecvCnt) }), "read again, counted again")
	})
}

func TestPendingOutputCounts(t *testing.T) {
	w := newWorld(t, Config{})
	s, peer := w.withPeer(Inet, passive)
	data := w.fill(s, big)
	require.Positive(t, on(w, func() int64 { return s.Stat(SendPend) }))
	require.Equal(t, data, read(t, peer, big))
	w.until("all is sent", func() bool { return s.Stat(SendPend) == 0 })
}
