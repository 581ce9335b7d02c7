package main

import (
	"math"
	"slices"
)

// A sample is one value of a round.
type sample struct {
	Round int     `json:"round"`
	Value float64 `json:"value"`
}

// A summary is the middle and the spread of some values.
type summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func summarize(values []float64) (summary, bool) {
	if len(values) == 0 {
		return summary{}, false
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return summary{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}, true
}

func values(samples []sample) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = s.Value
	}
	return all
}

// ratios divides what two drivers reached in the same round. Both ran within a
// second or so, so that a machine that slows down for a while changes the
// absolutes and hardly the ratios.
func ratios(over, under []sample) []float64 {
	byRound := make(map[int]float64, len(under))
	for _, s := range under {
		byRound[s.Round] = s.Value
	}
	var all []float64
	for _, s := range over {
		if base, ok := byRound[s.Round]; ok && base > 0 && !math.IsNaN(s.Value) {
			all = append(all, s.Value/base)
		}
	}
	return all
}
