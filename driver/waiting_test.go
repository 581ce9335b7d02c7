package driver

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever the number of calls that wait, each is found, and none of those that are answered.
func TestWaitingCalls(t *testing.T) {
	d := &Session{}
	find := func(tag string) *call {
		for k := d.waiting.first([]byte(tag)); k != nil; k = k.next {
			if string(k.tag) == tag {
				return k
			}
		}
		return nil
	}
	const n = 10_000
	for i := range n {
		k := &call{d: d, tag: []byte(strconv.Itoa(i))}
		k.wait(nil, nil)
	}
	longest := 0
	for _, k := range d.waiting.lists {
		length := 0
		for ; k != nil; k = k.next {
			length++
		}
		longest = max(longest, length)
	}
	require.Less(t, longest, 50, "a table, and not a list")
	for i := 0; i < n; i += 2 {
		find(strconv.Itoa(i)).answered()
	}
	for i := range n {
		require.Equal(t, i%2 == 1, find(strconv.Itoa(i)) != nil, i)
	}
	for i := 1; i < n; i += 2 {
		find(strconv.Itoa(i)).answered()
	}
	require.Zero(t, d.waiting.count)
	require.Len(t, d.waiting.lists, fewCalls)
}

// Very many acceptors wait, and are withdrawn, the latest first.
func TestManyCallsAreWithdrawn(t *testing.T) {
	p := greeted(t)
	id := p.open("{listen, inet, {loopback, 0}, []}")
	const n = 2000
	for i := range n {
		p.send("{call, %d, {accept, %d, infinity}}", i, id)
	}
	for i := range n {
		p.send("{cancel, %d}", n-1-i)
	}
	for i := range n {
		require.Equal(t, fmt.Sprintf("{reply,%d,{error,cancelled}}", n-1-i), p.next())
	}
}
