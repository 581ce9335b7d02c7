package portproto_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

func TestNextFrame(t *testing.T) {
	for _, row := range []struct {
		what    string
		in      string
		payload []byte
		n       int
	}{
		{"nothing", "", nil, 0},
		{"half a length", "\x00\x00\x00", nil, 0},
		{"a length", "\x00\x00\x00\x02", nil, 6},
		{"a length and half of it", "\x00\x00\x00\x02a", nil, 6},
		{"a frame", "\x00\x00\x00\x02ab", []byte("ab"), 6},
		{"a frame and more", "\x00\x00\x00\x02abc", []byte("ab"), 6},
		{"an empty frame", "\x00\x00\x00\x00", []byte{}, 4},
		{"the longest frame", "\x00\x00\x00\x05abcde", []byte("abcde"), 9},
	} {
		payload, n, err := portproto.NextFrame([]byte(row.in), 5)
		assert.NoError(t, err, row.what)
		assert.Equal(t, row.payload, payload, row.what)
		assert.Equal(t, row.n, n, row.what)
		assert.Equal(t, len(payload), cap(payload), "%s: what is appended must not reach the next frame", row.what)
	}
}

func TestNextFrameTooLong(t *testing.T) {
	for _, length := range []uint32{6, 1 << 20, 1 << 31, 1<<32 - 1} {
		payload, _, err := portproto.NextFrame(binary.BigEndian.AppendUint32(nil, length), 5)
		var tooLong *portproto.FrameError
		require.ErrorAs(t, err, &tooLong)
		assert.Equal(t, portproto.FrameError{Length: length, Max: 5}, *tooLong)
		assert.Nil(t, payload)
	}
	_, _, err := portproto.NextFrame([]byte("\x00\x00\x00\x06"), 5)
	assert.EqualError(t, err, "portproto: a frame of 6 octets, at most 5 are allowed")
}

// All examples in one stream, cut in two at every offset, give the same frames.
func TestFramesSplitAtEveryOffset(t *testing.T) {
	var stream []byte
	var want [][]byte
	for _, e := range readExamples(t) {
		stream = append(stream, e.frame...)
		want = append(want, e.frame[portproto.FrameHeader:])
	}
	for at := range stream {
		require.Equal(t, want, readFrames(t, stream[:at], stream[at:]), "cut at %d", at)
	}
}

// readFrames takes frames off a stream that comes in chunks.
func readFrames(t require.TestingT, chunks ...[]byte) [][]byte {
	var frames [][]byte
	var pending []byte
	for _, chunk := range chunks {
		pending = append(pending, chunk...)
		for {
			payload, n, err := portproto.NextFrame(pending, portproto.DefaultMaxFrame)
			require.NoError(t, err)
			if payload == nil {
				break
			}
			frames = append(frames, payload)
			pending = pending[n:]
		}
	}
	require.Empty(t, pending)
	return frames
}

// However messages are batched, written and closed, what is written are frames whose
// messages are the ones that were put in, in order.
func TestBatchesHoldAllMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var batch portproto.Batch
		var written []byte
		var want []int
		write := func() {
			written = append(written, batch.Buf...)
			batch.Reset()
		}
		for i := range rapid.IntRange(0, 40).Draw(t, "messages") {
			size := rapid.SampledFrom([]int{0, 1, 100, 20_000, 70_000}).Draw(t, "size")
			want = append(want, size)
			batch.Begin()
			batch.Buf = portproto.AppendEvent(batch.Buf, "tcp", 3, int64(i))
			batch.Buf = etf.AppendBinaryHeader(batch.Buf, size)
			data := bytes.Repeat([]byte{byte(i)}, size)
			switch rapid.IntRange(0, 4).Draw(t, "then") {
			case 0: // the payload is written from where it lies
				batch.CloseWithout(len(data) + len(portproto.ListEnd))
				write()
				written = append(append(written, data...), portproto.ListEnd...)
			case 1:
				batch.Buf = append(batch.Buf, data...)
				batch.End()
				batch.Close()
				write()
			default:
				batch.Buf = append(batch.Buf, data...)
				batch.End()
				if !batch.Open() {
					write()
				}
			}
		}
		batch.Close()
		if batch.Open() {
			t.Fatal("a closed batch is open")
		}
		written = append(written, batch.Buf...)

		at := 0
		for _, frame := range readFrames(t, written) {
			term, err := etf.Decode(frame)
			require.NoError(t, err)
			for _, m := range term.(etf.List) {
				require.Equal(t, int64(at), m.(etf.Tuple)[1])
				require.Len(t, m.(etf.Tuple)[2], want[at])
				at++
			}
		}
		require.Equal(t, len(want), at)
	})
}

// A frame ends when it has become long, so that the node can begin with it.
func TestLongBatchesAreSeveralFrames(t *testing.T) {
	var batch portproto.Batch
	for range 200 {
		batch.Begin()
		batch.Buf = etf.AppendBinary(batch.Buf, make([]byte, 1000))
		batch.End()
	}
	batch.Close()
	frames := readFrames(t, batch.Buf)
	assert.Len(t, frames, 4)
	batch.Close()
	assert.Len(t, readFrames(t, batch.Buf), 4, "there was nothing to close")
}
