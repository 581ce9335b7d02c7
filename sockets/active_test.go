package sockets

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// TestActiveArithmetic is what inet:setopts/2 says of {active, N}: counts add up, and a
// result that is not positive is reported every time.
func TestActiveArithmetic(t *testing.T) {
	off, on, once := active{mode: Passive}, active{mode: Active}, active{mode: Once}
	count := func(n int) active { return active{mode: ActiveN, count: n} }
	for _, row := range []struct {
		name  string
		start active
		mode  ActiveMode
		n     int
		want  active
		fell  bool
		err   error
	}{
		{"false + N", off, ActiveN, 5, count(5), false, nil},
		{"true contributes nothing", on, ActiveN, 5, count(5), false, nil},
		{"once contributes nothing", once, ActiveN, 5, count(5), false, nil},
		{"K + N", count(3), ActiveN, 4, count(7), false, nil},
		{"K - 1", count(3), ActiveN, -1, count(2), false, nil},
		{"K - K", count(3), ActiveN, -3, off, true, nil},
		{"below zero", count(3), ActiveN, -4, off, true, nil},
		{"0 on a passive socket", off, ActiveN, 0, off, true, nil},
		{"-1 on a passive socket", off, ActiveN, -1, off, true, nil},
		{"0 on an active socket", on, ActiveN, 0, off, true, nil},
		{"-1 on an active socket", on, ActiveN, -1, off, true, nil},
		{"0 on once", once, ActiveN, 0, off, true, nil},
		{"0 on a count leaves it", count(3), ActiveN, 0, count(3), false, nil},
		{"count, then false", count(3), Passive, 0, off, false, nil},
		{"count, then true", count(3), Active, 0, on, false, nil},
		{"count, then once", count(3), Once, 0, once, false, nil},
		{"false, then false", off, Passive, 0, off, false, nil},
		{"the most", off, ActiveN, 32767, count(32767), false, nil},
		{"more than the most", count(32767), ActiveN, 1, count(32767), false, unix.EINVAL},
		{"too much at once", off, ActiveN, 32768, off, false, unix.EINVAL},
		{"the least", off, ActiveN, -32768, off, true, nil},
		{"less than the least", off, ActiveN, -32769, off, false, unix.EINVAL},
		{"the least from a count", count(10), ActiveN, -32768, off, true, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := row.start
			fell, err := a.set(row.mode, row.n)
			assert.Equal(t, row.err, err)
			assert.Equal(t, row.fell, fell, "passive is told")
			assert.Equal(t, row.want, a)
		})
	}
}

func TestActiveDelivered(t *testing.T) {
	a := active{mode: Active}
	assert.False(t, a.delivered())
	assert.True(t, a.armed(), "true stays")

	a = active{mode: Once}
	assert.False(t, a.delivered(), "once ends without a word")
	assert.False(t, a.armed())

	a = active{mode: ActiveN, count: 2}
	assert.False(t, a.delivered())
	assert.Equal(t, active{mode: ActiveN, count: 1}, a)
	assert.True(t, a.delivered(), "the last of a count is told")
	assert.Equal(t, active{mode: Passive}, a)
}

// TestActiveProperty: whatever is set and delivered, a count is between 1 and the most
// while there is one, and 0 else; and it falls exactly when an ActiveN ends as Passive.
func TestActiveProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a active
		left := 0 // of the count, kept apart
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if a.armed() && rapid.Bool().Draw(t, "deliver") {
				counted := a.mode == ActiveN
				fell := a.delivered()
				if counted {
					left--
				}
				require.Equal(t, counted && left == 0, fell)
			} else {
				mode := ActiveMode(rapid.IntRange(int(Passive), int(ActiveN)).Draw(t, "mode"))
				n := rapid.IntRange(-70000, 70000).Draw(t, "n")
				before := a
				fell, err := a.set(mode, n)
				switch {
				case err != nil:
					require.Equal(t, before, a, "a refusal changes nothing")
					require.True(t, left+n > maxActiveCount || left+n < minActiveCount)
				case mode == ActiveN:
					left = max(0, left+n)
					require.Equal(t, left == 0, fell)
				default:
					left = 0
					require.False(t, fell)
				}
			}
			require.Equal(t, left, a.count)
			require.Equal(t, left > 0, a.mode == ActiveN)
			require.LessOrEqual(t, a.count, maxActiveCount)
		}
	})
}

func TestActiveModesOfASocket(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		client, server := w.pair(f, passive, mode(1))
		send := func(data ...string) {
			for _, d := range data {
				require.NoError(t, w.send(client, d))
			}
		}

		require.NoError(t, w.set(server, activeOnce))
		send("a", "b", "c", "d", "e")
		w.expect(server, "packet a")
		require.False(t, on(w, server.Active), "once has fired")
		w.arrived(server, 2)

		// What is pending has been reported when SetOptions returns.
		require.NoError(t, w.set(server, activeOnce))
		require.Equal(t, []string{"packet a", "packet b"}, w.sink.told(server))

		require.NoError(t, w.set(server, optN(2)))
		w.expect(server, "packet a", "packet b", "packet c", "packet d", "passive")
		require.NoError(t, w.set(server, activeTrue))
		w.expect(server, "packet a", "packet b", "packet c", "packet d", "passive", "packet e")

		require.NoError(t, w.set(server, optN(0)))
		require.NoError(t, w.set(server, optN(-7)))
		w.expect(server, "packet a", "packet b", "packet c", "packet d", "passive", "packet e", "passive", "passive")

		// Nothing, not even the end, is reported of a passive socket; then all of it.
		send("f")
		w.do(client.CloseNow)
		w.ended(server)
		require.Len(t, w.sink.told(server), 8)
		require.NoError(t, w.set(server, optN(1)))
		require.Equal(t, []string{"packet f", "passive"}, w.sink.told(server)[8:])
		require.NoError(t, w.set(server, activeOnce))
		w.expect(server, append(w.sink.told(server)[:10], "closed", "gone")...)
	})
}

func TestActiveCountsOfOneCallAddUp(t *testing.T) {
	w := newWorld(t, Config{})
	_, server := w.pair(Inet, passive)
	require.NoError(t, w.set(server, optN(5), optN(10)))
	w.do(func() {
		o, ok, err := server.GetOption(Option{Name: ActiveOption})
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, Option{Name: ActiveOption, Active: ActiveN, Int: 15}, o)
	})
	require.ErrorIs(t, w.set(server, optN(32767)), unix.EINVAL)
	require.Equal(t, 15, on(w, func() int { return server.opts.active.count }))
}

func TestPassiveOfAnOpeningSocketWaitsUntilItIsKnown(t *testing.T) {
	w := newWorld(t, Config{})
	l, at := w.listen(Inet, optN(0))
	w.expect(l, "passive")
	a := w.startAccept(l, -1, false)
	client := w.connect(Inet, at, optN(-1))
	w.expect(client, "passive")
	server := a.socket()
	w.do(func() {})
	w.expectNone(server) // passive as its listener, and without a word
	require.False(t, on(w, server.Active))
}
