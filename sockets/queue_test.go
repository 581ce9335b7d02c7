package sockets

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestQueueKeepsItsOwnCopy(t *testing.T) {
	var q queue
	data := []byte("abc")
	q.push(data)
	data[0] = 'x'
	q.push(nil)
	require.Equal(t, 3, q.octets)
	require.Equal(t, [][]byte{[]byte("abc")}, q.gather(nil, 16))
	q.took(3)
	require.True(t, q.empty())
	require.Nil(t, q.ring, "an empty queue holds nothing")
}

func TestQueueSharesSegmentsAmongSmallPieces(t *testing.T) {
	var q queue
	for range 1000 {
		q.push([]byte("abc"))
	}
	require.Equal(t, 1, q.segments)
	require.Equal(t, 3000, q.octets)
}

func TestQueueGathersUpToAFile(t *testing.T) {
	var q queue
	f := &fileSend{}
	q.push([]byte("before"))
	q.pushFile(f)
	q.push([]byte("behind"))
	require.Equal(t, 12, q.octets, "files do not count")
	require.Equal(t, [][]byte{[]byte("before")}, q.gather(nil, 16))
	q.took(6)
	require.Same(t, f, q.front().file)
	require.Empty(t, q.gather(nil, 16))
	q.drop()
	require.Equal(t, [][]byte{[]byte("behind")}, q.gather(nil, 16))
}

// TestQueueProperty: however it is pushed and taken, the octets come out as they went in.
func TestQueueProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []byte
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") {
				n := rapid.SampledFrom([]int{0, 1, 7, 100, 4000, 5000}).Draw(t, "n")
				data := bytes.Repeat([]byte{byte(rapid.IntRange(0, 255).Draw(t, "octet"))}, n)
				q.push(data)
				model = append(model, data...)
			} else if len(model) > 0 {
				most := rapid.IntRange(1, 16).Draw(t, "most")
				all := bytes.Join(q.gather(nil, most), nil)
				require.NotEmpty(t, all)
				require.Equal(t, model[:len(all)], all)
				n := rapid.IntRange(0, len(all)).Draw(t, "took")
				q.took(n)
				model = model[n:]
			}
			require.Equal(t, len(model), q.octets)
			require.Equal(t, len(model) == 0, q.empty())
		}
	})
}
