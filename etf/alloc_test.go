//go:build !purego

package etf

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNothingIsAllocatedOnTheWay(t *testing.T) {
	term, err := Parse(`{tcp,'é',-7,123456789,1.5,<<"data">>,"string",[a,b|c],#{a => 1,<<"k">> => 2,3 => [x]},#Pid<a@b.1.2.3>,fun m:f/1,18446744073709551615}`)
	require.NoError(t, err)
	data, err := Marshal(term)
	require.NoError(t, err)
	var total int
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		s := NewScanner(data)
		s.Version()
		s.TupleHeader()
		total += len(s.Atom()) + len(s.Atom()) + int(s.Int()) + int(s.Int()) + int(s.Float()) + len(s.Binary()) + len(s.String())
		for range s.ListHeader() {
			s.Atom()
		}
		s.Atom()
		for range s.MapHeader() {
			s.Skip()
			s.Raw()
		}
		s.Skip()
		s.Skip()
		total += int(s.Uint())
		if err := s.Finish(); err != nil {
			t.Fatal(err)
		}
	}))
	iodata, err := Append(nil, List{1, []byte("abc"), String("xyz"), ImproperList{List{2}, []byte("end")}})
	require.NoError(t, err)
	dst := make([]byte, 0, 100)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		s := NewScanner(iodata)
		dst = s.AppendIOData(dst[:0])
	}))
	for _, p := range payloads() {
		if p.name == "nested_map" {
			continue // of more than 32 keys: they are sorted to find one that comes twice
		}
		data, err := Marshal(p.term)
		require.NoError(t, err)
		assert.Zero(t, testing.AllocsPerRun(10, func() {
			s := NewScanner(data)
			s.Version()
			s.Skip()
		}), p.name)
		buf := make([]byte, 0, len(data))
		assert.Zero(t, testing.AllocsPerRun(10, func() { buf, _ = Append(buf[:0], p.term) }), p.name)
	}
}

// One allocation for each compound term or big value is the promise; a few for
// a whole message is what comes of it.
func TestDecodeAllocatesLittle(t *testing.T) {
	for _, p := range payloads() {
		data, err := Marshal(p.term)
		require.NoError(t, err)
		compounds := 0
		anyTerm(p.term, func(t Term) bool {
			switch t.(type) {
			case Tuple, List, Map, Pid, Ref, []byte:
				compounds++
			}
			return false
		})
		allocs := testing.AllocsPerRun(10, func() { _, _ = Decode(data) })
		assert.LessOrEqual(t, allocs, float64(max(compounds, 4)), p.name)
	}
}
