package etf

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHotMessagesTakeNoAllocation(t *testing.T) {
	pid := AppendPid(nil, Pid{Node: "a@b", ID: 1, Serial: 2, Creation: 3})
	payload := make([]byte, 1024)
	dst := make([]byte, 0, 4096)
	var msg []byte
	appendData := func() {
		msg = AppendBinary(AppendInt(AppendAtom(AppendTupleHeader(AppendVersion(dst[:0]), 3), "tcp"), 17), payload)
		msg = AppendRaw(msg, pid)
	}
	appendData()
	assert.Zero(t, testing.AllocsPerRun(100, appendData))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		s := NewScanner(msg)
		s.Version()
		s.TupleHeader()
		name, id, data := s.Atom(), s.Int(), s.Binary()
		raw := s.Raw()
		if string(name) != "tcp" || id != 17 || len(data) != 1024 || len(raw) != len(pid) || s.Finish() != nil {
			t.Fatal("misread", s.Err())
		}
	}))
}

func TestIntegersReadBackAtEveryBoundary(t *testing.T) {
	for _, v := range []int64{0, 1, 255, 256, -1, -255, math.MaxInt32, math.MaxInt32 + 1, math.MinInt32, math.MinInt32 - 1, math.MaxInt64, math.MinInt64} {
		s := NewScanner(AppendInt(nil, v))
		assert.Equal(t, v, s.Int())
		require.NoError(t, s.Finish())
		s = NewScanner(AppendBigInt(nil, big.NewInt(v)))
		assert.Zero(t, s.BigInt().Cmp(big.NewInt(v)))
		require.NoError(t, s.Finish())
	}
	for _, v := range []uint64{0, 255, 1 << 31, 1 << 63, math.MaxUint64} {
		s := NewScanner(AppendUint(nil, v))
		assert.Equal(t, v, s.Uint())
		require.NoError(t, s.Finish())
	}
	// Between -2^64 and -2^63 lie 8-byte integers that no int64 holds.
	for _, text := range []string{"-18446744073709551615", "-9223372036854775809", "9223372036854775808"} {
		v, _ := new(big.Int).SetString(text, 10)
		enc := AppendBigInt(nil, v)
		s := NewScanner(enc)
		assert.Equal(t, text, s.BigInt().String())
		require.NoError(t, s.Finish())
		s = NewScanner(enc)
		assert.Zero(t, s.Int())
		assert.ErrorIs(t, s.Err(), ErrRange)
	}
}
