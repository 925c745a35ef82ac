package quantile

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func upTo(n int) []float64 {
	var all []float64
	for i := n; i >= 1; i-- {
		all = append(all, float64(i))
	}
	return all
}

func TestOf(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		samples []float64
		q, want float64
	}{
		"the middle of five":                    {upTo(5), 0.5, 3},
		"the lower of the two in the middle":    {upTo(4), 0.5, 2},
		"the 99th of a hundred":                 {upTo(100), 0.99, 99},
		"the last of fewer than a hundred":      {upTo(99), 0.99, 99},
		"one sample is every quantile":          {[]float64{7}, 0.01, 7},
		"the least":                             {upTo(10), 0, 1},
		"the greatest":                          {upTo(10), 1, 10},
		"a share that falls on a sample's rank": {upTo(10), 0.9, 9},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Of(c.samples, c.q); got != c.want {
				t.Errorf("Of(%v, %v) = %v, want %v", c.samples, c.q, got, c.want)
			}
		})
	}
	if got := Of(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	samples := []float64{9, 1, 5}
	if got := Median(samples); got != 5 {
		t.Errorf("of three: %v", got)
	}
	if diff := cmp.Diff([]float64{9, 1, 5}, samples); diff != "" {
		t.Errorf("the samples were changed: %s", diff)
	}
	if got := Median([]float64{4, 1, 2, 9}); got != 3 {
		t.Errorf("of four: %v", got)
	}
	if got := Median(nil); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestMilliseconds(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]float64{1500, 0.25}, Milliseconds([]time.Duration{1500 * time.Millisecond, 250 * time.Microsecond})); diff != "" {
		t.Error(diff)
	}
}
