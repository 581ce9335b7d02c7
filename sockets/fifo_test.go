package sockets

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestFifoProperty compares with a slice, in which each step looks at all of them.
func TestFifoProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f fifo[int, int]
		var model []int
		var places []*place[int, int]
		for step := range rapid.IntRange(1, 100).Draw(t, "steps") {
			key := step + 1
			switch what := rapid.IntRange(0, 4).Draw(t, "what"); {
			case what < 2:
				places = append(places, f.add(key, key))
				model = append(model, key)
			case len(model) == 0:
			case what == 2:
				require.Equal(t, model[0], f.take())
				model = model[1:]
			default:
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				p := f.find(model[i])
				require.Equal(t, model[i], p.value)
				if what == 3 {
					f.remove(p)
					f.remove(p)
					model = slices.Delete(model, i, i+1)
				} else {
					places = append(places, f.addBehind(p, key, key))
					model = slices.Insert(model, i+1, key)
				}
			}
			require.Equal(t, len(model), f.count)
			var all []int
			for p := f.first; p != nil; p = p.next {
				all = append(all, p.value)
			}
			require.Equal(t, model, append(model[:0:0], all...))
			var back []int
			for p := f.last; p != nil; p = p.prev {
				back = append(back, p.value)
			}
			slices.Reverse(back)
			require.Equal(t, all, back)
			for _, p := range places {
				require.Equal(t, slices.Contains(model, p.value), p.in)
			}
		}
	})
}
