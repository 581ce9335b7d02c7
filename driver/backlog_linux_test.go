package driver

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// However pieces are pushed and taken, what comes out is what went in, in order, and none of it has
// been moved.
func TestBacklogMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q backlog
		var in, out int // octets, whose values count up
		var memory []*byte
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") {
				b := make([]byte, rapid.IntRange(0, 100).Draw(t, "size"))
				for i := range b {
					b[i] = byte(in)
					memory = append(memory, &b[i])
					in++
				}
				q.push(b)
			}
			front := 0
			for _, b := range q.front(nil) {
				for i := range b {
					require.Same(t, memory[out+front], &b[i])
					require.Equal(t, byte(out+front), b[i])
					front++
				}
			}
			n := rapid.IntRange(0, front).Draw(t, "taken")
			q.took(n)
			out += n
			require.Equal(t, in-out, q.octets)
			require.Equal(t, in == out, q.empty())
			require.LessOrEqual(t, 2*q.head, len(q.pieces)+1, "places of pieces that have been written")
		}
	})
}

// blockedWriter is a messageWriter whose stdout is a pipe of one page, and the other end of that.
func blockedWriter(t testing.TB) (*bench, *os.File) {
	b := newBench(t, "[binary, {active, true}]")
	var fds [2]int
	require.NoError(t, unix.Pipe(fds[:]))
	require.NoError(t, unix.SetNonblock(fds[1], true))
	_, _ = unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, 4096)
	b.out = messageWriter{d: b.Session, fd: fds[1]}
	r := os.NewFile(uintptr(fds[0]), "stdout")
	t.Cleanup(func() { _, _ = r.Close(), unix.Close(fds[1]) })
	return b, r
}

// A long payload that stdout takes bit by bit stays where it is until it has been written, and what
// comes in the meantime waits behind it.
func TestLongPayloadsAreNotMoved(t *testing.T) {
	b, r := blockedWriter(t)
	w := &b.out
	const size = 1 << 20
	w.begin()
	w.payload(make([]byte, size))
	w.flush()
	require.True(t, w.blocked)
	require.Len(t, w.backlog.pieces, 1)
	waiting := w.backlog.front(nil)[0]
	buf := make([]byte, 2048)
	for w.backlog.octets > size/2 {
		_, err := r.Read(buf)
		require.NoError(t, err)
		b.Passive(b.s)
		w.ready()
		left := w.backlog.front(nil)[0]
		require.Same(t, &waiting[len(waiting)-len(left)], &left[0])
	}
}

// BenchmarkLongPayload is a packet of 64 MiB that the node takes 64 KiB at a time.
func BenchmarkLongPayload(b *testing.B) {
	s, r := blockedWriter(b)
	w := &s.out
	data, buf := make([]byte, 64<<20), make([]byte, 64<<10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		w.begin()
		w.payload(data)
		w.flush()
		for !w.empty() {
			_, err := r.Read(buf)
			require.NoError(b, err)
			w.ready()
		}
	}
}

// A payload that has been announced and cannot be read is filled up: the frame is whole, and so are those
// behind it.
func TestInputThatIsLostKeepsTheFrame(t *testing.T) {
	b, r := blockedWriter(t)
	b.write([]byte("all there is"))
	const size = 100_000
	require.True(t, b.Splice(b.s, size))
	b.Passive(b.s)
	b.out.flush()
	var got []byte
	var texts []string
	buf := make([]byte, 4096)
	for len(texts) < 2 {
		n, err := r.Read(buf)
		require.NoError(t, err)
		got = append(got, buf[:n]...)
		b.out.ready()
		for {
			payload, n, err := portproto.NextFrame(got, 1<<20)
			require.NoError(t, err)
			if payload == nil {
				break
			}
			term, err := etf.Decode(payload)
			require.NoError(t, err)
			for _, m := range term.(etf.List) {
				texts = append(texts, etf.Format(m))
			}
			got = got[n:]
		}
	}
	require.Empty(t, got)
	filled := etf.Format(etf.Tuple{etf.Atom("tcp"), int64(1), append([]byte("all there is"), make([]byte, size-12)...)})
	require.Equal(t, []string{filled, "{tcp_passive,1}"}, texts)
}
