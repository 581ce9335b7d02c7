package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSummarize(t *testing.T) {
	tests := map[string]struct {
		values []float64
		want   summary
		ok     bool
	}{
		"none":          {nil, summary{}, false},
		"one":           {[]float64{3}, summary{3, 3, 3}, true},
		"odd, unsorted": {[]float64{9, 1, 4}, summary{4, 1, 9}, true},
		"even":          {[]float64{4, 1, 2, 9}, summary{3, 1, 9}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := summarize(test.values)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.ok, ok)
		})
	}
}

func TestRatiosPairRounds(t *testing.T) {
	over := []sample{{1, 10}, {2, 30}, {4, 8}}
	under := []sample{{1, 5}, {3, 1}, {4, 16}, {2, 0}}
	assert.Equal(t, []float64{2, 0.5}, ratios(over, under), "round 3 has one side only, and nothing is divided by 0")
}
