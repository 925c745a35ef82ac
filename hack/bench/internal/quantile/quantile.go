// Package quantile sums samples up. It is pure.
package quantile

import (
	"math"
	"slices"
	"time"
)

// Of is the smallest sample that a share q of all samples, 0 to 1, does not exceed: the nearest rank, which is always a
// value that was measured. It is NaN without samples.
func Of(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Median is the middle sample, or the mean of the two in the middle. It is NaN without samples.
func Median(samples []float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Milliseconds are durations as samples.
func Milliseconds(durations []time.Duration) []float64 {
	samples := make([]float64, 0, len(durations))
	for _, d := range durations {
		samples = append(samples, float64(d)/float64(time.Millisecond))
	}
	return samples
}
